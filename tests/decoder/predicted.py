"""The predicted codec, version 1, as storage/FORMATS.md describes it."""

import struct
from itertools import accumulate

import zstandard

INTEGERS, SCALED, EXPONENTS, PLANES, NARROWED = 0, 1, 2, 3, 0x80


def wrapped(value):
    """32 bits, signed."""
    return (value + 0x80000000 & 0xFFFFFFFF) - 0x80000000


def unzigzag(value):
    return value >> 1 ^ -(value & 1)


class Bytes:
    """Bytes that are taken from the front."""

    def __init__(self, data):
        self.data, self.at = memoryview(data), 0

    def take(self, count):
        taken = self.data[self.at:self.at + count]
        assert len(taken) == count, "it ends early"
        self.at += count
        return taken

    def number(self, count, signed=False):
        return int.from_bytes(self.take(count), "little", signed=signed)

    def varint(self):
        value = place = 0
        while True:
            byte = self.number(1)
            value |= (byte & 0x7F) << place
            place += 7
            if byte < 0x80:
                return value


class Block:
    """A predicted block taken apart."""

    def __init__(self, packed):
        stream = Bytes(packed)
        head = Bytes(self.skippable(stream))
        assert head.take(4) == b"STMP" and head.number(1) == 1, "no predicted block of version 1"
        form, self.mode, _ = head.take(3)
        self.width, self.order = form & 0x0F, "big" if form & 0x10 else "little"
        self.unsigned = bool(form & 0x20)
        self.channels, span, partition, self.frames = struct.unpack("<HBBI", head.take(8))
        self.span, self.partition = 1 << span, 1 << partition
        lengths = struct.unpack("<7I", head.take(28))
        unpacking = zstandard.ZstdDecompressor().decompressobj()
        content = Bytes(unpacking.decompress(stream.data[stream.at:]))
        stream.at = len(packed) - len(unpacking.unused_data)
        self.raw = Bytes(self.skippable(stream))
        (self.tail, self.form, self.spans, self.shifts, self.escapes, self.small,
         self.large) = (Bytes(content.take(length)) for length in lengths)
        narrowed = self.mode & NARROWED
        self.mode, self.floats = self.mode & 0x7F, 4 if narrowed else self.width

    @staticmethod
    def skippable(stream):
        assert stream.number(4) == 0x184D2A50, "a frame is missing"
        return stream.take(stream.number(4))

    def residuals(self, count):
        """Residuals of one run."""
        found = []
        while len(found) < count:
            these = min(self.partition, count - len(found))
            shift = self.shifts.number(1)
            quotients = (self.large if shift & 0x20 else self.small).take(these)
            shift &= 0x1F
            low, mask = self.raw.number((these * shift + 7) // 8), (1 << shift) - 1
            for at, quotient in enumerate(quotients):
                quotient = self.escapes.number(4) if quotient == 255 else quotient
                value = quotient << shift | low >> at * shift & mask
                found.append(unzigzag(value & 0xFFFFFFFF))
        return found

    def run(self, count):
        """The numbers of one channel in one span, before its group is put together."""
        kind, first = self.spans.number(1), unzigzag(self.spans.varint())
        if kind == 5:
            return [first] * count
        if kind <= 4:
            return differences(self.residuals(count), kind, first)
        order, shift = kind - 0x7F, self.spans.number(1)
        weights = [self.spans.number(2, signed=True) for _ in range(order)]
        weights.reverse()
        residuals = self.residuals(count)
        values = differences(residuals[:order], 2, first)
        half, mask = 1 << shift >> 1, (1 << shift) - 1
        for at in range(order, count):
            total = sum(map(int.__mul__, weights, values[at - order:]))
            rounded, rest = total >> shift, total & mask
            rounded += shift > 0 and (rest > half or rest == half and rounded & 1)
            values.append(wrapped(residuals[at] + rounded))
        return values

    def numbers(self):
        """All channels, each with its numbers."""
        channels = [[] for _ in range(self.channels)]
        for start in range(0, self.frames, self.span):
            count = min(self.span, self.frames - start)
            for first in range(0, self.channels, 2):
                group = channels[first:first + 2]
                wasted = self.spans.number(1)
                pair = self.spans.number(1) if len(group) == 2 else 0
                runs = united(pair, [self.run(count) for _ in group])
                for channel, run in zip(group, runs, strict=True):
                    channel += [wrapped(value << wasted) for value in run]
        return channels

    def bits(self, count):
        """Raw bits behind the residuals, where `self.bit` counts."""
        at = self.bit // 8
        word = int.from_bytes(self.raw.data[at:at + 9], "little") >> self.bit % 8
        self.bit += count
        return word & (1 << count) - 1

    def scaled(self, channels):
        gains = struct.unpack(f"<{self.channels}d", self.form.take(8 * self.channels))
        signed, strays = self.form.number(1), self.form.number(4)
        strays = [(self.form.number(4), self.form.number(self.floats)) for _ in range(strays)]
        stored = [as_stored(value * gain, self.floats)
                  for gain, channel in zip(gains, channels, strict=True) for value in channel]
        if signed:
            zeros = [at for at, value in enumerate(v for it in channels for v in it) if value == 0]
            signs = int.from_bytes(self.form.take(len(self.form.data) - self.form.at), "little")
            for nth, at in enumerate(zeros):
                stored[at] |= (signs >> nth & 1) << 8 * self.floats - 1
        for at, bits in strays:
            stored[at] = bits
        return stored

    def by_exponent(self, channels):
        digits = 24 if self.floats == 4 else 53
        self.bit, stored = 8 * self.raw.at, []
        spans = -(-self.frames // self.span)
        for channel in channels:
            highest = struct.unpack(f"<{spans}H", self.form.take(2 * spans))
            for at, value in enumerate(channel):
                exponent = highest[at // self.span]
                if exponent == 65535:
                    stored.append(0)
                elif value == 0:
                    stored.append(self.bits(8 * self.floats) if self.bits(1) else 0)
                else:
                    have = abs(value).bit_length()
                    significand = abs(value) << digits - have | self.bits(digits - have)
                    exponent -= 24 - have
                    stored.append((value < 0) << 8 * self.floats - 1 | exponent << digits - 1 |
                                  significand & (1 << digits - 1) - 1)
        return stored

    def samples(self):
        """The bits of all samples as they are stored, channel after channel."""
        channels = self.numbers()
        if self.mode == INTEGERS:
            more = self.form.number(1) if self.width > 4 else 0
            flip = self.unsigned << 8 * self.width - 1
            mask = (1 << 8 * self.width) - 1
            return [(value << more & mask) ^ flip for it in channels for value in it]
        stored = self.scaled(channels) if self.mode == SCALED else self.by_exponent(channels)
        if self.floats < self.width:
            wide = struct.unpack(f"<{len(stored)}f", struct.pack(f"<{len(stored)}I", *stored))
            stored = [as_stored(value, 8) for value in wide]
        return stored


def differences(run, order, first):
    if run:
        run[0] = first
    for level in range(order, 0, -1):
        run[level - 1:] = accumulate(run[level - 1:], lambda a, b: wrapped(a + b))
    return run


def united(pair, runs):
    if pair == 0:
        return runs
    a, b = runs
    if pair == 1:
        return a, [wrapped(x - y) for x, y in zip(a, b, strict=True)]
    if pair == 2:
        return [wrapped(x + y) for x, y in zip(a, b, strict=True)], b
    right = [wrapped(x - (y >> 1)) for x, y in zip(a, b, strict=True)]
    return [wrapped(x + y) for x, y in zip(right, b, strict=True)], right


def as_stored(value, width):
    if width == 8:
        return struct.unpack("<Q", struct.pack("<d", value))[0]
    try:
        return struct.unpack("<I", struct.pack("<f", value))[0]
    except OverflowError:
        return 0xFF800000 if value < 0 else 0x7F800000


def decode(packed, length):
    """The plain bytes of a predicted block."""
    block = Block(packed)
    width, count = block.width, block.frames * block.channels
    if block.mode == PLANES:
        planes = block.small.take(count * width)
        plain = bytearray(count * width)
        for byte in range(width):
            plain[byte::width] = planes[byte * count:(byte + 1) * count]
    else:
        stored = block.samples()
        plain = b"".join(stored[at].to_bytes(width, block.order)
                         for frame in range(block.frames)
                         for at in range(frame, count, block.frames))
    plain = bytes(plain) + bytes(block.tail.data)
    assert len(plain) == length, f"{len(plain)} bytes instead of {length}"
    return plain
