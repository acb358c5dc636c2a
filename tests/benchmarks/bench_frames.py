"""Film to frames: against the limit of the machine, and against what a user would take instead."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clips
from measure import ROOT, Mark, Runs, not_here, pack, side_by_side, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LENGTHS = [(5, 24), (5, 30), (15, 30)]
"""Seconds, frames a second."""

CHOICES: dict[str, Any] = {
    "all frames": {},
    "the last frame": None,
    "the first frame": {"frame_load_cap": 1},
    "skip the first half": {"skip_first_frames": 225},
    "every 2nd": {"select_every_nth": 2},
    "every 10th": {"select_every_nth": 10},
    "every 100th": {"select_every_nth": 100},
    "10 from the middle": {"skip_first_frames": 225, "frame_load_cap": 10},
    "the sound": "sound",
}


def steps(rounds: int) -> int:
    """Count the measurements."""
    return rounds * (3 * len(LENGTHS) + 3 + len(CHOICES)) + 1


def run(rounds: int, step: Callable[[str], None]) -> Iterator[str | Mark]:
    """Measure, and yield one table after the other."""
    with tempfile.TemporaryDirectory() as folder:
        films = {}
        step("making films")
        for seconds, rate in LENGTHS:
            films[seconds, rate] = str(clips.film(Path(folder, f"{seconds}-{rate}.mp4"), seconds=seconds, rate=rate))
        yield from _whole(films, rounds, step)
        yield from _chosen(films[15, 30], rounds, step)
        yield from _colours(Path(films[5, 30]))


def _whole(films: dict[tuple[int, int], str], rounds: int, step: Callable[[str], None]) -> Iterator[str | Mark]:
    rows = []
    for (seconds, rate), path in films.items():
        names = ["limit_a", "limit_b", "ours"]
        if (seconds, rate) == (5, 30):
            names += ["comfyui", "naive", "rgb24"]
        results = side_by_side({name: ("bench_frames", name, (path,)) for name in names}, rounds=rounds, step=step)
        tensor = seconds * rate * clips.WIDTH * clips.HEIGHT * 3 * 4
        rows += [
            [
                f"{seconds} s, {rate} fps",
                WORDS[name],
                runs.over(results["limit_b"]),
                runs.over(results["ours"]),
                _peak(name, runs, tensor),
            ]
            for name, runs in results.items()
        ]
        ours, name = results["ours"], f"{seconds} s of {rate} fps"
        yield Mark(f"all frames, {name}: time / limit", tuple(ours.ratios(results["limit_b"])), 1.2)
        yield Mark(f"all frames, {name}: peak memory / tensor", tuple(each / tensor for each in ours.peak), 1.1)
        if "comfyui" in results:
            yield Mark(
                f"all frames, {name}: ComfyUI's time / ours", tuple(results["comfyui"].ratios(ours)), 3, least=True
            )
    head = ["film, 720p", "method", "time / limit b", "time / ours", "peak memory / tensor"]
    yield table("Film to a float32 frames tensor", head, rows)


WORDS = {
    "limit_a": "limit a: libav decodes, nothing is kept",
    "limit_b": "limit b: and one copy per frame into the tensor",
    "ours": "**KlingFetchVideo**",
    "comfyui": "ComfyUI, VideoFromFile.get_components()",
    "naive": "list of frames, stack, divide",
    "rgb24": "one thread, rgb24 into one tensor",
}


def _peak(name: str, runs: Runs, tensor: int) -> str:
    return "-" if name == "limit_a" else f"{max(runs.peak) / tensor:.2f}"


def _chosen(path: str, rounds: int, step: Callable[[str], None]) -> Iterator[str | Mark]:
    jobs = {name: ("bench_frames", "chosen", (path, choice)) for name, choice in CHOICES.items()}
    results = side_by_side(jobs, rounds=rounds, step=step)
    rows = [[name, runs.over(results["all frames"])] for name, runs in results.items()]
    yield table("What is not wanted is not paid for (15 s, 30 fps)", ["frames", "time / all frames"], rows)
    ratios = results["the last frame"].ratios(results["all frames"])
    yield Mark("last frame of 15 s / all frames", tuple(ratios), 0.15)


def _colours(path: Path) -> Iterator[str | Mark]:
    """Compare the first frame with the tests' own float64 conversion."""
    pack()
    import av
    from kling.nodes.film import read_frames

    spec = importlib.util.spec_from_file_location("float64", ROOT / "tests" / "film" / "test_frames.py")
    tests: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tests)
    truth = tests.reference(path, tests.BT709, tests.LIMITED)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    deep = frame.reformat(format="gbrpf32le", interpolation="BILINEAR").to_ndarray()
    pictures = {
        "**KlingFetchVideo**": read_frames(path, frame_load_cap=1)[0],
        "rgb24 by default (ComfyUI 0.3.75, most packs)": frame.to_ndarray(format="rgb24") / 255,
        "gbrpf32le, BILINEAR (ComfyUI 0.33)": deep,
        "rgb24 with the matrix of BT.601": frame.to_ndarray(format="rgb24", src_colorspace=5) / 255,
    }
    rows = [[name, f"{tests.decibels(picture, truth):.1f}"] for name, picture in pictures.items()]
    yield Mark("colours against a float64 reference", (float(rows[0][1]),), 50, " dB", least=True, digits=1)
    yield table("Colours against a float64 reference", ["conversion", "PSNR, dB"], rows)


# Jobs: each prepares, and returns what is measured.


def limit_a(path: str) -> Callable[[], Any]:
    """Decode, keep nothing."""
    import av

    def work() -> None:
        with av.open(path) as container:
            container.streams.video[0].thread_type = "AUTO"
            for _ in container.decode(video=0):
                pass

    return work


def limit_b(path: str) -> Callable[[], Any]:
    """Decode, and copy a picture that is already float32 for each frame."""
    import av
    import numpy as np

    picture = np.ones((clips.HEIGHT, clips.WIDTH, 3), np.float32)

    def work() -> Any:
        with av.open(path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            frames = np.empty((stream.frames, *picture.shape), np.float32)
            for row, _ in enumerate(container.decode(video=0)):
                frames[row] = picture
        return frames

    return work


def ours(path: str) -> Callable[[], Any]:
    """Read all frames as KlingFetchVideo does."""
    return chosen(path, {})


def chosen(path: str, choice: Any) -> Callable[[], Any]:
    """Read the chosen frames; None means the last one."""
    importlib.import_module("av.video.reformatter")
    from kling.nodes.film import read_audio, read_frames, read_last_frame

    if choice == "sound":
        return lambda: read_audio(Path(path), silent_seconds=0)
    if choice is None:
        return lambda: read_last_frame(Path(path))
    return lambda: read_frames(Path(path), **choice)


def comfyui(path: str) -> Callable[[], Any]:
    """Read all frames as the host does."""
    host = Path(os.environ.get("COMFYUI_PATH") or ROOT / ".venv" / "comfyui")
    if not (host / "comfy_api").is_dir():
        not_here("no ComfyUI here")
    sys.argv = ["main.py", "--cpu"]
    sys.path.insert(0, str(host))
    from comfy_api.latest import InputImpl

    return InputImpl.VideoFromFile(path).get_components


def naive(path: str) -> Callable[[], Any]:
    """Read all frames as most packs do."""
    import av
    import numpy as np

    def work() -> Any:
        with av.open(path) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return np.stack(frames).astype(np.float32) / 255

    return work


def rgb24(path: str) -> Callable[[], Any]:
    """Read all frames with care for memory, but one after the other."""
    import av
    import numpy as np

    def work() -> Any:
        with av.open(path) as container:
            stream = container.streams.video[0]
            frames = np.empty((stream.frames, clips.HEIGHT, clips.WIDTH, 3), np.float32)
            for row, frame in enumerate(container.decode(video=0)):
                np.divide(frame.to_ndarray(format="rgb24"), np.float32(255), out=frames[row])
        return frames

    return work
