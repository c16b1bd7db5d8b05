"""Requests that must not be, by HTTP/2 and by HTTP/1.1: prints as one line of JSON those that were
answered in another way than they have to be. Nothing hidden in a request may be answered."""

import argparse
import json
import socket
import sys

import hpack

from wire import PREFACE, Server, frame

BASE = [(":method", "GET"), (":scheme", "https"), (":path", "/healthz"), (":authority", "x")]


def instead(name, value):
    return [(known, value if known == name else was) for known, was in BASE]


def without(name):
    return [pair for pair in BASE if pair[0] != name]


# What every server has to refuse (RFC 9113, 8): the stream or the connection ends, or 4xx.
REFUSED = {
    "upper case": BASE + [("X-A", "b")],
    "connection": BASE + [("connection", "close")],
    "transfer-encoding": BASE + [("transfer-encoding", "chunked")],
    "te": BASE + [("te", "gzip")],
    "upgrade": BASE + [("upgrade", "h2c")],
    "pseudo behind": BASE + [("a", "b"), (":path", "/x")],
    "two paths": BASE + [(":path", "/x")],
    "no path": without(":path"),
    "no method": without(":method"),
    "no scheme": without(":scheme"),
    "unknown pseudo": BASE + [(":evil", "x")],
    "status": BASE + [(":status", "200")],
    "empty path": instead(":path", ""),
    "no slash": instead(":path", "healthz"),
    "line break in path": instead(":path", "/healthz\r\nX: y"),
    "NUL in path": instead(":path", "/healthz\0"),
    "line break in value": BASE + [("x", "a\r\nb: c")],
    "NUL in value": BASE + [("x", "a\0b")],
    "colon in name": BASE + [("a:b", "c")],
    "space in name": BASE + [("a b", "c")],
    "no name": BASE + [("", "c")],
    "odd method": instead(":method", "GET /x HTTP/1.1\r\n"),
    "odd authority": instead(":authority", "evil\r\nX: y"),
    "CONNECT": [(":method", "CONNECT"), (":authority", "evil:443")],
    "long head": BASE + [("x", "y" * 17_000)],
}

HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNK = b"5\r\nhello\r\n0\r\n\r\n"

# What two servers in a row could read differently: one answer at most, and the connection ends.
ONE = {
    "both lengths": (b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nX"),
    "both, the other way": (b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", b"0\r\n\r\n"),
    "two lengths": (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello"),
    "a list": (b"Content-Length: 5, 5\r\n", b"hello"),
    "a sign": (b"Content-Length: +5\r\n", b"hello"),
    "below zero": (b"Content-Length: -1\r\n", b"hello"),
    "hexadecimal": (b"Content-Length: 0x5\r\n", b"hello"),
    "a space before": (b"Content-Length : 5\r\n", b"hello"),
    "no length": (b"Content-Length: \r\n", b"hello"),
    "another coding": (b"Transfer-Encoding: xchunked\r\n", CHUNK),
    "identity": (b"Transfer-Encoding: identity\r\n", CHUNK),
    "chunked not last": (b"Transfer-Encoding: chunked, identity\r\n", CHUNK),
    "coding twice": (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", CHUNK),
    "folded": (b"Transfer-Encoding:\r\n chunked\r\n", CHUNK),
    "vertical tab": (b"Transfer-Encoding: \x0bchunked\r\n", CHUNK),
    "size below zero": (b"Transfer-Encoding: chunked\r\n", b"-5\r\nhello\r\n0\r\n\r\n"),
    "size too long": (b"Transfer-Encoding: chunked\r\n", b"ffffffffffffffff5\r\nhello\r\n0\r\n\r\n"),
    "CR in a value": (b"X: a\rb\r\n", b""),
    "NUL in a value": (b"X: a\0b\r\n", b""),
    "no colon": (b"X\r\n", b""),
}


def two(server, headers):
    """The status of an answer by HTTP/2, or how else it ended."""
    stream, encoder, decoder = server.connect("h2", 10), hpack.Encoder(), hpack.Decoder()
    head = frame(1, 5, 1, encoder.encode(headers))
    read = b""
    try:
        stream.sendall(PREFACE + frame(4, 0, 0) + frame(4, 1, 0) + head)
        while True:
            while len(read) < 9 or len(read) < 9 + int.from_bytes(read[:3], "big"):
                got = stream.recv(65536)
                if not got:
                    return "closed"
                read += got
            length, kind = int.from_bytes(read[:3], "big"), read[3]
            payload, read = read[9 : 9 + length], read[9 + length :]
            if kind == 1:
                return dict(decoder.decode(payload))[":status"]
            if kind in (3, 7):
                return "refused"
    except OSError as error:
        return type(error).__name__
    finally:
        stream.close()


def one(server, lines, body):
    """How many answers come to one request by HTTP/1.1 that hides another."""
    stream = server.connect("http/1.1", 3)
    read = b""
    try:
        stream.sendall(b"POST /u/nothing HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n" + body + HIDDEN)
        while len(read) < 1 << 20:
            got = stream.recv(65536)
            if not got:
                break
            read += got
    except (socket.timeout, OSError):
        pass
    finally:
        stream.close()
    return read.count(b"HTTP/1.1 "), b"alive" in read


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cert", required=True)
    parser.add_argument("--pid", type=int, required=True)
    args = parser.parse_args()
    server = Server(args.port, args.cert, args.pid)
    wrong = {}
    if (said := two(server, BASE)) != "200":
        wrong["plain"] = said
    for name, headers in REFUSED.items():
        said = two(server, headers)
        if said.startswith(("2", "3")):
            wrong[name] = said
    for name, (lines, body) in ONE.items():
        answers, hidden = one(server, lines, body)
        if answers > 1 or hidden:
            wrong[name] = f"{answers} answers"
    print(json.dumps({"wrong": wrong, "tried": len(REFUSED) + len(ONE)}))


if __name__ == "__main__":
    sys.exit(main())
