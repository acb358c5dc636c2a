"""Small real films for the simulated service to deliver: quick to make, and every decoder takes them."""

from __future__ import annotations

import functools
import io
from typing import Any

import av
import numpy as np

WIDTH, HEIGHT, FRAME_RATE = 128, 72, 24


def render(task: dict[str, Any], number: int) -> bytes:
    """Make the film of one result; the results of a task differ."""
    return film(int(task.get("duration", 5)), number)


@functools.cache
def film(seconds: int, shade: int) -> bytes:
    """Encode a grey film that grows lighter from frame to frame."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(seconds * FRAME_RATE):
            pixels = np.full((HEIGHT, WIDTH, 3), (shade * 40 + index) % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(stream.encode())
    return file.getvalue()
