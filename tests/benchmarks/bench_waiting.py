"""When to ask: requests for each generation, and seconds from ready to noticed, against fixed intervals.

Lived through in the simulator in virtual time, with the pack's own purchase, client and journal.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import tempfile
from pathlib import Path
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Any

from measure import ROOT, Mark, pack, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GENERATIONS = 40
"""Of each way and each service."""
ROUND_TRIP = 0.1
"""Seconds of every exchange."""

SERVICES = {
    "90 s, give or take 10 %": (90.0, 0.1, 0.0),
    "90 s, 20 %, one in twenty far later": (90.0, 0.2, 0.05),
    "180 s, give or take 20 %": (180.0, 0.2, 0.0),
}
"""Median seconds of a render, their spread (log-normal), and how many take one and a half to four times as long."""

WAYS = {"every 1 s": 1.0, "every 2 s": 2.0, "every 5 s": 5.0, "**the pack**": None, "the pack, no history": None}


def steps(_rounds: int) -> int:
    """Count the measurements."""
    return len(SERVICES) * len(WAYS)


def run(_rounds: int, step: Callable[[str], None]) -> Iterator[str | Mark]:
    """Measure, and yield the table."""
    pack()
    sys.path.insert(0, str(ROOT / "tests"))
    rows, found = [], {}
    for service in SERVICES:
        for way in WAYS:
            step(f"{service}, {way}")
            requests, delays = found[service, way] = _live(service, way)
            late = sorted(delays)[round(len(delays) * 0.95)]
            rows.append([service, way, f"{fmean(requests):.1f}", f"{fmean(delays):.2f}", f"{late:.1f}"])
    head = ["renders take", "asked", "requests a generation", "s from ready to noticed", "the slowest of twenty, s"]
    yield table(f"When to ask ({GENERATIONS} generations each, virtual time)", head, rows)
    for what, name in enumerate(("requests", "seconds from ready to noticed")):
        for way in ("every 1 s", "every 2 s", "every 5 s"):
            ratios = [fmean(found[each, "**the pack**"][what]) / fmean(found[each, way][what]) for each in SERVICES]
            yield Mark(f"waiting: {name} / asking {way}", tuple(ratios), 1.0)


def _live(service: str, way: str) -> tuple[list[int], list[float]]:
    """Buy so many films one after the other; give the questions and the delay of each."""
    from kling.nodes.runware import waiting

    from world.clockwork import VirtualLoop

    interval, ours = WAYS[way], waiting.next_wait
    if interval is not None:
        waiting.next_wait = lambda _elapsed, _durations: interval
    elif "no history" in way:
        waiting.next_wait = lambda elapsed, _durations: ours(elapsed)
    loop = VirtualLoop()
    try:
        with tempfile.TemporaryDirectory() as folder:
            return loop.run_until_complete(_buy_all(Path(folder), loop, SERVICES[service]))
    finally:
        waiting.next_wait = ours
        loop.close()


async def _buy_all(folder: Path, loop: Any, service: tuple[float, float, float]) -> tuple[list[int], list[float]]:
    from kling.nodes.runware.client import Client
    from kling.nodes.runware.journal import Journal
    from kling.nodes.runware.settings import Settings
    from kling.nodes.runware.simulator import Simulator
    from kling.nodes.runware.task import Purchase

    from world.clockwork import EPOCH
    from world.disk import MemoryDisk, Volume
    from world.orders import KINDS, order

    chance = Random(1)  # noqa: S311  a fixed seed

    def latency(_task: dict[str, Any]) -> float:
        return _seconds(chance, *service)

    simulator = Simulator(latency=latency, balance=1e9, round_trip=ROUND_TRIP)
    client = Client("test-key", transport=simulator.transport)
    volume = Volume(lambda: EPOCH + loop.time())
    volume.put(folder / "usual.json", _history(service))
    journal = Journal(folder, disk=MemoryDisk(volume, lambda _operation: None, chance), clock=volume.clock)
    requests, delays = [], []
    for take in range(1, GENERATIONS + 1):
        before = len(simulator.requests)
        purchase = Purchase(
            order(KINDS[0], "test-key", take),
            client=client,
            journal=journal,
            settings=Settings(),
            places=asyncio.Semaphore(4),
            chance=chance,
        )
        record = await purchase.run()
        (job,) = simulator.service.jobs[record.task_uuid]
        asked = [each for each in simulator.requests[before:] if each.channel == "getResponse" and each.at >= job.at]
        requests.append(len(asked))
        delays.append((record.finished_at or 0.0) - EPOCH - job.ends)
    await client.close()
    return requests, delays


def _seconds(chance: Random, median: float, width: float, strays: float) -> float:
    usual = median * math.exp(chance.gauss(0, width))
    return usual * chance.uniform(1.5, 4) if chance.random() < strays else usual


def _history(service: tuple[float, float, float]) -> bytes:
    """Remember renders of another week: the pack knows the service, and not what comes."""
    chance = Random(2)  # noqa: S311  a fixed seed
    return json.dumps({"klingai:kling-video@3-standard 5": [_seconds(chance, *service) for _ in range(32)]}).encode()
