"""A graph that is run again: KlingGenerate and KlingFetchVideo find a finished purchase, and nothing is sent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clips
from bench_import import host
from measure import Mark, side_by_side, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUDGET = 50.0
"""Milliseconds beside the decode."""

JOBS = {"found_again": "found again: both nodes, their own time", "decoded": "the decode of it: all frames, sound"}


def steps(rounds: int) -> int:
    """Count the measurements."""
    return rounds * len(JOBS) + 1


def run(rounds: int, step: Callable[[str], None]) -> Iterator[str | Mark]:
    """Measure, and yield the table."""
    with tempfile.TemporaryDirectory() as folder:
        step("making a film")
        path = str(clips.film(Path(folder, "film.mp4"), seconds=5, rate=30))
        jobs = {name: ("bench_requeue", name, (path,)) for name in JOBS}
        results = side_by_side(jobs, rounds=rounds, step=step)
    if not results:
        return
    rows = [[JOBS[name], f"{runs.median() * 1000:.0f}"] for name, runs in results.items()]
    again = results["found_again"]
    rows.append(["requests that left the machine meanwhile", f"{again.told('requests'):.0f}"])
    yield table("A finished purchase, 5 s of 720p, queued again", ["what", "ms (median)"], rows)
    spent = tuple(seconds * 1000 for seconds in again.seconds)
    yield Mark("queued again: beside the decode", spent, BUDGET, " ms", digits=0)
    yield Mark("queued again: requests", (again.told("requests"),), 0, digits=0)


# Jobs: each prepares, and returns what is measured.


def found_again(path: str) -> Callable[[], Any]:
    """Run the nodes with a decoder that does nothing."""
    return _queued(path, decoding=False)


def decoded(path: str) -> Callable[[], Any]:
    """Decode as KlingFetchVideo does."""
    from kling.nodes import film

    return lambda: (film.read_frames_and_last(Path(path)), film.read_audio(Path(path), silent_seconds=5.0))


def _queued(path: str, *, decoding: bool) -> Callable[[], Any]:
    host()
    import folder_paths
    from kling.nodes import film
    from kling.nodes.runware.simulator import Simulator

    folder = Path(tempfile.mkdtemp(prefix="queued-again-"))
    for name in ("output", "user", "temp"):
        getattr(folder_paths, f"set_{name}_directory")(str(folder / name))
        (folder / name).mkdir()
    simulator = Simulator(key=None, latency=0.0, render=lambda _task, _index: Path(path).read_bytes())
    service = simulator.serve()
    os.environ.update(RUNWARE_API_KEY="made-up-key-of-a-benchmark", RUNWARE_BASE_URL=service.base_url)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_graph())
    if not decoding:
        import numpy as np

        picture = np.zeros((1, 2, 2, 3), np.float32)
        film.read_frames_and_last = lambda *_, **__: (picture, picture)
        film.read_audio = lambda *_, **__: (np.zeros((2, 9), np.float32), 48_000)
    asked = len(simulator.requests)

    def work() -> dict[str, float]:
        loop.run_until_complete(_graph())
        return {"requests": len(simulator.requests) - asked}

    return work


async def _graph() -> None:
    """Execute the two nodes as ComfyUI does."""
    from comfy_api.latest import io
    from kling.nodes.fetch_video import DEFAULTS as FETCHING
    from kling.nodes.fetch_video import KlingFetchVideo
    from kling.nodes.generate import DEFAULTS, KlingGenerate
    from kling.nodes.runware import draft

    def executed(node: Any, number: str) -> Any:
        return node.PREPARE_CLASS_CLONE({"hidden_inputs": {io.Hidden.unique_id: number, io.Hidden.prompt: {}}})

    prompt = draft.prompt(positive_prompt="A red fox runs", negative_prompt="", shot_seconds=0, shot_type="single")
    with contextlib.redirect_stdout(None):
        task = await executed(KlingGenerate, "1").execute(prompt=prompt, **DEFAULTS)
        await executed(KlingFetchVideo, "2").execute(task=task.args[0], **FETCHING)
