"""Films that somebody damaged or made to hurt: each is read or told in a sentence, and never costs the process."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import pytest
from kling.nodes import film

MUTANTS = Path(__file__).with_name("mutants.py")
MEGABYTES_MOST = 256
PARTS = 2

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the child measures itself with POSIX's getrusage and alarm"
)


def child(*words):
    """Read films in another process; gives how each ended, and by how much memory grew, MiB."""
    command = [sys.executable, str(MUTANTS), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["film"]: row["end"] for row in rows}, max(row["grown"] for row in rows)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("name", "properties", "count"), [
    ("film.mp4", {"sound": "aac"}, 1_000),
    ("film.webm", {"codec": "libvpx", "sound": "libopus"}, 200),
])  # fmt: skip
def test_damaged_films_are_read_or_told_in_a_sentence(film_of, tmp_path, name, properties, count, part):
    source = film_of(name, frames=24, **properties)
    work = tmp_path / "work"
    work.mkdir()
    share = count // PARTS
    ends, grown = child(work, source, part * share, share)
    kinds = Counter(end.partition(":")[0] for end in ends.values())
    assert kinds["escaped"] == 0, [row for row in ends.items() if row[1].startswith("escaped")]
    assert kinds.total() == share
    assert min(kinds["read"], kinds["told"]) > share / 20
    assert grown < MEGABYTES_MOST


# Bombs: a small file that announces a large one.


def patched(data, box, offset, value, width=4):
    """Write a number into a box, `offset` bytes after its name."""
    at = data.index(box) + 4 + offset
    return data[:at] + value.to_bytes(width, "big") + data[at + width :]


def atom(kind, content=b""):
    return struct.pack(">I4s", 8 + len(content), kind) + content


def absurdly_large(film):
    """Let a WEBM of 128 pixels' width say 12288 a side: as colours a picture would take 1.8 GB."""
    begin = film.rindex(b"\xe0", 0, film.index(b"\xb0\x81\x80")) + 2
    end = begin + (film[begin - 1] & 0x7F)
    size = b"\xb0\x82\x30\x00\xba\x82\x30\x00"
    rest = end - begin - len(size) - 2
    return film[:begin] + size + bytes([0xEC, 0x80 + rest]) + bytes(rest) + film[end:]


def nested(depth):
    content = b""
    for _ in range(depth):
        content = atom(b"moov", content)
    return content


HUGE = 0x7FFFFFFF
MP4_BOMBS = {
    "two thousand million sample sizes": lambda film: patched(film, b"stsz", 8, HUGE),
    "samples of two gigabytes each": lambda film: patched(film, b"stsz", 4, HUGE),
    "two thousand million durations": lambda film: patched(film, b"stts", 4, HUGE),
    "one duration for all of them": lambda film: patched(film, b"stts", 8, HUGE),
    "two thousand million chunks": lambda film: patched(film, b"stco", 4, HUGE),
    "a chunk far behind the end": lambda film: patched(film, b"stco", 8, HUGE),
    "two thousand million chunk groups": lambda film: patched(film, b"stsc", 4, HUGE),
    "two thousand million samples in a chunk": lambda film: patched(film, b"stsc", 12, HUGE),
    "two thousand million key frames": lambda film: patched(film, b"stss", 4, HUGE),
    "no clock in the film": lambda film: patched(film, b"mvhd", 12, 0),
    "no clock in the track": lambda film: patched(film, b"mdhd", 12, 0),
    "a track of a hundred years": lambda film: patched(film, b"mdhd", 16, 0xFFFFFFFE),
    "two thousand million edits": lambda film: patched(film, b"elst", 4, HUGE),
    "an edit of a hundred years": lambda film: patched(film, b"elst", 8, 0xFFFFFFFE),
    "pictures of 65535 pixels a side": lambda film: patched(film, b"avc1", 24, 0xFFFFFFFF),
    "a frame of 65535 pixels a side": lambda film: patched(film, b"tkhd", 76, 0xFFFFFFFF00000000 >> 32),
    "an index of four gigabytes": lambda film: patched(film, b"moov", -8, 0xFFFFFFFF),
    "pictures of eight exabytes": lambda film: patched(film, b"mdat", -8, 1) + b"\x7f" * 16,
    "a hundred thousand empty boxes": lambda film: film + atom(b"free") * 100_000,
    "ten thousand boxes in each other": lambda film: film[: film.index(b"moov") - 4] + nested(10_000),
    "a picture of a thousand million pixels": lambda _: black_picture(32_000),
    "a picture of another kind": lambda _: b"\x89PNG\r\n\x1a\n" + b"\0" * 4096,
    "a page": lambda _: b"<!DOCTYPE html><html>" + b" " * 4096,
    "nothing": lambda _: b"",
    "zeros": lambda _: b"\0" * 2**20,
}  # fmt: skip
WEBM_BOMBS = {
    "pictures of 12288 pixels a side": absurdly_large,
    "a cluster without an end": lambda film: film[: film.index(b"\x1f\x43\xb6\x75") + 4] + b"\x01" + b"\xff" * 7,
    "a header of an exabyte": lambda film: film[:4] + b"\x01" + b"\x7f" * 7 + film[5:],
}


def black_picture(side):
    """A PNG of one bit a pixel, which would take three gigabytes as colours."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((1 + side // 8) * side), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_there_are_enough_bombs():
    assert len(MP4_BOMBS) + len(WEBM_BOMBS) + len(LONG) + len(GROWING) >= 20


def hour_of_silence(source, path):
    """Copy a film's pictures, and give it an hour of sound of three bytes for each fiftieth of a second."""
    with av.open(str(source)) as film, av.open(str(path), "w") as copy:
        pictures = copy.add_stream_from_template(film.streams.video[0])
        sound = copy.add_stream("libopus", rate=48_000, layout="mono")
        sound.codec_context.open()
        for packet in film.demux(film.streams.video[0]):
            if packet.dts is not None:
                packet.stream = pictures
                copy.mux(packet)
        for number in range(3_600 * 50):
            packet = av.Packet(b"\xf8\xff\xfe")  # one silent frame, RFC 6716
            packet.stream, packet.time_base = sound, Fraction(1, 50)
            packet.pts = packet.dts = number
            copy.mux(packet)


def many_channels_of_silence(path):
    """Write two minutes in eight channels at 192 kHz, which would take 700 MB and are told in some hundred kB."""
    rate, block = 192_000, 4_608
    with av.open(str(path), "w") as film:
        pictures = film.add_stream("libx264", rate=24)
        pictures.width = pictures.height = 64
        pictures.pix_fmt = "yuv420p"
        sound = film.add_stream("flac", rate=rate, layout="7.1")
        film.mux([*pictures.encode(av.VideoFrame(64, 64, "yuv420p")), *pictures.encode(None)])
        frame = av.AudioFrame(format=sound.codec_context.format.name, layout="7.1", samples=block)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        for start in range(0, 120 * rate, block):
            frame.pts = start
            film.mux(sound.encode(frame))
        film.mux(sound.encode(None))


def coded(codec, side, frames, options):
    """Grey pictures, each a key frame that names its own size."""
    coder = av.CodecContext.create(codec, "w")
    coder.width = coder.height = side
    coder.pix_fmt, coder.time_base, coder.options = "yuv420p", Fraction(1, 24), options
    picture = av.VideoFrame(side, side, "yuv420p")
    for plane in picture.planes:
        plane.update(b"\x80" * plane.buffer_size)
    packets = []
    for number in range(frames):
        picture.pts, picture.time_base = number, Fraction(1, 24)
        packets += coder.encode(picture)
    return [bytes(packet) for packet in (*packets, *coder.encode(None))]


def growing(path, codec, options, *, small=1, side=8_192):
    """Write a film whose header and first `small` pictures are of 64 pixels a side, and the others of `side`."""
    pictures = coded(codec, 64, small, options) if small else []
    pictures += coded(codec, side, 6, options)
    with av.open(str(path), "w") as film:
        track = film.add_stream(codec, rate=24, options=options)
        track.width, track.height, track.pix_fmt = 64, 64, "yuv420p"
        track.codec_context.open()
        for number, data in enumerate(pictures):
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = track, Fraction(1, 24), True
            packet.pts = packet.dts = number
            film.mux(packet)


IN_BAND = {"preset": "ultrafast", "g": "1", "bf": "0", "x264-params": "annexb=1:repeat-headers=1"}
REALTIME = {"deadline": "realtime", "cpu-used": "8", "g": "1", "lag-in-frames": "0"}


def one_place(film):
    """Let the index of a film with sound, whose pictures lie apart, name one place for all of them: a picture of 1 MiB.

    What the first picture lacks to that is a filler, which a decoder passes over.
    """
    sizes, places = film.index(b"stsz") + 4, film.index(b"stco") + 4
    count, first = struct.unpack(">II", film[places + 4 : places + 12])
    (size,) = struct.unpack(">I", film[sizes + 12 : sizes + 16])
    picture = film[first : first + size] + struct.pack(">I", 2**20) + b"\x0c" + b"\xff" * (2**20 - 1)
    table = struct.pack(">I", len(film) + 8) * count
    film = patched(patched(film, b"stsz", 4, len(picture)), b"stsc", 12, 1)
    return film[: places + 8] + table + film[places + 8 + len(table) :] + atom(b"free", picture)


GROWING = {
    "pictures that grow.mp4": {"codec": "libx264", "options": IN_BAND},
    "pictures that grow a little.mp4": {"codec": "libx264", "options": IN_BAND, "side": 80},
    "pictures that grow.webm": {"codec": "libvpx-vp9", "options": REALTIME},
    "pictures larger than their header.webm": {"codec": "libvpx", "options": REALTIME, "small": 0},
}
LONG = {
    "eight thousand pixels a side": {"width": 8_192, "height": 64, "frames": 1},
    "more frames than there can be": {"width": 16, "height": 16, "frames": 1_801},
}


def test_bombs_are_told_in_a_sentence_and_do_not_go_off(film_of, tmp_path):
    films = {
        "mp4": film_of("film.mp4", frames=12, sound="aac").read_bytes(),
        "webm": film_of("film.webm", frames=12, codec="libvpx", sound="libopus").read_bytes(),
    }
    folder = tmp_path / "bombs"
    folder.mkdir()
    for ending, bombs in (("mp4", MP4_BOMBS), ("webm", WEBM_BOMBS)):
        for name, make in bombs.items():
            bomb = make(films[ending])
            assert bomb != films[ending]
            (folder / f"{name}.{ending}").write_bytes(bomb)
    for name, properties in LONG.items():
        film_of(f"bombs/{name}.mp4", **properties)
    hour_of_silence(tmp_path / "film.webm", folder / "an hour of silence.webm")
    many_channels_of_silence(folder / "eight channels of silence.mp4")
    for name, properties in GROWING.items():
        growing(folder / name, **properties)
    many = film_of("many.mp4", width=16, height=16, frames=400, rate=40, sound="aac")
    (folder / "one place for all pictures.mp4").write_bytes(one_place(many.read_bytes()))
    ends, grown = child(folder)
    escaped = {Path(film).name: end for film, end in ends.items() if end.startswith("escaped")}
    assert escaped == {}
    told = {Path(film).stem for film, end in ends.items() if end.startswith("told")}
    assert told >= set(LONG) | {"an hour of silence", "eight channels of silence", "nothing", "a page", "zeros"}
    assert told >= {"a picture of another kind", "a picture of a thousand million pixels"}
    assert told >= {"one place for all pictures", "pictures of 12288 pixels a side"}
    assert {end for film, end in ends.items() if Path(film).name in GROWING} == {
        f"told: {folder / name} says it is 64x64 pixels, and has pictures of another size. The file was left as it is."
        for name in GROWING
    }
    assert len(ends) == len(MP4_BOMBS) + len(WEBM_BOMBS) + len(LONG) + len(GROWING) + 3
    assert grown < MEGABYTES_MOST


def test_a_copy_is_no_larger_than_its_film(film_of, tmp_path):
    """The index names one place for all pictures: their copy, with the workflow in it, would be 24 times as large."""
    path, copy = tmp_path / "bomb.mp4", tmp_path / "copy.mp4"
    path.write_bytes(one_place(film_of(frames=24, sound="aac").read_bytes()))
    film.remux(path, copy, {"prompt": "{}"})
    assert copy.read_bytes() == path.read_bytes()
