"""Restores every session of a bucket without Stemvault: from the bucket, the key store and the
master key, by storage/FORMATS.md alone.

    restore.py --bucket FOLDER --keys FOLDER --master FILE --into FOLDER
               [--archive FOLDER] [--tier working|archive]

Stores are folders here; a bucket at a provider is copied first. A session is read from its working
files as long as they are there, else from the archive; --tier insists. Files come to lie in
FOLDER/<order number>/<session>/. Every block and every file is compared with its BLAKE3, and in the
archive with its SHA-256. One JSON line a file says what was done; anything wrong ends it.
"""

import argparse
import hashlib
import json
import pathlib
from collections import Counter

from blake3 import blake3

from sealed import Keys, masters


class Order:
    """One order of a bucket."""

    def __init__(self, asked, name, known):
        self.name = name
        self.working = pathlib.Path(asked.bucket) / "orders" / name
        self.archive = pathlib.Path(asked.archive or asked.bucket) / "orders" / name
        wrapped = (pathlib.Path(asked.keys) / "orders" / name).read_bytes()
        self.keys = Keys(wrapped, f"order {name}", known)

    def document(self, path, what):
        """A JSON document, and its exact bytes."""
        plain, _ = self.keys.open(path.read_bytes(), self.name, what)
        return json.loads(plain), plain

    def record(self):
        """The order, and its sessions: the highest version that opens."""
        path = max((self.working / "record").iterdir())
        record, _ = self.document(path, f"record:{int(path.name)}")
        return record["order"], record["sessions"]

    def manifest(self, session):
        manifest, plain = self.document(self.working / "sessions" / session, f"manifest:{session}")
        assert manifest["v"] == 1, manifest["v"]
        assert blake3(plain).hexdigest() == session, "the manifest is another"
        return manifest

    def index(self, attempt):
        index, _ = self.document(self.archive / "archive" / attempt / "index", f"index:{attempt}")
        assert index["v"] in (1, 2), index["v"]
        assert (index["order"], index["attempt"]) == (self.name, attempt), "another's index"
        return index

    def block(self, folder, block, met):
        path = folder / self.keys.name(block["hash"])
        plain, codec = self.keys.open(path.read_bytes(), self.name, f"block:{block['hash']}")
        assert blake3(plain).hexdigest() == block["hash"], f"{path} holds another block"
        assert len(plain) == block["length"], f"{path} is of another length"
        met[codec] += 1
        return plain


def working_blocks(order, file):
    """The blocks of a file, each with the folder that it lies in."""
    folders = []
    for part in file.get("parts") or [{"upload": file["upload"], "blocks": len(file["blocks"])}]:
        folders += [order.working / "working" / part["upload"]] * part["blocks"]
    return zip(folders, file["blocks"], strict=True)


def restore(order, file, blocks, into):
    """Writes one file. Returns its SHA-256 and how many blocks came by each codec."""
    names = file["path"]["normalised"].split("/")
    assert not set(names) & {"", ".", ".."}, names
    into = into.joinpath(*names)
    into.parent.mkdir(parents=True, exist_ok=True)
    whole, sha256, met = blake3(), hashlib.sha256(), Counter()
    with open(into, "wb") as out:
        for folder, block in blocks:
            plain = order.block(folder, block, met)
            whole.update(plain)
            sha256.update(plain)
            out.write(plain)
    assert whole.hexdigest() == file["hash"], f"{into} is another"
    assert into.stat().st_size == int(file["length"]), f"{into} is of another length"
    return sha256.hexdigest(), met


def session(asked, order, row, number, proof):
    manifest = order.manifest(row["session"])
    archived = asked.tier == "archive" or (asked.tier is None and row["released"])
    index = None
    if archived:
        index = order.index(proof["attempt"])
        [index] = [it["files"] for it in index["sessions"] if it["session"] == row["session"]]
    for nth, file in enumerate(manifest["files"]):
        if archived:
            kept = index[nth]
            assert (kept["path"], kept["hash"]) == (file["path"]["normalised"], file["hash"])
            folder = order.archive / "archive" / proof["attempt"]
            blocks = [(folder, block) for block in kept["blocks"]]
        else:
            blocks = working_blocks(order, file)
        into = pathlib.Path(asked.into) / number / row["session"]
        sha256, met = restore(order, file, blocks, into)
        if archived:
            assert sha256 == kept["sha256"], f"{file['path']} has another SHA-256"
        print(json.dumps({"order": number, "session": row["session"], "sha256": sha256,
                          "path": file["path"]["normalised"], "codecs": met,
                          "tier": "archive" if archived else "working"}))


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("bucket", "keys", "master", "into"):
        words.add_argument(f"--{name}", required=True)
    words.add_argument("--archive")
    words.add_argument("--tier", choices=("working", "archive"))
    asked = words.parse_args()
    known = masters(asked.master)
    for folder in sorted((pathlib.Path(asked.bucket) / "orders").iterdir()):
        if (pathlib.Path(asked.bucket) / "tombstones" / folder.name).exists():
            continue
        order = Order(asked, folder.name, known)
        about, rows = order.record()
        for row in rows:
            session(asked, order, row, about["number"], about["proof"])


if __name__ == "__main__":
    main()
