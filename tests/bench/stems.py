"""Sound to measure codecs on: real recordings, and stems that a synthesizer plays, as WAV files.

Everything comes from Debian packages and is the same on every machine that has the same versions of
them. `make` puts one folder a class into the given one and leaves alone what is there.
"""

import array
import pathlib
import shutil
import struct
import subprocess

from servers import run, say

PACKAGES = {
    "flac": "decodes the recordings, and is measured",
    "wavpack": "is measured",
    "zstd": "is measured",
    "sonic-pi-samples": "real recordings, 44.1 kHz 16 bit",
    "hydrogen-drumkits": "real recordings, 48 kHz 24 bit",
    "hydrogen-drumkits-effects": "real recordings, 96 kHz 24 bit",
    "fluidsynth": "plays the stems",
    "fluid-soundfont-gm": "its instruments",
    "openttd-openmsx": "its scores",
}
SOUNDFONT = "/usr/share/sounds/sf2/FluidR3_GM.sf2"
SCORES = pathlib.Path("/usr/share/games/openttd/baseset/openmsx")
# A recorded file ends when it is so long, in MB; stems are cut to this.
LENGTH = 12


def missing():
    """The packages that are not there, each with what it is for."""
    def there(name):
        words = ["dpkg-query", "-W", "-f", "${Status}", name]
        return subprocess.run(words, capture_output=True, text=True).stdout.endswith(" installed")
    return [f"{name} ({why})" for name, why in PACKAGES.items() if not there(name)]


def wav(path, rate, bits, channels, data, tag=1):
    width = bits // 8 * channels
    data = data[:len(data) // width * width]
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", len(data) + 36, b"WAVE", b"fmt ", 16, tag,
                       channels, rate, rate * width, width, bits, b"data", len(data))
    path.write_bytes(head + data + bytes(len(data) % 2))


def samples(path):
    """The samples of a WAV that fluidsynth wrote."""
    file = path.read_bytes()
    at = 12
    while file[at:at + 4] != b"data":
        at += 8 + int.from_bytes(file[at + 4:at + 8], "little")
    return file[at + 8:]


def recordings():
    """Every recording of the packages: rate, bits, channels, file."""
    for root in "/usr/share/sonic-pi", "/usr/share/hydrogen":
        for file in sorted(pathlib.Path(root).rglob("*.flac")):
            with open(file, "rb") as opened:
                head = opened.read(26)
            if head[:4] == b"fLaC":
                word = int.from_bytes(head[18:26], "big")
                yield word >> 44, (word >> 36 & 31) + 1, (word >> 41 & 7) + 1, file


def record(folder, name, form, files, length):
    """Recordings of one form, one after another, in files as long as a stem."""
    folder.mkdir(parents=True)
    rate, bits, channels = form
    words = ["flac", "-dsc", "--force-raw-format", "--endian=little", "--sign=signed"]
    data = bytearray()
    made = 0
    for file in files:
        if made * LENGTH >= length:
            break
        data += subprocess.run(words + [file], check=True, capture_output=True).stdout
        if len(data) >= LENGTH * 1_000_000:
            wav(folder / f"{name}-{made}.wav", rate, bits, channels, bytes(data))
            data.clear()
            made += 1
    if data and made * LENGTH < length:
        wav(folder / f"{name}-{made}.wav", rate, bits, channels, bytes(data))


def number(data, at):
    value = 0
    while True:
        value = value << 7 | data[at] & 127
        at += 1
        if data[at - 1] < 128:
            return value, at


def events(track):
    """Each event of a track of a score: its own bytes with the time before it, its status."""
    at, status = 0, 0
    while at < len(track):
        wait, at = number(track, at)
        if track[at] & 128:
            status = track[at]
            at += 1
        begin = at
        if status in (0xFF, 0xF0, 0xF7):
            length, body = number(track, at + (status == 0xFF))
            at = body + length
        else:
            at += 1 if status >> 4 in (0xC, 0xD) else 2
        yield wait, status, track[begin:at]


def variable(value):
    out = [value & 127]
    while value := value >> 7:
        out.append(value & 127 | 128)
    return bytes(reversed(out))


def solo(score, channel):
    """The score with the notes of one channel; and how many there are."""
    out, at, notes = score[:14], 14, 0
    while at + 8 <= len(score):
        length = int.from_bytes(score[at + 4:at + 8], "big")
        track, kept, wait = score[at + 8:at + 8 + length], b"", 0
        at += 8 + length
        for before, status, body in events(track):
            wait += before
            mine = status & 15 == channel
            if status >> 4 in (8, 9, 10) and not mine:
                continue
            notes += status >> 4 == 9
            kept += variable(wait) + bytes([status]) + body
            wait = 0
        out += b"MTrk" + struct.pack(">I", len(kept)) + kept
    return out, notes


def stems(count):
    """The busiest parts of as many scores as are needed, two of each."""
    found = []
    for file in sorted(SCORES.glob("*.mid")):
        score = file.read_bytes()
        parts = sorted((solo(score, channel)[::-1] for channel in range(16)), key=lambda it: -it[0])
        found += [(file.stem, nth, part) for nth, (notes, part) in enumerate(parts[:2]) if notes > 99]
    step = max(1, len(found) // count)
    return found[::step][:count]


def play(folder, stem, rate, form, wet):
    """A stem as the synthesizer plays it."""
    name, nth, score = stem
    source, out = folder / "score.mid", folder / "played.wav"
    source.write_bytes(score)
    effects = ["-R", "1", "-C", "1"] if wet else ["-R", "0", "-C", "0"]
    run(["fluidsynth", "-niq", *effects, "-g", "0.6", "-r", str(rate), "-T", "wav", "-O", form,
         "-F", str(out), SOUNDFONT, str(source)], stderr=subprocess.DEVNULL)
    data = samples(out)
    source.unlink()
    out.unlink()
    # From where the song is under way.
    begin = min(len(data) // 4, 5_000_000) // 24 * 24
    return f"{name}-{nth}", data[begin:begin + LENGTH * 1_000_000]


def integers(data):
    """24-bit samples as numbers."""
    wide = bytearray(len(data) // 3 * 4)
    for byte in range(3):
        wide[byte + 1::4] = data[byte::3]
    return [value >> 8 for value in array.array("i", bytes(wide))]


def floats(values):
    return array.array("f", values).tobytes()


def sparse(data, frame, seed):
    """Nine tenths of it silence: phrases with long rests."""
    out, at, phrase = bytearray(len(data)), 0, 0
    while at < len(data):
        phrase += 1
        length = (40_000 + 7919 * (phrase * 31 + seed) % 60_000) * frame
        out[at:at + length] = data[at:at + length]
        at += 10 * length
    return bytes(out[:len(data)])


def synthesize(home, folder, stem, nth):
    """All classes of one stem, each from the rendering that it needs."""
    def put(kind, *form):
        (folder / kind).mkdir(exist_ok=True)
        wav(folder / kind / f"{name}.wav", *form)

    name, data = play(home, stem, 44_100, "s16", False)
    put("stem44k16", 44_100, 16, 2, data)
    padded = bytearray(len(data) // 2 * 3)
    padded[1::3], padded[2::3] = data[::2], data[1::2]
    put("pad16in24", 44_100, 24, 2, bytes(padded))
    name, data = play(home, stem, 44_100, "s24", False)
    put("stem44k24", 44_100, 24, 2, data)
    name, data = play(home, stem, 96_000, "s24", False)
    put("stem96k24", 96_000, 24, 2, data)
    name, data = play(home, stem, 48_000, "s24", True)
    put("stem48k24", 48_000, 24, 2, data)
    put("sparse48k24", 48_000, 24, 2, sparse(data, 6, nth))
    both = bytearray(data[:len(data) // 6 * 6])
    for byte in range(3):
        both[byte + 3::6] = both[byte::6]
    put("dualmono48k24", 48_000, 24, 2, bytes(both))
    values = integers(data[:len(data) // 9 * 6])
    put("f32exact", 48_000, 32, 2, floats(value / 8_388_608 for value in values), 3)
    # What a fader does: one factor for the whole stem.
    gain = array.array("f", [10 ** (-(1.5 + 2.3 * nth) / 20)])[0]
    put("f32gain", 48_000, 32, 2, floats(value / 8_388_608 * gain for value in values), 3)
    name, data = play(home, stem, 48_000, "float", True)
    put("f32reverb", 48_000, 32, 2, data, 3)


def make(folder, scale):
    """Makes what is not there; gives the files of every class. `scale` is how many stems."""
    ready = folder / f"ready-{scale}"
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        every = list(recordings())
        forms = {"rec48k24": (48_000, 24, 1), "rec96k24": (96_000, 24, 2), "loop44k16": (44_100, 16, 2)}
        for kind, form in forms.items():
            say(f"making {kind}")
            files = [file for *found, file in every if tuple(found) == form]
            record(folder / kind, "recording", form, files[::max(1, len(files) // 60)], scale * LENGTH)
        for nth, stem in enumerate(stems(scale)):
            say(f"playing {stem[0]}, part {stem[1]}")
            synthesize(folder, folder, stem, nth)
        ready.touch()
    return {kind.name: sorted(kind.iterdir()) for kind in sorted(folder.iterdir()) if kind.is_dir()}
