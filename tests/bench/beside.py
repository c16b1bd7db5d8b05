"""Uploads while the archive job runs: how much of their speed is left.

In every round one file is uploaded while nothing else happens, and once more while an order of real
recordings is being archived. The archive has to be at work for as long as the upload takes, or the
round does not count.
"""

import json
import pathlib
import statistics
import tempfile
import threading
import time

from curl import send
from download import source
from recall import under_header
from servers import CACHE, Stemvault, say
from upload import wave


def arguments(words):
    words.add_argument("--megabytes", type=int, default=512, help="of the file that is uploaded")
    words.add_argument("--archived", type=int, default=1024, help="MiB that are archived meanwhile")
    words.add_argument("--rounds", type=int, default=3)


def measure(asked):
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="bench-") as home:
        home = pathlib.Path(home)
        file, stems = home / "upload.wav", home / "stems.wav"
        wave(file, asked.megabytes << 20)
        whole = (asked.archived << 20) // 6 * 6
        raw = source(home, whole)
        under_header(raw, stems, whole)
        raw.unlink()
        ours = Stemvault(home)
        try:
            report(asked, [one(ours, file, stems, nth) for nth in range(asked.rounds)])
        finally:
            ours.stop()


def one(ours, file, stems, nth):
    number = f"2026-{9000 + nth}"
    ours.api("orders", number=number, client="bench")
    send([ours.requests([stems], False, number)], ours.ca, 1, 1)
    session = ours.post(f"orders/{number}/submit", kind="material")
    ours.post(f"orders/{number}/sessions/{session['session']}/accept", reason="measured")
    ours.post(f"orders/{number}/complete")
    alone = upload(ours, file)
    archiving = threading.Thread(target=ours.post, args=("retention/run",))
    archiving.start()
    # It reads and compresses from here on.
    time.sleep(1)
    beside = upload(ours, file)
    if not archiving.is_alive():
        raise SystemExit("the archive was done before the upload: archive more, or upload less")
    archiving.join()
    if ours.api(f"orders/{number}")["stage"] != "archived":
        raise SystemExit(f"order {number} was not archived")
    say(f"round {nth}: alone {alone:.2f} s, beside the archive {beside:.2f} s")
    return alone, beside


def upload(ours, file):
    requests = ours.requests([file], False)
    took, _ = send([requests], ours.ca, 1, 1)
    ours.drop()
    return took


def report(asked, rounds):
    speed = lambda nth: asked.megabytes * 1.048576 / statistics.median(one[nth] for one in rounds)
    print(json.dumps({"what": f"upload of {asked.megabytes} MiB beside the archive job",
                      "mb_s_alone": round(speed(0), 1), "mb_s_beside": round(speed(1), 1),
                      "ratio": round(speed(1) / speed(0), 2), "rounds": len(rounds)}), flush=True)
