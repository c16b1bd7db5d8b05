"""Downloads of a sealed file beside nginx serving the same bytes, over HTTP/1.1."""

import json
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

from curl import send
from servers import CACHE, NUMBER, ROOT, Nginx, Stemvault, run, say


def arguments(words):
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--megabytes", type=int, default=1024)


def source(home, size):
    """`size` bytes of real recordings."""
    folder = home / "session"
    run(["cargo", "run", "--quiet", "--locked", "-p", "stemvault-tests", "--bin", "fixtures", "--",
         str(folder), "full"], cwd=ROOT)
    stems = b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    file = home / "source.bin"
    with open(file, "wb") as out:
        while out.tell() < size:
            out.write(stems[: size - out.tell()])
    shutil.rmtree(folder)
    return file


def fetch(url, times_over, ca):
    """Seconds until the last of several curls has everything."""
    words = ["curl", "--silent", "--show-error", "--fail", "--http1.1", "--cacert", ca,
             "--max-time", "600", "--output", "/dev/null", url]
    began = time.monotonic()
    running = [subprocess.Popen(words) for _ in range(times_over)]
    codes = [process.wait() for process in running]
    if any(codes):
        raise SystemExit(f"curl ended with {codes}")
    return time.monotonic() - began


def link(ours, number=NUMBER):
    """Seals what is there and hands out a link to its one file."""
    session = ours.api(f"orders/{number}/submit", kind="material")
    [file] = session["files"]
    return ours.api(f"orders/{number}/links", scope="file", session=session["session"],
                    path=file["path"])["url"]


def measure(asked):
    total = asked.megabytes << 20
    CACHE.mkdir(exist_ok=True)
    if shutil.disk_usage(CACHE).free < 4 * total + (2 << 30):
        raise SystemExit(f"{(4 * total >> 20) + 2048} MiB of free disk are needed in {CACHE}")
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="bench-") as home:
        home = pathlib.Path(home)
        ours = Stemvault(home)
        tls = ours.data / "tls"
        peer = Nginx(home, tls / "cert.pem", tls / "key.pem")
        try:
            file = source(home, total)
            for server in (ours, peer):
                send([server.requests([file], False)], ours.ca, 1, 1)
            compare(asked, link(ours), f"{peer.base}/0.bin", ours.ca, peer.name)
        finally:
            ours.stop()
            peer.stop()


def compare(asked, our_url, peer_url, ca, peer_name):
    for times_over in (1, 8):
        what = f"download {times_over} x {asked.megabytes} MiB"
        times = {"ours": [], "peer": []}
        # The first round warms both up and does not count.
        for nth in range(asked.rounds + 1):
            mine = fetch(our_url, times_over, ca)
            other = fetch(peer_url, times_over, ca)
            say(f"{what}, round {nth}: {mine:.2f} s, nginx {other:.2f} s")
            if nth:
                times["ours"].append(mine)
                times["peer"].append(other)
        total = (asked.megabytes << 20) * times_over
        ours, theirs = (round(total / 1e6 / statistics.median(took), 1) for took in times.values())
        print(json.dumps({"what": what, "ours": ours, "peer": theirs,
                          "ratio": round(ours / theirs, 3), "unit": "MB/s",
                          "peer_name": peer_name.replace("dav PUT", "static GET"),
                          "rounds": asked.rounds}), flush=True)
