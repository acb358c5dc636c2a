"""Whether frames fit into memory, asked before they are allocated, by one at a time."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .info import Cancelled, FilmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPARE_BYTES = 256 * 1024 * 1024
"""Left to everything else."""

CONTAINER = Path("/sys/fs/cgroup")

TICK = 0.1
"""Seconds between two looks at whether who waits was cancelled."""

_turn = threading.Lock()


@contextmanager
def turn(cancelled: Callable[[], bool]) -> Iterator[None]:
    """Let one at a time ask for free memory and fill it: what others are about to take is still called free.

    Raises FilmError when `cancelled` gives True before it is its turn.
    """
    while not _turn.acquire(timeout=TICK):
        if cancelled():
            raise Cancelled
    try:
        yield
    finally:
        _turn.release()


def ensure_memory(frames: int, width: int, height: int) -> None:
    """Refuse float32 frames that do not fit into the free memory. Raises FilmError."""
    needed = frames * width * height * 3 * 4
    free = available_memory()
    if free is not None and needed + SPARE_BYTES > free:
        raise FilmError(
            f"{frames} frames of {width}x{height} need {needed / 1e9:.1f} GB of memory; {free / 1e9:.1f} GB are free.",
            next_step="Set load_frames to none, or frame_load_cap; the film itself is complete on disk.",
        )


def available_memory() -> int | None:
    """Bytes that can be had without swapping, within the container's limit; None where nobody says."""
    known = [free for free in (_system_memory(), _container_memory()) if free is not None]
    return min(known, default=None)


def _system_memory() -> int | None:
    with suppress(ImportError):
        import psutil  # type: ignore[import-untyped,unused-ignore]  # ComfyUI brings it; the pack does not ask for it

        return int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    return None


def _container_memory() -> int | None:
    """Bytes left of a container's limit (cgroup v2); past it the whole process is killed."""
    with suppress(OSError, ValueError):
        limit = int((CONTAINER / "memory.max").read_text(encoding="ascii"))
        used = int((CONTAINER / "memory.current").read_text(encoding="ascii"))
        statistics = (CONTAINER / "memory.stat").read_text(encoding="ascii").split()
        cached = int(statistics[statistics.index("inactive_file") + 1])
        return limit - used + cached
    return None
