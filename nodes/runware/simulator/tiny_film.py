"""The smallest file that has the boxes of a film: size and seconds as asked, one sample that decodes to nothing.

It stands in for a render where only the way of the file matters; `animatic.py` makes films one can watch.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any

FRAME_RATE = 24
TIMESCALE = 24_000
UNITY = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
AVCC = bytes.fromhex("0164001fffe1000a6764001facd94050 05bb0168ebe3cb22c0fdf8f800")
WEBM_HEAD = bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f381084282847765626d4287810242858102")
BYTES_OF_PICTURE = 2048


def render(request: dict[str, Any], index: int) -> bytes:
    """Make the file of one result. Equal requests and places give equal bytes, others differ."""
    noise = _noise(f"{request.get('taskUUID')}/{index}")
    if request.get("outputFormat") == "WEBM":
        void = b"\xec" + struct.pack(">H", 0x4000 | len(noise)) + noise
        return WEBM_HEAD + b"\x18\x53\x80\x67" + struct.pack(">I", 0x10000000 | len(void)) + void
    width, height = request.get("width", 1280), request.get("height", 720)
    frames = FRAME_RATE * request.get("duration", 5)
    brand = b"qt  " if request.get("outputFormat") == "MOV" else b"isom"
    head = _box(b"ftyp", brand + b"\0\0\2\0" + brand + b"mp42")
    size = len(head) + len(_movie(width, height, frames, 0)) + 8
    return head + _movie(width, height, frames, size) + _box(b"mdat", noise)


def _noise(name: str) -> bytes:
    seed = hashlib.sha256(name.encode()).digest()
    return seed * (BYTES_OF_PICTURE // len(seed))


def _box(kind: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + kind + body


def _movie(width: int, height: int, frames: int, offset: int) -> bytes:
    ticks = frames * TIMESCALE // FRAME_RATE
    mvhd = struct.pack(">5I", 0, 0, 0, TIMESCALE, ticks) + struct.pack(">IH10x", 0x10000, 0x100)
    tkhd = struct.pack(">6I", 7, 0, 0, 1, 0, ticks) + bytes(16) + UNITY
    tkhd += struct.pack(">2I", width << 16, height << 16)
    mdhd = struct.pack(">5IHH", 0, 0, 0, TIMESCALE, ticks, 0x55C4, 0)
    media = _box(
        b"mdia",
        _box(b"mdhd", mdhd),
        _box(b"hdlr", struct.pack(">II4s12x", 0, 0, b"vide") + b"video\0"),
        _box(b"minf", _box(b"vmhd", struct.pack(">I8x", 1)), _references(), _samples(width, height, frames, offset)),
    )
    track = _box(b"trak", _box(b"tkhd", tkhd), media)
    return _box(b"moov", _box(b"mvhd", mvhd + UNITY + bytes(24) + struct.pack(">I", 2)), track)


def _references() -> bytes:
    return _box(b"dinf", _box(b"dref", struct.pack(">II", 0, 1), _box(b"url ", struct.pack(">I", 1))))


def _samples(width: int, height: int, frames: int, offset: int) -> bytes:
    entry = bytes(6) + struct.pack(">H", 1) + bytes(16) + struct.pack(">HH", width, height)
    entry += struct.pack(">IIIH32xHh", 0x480000, 0x480000, 0, 1, 24, -1)
    return _box(
        b"stbl",
        _box(b"stsd", struct.pack(">II", 0, 1), _box(b"avc1", entry, _box(b"avcC", AVCC))),
        _box(b"stts", struct.pack(">4I", 0, 1, frames, TIMESCALE // FRAME_RATE)),
        _box(b"stsc", struct.pack(">5I", 0, 1, 1, frames, 1)),
        _box(b"stsz", struct.pack(">3I", 0, BYTES_OF_PICTURE // frames, frames)),
        _box(b"stco", struct.pack(">3I", 0, 1, offset)),
    )
