"""Decodes the golden blocks of a folder: each file of its `sums`, compared with its BLAKE3.

    golden.py FOLDER

A line of `sums` has a codec, the plain length, the BLAKE3 of the plain bytes, and a name.
"""

import json
import pathlib
import sys

from blake3 import blake3

from sealed import decoded

folder = pathlib.Path(sys.argv[1])
for line in (folder / "sums").read_text().splitlines():
    codec, length, sum_, name = line.split(maxsplit=3)
    plain = decoded(int(codec), (folder / name).read_bytes(), int(length))
    assert (len(plain), blake3(plain).hexdigest()) == (int(length), sum_), name
    print(json.dumps({"name": name, "codec": int(codec), "bytes": len(plain)}))
