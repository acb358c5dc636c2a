"""The sound of a film as float32 samples."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .info import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from numpy.typing import NDArray

SILENT_RATE = 44_100
"""Hz, of the silence a film without sound gives."""

SILENT_CHANNELS = 2

LARGEST_BLOCK = 8192
"""Samples that Vorbis codes at once; AAC 1024 or 2048."""

_log = logging.getLogger("kling")


def read_audio(path: Path, *, silent_seconds: float) -> tuple[NDArray[np.float32], int]:
    """Decode the first sound track to [channels, samples], -1..1, and its rate in Hz.

    A film without sound, or with sound that no decoder here can read, gives `silent_seconds` of silence in stereo,
    so that a graph wired for sound runs either way.

    Raises:
        FilmError: the file cannot be read.
    """
    import numpy as np

    with opened(path) as container:
        parts = [frame.to_ndarray() for frame in _planar_frames(container, path)]
        if not parts:
            return np.zeros((SILENT_CHANNELS, round(silent_seconds * SILENT_RATE)), np.float32), SILENT_RATE
        stream = container.streams.audio[0]
        samples: NDArray[np.float32] = np.concatenate(parts, axis=1).astype(np.float32, copy=False)
        return samples[:, : samples.shape[1] - _padding(stream, samples.shape[1])], int(stream.rate)


def _padding(stream: AudioStream, samples: int) -> int:
    """Count the samples with which an encoder filled up its last block, where the container says the true length."""
    if not stream.duration or not stream.time_base:
        return 0
    surplus = samples - round(stream.duration * stream.time_base * stream.rate)
    return surplus if 0 < surplus < LARGEST_BLOCK else 0


def _planar_frames(container: InputContainer, path: Path) -> Iterator[AudioFrame]:
    import av

    if not container.streams.audio:
        return
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        _log.warning("The sound of %s is coded in a way this PyAV cannot decode; it is taken as silent.", path)
        return
    resampler: av.AudioResampler | None = None
    for frame in container.decode(stream):
        if frame.format.name == "fltp":
            yield frame
            continue
        resampler = resampler or av.AudioResampler(format="fltp", layout=frame.layout, rate=frame.sample_rate)
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)
