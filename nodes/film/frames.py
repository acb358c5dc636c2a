"""Film to float32 frames, at the speed of the decoder and in the memory of the result."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from .colour import Painter
from .decode import Reel
from .info import MOST_FRAMES, FilmError, opened, picture_track
from .memory import ensure_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

WORKERS = 2
"""One thread decodes and two convert: conversion takes about as long as decoding."""

AHEAD = 2 + WORKERS
"""Decoded frames that may wait for conversion."""


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
    """Decode the last frame to [1, height, width, 3], RGB, 0..1."""
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
        reel = Reel.read(container, stream)
        if reel.declared > MOST_FRAMES:
            raise FilmError(f"{path} has {reel.declared} frames, and at most {MOST_FRAMES} are decoded.")
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
    import numpy as np

    painter: Painter | None = None
    painted = 0
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="kling-frames") as workers:
        waiting: deque[Future[None]] = deque()
        for time, frame in reel.frames(rows, cancelled):
            if painter is None:
                painter = Painter(frame, WORKERS)
                # numpy asks the system for huge pages for an array of this size and torch does not: half the time to
                # touch it.
                canvas: NDArray[np.float32] = np.empty((len(rows), *painter.shape), np.float32)
            waiting.append(workers.submit(painter.paint, frame, canvas[rows[time]]))
            painted += 1
            if len(waiting) > AHEAD:
                waiting.popleft().result()
        for painting in waiting:
            painting.result()
    if painter is None:
        raise FilmError("No frame of the film can be decoded.", next_step="The file was left as it is.")
    return canvas, painted


def _cut_off(path: Path, there: int, declared: int) -> FilmError:
    return FilmError(
        f"{path} is cut off: {there} of {declared} frames can be decoded.",
        next_step="The file was left as it is; run again to fetch it anew.",
    )
