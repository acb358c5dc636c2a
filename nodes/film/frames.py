"""Film to float32 frames, at the speed of the decoder and in the memory of the result."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from .decode import Reel
from .info import MOST_FRAMES, FilmError, opened, picture_track, turn
from .memory import ensure_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from av.video.frame import VideoFrame
    from av.video.plane import VideoPlane
    from numpy.typing import NDArray

WORKERS = 2
"""One thread decodes and two convert: conversion takes about as long as decoding."""

AHEAD = 2 + WORKERS
"""Decoded frames that may wait for conversion."""

SWS_BICUBIC, SWS_ACCURATE_RND = 0x4, 0x40000
"""libswscale's own numbers: PyAV names the second one only since version 18."""

AVCOL_SPC_UNSPECIFIED = 2

PAL_WIDTH, PAL_HEIGHT = 1024, 576
"""Pixels: what is larger than standard definition (with square pixels) is HD."""

BYTE_BITS = 8

BAND = 32
"""Rows of a picture that are packed and scaled at a time."""


def read_frames(
    path: Path,
    *,
    skip_first_frames: int = 0,
    select_every_nth: int = 1,
    frame_load_cap: int = 0,
    cancelled: Callable[[], bool] = lambda: False,
) -> NDArray[np.float32]:
    """Decode frames to [frames, height, width, 3], RGB, 0..1.

    Contiguous: planes would be 1 ms a frame cheaper here, and cost nodes that save pictures or films 10 ms a frame.
    `frame_load_cap` 0 means all. Only what the chosen frames need is decoded, and only they are converted.

    Raises:
        FilmError: no frame is left, they do not fit into memory, the film is shorter than it says, or `cancelled` gave
            True, which is asked before each frame.
    """

    def choose(count: int) -> Sequence[int]:
        return select(count, skip_first_frames, select_every_nth, frame_load_cap)

    return _read(path, choose, cancelled)


def read_frames_and_last(
    path: Path,
    *,
    skip_first_frames: int = 0,
    select_every_nth: int = 1,
    frame_load_cap: int = 0,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Decode what `read_frames` and `read_last_frame` give, in one pass. Raises FilmError, as `read_frames` does."""
    extra = 0

    def choose(count: int) -> Sequence[int]:
        nonlocal extra
        chosen = select(count, skip_first_frames, select_every_nth, frame_load_cap)
        extra = int(chosen[-1] < count - 1)
        return (*chosen, count - 1) if extra else chosen

    frames = _read(path, choose, cancelled)
    last = frames[-1:].copy()  # a view would keep all frames in memory for as long as anyone holds it
    return frames[: len(frames) - extra], last


def read_last_frame(path: Path, *, cancelled: Callable[[], bool] = lambda: False) -> NDArray[np.float32]:
    """Decode the last frame to [1, height, width, 3], RGB, 0..1. Raises FilmError, as `read_frames` does."""
    return _read(path, lambda count: (count - 1,), cancelled)


def select(frame_count: int, skip_first_frames: int = 0, select_every_nth: int = 1, frame_load_cap: int = 0) -> range:
    """Give the numbers of the chosen frames, counted from 0. Raises FilmError if none is left."""
    chosen = range(skip_first_frames, frame_count, select_every_nth)[: frame_load_cap or None]
    if not chosen:
        raise FilmError(
            f"skip_first_frames is {skip_first_frames} and the film has {frame_count} frames, so none is left.",
            next_step="Set it lower; the film itself is complete on disk.",
        )
    return chosen


def _read(path: Path, choose: Callable[[int], Sequence[int]], cancelled: Callable[[], bool]) -> NDArray[np.float32]:
    with opened(path) as container:
        stream = picture_track(container, path)
        stream.thread_type = "AUTO"
        reel = Reel.read(container, stream, MOST_FRAMES)
        if reel.declared > MOST_FRAMES:
            raise FilmError(f"{path} has {reel.declared} frames or more, and at most {MOST_FRAMES} are decoded.")
        chosen = choose(reel.declared)
        if reel.declared > len(reel.times):
            raise _cut_off(path, len(reel.times), reel.declared)
        ensure_memory(len(chosen), stream.width, stream.height)
        rows = {reel.times[number]: row for row, number in enumerate(chosen)}
        frames, painted = _paint(reel, rows, cancelled)
    if painted < len(chosen):
        raise _cut_off(path, painted, len(chosen))
    return frames


def _paint(reel: Reel, rows: dict[int, int], cancelled: Callable[[], bool]) -> tuple[NDArray[np.float32], int]:
    """Decode here and convert on workers. Give the frames, and the number of rows that are painted."""
    canvas: _Canvas | None = None
    painted = 0
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="kling-frames") as workers:
        waiting: deque[Future[None]] = deque()
        for time, frame in reel.frames(rows, cancelled):
            canvas = canvas or _Canvas(frame, len(rows))
            waiting.append(workers.submit(canvas.paint, rows[time], frame))
            painted += 1
            if len(waiting) > AHEAD:
                waiting.popleft().result()
        for painting in waiting:
            painting.result()
    if canvas is None:
        raise FilmError("No frame of the film can be decoded.", next_step="The file was left as it is.")
    return canvas.frames, painted


class _Canvas:
    """One array for all frames, [frames, height, width, 3], and the converters that fill it."""

    def __init__(self, first: VideoFrame, count: int) -> None:
        import numpy as np
        from av.video.reformatter import VideoReformatter

        self.width, self.height, self.rotation = first.width, first.height, turn(first)
        shape = (self.width, self.height) if self.rotation in (90, 270) else (self.height, self.width)
        # numpy asks the system for huge pages for an array of this size and torch does not: half the time to touch it.
        self.frames: NDArray[np.float32] = np.empty((count, *shape, 3), np.float32)
        is_deep = max(component.bits for component in first.format.components) > BYTE_BITS
        self.white = np.float32(65535 if is_deep else 255)
        self.depth: np.dtype[Any] = np.dtype("<u2" if is_deep else "u1")
        # Planar RGB with bicubic chroma. Without accurate rounding swscale repeats chroma samples (42 dB, not 59); more
        # than 8 bits of an 8-bit film cost twice the time and lose 6 dB (they come out half a level too dark).
        self.options: dict[str, Any] = {
            "width": self.width,
            "height": self.height,
            "format": "gbrp16le" if is_deep else "gbrp",
            "interpolation": SWS_BICUBIC | SWS_ACCURATE_RND,
            **_colours(first),
        }
        if "threads" in (VideoReformatter.reformat.__doc__ or ""):
            # Since PyAV 17, whose default takes all cores for each frame and costs more than it saves.
            self.options["threads"] = 1
        # A converter keeps its tables from frame to frame, and is used by one thread at a time.
        self.converters: SimpleQueue[VideoReformatter] = SimpleQueue()
        for _ in range(WORKERS):
            self.converters.put(VideoReformatter())

    def paint(self, row: int, frame: VideoFrame) -> None:
        """Convert one frame into its row, in bands that stay in the processor's cache."""
        import numpy as np

        converter = self.converters.get()
        try:
            picture = converter.reformat(frame, **self.options)
        finally:
            self.converters.put(converter)
        green, blue, red = (self._upright(plane) for plane in picture.planes)
        target = self.frames[row]
        packed = np.empty((BAND, *target.shape[1:]), self.depth)
        for top in range(0, len(target), BAND):
            band = target[top : top + BAND]
            colours = packed[: len(band)]
            for channel, plane in enumerate((red, green, blue)):
                colours[..., channel] = plane[top : top + BAND]
            np.divide(colours, self.white, out=band)

    def _upright(self, plane: VideoPlane) -> NDArray[Any]:
        """View a plane's memory as [height, width], without the padding of its lines, turned as a player turns it."""
        import numpy as np

        lines = np.frombuffer(memoryview(plane), self.depth).reshape(self.height, -1)
        return np.rot90(lines[:, : self.width], self.rotation // 90)


def _colours(frame: VideoFrame) -> dict[str, int]:
    """Give the YUV matrix and range in so many words: left to itself PyAV before 17 takes every film for BT.601.

    It looks at them only where those of the result differ, though RGB has none. A film that names no matrix has BT.709
    if it is HD, else BT.601.
    """
    from av.video.reformatter import ColorRange, Colorspace

    matrix = frame.colorspace
    if matrix == AVCOL_SPC_UNSPECIFIED:
        is_hd = frame.width > PAL_WIDTH or frame.height > PAL_HEIGHT
        matrix = Colorspace.ITU709 if is_hd else Colorspace.ITU601
    other = Colorspace.ITU601 if matrix == Colorspace.ITU709 else Colorspace.ITU709
    is_full = frame.color_range == ColorRange.JPEG
    return {
        "src_colorspace": int(matrix),
        "dst_colorspace": int(other),
        "src_color_range": int(ColorRange.JPEG if is_full else ColorRange.MPEG),
    }


def _cut_off(path: Path, there: int, declared: int) -> FilmError:
    return FilmError(
        f"{path} is cut off: {there} of {declared} frames can be decoded.",
        next_step="The file was left as it is; another player may show it.",
    )
