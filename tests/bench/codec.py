"""The archive's codec beside FLAC, WavPack and zstd: ratio, and CPU of one core.

Ours is timed inside the process, on its own thread, and its encoding includes decoding and
comparing. The tools are timed from outside, by the user time the system counts for them, less what
they take for an empty file. Of several rounds the fastest counts. zstd -19 gets the first
megabytes of a class only.
"""

import json
import os
import pathlib
import resource
import subprocess
import sys

import stems
from servers import CACHE, ROOT, say

# Megabytes of each class for the slowest.
FIRST = 4
AIMS = {"integer": 1.0, "each integer": 0.98, "float": 1.15, "encode": 2.0, "decode": 0.9}


def arguments(words):
    words.add_argument("--scale", type=int, default=4, help="so many stems and recordings a class")
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--only", nargs="*", default=[], help="classes")


def tools(kind):
    """What is measured beside us: name, how it packs, how it unpacks."""
    flac = lambda level: (f"flac -{level}", ["flac", f"-{level}", "-fs", "-o"],
                          ["flac", "-dfs", "-o"], ".flac")
    zstd = lambda level: (f"zstd -{level}", ["zstd", f"-{level}", "-qf", "-T1", "-o"],
                          ["zstd", "-dqf", "-o"], ".zst")
    if kind.startswith("f32"):
        sound = [("wavpack -hh", ["wavpack", "-hh", "-qy", "-o"], ["wvunpack", "-qy", "-o"], ".wv")]
    else:
        sound = [flac(8), flac(5)]
    return sound + [zstd(3), zstd(19)]


def spent(words):
    """Seconds of CPU of a program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(words, capture_output=True)
    if done.returncode:
        raise SystemExit(f"{words}: {done.stderr.decode(errors='replace')}")
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def theirs(tool, files, rounds):
    name, pack, unpack, end = tool
    packed, back = CACHE / f"bench-packed{end}", CACHE / "bench-back.wav"
    empty = CACHE / "bench-empty.wav"
    stems.wav(empty, 48_000, 24, 2, bytes(6))
    if name == "wavpack -hh":
        stems.wav(empty, 48_000, 32, 2, bytes(8), 3)
    plain = size = 0
    encode = decode = 0.0
    start = [min(spent(words) for _ in range(5))
             for words in ([*pack, packed, empty], [*unpack, back, packed])]
    for file in files:
        plain += file.stat().st_size
        encode += min(spent([*pack, packed, file]) for _ in range(rounds)) - start[0]
        size += packed.stat().st_size
        decode += min(spent([*unpack, back, packed]) for _ in range(rounds)) - start[1]
        # Not the header: flac writes the longer one of two that mean the same.
        if stems.samples(back) != stems.samples(file):
            raise SystemExit(f"{name} changed {file}")
    for file in packed, back, empty:
        file.unlink()
    return row(name, plain, size, encode, decode)


def ours(program, files, rounds):
    seen = []
    for _ in range(rounds):
        done = subprocess.run([program, *files], check=True, stdout=subprocess.PIPE, text=True)
        seen.append([json.loads(line) for line in done.stdout.splitlines()])
    least = lambda what: sum(min(every[nth][what] for every in seen) for nth in range(len(files)))
    return row("ours", least("plain"), least("packed"), least("encode_s"), least("decode_s"))


def row(name, plain, packed, encode, decode):
    return {"codec": name, "plain": plain, "packed": packed, "encode_s": encode, "decode_s": decode}


def shown(kind, one):
    return {"class": kind, "codec": one["codec"], "mb": round(one["plain"] / 1e6, 1),
            "ratio": round(one["plain"] / one["packed"], 4),
            "encode_mb_s": round(one["plain"] / 1e6 / max(one["encode_s"], 1e-4), 1),
            "decode_mb_s": round(one["plain"] / 1e6 / max(one["decode_s"], 1e-4), 1)}


def beginnings(files):
    """The first megabytes of a class, as a file."""
    first = CACHE / "bench-first.wav"
    first.write_bytes(files[0].read_bytes()[:FIRST * 1_000_000])
    return [first]


def measure(asked):
    missing = stems.missing()
    if missing:
        raise SystemExit("These Debian packages are needed: " + ", ".join(missing))
    CACHE.mkdir(exist_ok=True)
    classes = stems.make(CACHE / "bench-stems", asked.scale)
    program = build()
    rows = {}
    for kind, files in classes.items():
        if asked.only and kind not in asked.only:
            continue
        say(f"measuring {kind}")
        rows[kind] = [ours(program, files, asked.rounds)]
        for tool in tools(kind):
            slow = tool[0] == "zstd -19"
            few = beginnings(files) if slow else files
            rows[kind].append(theirs(tool, few, 1 if slow else asked.rounds))
    for name, is_float in ("all integer", False), ("all float", True):
        mine = [every for kind, every in rows.items() if kind.startswith("f32") == is_float]
        if mine:
            rows[name] = [total(several) for several in zip(*mine)]
    report(rows)


def build():
    say("building")
    words = ["cargo", "build", "--release", "--locked", "-q", "-p", "stemvault-storage", "--example", "codec"]
    subprocess.run(words, check=True, cwd=ROOT)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "release/examples/codec"


def total(several):
    sums = {what: sum(one[what] for one in several)
            for what in ("plain", "packed", "encode_s", "decode_s")}
    return {"codec": several[0]["codec"], **sums}


def report(rows):
    say(f"{'class':14} {'codec':12} {'MB':>6} {'ratio':>8} {'encode':>8} {'decode':>8}  MB/s of CPU")
    for kind, every in rows.items():
        for one in every:
            line = shown(kind, one)
            print(json.dumps(line), flush=True)
            say(f"{kind:14} {line['codec']:12} {line['mb']:6.1f} {line['ratio']:8.4f} "
                f"{line['encode_mb_s']:8.1f} {line['decode_mb_s']:8.1f}")
    for aim, found, wanted in aims(rows):
        print(json.dumps({"aim": aim, "found": round(found, 3), "wanted": wanted}), flush=True)
        say(f"{'met ' if found >= wanted else 'MISSED'} {aim}: {found:.3f} of {wanted}")


def aims(rows):
    """Each aim: what, what was found, what was wanted."""
    against = lambda mine, other, what: other[what] / mine[what]
    integers = {kind: every for kind, every in rows.items() if every[1]["codec"] == "flac -8"}
    for kind, (mine, flac, *_) in integers.items():
        all_of_them = kind == "all integer"
        wanted = AIMS["integer" if all_of_them else "each integer"]
        yield f"{kind}: ratio over flac -8", against(mine, flac, "packed"), wanted
        yield f"{kind}: encoding over flac -8", against(mine, flac, "encode_s"), AIMS["encode"]
        yield f"{kind}: decoding over flac -d", against(mine, flac, "decode_s"), AIMS["decode"]
    if "all float" in rows:
        mine, wavpack = rows["all float"][:2]
        yield "all float: ratio over wavpack -hh", against(mine, wavpack, "packed"), AIMS["float"]


if __name__ == "__main__":
    sys.exit("This is a part of tests/bench/run.")
