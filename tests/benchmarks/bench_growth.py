"""What grows with seconds of film, with results and with parallel nodes; the journal is in `bench_journal.py`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import clips
import plots
from measure import ROOT, fewer, memory_now, pack, peak_since, side_by_side, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from measure import Runs

SECONDS = (3, 6, 9, 12, 15)
RESULTS = (1, 2, 3, 4)
NODES = (1, 2, 4, 8, 16)
RATE = 24


def steps(rounds: int) -> int:
    """Count the measurements."""
    rounds = fewer(rounds)
    return 1 + rounds * (len(SECONDS) + len(RESULTS) + len(NODES))


def run(rounds: int, step: Callable[[str], None]) -> Iterator[str]:
    """Measure, and yield one table after the other; draw them where `--plots` says so."""
    rounds = fewer(rounds)
    with tempfile.TemporaryDirectory() as folder:
        step("making films")
        films = [clips.film(Path(folder, f"{each}.mp4"), seconds=each, rate=RATE) for each in SECONDS]
        jobs: dict[Any, Any] = {each: ("bench_growth", "films", ([str(films[at])],)) for at, each in enumerate(SECONDS)}
        yield _grown("seconds", "seconds of film", side_by_side(jobs, rounds=rounds, step=step))
        jobs = {each: ("bench_growth", "films", ([str(films[0])] * each,)) for each in RESULTS}
        yield _grown("results", "results (3 s each)", side_by_side(jobs, rounds=rounds, step=step))
    jobs = {each: ("bench_growth", "purchases", (each,)) for each in NODES}
    results = side_by_side(jobs, rounds=rounds, step=step)
    yield _grown("nodes", "KlingGenerate at once (the render takes 0.5 s)", results, with_cpu=True)


def _grown(name: str, what: str, results: dict[Any, Runs], *, with_cpu: bool = False) -> str:
    seconds = {each: runs.median() for each, runs in results.items()}
    memory = {each: runs.told("memory") / 1e6 for each, runs in results.items()}
    rows = []
    for each, runs in results.items():
        row = [str(each), f"{seconds[each]:.2f}", f"{seconds[each] / each:.3f}", f"{memory[each]:.0f}"]
        row += [f"{memory[each] / each:.1f}"]
        rows.append([*row, f"{runs.told('cpu') / each * 1000:.0f}"] if with_cpu else row)
    head = [what, "s", "s for each", "added memory, MB", "MB for each"]
    right = {each: runs.told("cpu") * 1000 for each, runs in results.items()} if with_cpu else memory
    unit = "processor, ms" if with_cpu else "added memory, MB"
    plots.draw(name, what, [("s", {"seconds": seconds}), (unit, {unit: right})])
    return table(f"Growth with {what}", [*head, "processor, ms for each"] if with_cpu else head, rows)


# Jobs: each prepares, and returns what is measured.


def films(paths: list[str]) -> Callable[[], Any]:
    """Read the frames, the last frame and the sound of one film after the other, and keep them all."""
    from kling.nodes.film import read_audio, read_frames_and_last

    read_frames_and_last(Path(paths[0]), frame_load_cap=1)

    def work() -> dict[str, float]:
        before, began = memory_now(), time.perf_counter()
        kept = [(read_frames_and_last(Path(path)), read_audio(Path(path), silent_seconds=1.0)) for path in paths]
        return {"seconds": time.perf_counter() - began, "memory": peak_since() - before, "films": len(kept)}

    return work


def purchases(count: int) -> Callable[[], Any]:
    """Buy so many films at once through the wire, from a service without sockets."""
    pack()
    sys.path.insert(0, str(ROOT / "tests"))
    from kling.nodes.runware import wire
    from kling.nodes.runware.client import Client
    from kling.nodes.runware.settings import Settings
    from kling.nodes.runware.simulator import Simulator

    from world.orders import KINDS, order

    simulator = Simulator(key=None, latency=0.5, balance=1e9, now=time.monotonic)
    wire.Client = lambda key, **_: Client(key, transport=simulator.transport)
    folder = Path(tempfile.mkdtemp(prefix="purchases-"))
    account = wire.Account(folder, "made-up-key", Settings(max_concurrency=16))
    line = wire.Wire()
    line.buy(account, order(KINDS[0], account.key, 1_000)).result()

    def work() -> dict[str, float]:
        before, began, processor = memory_now(), time.perf_counter(), time.process_time()
        tickets = [line.buy(account, order(KINDS[0], account.key, take)) for take in range(1, count + 1)]
        states = {ticket.result().state for ticket in tickets}
        return {
            "seconds": time.perf_counter() - began,
            "memory": peak_since() - before,
            "cpu": time.process_time() - processor,
            "states": len(states),
        }

    return work
