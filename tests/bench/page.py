"""The upload page in a real browser: files a second, MB/s, and how long the page does not answer.

A measurement is one folder, dropped onto the page or chosen in it, and sent until the page says that
everything has arrived. `page_cpu_ms_per_file` is what its process takes, `longest_task_ms` what a person feels as a freeze, `over_200_ms` how many there were (Chromium says these); `heap_mib` is the page's own memory at the end.
"""

import json
import os
import pathlib
import random
import subprocess
import tempfile

from servers import CACHE, HERE, ROOT, Stemvault, say
from upload import wave

# Name, how many files, the smallest and the largest.
ROWS = [
    ("5,000 x 1 to 60 kB", 5_000, 1_000, 60_000),
    ("20,000 x 1 to 20 kB", 20_000, 1_000, 20_000),
    ("5,000 x 64 KiB", 5_000, 65_536, 65_536),
    ("3 x 256 MiB", 3, 256 << 20, 256 << 20),
]


def arguments(words):
    words.add_argument("--scale", type=int, default=1, help="so many times fewer files")
    words.add_argument("--only", nargs="*", default=[], help="rows whose name holds all of these")
    words.add_argument("--by", default="drop", choices=["drop", "choose"],
                       help="how Chromium gets the folder; Firefox is always given it as chosen")
    words.add_argument("--engines", nargs="*", default=["chromium"], choices=["chromium", "firefox"])


def measure(asked):
    for nth, (what, count, least, most) in enumerate(ROWS):
        if not all(word in what for word in asked.only):
            continue
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="bench-") as home:
            home = pathlib.Path(home)
            total = files(home / "Nachtzug", max(1, count // asked.scale), least, most)
            ours = Stemvault(home)
            try:
                for engine in asked.engines:
                    by = asked.by if engine == "chromium" else "choose"
                    one(ours, home, engine, by, what, total, f"2026-{100 + nth}")
            finally:
                ours.stop()


def files(folder, count, least, most):
    """Makes them, a hundred a folder; their bytes in all."""
    some, total = random.Random(most), 0
    for nth in range(count):
        size = some.randint(least, most)
        file = folder / f"Takes {nth // 100:03}" / f"Take {nth:05}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        wave(file, size)
        total += size
    return count, total


def one(ours, home, engine, by, what, total, number):
    number = f"{number}{engine[0] == 'f':d}"
    ours.api("orders", number=number, client="bench")
    link = ours.post(f"orders/{number}/links", scope="upload")["url"]
    say(f"{what}, {engine}")
    words = ["node", HERE / "page.mjs", link, home / "Nachtzug", home / engine, by]
    env = {**os.environ, "STEMVAULT_ENGINE": engine}
    said = json.loads(subprocess.run(words, env=env, check=True, stdout=subprocess.PIPE).stdout)
    count, size = total
    print(json.dumps({
        "row": what,
        "engine": engine,
        "by": by,
        "seconds": round(said["seconds"], 2),
        "files_s": round(count / said["seconds"], 1),
        "mb_s": round(size / said["seconds"] / 1e6, 1),
        "page_cpu_ms_per_file": said.get("cpu") and round(1000 * said["cpu"] / count, 2),
        "longest_task_ms": said["tasks"][0] if said["tasks"] else None,
        "over_200_ms": sum(task > 200 for task in said["tasks"]),
        "heap_mib": said["heap"] and said["heap"] >> 20,
        "said": said["text"].splitlines()[1:3],
    }), flush=True)
