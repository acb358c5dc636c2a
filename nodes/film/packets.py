"""The compressed packets of a film: copied into a new file with metadata, or hashed as its identity."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import shutil
from typing import TYPE_CHECKING, Any

from .info import FilmError, count_frames, opened, packets, turn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from av.packet import Packet

    from .info import File

_log = logging.getLogger("kling")

FORMATS = {".mp4": "mp4", ".mov": "mov", ".webm": "webm"}


def remux(source: Path, target: Path, metadata: Mapping[str, str]) -> None:
    """Copy a film without re-encoding, with `metadata` as ComfyUI's SaveVideo writes it (keys prompt and workflow).

    `target` ends in .mp4, .mov or .webm, the kind of `source`; it appears whole or not at all, and its bytes are on the
    disk. A film that libav cannot copy frame for frame is copied byte for byte, without metadata: it is paid for.

    Raises:
        OSError: the file cannot be read, or the folder cannot be written.
    """
    part = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        try:
            _copy(source, part, FORMATS[target.suffix.lower()], metadata)
            is_whole = count_frames(part) == count_frames(source)
        except (FilmError, ValueError):  # PyAV's word for a codec that the container does not take
            is_whole = False
        if not is_whole:
            _log.warning("%s cannot be remuxed frame for frame; it is saved without the workflow in it.", source)
            shutil.copyfile(source, part)
        with part.open("r+b") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _copy(source: Path, part: Path, container_format: str, metadata: Mapping[str, str]) -> None:
    import av

    # Without the first flag the muxer drops keys it does not know; the second lets a page play before all is loaded.
    options = {} if container_format == "webm" else {"movflags": "use_metadata_tags+faststart"}
    with opened(source) as film, av.open(str(part), "w", format=container_format, options=options) as copy:
        copy.metadata.update({**film.metadata, **metadata})
        kept = [stream for stream in film.streams if stream.type in ("video", "audio", "subtitle")]
        if any(stream.codec_context is None for stream in kept):
            raise ValueError("a track is coded in a way this PyAV does not know")  # PyAV 14 would crash on it
        tracks = {stream.index: copy.add_stream_from_template(stream, opaque=True) for stream in kept}
        for packet in packets(film, *(film.streams[index] for index in tracks)):
            if packet.dts is not None:
                packet.stream = tracks[packet.stream_index]
                copy.mux(packet)


def hash_film(file: File) -> str:
    """SHA-256, in hex, of the pictures and sounds as they are coded.

    Stream parameters, rotation, times to the millisecond and packets count; how a muxer arranged them does not.

    Raises:
        FilmError: the file cannot be read.
    """
    rotation = _rotation(file)
    with opened(file) as film:
        streams = [stream for stream in film.streams if stream.type in ("video", "audio")]
        if not streams:
            raise FilmError(f"{file} has neither pictures nor sound in it.")
        digests = {stream.index: hashlib.sha256(_parameters(stream, rotation)) for stream in streams}
        for packet in film.demux(streams):
            if packet.size:
                digest = digests[packet.stream_index]
                digest.update(b"%d %d\n" % (_milliseconds(packet), packet.size))
                digest.update(memoryview(packet))
    return hashlib.sha256(b"".join(digest.digest() for digest in digests.values())).hexdigest()


def _rotation(file: File) -> int:
    """Give the rotation of the first frame, where PyAV tells it; rewind a file that was already open."""
    with opened(file) as film:
        frames = film.decode(film.streams.video[0]) if film.streams.video else iter(())
        rotation = next((turn(frame) for frame in frames), 0)
    if hasattr(file, "seek"):
        file.seek(0)
    return rotation


def _parameters(stream: Any, rotation: int) -> bytes:
    codec = stream.codec_context
    if codec is None:
        return f"{stream.type} of a kind unknown here\n".encode()
    if stream.type == "audio":
        return f"audio {codec.name} {stream.rate} {stream.channels}\n".encode()
    colours = f"{codec.colorspace} {codec.color_range} {codec.color_primaries} {codec.color_trc}"
    header = f"video {codec.name} {stream.width}x{stream.height} {rotation} {colours}\n".encode()
    return header + bytes(codec.extradata or b"")


def _milliseconds(packet: Packet[Any]) -> int:
    return -1 if packet.pts is None else round(packet.pts * packet.time_base * 1000)
