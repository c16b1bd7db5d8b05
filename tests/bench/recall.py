"""Ranges of a recalled file, straight from the archive: how long until the first byte.

One file of real recordings under a WAV header, archived and released; then requests for 1 MiB at
random places over one HTTPS connection that stays open, from the first byte of the request sent to
the first byte of the body. The blocks are in the page cache: what is measured is our own work.
"""

import http.client
import json
import pathlib
import random
import shutil
import ssl
import struct
import tempfile
import time
import urllib.parse

from curl import send
from download import source
from servers import CACHE, NUMBER, Stemvault, say

PART = 1 << 20


def arguments(words):
    words.add_argument("--megabytes", type=int, default=2048)
    words.add_argument("--requests", type=int, default=400)


def under_header(stems, file, size):
    """A WAV of 24-bit stereo that holds these bytes."""
    with open(file, "wb") as out:
        out.write(b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " +
                  struct.pack("<IHHIIHH", 16, 1, 2, 48000, 288000, 6, 24) +
                  b"data" + struct.pack("<I", size))
        with open(stems, "rb") as samples:
            shutil.copyfileobj(samples, out, 16 << 20)


def archived(ours, home, size):
    """The address of one archived and recalled file."""
    whole = size - size % 6
    stems, file = source(home, whole), home / "recall.wav"
    under_header(stems, file, whole)
    stems.unlink()
    send([ours.requests([file], False)], ours.ca, 1, 1)
    session = ours.post(f"orders/{NUMBER}/submit", kind="material")
    at = f"orders/{NUMBER}/sessions/{session['session']}"
    ours.post(f"{at}/accept", reason="measured")
    ours.post(f"orders/{NUMBER}/complete")
    began = time.monotonic()
    runs = ours.post("retention/run")["runs"]
    say(f"archived in {time.monotonic() - began:.1f} s: {runs[0]['orders'][0]['detail']}")
    ours.post("clock", advance="91d")
    while ours.api(f"orders/{NUMBER}")["stage"] != "released":
        ours.post("retention/run", allow_many=True)
        ours.post("clock", advance="5m")
    ours.post(f"orders/{NUMBER}/recall")
    return f"/api/v1/{at}/files/{session['files'][0]['path']}", file.stat().st_size


def measure(asked):
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="bench-") as home:
        home = pathlib.Path(home)
        ours = Stemvault(home, "--demo-clock")
        try:
            path, length = archived(ours, home, asked.megabytes << 20)
            report(asked, ours, path, length)
        finally:
            ours.stop()


def report(asked, ours, path, length):
    base = urllib.parse.urlsplit(ours.base)
    trust = ssl.create_default_context(cafile=ours.ca)
    door = http.client.HTTPSConnection(base.hostname, base.port, context=trust)
    name, _, token = ours.token.partition(": ")
    chance = random.Random(5)
    firsts, wholes = [], []
    # The first ones open the connection and read the index, and do not count.
    for nth in range(asked.requests + 5):
        start = chance.randrange(length - PART)
        began = time.monotonic()
        door.request("GET", path, headers={name: token, "Range": f"bytes={start}-{start + PART - 1}"})
        answer = door.getresponse()
        if answer.status != 206:
            raise SystemExit(f"{answer.status}: {answer.read()}")
        got = len(answer.read(1))
        first = time.monotonic() - began
        got += len(answer.read())
        if got != PART:
            raise SystemExit(f"{got} bytes instead of {PART}")
        if nth == 0:
            say(f"the very first: {first * 1000:.1f} ms")
        if nth >= 5:
            firsts.append(first)
            wholes.append(time.monotonic() - began)
    at = lambda times, share: round(sorted(times)[int(len(times) * share)] * 1000, 1)
    print(json.dumps({"what": f"1 MiB at random of {asked.megabytes} MiB from the archive",
                      "first_byte_p50": at(firsts, 0.5), "first_byte_p99": at(firsts, 0.99),
                      "whole_p50": at(wholes, 0.5), "whole_p99": at(wholes, 0.99),
                      "unit": "ms", "requests": asked.requests}), flush=True)
