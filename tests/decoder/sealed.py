"""Keys and sealed objects, as storage/FORMATS.md describes them. Nothing here knows Stemvault."""

import json
import pathlib

import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import predicted


def derived(context, secret):
    return blake3(secret, derive_key_context=context).digest()


def masters(path):
    """The master keys of a file, by id."""
    found = {}
    for line in pathlib.Path(path).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            word, version, key = line.split()
            assert (word, version) == ("stemvault-master-key", "v1"), line
            secret = bytes.fromhex(key)
            found[derived("stemvault master key id v1", secret)[:8].hex()] = secret
    return found


class Keys:
    """What an order's secret, or that of the records, gives."""

    def __init__(self, wrapped, whose, known):
        wrapped = json.loads(wrapped)
        assert wrapped["v"] == 1, wrapped["v"]
        said = b"\0".join([b"stemvault wrapped key v1", wrapped["master"].encode(), whose.encode()])
        secret = AESGCM(known[wrapped["master"]]).decrypt(
            bytes.fromhex(wrapped["nonce"]), bytes.fromhex(wrapped["sealed"]), said)
        self.data = AESGCM(derived("stemvault data key v1", secret))
        self.names = derived("stemvault name key v1", secret)
        self.id = derived("stemvault key id v1", secret)[:8]

    def name(self, block):
        """The name of the object that holds the block of this hash."""
        return blake3(bytes.fromhex(block), key=self.names).hexdigest()

    def open(self, sealed, order, what):
        """The plain bytes of an object, and the codec that they came by."""
        assert sealed[:6] == b"STMV\x01\x01" and sealed[7] == 0, "no sealed object"
        assert sealed[8:16] == self.id, "sealed with another key"
        said = sealed[:36] + bytes.fromhex(order) + what.encode()
        packed = self.data.decrypt(sealed[16:28], sealed[36:], said)
        codec, length = sealed[6], int.from_bytes(sealed[28:36], "big")
        plain = decoded(codec, packed, length)
        assert len(plain) == length, f"{len(plain)} bytes instead of {length}"
        return plain, codec


def decoded(codec, packed, length):
    if codec == 0:
        return packed
    if codec == 1:
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=length)
    if codec == 2:
        return predicted.decode(packed, length)
    raise ValueError(f"codec {codec} is unknown")
