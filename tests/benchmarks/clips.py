"""Films and pictures to measure with: textures that move, so that neither decoder nor encoder has it too easy."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEIGHT = 1280, 720


def texture(height: int, width: int, seed: int = 1) -> np.ndarray:
    """Give a picture, [height, width, 3] uint8, with detail at every scale as photographs have it, and little noise."""
    generator = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3))
    for scale in (2, 8, 32, 128):
        coarse = generator.normal(0, scale**0.8, (height // scale + 2, width // scale + 2, 3))
        smooth = (coarse[:-1, :-1] + coarse[1:, :-1] + coarse[:-1, 1:] + coarse[1:, 1:]) / 4
        picture += np.repeat(np.repeat(smooth, scale, axis=0), scale, axis=1)[:height, :width]
    picture += generator.normal(0, 1, picture.shape)
    return np.clip(128 + picture * (60 / picture.std()), 0, 255).astype(np.uint8)


def film(path: Path, *, seconds: int, rate: int) -> Path:
    """Write a 720p H.264/AAC film, tagged BT.709, with one key frame in 250 as x264 has it by default."""
    import av

    ground = texture(HEIGHT + 256, WIDTH + 1024)
    part = path.with_name(f"part-{path.name}")
    with av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "medium"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.colorspace = stream.codec_context.color_range = 1
        sound = container.add_stream("aac", rate=48_000, layout="stereo")
        for number in range(seconds * rate):
            left, top = (number * 60 // rate) % 1024, round(100 + 90 * np.sin(number / rate))
            pixels = np.ascontiguousarray(ground[top : top + HEIGHT, left : left + WIDTH])
            pixels[200:420, (number * 7) % 1000 :][:, :160] = (220, 60, 40)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=1, dst_color_range=1)
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        samples = np.random.default_rng(2).normal(0, 0.1, (2, seconds * 48_000)).astype(np.float32)
        noise = av.AudioFrame.from_ndarray(samples, "fltp", "stereo")
        noise.sample_rate, noise.pts = 48_000, 0
        container.mux(sound.encode(noise))
        container.mux(sound.encode(None))
    return part.replace(path)
