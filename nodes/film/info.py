"""What a film file says of itself, and what is refused before a frame of it is decoded."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, Union

from ..runware.errors import KlingError  # noqa: TID252  the pack's own name is its folder's

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

File = Union["Path", BinaryIO]

LONGEST_SIDE = 4096
"""Pixels. A file of 200 kB can announce 8192x8192, and each float32 frame of that is 800 MB."""

MARGIN = 128
"""Pixels a side by which a decoder may hold more than it shows: it works in whole blocks."""

MOST_FRAMES = 30 * 60
"""The longest clip the service knows, 30 seconds of reference video, at 60 frames a second."""

DAY = 86_400.0
"""Seconds. A tag that says a film is longer, or lasts `nan`, says nothing."""

PYAV_THAT_TAKES_ANY_TITLE = 19
"""From this version on it does so by itself, and knows no `metadata_errors`."""


class FilmError(KlingError):
    """The film is on disk, and what was asked of it cannot be had. Nothing is lost by it."""


class Cancelled(FilmError):
    """Nobody waits for the frames any more."""

    def __init__(self) -> None:
        super().__init__("Decoding was cancelled.", next_step="The film itself is complete on disk.")


@dataclass(frozen=True)
class FilmInfo:
    """The picture track and the sound track of one film, as a player shows them."""

    width: int
    """Pixels, after rotation."""
    height: int
    frame_rate: Fraction
    """Frames a second; the mean, where the rate varies."""
    frame_count: int
    seconds: float
    """Length of the picture track."""
    codec: str
    rotation: int
    """Degrees counterclockwise by which a player turns the stored pictures: 0, 90, 180 or 270."""
    has_audio: bool
    sample_rate: int
    """Hz; 0 without sound."""
    channels: int


def probe(path: Path) -> FilmInfo:
    """Read the header and the first frame; a file that has not changed since is not read again.

    Raises:
        FilmError: this is no film, it has no pictures, no decoder is at hand, or its size is absurd.
    """
    try:
        status = path.stat()
    except OSError:
        return _probe.__wrapped__(path, 0, 0)  # libav says what is wrong
    return _probe(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _probe(path: Path, _size: int, _changed: int) -> FilmInfo:
    with opened(path) as container:
        stream = picture_track(container, path)
        width, height = stream.width, stream.height
        frame = _first_frame(container, stream, path)
        rotation = turn(frame)
        audio = sound_track(container)
        count = stream.frames or count_frames(path)
        seconds = _track_seconds(container, stream)
        rate = stream.average_rate or stream.guessed_rate
        if not (rate or seconds):
            raise FilmError(
                f"{path} says neither how long it is nor its rate.", next_step="The file was left as it is."
            )
        rate = rate or Fraction(count / seconds).limit_denominator(1001)
        return FilmInfo(
            width=height if rotation in (90, 270) else width,
            height=width if rotation in (90, 270) else height,
            frame_rate=Fraction(rate),
            frame_count=count,
            seconds=seconds or float(count / rate),
            codec=stream.codec_context.name,
            rotation=rotation,
            has_audio=audio is not None,
            sample_rate=int(audio.rate or 0) if audio else 0,
            channels=audio.channels if audio else 0,
        )


@contextlib.contextmanager
def opened(file: File) -> Iterator[InputContainer]:
    """Open a film for reading; what libav cannot read in it becomes a sentence."""
    import av

    name = getattr(file, "name", "the film")
    try:
        with av.open(file if hasattr(file, "read") else str(file), **_lenient(av.__version__)) as container:
            yield container
    except av.FFmpegError as error:
        raise FilmError(
            f"{name} cannot be read as a film ({error.strerror}): the file is incomplete or damaged.",
            next_step="The file was left as it is; another player may show it.",
        ) from error


def _lenient(version: str) -> dict[str, Any]:
    """Say how PyAV is to take titles that are not UTF-8, as in a damaged file. Nothing hangs on them."""
    return {"metadata_errors": "replace"} if int(version.partition(".")[0]) < PYAV_THAT_TAKES_ANY_TITLE else {}


def picture_track(container: InputContainer, file: File) -> VideoStream:
    """Give the first picture track, if its frames can be decoded at a sane size."""
    name = getattr(file, "name", "the film")
    if not container.streams.video:
        raise FilmError(f"{name} has no pictures in it.", next_step="The file was left as it is.")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise FilmError(f"{name} is coded in a way this PyAV cannot decode.", next_step="The file was left as it is.")
    if not (0 < stream.width <= LONGEST_SIDE and 0 < stream.height <= LONGEST_SIDE):
        raise FilmError(
            f"{name} says it is {stream.width}x{stream.height} pixels, and at most {LONGEST_SIDE} a side are decoded.",
            next_step="The file was left as it is.",
        )
    return stream


def of_one_size(frames: Iterator[VideoFrame], stream: VideoStream) -> Iterator[VideoFrame]:
    """Pass on the frames of a track as long as they are as large as its header says; to be begun before decoding.

    A picture may name a size of its own, far larger than the header's. FFmpeg looks at `max_pixels` before it allocates
    a picture. A service's film has one size.

    Raises:
        FilmError: a picture has another size.
    """
    import av

    width, height = stream.width, stream.height
    codec = stream.codec_context
    codec.options = {**codec.options, "max_pixels": str((width + MARGIN) * (height + MARGIN))}
    resized = FilmError(
        f"{stream.container.name} says it is {width}x{height} pixels, and has pictures of another size.",
        next_step="The file was left as it is.",
    )
    try:
        for frame in frames:
            if (frame.width, frame.height) != (width, height):
                raise resized
            yield frame
    except av.FFmpegError:
        if (codec.width, codec.height) != (width, height):
            raise resized from None
        raise


def sound_track(container: InputContainer) -> AudioStream | None:
    """Give the first sound track, if there is one that can be decoded here."""
    track = container.streams.audio[0] if container.streams.audio else None
    return None if track is None or track.codec_context is None else track


def packets(container: InputContainer, *streams: Stream) -> Iterator[Packet[Any]]:
    """Yield the packets of some tracks, as libav reads them: no more bytes than the file has.

    An index can name the same bytes a million times: half a megabyte takes gigabytes then, in memory or as a copy.

    Raises:
        FilmError: together they are larger than the file.
    """
    left = container.size
    for packet in container.demux(*streams):
        left -= packet.size
        if left < 0:
            raise FilmError(
                f"{container.name} names the same bytes for many of its pictures or sounds.",
                next_step="The file was left as it is; another player may show it.",
            )
        yield packet


def decoded(container: InputContainer, stream: Stream) -> Iterator[Any]:
    """Yield the frames of a track. Raises FilmError, as `packets` does."""
    for packet in packets(container, stream):
        yield from packet.decode()


def shown_packets(container: InputContainer, stream: VideoStream) -> Iterator[tuple[Packet[VideoStream], bool]]:
    """Yield the track's packets in decoding order, each with whether a player shows a frame for it."""
    vp8 = stream.codec_context.name == "vp8"
    for packet in packets(container, stream):
        if packet.size:
            # RFC 6386, 9.1: bit 4 of a VP8 frame is show_frame; an alternate reference frame has it clear.
            hidden = vp8 and not memoryview(packet)[0] & 0b10000
            yield packet, not (hidden or packet.is_discard)


def turn(frame: VideoFrame) -> int:
    """Give the degrees counterclockwise by which to turn the stored frame; anything but right angles counts as 0."""
    degrees = round(frame.rotation) % 360
    return degrees if degrees in (90, 180, 270) else 0


def tagged_seconds(stream: VideoStream) -> float:
    """Seconds the muxer of a WEBM wrote for this track; 0 if it wrote none that can be meant."""
    hours, minutes, seconds = (stream.metadata.get("DURATION", "") + "::").split(":")[:3]
    try:
        length = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except (ValueError, OverflowError):
        return 0.0
    return length if 0 < length < DAY else 0.0


def _track_seconds(container: InputContainer, stream: VideoStream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return tagged_seconds(stream) or (container.duration or 0) / 1_000_000


def _first_frame(container: InputContainer, stream: VideoStream, path: Path) -> VideoFrame:
    for frame in of_one_size(decoded(container, stream), stream):
        return frame
    raise FilmError(f"{path} has no frame in it.", next_step="The file was left as it is.")


def count_frames(path: Path) -> int:
    """Count the frames a player shows, by walking over the packets."""
    with opened(path) as container:
        return sum(shown for _, shown in shown_packets(container, picture_track(container, path)))
