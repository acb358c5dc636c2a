"""The sound of a film as float32 samples."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .info import FilmError, decoded, opened, sound_track

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

LONGEST_SECONDS = 300
"""In stereo at 48 kHz. A clip has at most 15; packets of three bytes can announce hours, each of them 1.4 GB here."""

MOST_VALUES = LONGEST_SECONDS * 48_000 * 2
"""Of all channels: eight of them at 192 kHz are 16 times as much, and silent in as few bytes."""

PLANES_MOST = 7
"""PyAV takes what lies behind the eighth plane of a frame for a ninth, and the process crashes."""

LARGEST_BLOCK = 8192
"""Samples that Vorbis codes at once; AAC 1024 or 2048."""

_log = logging.getLogger("kling")


def read_audio(path: Path, *, silent_seconds: float) -> tuple[NDArray[np.float32], int]:
    """Decode the first sound track to [channels, samples], -1..1, and its rate in Hz.

    A film without sound, or with sound that no decoder here can read, gives `silent_seconds` of silence in stereo,
    so that a graph wired for sound runs either way; of a film that claims to be absurdly long, no more than of sound.

    Raises:
        FilmError: the file cannot be read, or its sound is absurdly long.
    """
    import numpy as np

    with opened(path) as container:
        stream = sound_track(container)
        parts = [] if stream is None else _parts(container, stream, path)
        if not parts or stream is None:
            if container.streams.audio:
                _log.warning("The sound of %s cannot be decoded by this PyAV; it is taken as silent.", path)
            silent_samples = round(min(silent_seconds, LONGEST_SECONDS) * SILENT_RATE)
            return np.zeros((SILENT_CHANNELS, silent_samples), np.float32), SILENT_RATE
        samples: NDArray[np.float32] = np.concatenate(parts, axis=1).astype(np.float32, copy=False)
        return samples[:, : samples.shape[1] - _padding(stream, samples.shape[1])], int(stream.rate)


def _padding(stream: AudioStream, samples: int) -> int:
    """Count the samples with which an encoder filled up its last block, where the container says the true length."""
    if not stream.duration or not stream.time_base:
        return 0
    surplus = samples - round(stream.duration * stream.time_base * stream.rate)
    return surplus if 0 < surplus < LARGEST_BLOCK else 0


def _parts(container: InputContainer, stream: AudioStream, path: Path) -> list[NDArray[Any]]:
    """Decode piece by piece: each [channels, samples]."""
    parts: list[NDArray[Any]] = []
    samples, shape = 0, None
    changes = FilmError(
        f"The sound of {path} changes its channels or its rate on the way.", next_step="The file was left as it is."
    )
    for frame in _frames(container, stream, changes):
        shape = shape or (frame.layout.nb_channels, frame.sample_rate)
        if shape != (frame.layout.nb_channels, frame.sample_rate):
            raise changes
        samples += frame.samples
        if samples * frame.layout.nb_channels > MOST_VALUES:
            raise FilmError(
                f"The sound of {path} is more than {LONGEST_SECONDS} seconds of stereo at 48 kHz.",
                next_step="The file was left as it is.",
            )
        array = frame.to_ndarray()
        parts.append(array if frame.format.is_planar else array.reshape(-1, frame.layout.nb_channels).T)
    return parts


def _frames(container: InputContainer, stream: AudioStream, changes: FilmError) -> Iterator[AudioFrame]:
    """Decode to float32, with a plane for each channel where there are not too many.

    Raises `changes` where a frame is of another form than the first.
    """
    import av

    resampler: av.AudioResampler | None = None
    for frame in decoded(container, stream):
        wanted = "fltp" if frame.layout.nb_channels <= PLANES_MOST else "flt"
        if frame.format.name == wanted and resampler is None:
            yield frame
            continue
        resampler = resampler or av.AudioResampler(format=wanted, layout=frame.layout, rate=frame.sample_rate)
        try:
            pieces = resampler.resample(frame)
        except ValueError:  # it was set up by the first frame
            raise changes from None
        yield from pieces
    if resampler is not None:
        yield from resampler.resample(None)
