"""Films made on the spot."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BT709, BT601, BT470BG, UNSPECIFIED = 1, 6, 5, 2
LIMITED, FULL = 1, 2


def picture(number: int, width: int, height: int) -> np.ndarray:
    """Give one frame, [height, width, 3] uint8: soft waves in three colours, and a bar that tells the number."""
    down, across = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [across / 17 + number / 3, down / 23 - number / 5, (across + down) / 31]
    frame = np.stack([127 + 110 * np.sin(wave) for wave in waves], axis=-1)
    frame[:, : (number * 4) % width] += 18
    return np.clip(frame, 0, 255).astype(np.uint8)


def make_film(
    path: Path,
    *,
    frames: int = 12,
    width: int = 128,
    height: int = 96,
    rate: int = 24,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    matrix: int = BT709,
    tagged: bool = True,
    colour_range: int = LIMITED,
    times: list[int] | None = None,
    rotation: int = 0,
    sound: str | None = None,
    sound_seconds: float | None = None,
    sound_rate: int = 48_000,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a film; `times` are the frames' times in thousandths of a second where the rate varies."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        if times:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            if not hasattr(stream, "set_display_rotation"):
                pytest.skip("PyAV before 18 writes no rotation")
            stream.set_display_rotation(rotation)
        if tagged:
            stream.codec_context.colorspace, stream.codec_context.color_range = matrix, colour_range
        track: Any = container.add_stream(sound, rate=sound_rate, layout="stereo") if sound else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, width, height), "rgb24")
            swscale_matrix = 5 if matrix in (BT601, BT470BG) else matrix
            frame = frame.reformat(
                format=pixel_format,
                dst_colorspace=swscale_matrix,
                dst_color_range=colour_range,
                interpolation="BICUBIC",
            )
            frame.pts, frame.time_base = (times[number], Fraction(1, 1000)) if times else (number, Fraction(1, rate))
            if not tagged:
                frame.colorspace, frame.color_range = UNSPECIFIED, 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track:
            _add_sound(container, track, sound_seconds if sound_seconds is not None else frames / rate, sound_rate)
    return path


def tone(seconds: float, rate: int) -> np.ndarray:
    """Give a tone, [2, samples] float32."""
    time = np.arange(round(seconds * rate)) / rate
    return np.stack([0.4 * np.sin(2 * np.pi * 440 * time), 0.3 * np.sin(2 * np.pi * 660 * time)]).astype(np.float32)


def _add_sound(container: Any, track: Any, seconds: float, rate: int) -> None:
    frame = av.AudioFrame.from_ndarray(tone(seconds, rate), "fltp", "stereo")
    frame.sample_rate, frame.pts = rate, 0
    resampler = av.AudioResampler(track.format.name, "stereo", rate, frame_size=track.codec_context.frame_size or None)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(track.encode(part))
    container.mux(track.encode(None))


@pytest.fixture
def film_of(tmp_path: Path) -> Callable[..., Path]:
    """Make films in the test's folder: `film_of("name.mp4", frames=12, ...)`."""

    def make(name: str = "film.mp4", **properties: Any) -> Path:
        return make_film(tmp_path / name, **properties)

    return make
