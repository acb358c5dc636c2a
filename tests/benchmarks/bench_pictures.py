"""Pictures to the wire: float to bytes, and bytes to PNG."""

from __future__ import annotations

import io
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clips
import numpy as np
from measure import Mark, side_by_side, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = {"720p": (720, 1280), "4K": (2160, 3840)}
ROUNDING = {
    "one_pass": "limit: one pass that reads the floats and writes the bytes",
    "ours": "**KlingFrameImages**",
    "torch_way": "torch: multiply, round, clamp, to uint8",
    "comfyui_way": "ComfyUI's SaveVideo and SaveImage (cuts off, does not round)",
}
ENCODERS = {
    "**PNG, level 1, run lengths** (ours)": ("PNG", {"compress_level": 1, "compress_type": zlib.Z_RLE}),
    "PNG, level 1": ("PNG", {"compress_level": 1}),
    "PNG, level 6 (Pillow's default)": ("PNG", {"compress_level": 6}),
    "WEBP lossless, method 0 (ours)": ("WEBP", {"lossless": True, "quality": 0, "method": 0}),
    "JPEG 95, 4:4:4 (ours)": ("JPEG", {"quality": 95, "subsampling": 0}),
}
MEGABITS = (20, 100)
"""A second, of an upload."""


def steps(rounds: int) -> int:
    """Count the measurements."""
    return rounds * len(SIZES) * (len(ROUNDING) + len(ENCODERS))


def run(rounds: int, step: Callable[[str], None]) -> Iterator[str | Mark]:
    """Measure, and yield one table after the other."""
    yield from _rounding(rounds, step)
    with tempfile.TemporaryDirectory() as folder:
        yield _encoding(Path(folder), rounds, step)


def _rounding(rounds: int, step: Callable[[str], None]) -> Iterator[str | Mark]:
    rows = []
    for size, shape in SIZES.items():
        jobs = {name: ("bench_pictures", name, shape) for name in ROUNDING}
        results = side_by_side(jobs, rounds=rounds, step=step)
        rows += [
            [size, ROUNDING[name], runs.over(results["one_pass"]), runs.over(results["ours"])]
            for name, runs in results.items()
        ]
        yield Mark(f"picture to bytes, {size} / one pass", tuple(results["ours"].ratios(results["one_pass"])), 1.5)
    yield table("Float picture to bytes", ["picture", "method", "time / one pass", "time / ours"], rows)


def _encoding(folder: Path, rounds: int, step: Callable[[str], None]) -> str:
    rows = []
    for size, shape in SIZES.items():
        path = folder / f"{size}.npy"
        np.save(path, clips.texture(*shape))
        jobs = {name: ("bench_pictures", "encoded", (str(path), *setting)) for name, setting in ENCODERS.items()}
        results = side_by_side(jobs, rounds=rounds, step=step)
        ours = results[next(iter(ENCODERS))]
        for name, runs in results.items():
            length = len(encoded(str(path), *ENCODERS[name])())
            spent = [f"{runs.median() + length * 4 / 3 * 8 / (speed * 1e6):.2f}" for speed in MEGABITS]
            rows.append([size, name, runs.over(ours), f"{length / 1e6:.2f}", *spent])
    head = ["picture", "encoding", "time / ours", "MB", *(f"s with upload at {speed} Mbit/s" for speed in MEGABITS)]
    return table("Bytes to an encoded picture (a made-up texture, less kind to PNG than photographs)", head, rows)


# Jobs: each prepares, and returns what is measured.

REPEATS = 10


def _repeated(work: Callable[[], Any]) -> Callable[[], None]:
    def repeat() -> None:
        for _ in range(REPEATS):
            work()

    work()
    return repeat


def _floats(height: int, width: int) -> Any:
    return np.random.default_rng(1).random((height, width, 3), np.float32)


def one_pass(height: int, width: int) -> Callable[[], None]:
    """Convert without scaling, rounding or checks."""
    floats = _floats(height, width)
    return _repeated(lambda: floats.astype(np.uint8))


def ours(height: int, width: int) -> Callable[[], None]:
    """Convert as KlingFrameImages does."""
    import torch
    from kling.nodes.tensors import one_picture

    image = torch.from_numpy(_floats(height, width))[None]
    return _repeated(lambda: one_picture(image, node="KlingFrameImages", field="first_frame"))


def torch_way(height: int, width: int) -> Callable[[], None]:
    """Convert with torch, on all cores."""
    import torch

    image = torch.from_numpy(_floats(height, width))
    return _repeated(lambda: (image * 255).round_().clamp_(0, 255).to(torch.uint8))


def comfyui_way(height: int, width: int) -> Callable[[], None]:
    """Convert as ComfyUI does where it saves."""
    import torch

    image = torch.from_numpy(_floats(height, width))
    return _repeated(lambda: (image * 255).clamp(0, 255).byte().cpu().numpy())


def encoded(path: str, kind: str, setting: dict[str, Any]) -> Callable[[], bytes]:
    """Encode with Pillow."""
    from PIL import Image

    image = Image.fromarray(np.load(path))

    def work() -> bytes:
        file = io.BytesIO()
        image.save(file, kind, **setting)
        return file.getvalue()

    work()
    return work
