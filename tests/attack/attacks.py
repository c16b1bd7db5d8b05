"""Attacks on a running server, each with what it measured as one line of JSON.

    attacks.py NAME --port P --cert PEM --pid PID [--link /u/...] [--other /u/...] [--bucket FOLDER]

The bounds stand in tests/tests/long_attacks.rs. Read wire.py first."""

import argparse
import json
import os
import select
import struct
import threading
import time
import zlib

from wire import OCTETS, PREFACE, TUS, Server, b64, frame, get, size, until


def hold_places(server, args):
    """Every place of max_connections, each with an answer that is not taken: does anybody get in?"""
    held = []
    for _ in range(args.count):
        try:
            held.append(server.deaf(["/healthz"]))
        except OSError:
            break
    answered, longest = 0, 0.0
    for _ in range(3):
        began = time.monotonic()
        try:
            stream = server.connect(patience=20)
            stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answered += stream.recv(100).startswith(b"HTTP/1.1 200")
            stream.close()
        except OSError:
            pass
        longest = max(longest, time.monotonic() - began)

    def left():
        return sum(is_open(stream) for stream in held)

    def is_open(stream):
        stream.setblocking(False)
        try:
            while True:
                got = stream.recv(65536)
                if not got:
                    return False
                # RST_STREAM: the answer is given up, and the connection is idle.
                if any(kind == 3 for kind in kinds(got)):
                    return False
        except (BlockingIOError, OSError) as error:
            return "WANT_READ" in str(error) or isinstance(error, BlockingIOError)

    until(lambda: left() == 0, args.patience)
    return {"held": len(held), "answered": answered, "longest": longest, "stuck": left()}


def kinds(data):
    while len(data) >= 9:
        yield data[3]
        data = data[9 + int.from_bytes(data[:3], "big") :]


def hold_downloads(server, args):
    """Many answers of large files at once, of which nothing is taken."""
    before = server.memory()
    held = [server.deaf([args.path] * 100) for _ in range(4)]
    peak = 0

    def settled():
        nonlocal peak
        worked = server.cpu()
        time.sleep(1)
        peak = max(peak, server.memory())
        return server.cpu() - worked < 0.05

    until(settled, 20)
    alive = server.http().ask("GET", "/healthz")[0]
    for stream in held:
        stream.close()
    return {"before": before, "peak": peak, "alive": alive}


def checked_bodies(server, args):
    """Bodies whose sum is wrong, and bodies that break off: what stays in the store."""
    http = server.http()
    at = http.create(args.link, "left.bin", 60_000_000)
    before, length, statuses, most = size(args.bucket), 40_000_000, [], 0
    for nth in range(4):
        body = os.urandom(length)
        if nth % 2:
            stream = server.connect()
            head = f"PATCH {at} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
            head += f"Upload-Checksum: sha1 {b64(bytes(20))}\r\nContent-Length: {length}\r\n"
            head += "Content-Type: application/offset+octet-stream\r\n\r\n"
            stream.sendall(head.encode() + body[:-10])
            stream.close()
        else:
            sum_ = {"Upload-Checksum": f"sha1 {b64(bytes(20))}"}
            statuses.append(http.patch(at, 0, body, sum_)[0])
        until(lambda: size(args.bucket) - before < 1_000_000)
        most = max(most, size(args.bucket) - before)
    # The link has room for so many unfinished files only.
    http.ask("DELETE", at, TUS)
    return {"statuses": statuses, "kept": most}


def checked_turns(server, args):
    """One link holds bodies with a checksum open; does another's body get its turn?"""
    http, held = server.http(), []
    for nth in range(16):
        at = http.create(args.link, f"turn {nth}.bin", 1_000_000)
        stream = server.connect()
        head = f"PATCH {at} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        head += "Upload-Checksum: crc32 AAAAAA==\r\nContent-Length: 1000000\r\n"
        head += "Content-Type: application/offset+octet-stream\r\n\r\nx"
        stream.sendall(head.encode())
        held.append((stream, at))
    time.sleep(1)
    body = b"hello"
    sum_ = {"Upload-Checksum": "crc32 " + b64(zlib.crc32(body).to_bytes(4, "big"))}
    began = time.monotonic()
    other = server.http()
    status = other.patch(other.create(args.other, "victim.txt", 5), 0, body, sum_)[0]
    took = time.monotonic() - began
    for stream, at in held:
        stream.close()
        http.ask("DELETE", at, TUS)
    return {"status": status, "took": took}


def dear_answers(server, args):
    """HEAD of a long state by eight at once: what it takes of the machine, and from everybody else."""
    http = server.http()
    for nth in range(args.count):
        http.create(args.link, f"{'y' * 150}/{'x' * 200} {nth}.txt", 0)
    began, costs, told, waits = time.monotonic(), [], [], []
    end = began + 8

    def one():
        own = server.http()
        while time.monotonic() < end:
            status, headers, _ = own.ask("HEAD", args.link + "/state")
            if status == 429:
                told.append(int(headers["retry-after"]))
                time.sleep(0.05)
            else:
                # What the server has put together for it, in the pieces that it counts.
                costs.append(int(headers["content-length"]) // 2048)

    worked = server.cpu()
    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    other = server.http()
    while time.monotonic() < end:
        asked = time.monotonic()
        assert other.ask("GET", args.other + "/uploads")[0] == 200
        waits.append(time.monotonic() - asked)
        time.sleep(0.2)
    for thread in threads:
        thread.join()
    return {
        "answered": len(costs),
        "told": len(told),
        "cpu": server.cpu() - worked,
        "worst": max(waits),
        "cost": sum(costs),
        "dearest": max(costs),
        "elapsed": time.monotonic() - began,
    }


def ranges(server, args):
    """Single bytes of large blocks."""
    http, answered, told = server.http(), 0, 0
    worked, began = server.cpu(), time.monotonic()
    asked = range(0, 60_000_000, 4 << 20)
    wanted = ",".join(f"{at}-{at}" for at in asked)
    while time.monotonic() < began + 8:
        status, _, _ = http.ask("GET", args.path, {"Range": f"bytes={wanted}"})
        answered += status == 206
        told += status == 429
        if status == 429:
            time.sleep(0.05)
    # A block has 4 MiB, of which 64 KiB are counted as one.
    cost = (len(asked) - 1) * 63
    return {
        "answered": answered,
        "told": told,
        "cpu": server.cpu() - worked,
        "cost": answered * cost,
        "dearest": cost,
        "elapsed": time.monotonic() - began,
    }


def tiny_patches(server, args):
    """One byte a request, behind the start of an unfinished block."""
    http, start, sent = server.http(), 3_900_000, 0
    at = http.create(args.link, "tiny.bin", 100_000_000)
    assert http.patch(at, 0, os.urandom(start))[0] == 204
    written = io(server, "write_bytes")
    while sent < 200:
        status, headers, _ = http.patch(at, start + sent, b"x")
        if status == 429:
            time.sleep(int(headers["retry-after"]))
        else:
            assert status == 204, status
            sent += 1
    return {"written": (io(server, "write_bytes") - written) // sent}


def io(server, name):
    for line in open(f"/proc/{server.pid}/io"):
        if line.startswith(name):
            return int(line.split()[1])


def join_again(server, args):
    """One part, named many times: bytes that the server reads for bytes that were sent."""
    http = server.http()
    part = {"Upload-Concat": "partial", "Upload-Length": "5000000", "Content-Length": "0"}
    at = http.ask("POST", args.link, {**TUS, **part})[1]["location"]
    assert http.patch(at, 0, os.urandom(5_000_000))[0] == 204
    statuses = []
    for nth in range(8):
        times = 100 if nth == 0 else 1
        final = "final;" + " ".join([at.rsplit("/", 1)[1]] * times)
        said = {"Upload-Concat": final, "Upload-Metadata": "filename " + b64(b"%d.bin" % nth)}
        status, _, _ = http.ask("POST", args.link, {**TUS, **said, "Content-Length": "0"})
        statuses.append(status)
    return {"statuses": statuses}


def floods(server, args):
    """Frames that ask for nothing and cost something, for some seconds each."""
    path = get("/u/nothing", 0x83)
    reset = struct.pack(">I", 8)

    def rapid():
        at = 1
        while True:
            streams = range(at, at + 200, 2)
            at += 200
            yield b"".join(frame(1, 4, to, path) + frame(3, 0, to, reset) for to in streams)

    def made():
        at = 1
        while True:
            streams = range(at, at + 100, 2)
            at += 100
            zero = struct.pack(">I", 0)
            yield b"".join(frame(1, 5, to, get("/u/x")) + frame(8, 0, to, zero) for to in streams)

    def continuation():
        yield frame(1, 1, 1, get("/healthz"))
        while True:
            yield frame(9, 0, 1) * 500

    def always(data, first=b""):
        def flood():
            yield first
            while True:
                yield data * 500

        return flood

    begun = frame(1, 4, 1, path)
    kinds = {
        "rapid reset": rapid,
        "made to reset": made,
        "continuation": continuation,
        "empty data": always(frame(0, 0, 1), begun),
        "ping": always(frame(6, 0, 0, b"12345678")),
        "priority": always(frame(2, 0, 3, struct.pack(">IB", 0, 1))),
        "resets": always(frame(3, 0, 1, reset), frame(1, 5, 1, get("/healthz"))),
        "settings": always(frame(4, 0, 0, struct.pack(">HI", 4, 65535))),
        "window": always(frame(8, 0, 0, struct.pack(">I", 1)), begun),
    }
    found = {}
    for name, kind in kinds.items():
        stream = server.connect("h2", 5)
        stream.sendall(PREFACE + frame(4, 0, 0) + frame(4, 1, 0))
        worked, sent, end, ended = server.cpu(), 0, time.monotonic() + 3, False
        for data in kind():
            try:
                stream.sendall(data)
                sent += len(data)
                while select.select([stream], [], [], 0)[0]:
                    if not stream.recv(1 << 20):
                        raise ConnectionResetError
            except OSError:
                ended = True
            if ended or time.monotonic() > end:
                break
        # While it still holds its connection.
        alive = server.http().ask("GET", "/healthz")[0]
        stream.close()
        cpu = server.cpu() - worked
        found[name] = {"ended": ended, "cpu": cpu, "sent": sent, "alive": alive}
    return {"floods": found, "memory": server.memory()}


ATTACKS = {
    attack.__name__: attack
    for attack in [
        hold_places,
        hold_downloads,
        checked_bodies,
        checked_turns,
        dear_answers,
        ranges,
        tiny_patches,
        join_again,
        floods,
    ]
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=ATTACKS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cert", required=True)
    parser.add_argument("--pid", type=int, required=True)
    for word in ("--link", "--other", "--path", "--bucket"):
        parser.add_argument(word)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--patience", type=float, default=30)
    args = parser.parse_args()
    server = Server(args.port, args.cert, args.pid)
    print(json.dumps(ATTACKS[args.name](server, args)))


if __name__ == "__main__":
    main()
