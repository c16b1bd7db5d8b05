"""Ways to a server for whoever means no good: raw TLS, frames of HTTP/2, plain requests, and what it
costs the server. For a server of one's own on this machine; every loop ends."""

import base64
import http.client
import os
import socket
import ssl
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
TUS = {"Tus-Resumable": "1.0.0"}
OCTETS = {"Content-Type": "application/offset+octet-stream"}


class Server:
    def __init__(self, port, cert, pid):
        self.port, self.cert, self.pid = port, cert, pid
        self.contexts = {}

    def context(self, protocol):
        if protocol not in self.contexts:
            context = ssl.create_default_context(cafile=self.cert)
            context.set_alpn_protocols([protocol])
            self.contexts[protocol] = context
        return self.contexts[protocol]

    def connect(self, protocol="http/1.1", patience=20):
        stream = socket.create_connection(("127.0.0.1", self.port), timeout=patience)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.context(protocol).wrap_socket(stream, server_hostname="localhost")

    def deaf(self, requests):
        """A connection whose client can take nothing of these GETs."""
        stream = self.connect("h2", 10)
        window = struct.pack(">HI", 4, 0)
        asked = b"".join(frame(1, 5, 1 + 2 * at, get(path)) for at, path in enumerate(requests))
        stream.sendall(PREFACE + frame(4, 0, 0, window) + frame(4, 1, 0) + asked)
        return stream

    def http(self):
        return Http(self)

    def memory(self):
        """MiB that it holds now."""
        for line in open(f"/proc/{self.pid}/status"):
            if line.startswith("VmRSS"):
                return int(line.split()[1]) // 1024

    def cpu(self):
        """Seconds that it has worked."""
        fields = open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Http:
    """Requests one after another on one connection, which is made anew when it has to be."""

    def __init__(self, server):
        self.server, self.connection = server, None

    def ask(self, method, path, headers=None, body=None):
        for again in (False, True):
            try:
                if self.connection is None:
                    context = self.server.context("http/1.1")
                    self.connection = http.client.HTTPSConnection(
                        "localhost", self.server.port, context=context, timeout=60
                    )
                self.connection.request(method, path, body=body, headers=headers or {})
                answer = self.connection.getresponse()
                read = answer.read()
                if answer.will_close:
                    self.connection.close()
                    self.connection = None
                headers = {name.lower(): value for name, value in answer.getheaders()}
                return answer.status, headers, read
            except (http.client.HTTPException, OSError):
                self.connection = None
                if again:
                    raise

    def create(self, link, name, length):
        said = {"Upload-Length": str(length), "Upload-Metadata": "filename " + b64(name.encode())}
        status, headers, read = self.ask("POST", link, {**TUS, **said, "Content-Length": "0"})
        assert status == 201, (status, read)
        return headers["location"]

    def patch(self, at, offset, body, more=None):
        headers = {**TUS, **OCTETS, "Upload-Offset": str(offset), **(more or {})}
        return self.ask("PATCH", at, headers, body)


def b64(data):
    return base64.b64encode(data).decode()


def frame(kind, flags, stream, payload=b""):
    head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags])
    return head + struct.pack(">I", stream) + payload


def text(value):
    if len(value) < 127:
        return bytes([len(value)]) + value
    rest = len(value) - 127
    return bytes([127, rest & 127 | 128, rest >> 7]) + value


def get(path, method=0x82):
    """The head of a request, without a table: GET, or what else the static table has."""
    return bytes([method, 0x87, 0x04]) + text(path.encode()) + b"\x01" + text(b"localhost")


def size(folder):
    """Bytes of all files below."""
    found = 0
    for at, _, names in os.walk(folder):
        for name in names:
            try:
                found += os.path.getsize(os.path.join(at, name))
            except FileNotFoundError:
                pass
    return found


def until(holds, patience=30):
    """Whether it holds before patience is over."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.1)
    return holds()
