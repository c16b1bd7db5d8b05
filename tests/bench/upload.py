"""Uploads: large files and many small ones, on HTTP/1.1 and HTTP/2.

A measurement is the median of the rounds: MB/s, the server's seconds of CPU per GiB, its peak
memory, and curl's seconds of CPU per GiB, which tell whether the client was the brake. A peer that
answers before anything is on the disk is given twice, as it is and with an fsync of every file
behind the answers; `ratio` is ours over theirs.
"""

import json
import os
import pathlib
import shutil
import statistics
import struct
import tempfile
from dataclasses import dataclass

from curl import Cost, send
from servers import CACHE, PEERS, Stemvault, run, say, start_peers

GIB = 1 << 30


@dataclass
class Row:
    """`lots` curl processes share `files`, each with `at_once` requests under way."""

    what: str
    http: int
    files: list
    lots: int
    at_once: int
    whole: bool = False

    def total(self):
        return sum(file.stat().st_size for file in self.files)


def arguments(words):
    words.add_argument("--scale", type=int, default=1, help="so many times less of everything")
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--only", nargs="*", default=[], help="rows whose name holds all of these")
    words.add_argument("--servers", nargs="*", default=list(PEERS), choices=list(PEERS))
    words.add_argument("--pid", action="store_true", help="say our process id, for profilers")


def wave(file, size):
    """A stereo 24-bit recording of noise: no two blocks are equal, and none compresses."""
    data = size - 44
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", size - 8, b"WAVE", b"fmt ", 16, 1, 2, 48_000,
                       288_000, 6, 24, b"data", data)
    with open(file, "wb") as out:
        out.write(head)
        while data:
            step = min(data, 16 << 20)
            out.write(os.urandom(step))
            data -= step


def rows(home, asked):
    """The rows that are wanted, their files made."""
    scale = asked.scale
    one, eight, small = 2048 // scale, 512 // scale, 5000 // scale
    table = [
        (f"1 x {one} MiB", "one connection", 1, 1, one << 20, 1, 1),
        (f"1 x {one} MiB", "one connection", 2, 1, one << 20, 1, 1),
        (f"8 x {eight} MiB", "one connection a file", 1, 8, eight << 20, 8, 1),
        (f"8 x {eight} MiB", "one connection a file", 2, 8, eight << 20, 8, 1),
        (f"8 x {eight} MiB", "six streams on one connection", 2, 8, eight << 20, 1, 6),
        (f"{small} x 64 KiB", "6 connections", 1, small, 64 << 10, 2, 3),
        (f"{small} x 64 KiB", "32 streams on two connections", 2, small, 64 << 10, 2, 16),
        (f"{small} x 1 KiB-1 MiB", "32 streams on two connections", 2, small, None, 2, 16),
    ]
    wanted = []
    for size, how, http, count, length, lots, at_once in table:
        what = f"upload {size}, HTTP/{'1.1' if http == 1 else 2}, {how}"
        if all(word in what for word in asked.only):
            wanted.append((what, http, count, length, lots, at_once))
    made = {}
    for what, http, count, length, lots, at_once in wanted:
        if (count, length) not in made:
            made[count, length] = files(home / f"source-{len(made)}", count, length)
        whole = length is None or length < 1 << 20
        yield Row(what, http, made[count, length], lots, at_once, whole)


def files(folder, count, length):
    folder.mkdir()
    names = [folder / f"{nth}.bin" for nth in range(count)]
    for nth, name in enumerate(names):
        # Mixed sizes: as many of every power of two.
        wave(name, length or 1024 << (nth % 11))
    return names


def measure(asked):
    CACHE.mkdir(exist_ok=True)
    need = 20 * GIB // asked.scale + 2 * GIB
    if shutil.disk_usage(CACHE).free < need:
        raise SystemExit(f"{need >> 20} MiB of free disk are needed in {CACHE}")
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="bench-") as home:
        home = pathlib.Path(home)
        ours = Stemvault(home)
        if asked.pid:
            say(f"our process is {ours.process.pid}")
        servers = [ours]
        try:
            servers += start_peers(asked.servers, home, ours)
            for row in rows(home, asked):
                compare(row, servers, asked.rounds, ours.ca)
        finally:
            for server in servers:
                server.stop()


def compare(row, servers, rounds, ca):
    able = [server for server in servers if row.http in server.https]
    seen = {server.name: [] for server in able}
    # The first round warms everybody up and does not count.
    for nth in range(rounds + 1):
        # Nobody is always first.
        for server in able[nth % len(able):] + able[:nth % len(able)]:
            one = once(row, server, ca)
            say(f"{row.what}, round {nth}: {server.name} {one['took']:.2f} s, "
                f"synced {one['synced']:.2f} s, cpu {one['cpu']:.2f} s, curl {one['curl']:.2f} s")
            if nth:
                seen[server.name].append(one)
    report(row, able, seen)


def once(row, server, ca):
    requests = server.requests(row.files, row.whole)
    lots = [requests[nth::row.lots] for nth in range(row.lots)]
    run(["sync", "--file-system", str(CACHE)])
    cost = Cost(server.process.pid)
    took, curl = send(lots, ca, row.http, row.at_once)
    one = {"took": took, "cpu": cost.cpu(), "peak": cost.peak(), "curl": curl}
    one["synced"] = took + server.sync()
    server.drop()
    return one


def report(row, servers, seen):
    total = row.total()
    middle = lambda name, what: statistics.median(one[what] for one in seen[name])
    speed = lambda name, what: total / 1e6 / middle(name, what)
    ours = speed(servers[0].name, "synced")
    for server in servers:
        for what in ("took",) if server.durable else ("took", "synced"):
            mine = speed(server.name, what)
            print(json.dumps({
                "what": row.what, "server": server.name,
                "synced": server.durable or what == "synced", "mb_s": round(mine, 1),
                "files_s": round(len(row.files) / middle(server.name, what), 1),
                "ratio": round(ours / mine, 3),
                "cpu_s_per_gib": round(middle(server.name, "cpu") * GIB / total, 2),
                "peak_mib": round(middle(server.name, "peak")),
                "curl_cpu_s_per_gib": round(middle(server.name, "curl") * GIB / total, 2),
                "rounds": len(seen[server.name]),
            }), flush=True)
