"""The sound of an animatic: a soft tone for each shot, struck like a bell, so that cuts can be heard."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from .storyboard import FRAME_RATE, Shot, Storyboard

SAMPLE_RATE = 48_000
SAMPLES_OF_FRAME = 960
PENTATONIC = (220.0, 261.63, 293.66, 329.63, 392.0, 440.0)
"""Hz: one note for each of six shots."""
LOUDNESS = 0.06


def waveform(board: Storyboard) -> NDArray[np.float32]:
    """Make the whole sound, [2, samples] float32 within -1..1, exactly as long as the film."""
    return np.concatenate([_tone(shot) for shot in board.shots], axis=1)


def _tone(shot: Shot) -> NDArray[np.float32]:
    samples = shot.frames * SAMPLE_RATE // FRAME_RATE
    time = np.arange(samples, dtype=np.float64) / SAMPLE_RATE
    pitch = PENTATONIC[(shot.number - 1) % len(PENTATONIC)]
    strike = sum(np.sin(2 * np.pi * pitch * part * time) / part**2 * np.exp(-time * part) for part in (1, 2, 3))
    bed = 0.25 * np.sin(np.pi * pitch * time) * (1 + 0.3 * np.sin(2 * np.pi * 0.25 * time))
    edge = np.minimum(1, np.minimum(time, time[::-1]) / 0.02)
    sound = LOUDNESS * edge * (strike + bed)
    return np.stack([sound, np.roll(sound, 24)]).astype(np.float32)


def frames(board: Storyboard) -> Iterator[av.AudioFrame]:
    """Give the sound in pieces of 20 ms."""
    sound = waveform(board)
    for start in range(0, sound.shape[1], SAMPLES_OF_FRAME):
        part = np.ascontiguousarray(sound[:, start : start + SAMPLES_OF_FRAME])
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        yield frame
