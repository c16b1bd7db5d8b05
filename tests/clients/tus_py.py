"""Uploads one file with tuspy as PyPI has it, and says in JSON lines what happened.

    tus_py.py ENDPOINT FILE PATH [--chunk N] [--stop-at N] [--die-at N] [--url URL] [--terminate]
               [--checksum]

ENDPOINT is an order's upload link, nothing else is known. --stop-at ends the upload in good order
after N bytes and resumes it with a new uploader; --die-at ends the process (SIGKILL) once N bytes
of a request's body have arrived at the other side; --url resumes what another process began.
Trust comes from REQUESTS_CA_BUNDLE.
"""

import argparse
import fcntl
import io
import json
import os
import signal
import struct
import termios
import time

import requests
from tusclient.client import TusClient


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def wait_until_arrived():
    """Waits until the other side's kernel has acknowledged everything this process has sent."""
    for name in os.listdir("/proc/self/fd"):
        path = "/proc/self/fd/" + name
        try:
            if os.readlink(path).startswith("socket:"):
                while struct.unpack("i", fcntl.ioctl(int(name), termios.TIOCOUTQ, b"0000"))[0]:
                    time.sleep(0.005)
        except OSError:
            pass  # closed since, or nothing that sends


class Piece:
    """The body of one request, read as it goes out; ends the process once byte `die_at` has gone."""

    def __init__(self, file, size, die_at):
        self.file, self.left, self.die_at = file, size, die_at

    def __len__(self):
        return self.left

    def __iter__(self):
        return iter(lambda: self.read(1 << 14), b"")

    def read(self, size):
        at = self.file.tell()
        if at >= self.die_at:
            wait_until_arrived()
            say("dies", sent=at)
            os.kill(os.getpid(), signal.SIGKILL)
        part = io.FileIO.read(self.file, min(size, self.left, self.die_at - at))
        self.left -= len(part)
        return part


class Mortal(io.FileIO):
    """A file whose reader does not live beyond byte `die_at`."""

    def __init__(self, path, die_at):
        super().__init__(path, "r")
        self.die_at = die_at

    def read(self, size=-1):
        return Piece(self, size, self.die_at)


def main():
    words = argparse.ArgumentParser()
    words.add_argument("endpoint")
    words.add_argument("file")
    words.add_argument("path")
    words.add_argument("--chunk", type=int, default=4 << 20)
    words.add_argument("--stop-at", type=int)
    words.add_argument("--die-at", type=int)
    words.add_argument("--url")
    words.add_argument("--terminate", action="store_true")
    words.add_argument("--checksum", action="store_true")
    asked = words.parse_args()

    client = TusClient(asked.endpoint)
    metadata = {"filename": os.path.basename(asked.path), "relativePath": asked.path}

    def uploader(url, die_at=None):
        return client.uploader(
            file_stream=open(asked.file, "rb") if die_at is None else Mortal(asked.file, die_at),
            chunk_size=asked.chunk,
            metadata=metadata,
            metadata_encoding="utf-8",
            url=url,
            retries=0,
            upload_checksum=asked.checksum,
        )

    run = uploader(asked.url, asked.die_at)
    if asked.url:
        say("resumed", offset=run.offset)
    if asked.url is None:
        run.set_url(run.create_url())
        say("url", url=run.url)
    if asked.stop_at is not None:
        run.upload(stop_at=asked.stop_at)
        say("stopped", sent=run.offset, url=run.url)
        run = uploader(run.url)
        say("resumed", offset=run.offset)
    run.upload()
    head = requests.head(run.url, headers={"Tus-Resumable": "1.0.0"}, timeout=60)
    say("done", url=run.url, hash=head.headers.get("Stemvault-Hash"))
    if asked.terminate:
        gone = requests.delete(run.url, headers={"Tus-Resumable": "1.0.0"}, timeout=60)
        say("terminated", url=run.url, status=gone.status_code)


if __name__ == "__main__":
    main()
