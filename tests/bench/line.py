"""How much of a long line is used: one large file and many small ones, by curl and by `push`, and a
download, all through `delay.py`.

A measurement is the median of the rounds: `of_line` is the bytes of the files over what the line carries
in the time that the whole command takes, handshakes, questions and the last answer included. Of 1 only a
line without length could be all used.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from curl import send
from download import link
from servers import CACHE, HERE, NUMBER, PEERS, Stemvault, say, start_peers
from upload import wave

SMALL = 64 << 10


def arguments(words):
    words.add_argument("--milliseconds", type=float, default=120, help="there and back")
    words.add_argument("--mbit", type=float, default=600)
    words.add_argument("--seconds", type=float, default=10, help="of a full line, a row")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--only", nargs="*", default=[], help="rows whose name holds all of these")
    words.add_argument("--servers", nargs="*", default=["nginx", "tusd"], choices=list(PEERS))


@contextmanager
def line_to(base, asked):
    """The address `base` at the other end of the line."""
    at = urlsplit(base)
    words = [sys.executable, HERE / "delay.py", at.port, asked.milliseconds, asked.mbit]
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline())
        yield at._replace(netloc=f"127.0.0.1:{port}").geturl()
    finally:
        process.kill()
        process.wait()


def ran(words, **more):
    began = time.monotonic()
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, **more)
    took = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"{words[1]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    for word in ("trying again", "resumed"):
        if word in done.stderr:
            say(f"  {words[1]} said {word!r}")
    return took


class Rows:
    """What is measured; each row takes seconds by our server, and by a peer where it can."""

    def __init__(self, home, asked):
        self.home, self.asked = home, asked
        total = int(asked.mbit * 1e6 / 8 * asked.seconds)
        self.large = home / "large.wav"
        wave(self.large, total)
        self.folder = home / "small"
        self.folder.mkdir()
        self.small = []
        for nth in range(total // SMALL):
            file = self.folder / f"{nth:05}.wav"
            wave(file, SMALL)
            self.small.append(file)
        self.program = os.environ.get("STEMVAULT_BIN") or HERE.parents[1] / "target/release/stemvault"

    def all(self):
        rows = {}
        for http in (1, 2):
            name = {1: "HTTP/1.1", 2: "HTTP/2"}[http]
            rows[f"upload of one file, {name}"] = (self.large, self.curl([self.large], False, http, 1))
            rows[f"download of one file, {name}"] = (self.large, self.download(http))
        rows["upload of files of 64 KiB, HTTP/2, 100 streams"] = (
            self.folder, self.curl(self.small, True, 2, 100))
        rows["push of one file"] = (self.large, self.push(self.large))
        rows["push of files of 64 KiB"] = (self.folder, self.push(self.folder))
        wanted = {name: row for name, row in rows.items()
                  if all(word in name for word in self.asked.only)}
        return wanted

    def curl(self, files, whole, http, at_once):
        def took(server, ca):
            if http not in server.https:
                return None
            requests = server.requests(files, whole)
            with line_to(server.base, self.asked) as far:
                far = urlsplit(far).netloc
                there = [replace(one, url=urlsplit(one.url)._replace(netloc=far).geturl())
                         for one in requests]
                return send([there], ca, http, at_once)[0]
        return took

    def push(self, what):
        def took(server, ca):
            if not isinstance(server, Stemvault):
                return None
            made = server.api(f"orders/{NUMBER}/links", scope="upload")["url"]
            with line_to(server.base, self.asked) as far:
                to = urlsplit(made)._replace(netloc=urlsplit(far).netloc).geturl()
                return ran([self.program, "push", what, "--to", to, "--anyway", "--ca", ca],
                           env={**os.environ, "STEMVAULT_DATA_DIR": str(self.home / "nothing")})
        return took

    def download(self, http):
        def took(server, ca):
            if isinstance(server, Stemvault):
                # Sealed in an order of its own, once: what is sealed cannot be removed.
                if not hasattr(server, "sealed"):
                    number = "2026-0118"
                    server.api("orders", number=number, client="bench")
                    send([server.requests([self.large], False, number)], ca, 1, 1)
                    server.sealed = link(server, number)
                url = server.sealed
            elif server.name.startswith("nginx"):
                send([server.requests([self.large], False)], ca, 1, 1)
                url = f"{server.base}/0.bin"
            else:
                return None
            with line_to(server.base, self.asked) as far:
                there = urlsplit(url)._replace(netloc=urlsplit(far).netloc).geturl()
                version = "--http1.1" if http == 1 else "--http2"
                return ran(["curl", "--silent", "--fail", version, "--cacert", ca, "--output",
                            "/dev/null", there])
        return took


def size_of(what):
    files = what.iterdir() if what.is_dir() else [what]
    return sum(file.stat().st_size for file in files)


def measure(asked):
    CACHE.mkdir(exist_ok=True)
    needed = int(asked.mbit * 1e6 / 8 * asked.seconds) * 8 + (2 << 30)
    if shutil.disk_usage(CACHE).free < needed:
        raise SystemExit(f"{needed >> 20} MiB of free disk are needed in {CACHE}")
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="bench-") as home:
        home = pathlib.Path(home)
        ours = Stemvault(home)
        servers = [ours, *start_peers(asked.servers, home, ours)]
        try:
            for name, (what, took) in Rows(home, asked).all().items():
                compare(asked, name, size_of(what), took, servers, ours.ca)
        finally:
            for server in servers:
                server.stop()


def compare(asked, name, size, took, servers, ca):
    full = size * 8 / (asked.mbit * 1e6)
    times = {server.name: [] for server in servers}
    for nth in range(asked.rounds):
        for server in servers:
            seconds = took(server, ca)
            if seconds is None:
                continue
            times[server.name].append(seconds)
            say(f"{name}, round {nth}: {server.name} {seconds:.2f} s of {full:.2f}")
            server.drop()
    of_line = {name: round(full / statistics.median(all), 3) for name, all in times.items() if all}
    print(json.dumps({"what": name, "milliseconds": asked.milliseconds, "mbit": asked.mbit,
                      "megabytes": size // 10**6, "of_line": of_line, "rounds": asked.rounds}),
          flush=True)
