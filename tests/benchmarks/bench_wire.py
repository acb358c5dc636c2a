"""The wire: films to disk against curl, and the connections of questions. Over loopback, at the speed of a line."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import HERE, Mark, not_here, side_by_side, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MB = 1_000_000
LINES = {
    "100 Mbit/s": (1, 10 * MB, 100),
    "1 Gbit/s": (1, 100 * MB, 1000),
    "1 Gbit/s, shared by 4 films": (4, 25 * MB, 250),
    "no line, one film": (1, 200 * MB, 0),
    "no line, 4 films": (4, 50 * MB, 0),
}
"""Films at once, bytes of each, Mbit/s of each (0: as fast as two processes can)."""

QUESTIONS = 50


def steps(rounds: int) -> int:
    """Count the measurements."""
    return rounds * len(LINES) * 2 + 1


def run(rounds: int, step: Callable[[str], None]) -> Iterator[str | Mark]:
    """Measure, and yield the tables."""
    with subprocess.Popen([sys.executable, str(HERE / "film_server.py")], stdout=subprocess.PIPE, text=True) as server:
        try:
            address = server.stdout.readline().strip() if server.stdout else ""
            step("questions")
            yield from _questions(address)
            yield from _downloads(address, rounds, step)
        finally:
            server.terminate()


def _downloads(address: str, rounds: int, step: Callable[[str], None]) -> Iterator[str | Mark]:
    rows, marks = [], []
    for line, (films, size, speed) in LINES.items():
        arguments = (f"{address}/film?bytes={size}&mbit={speed}", films)
        jobs = {name: ("bench_wire", name, arguments) for name in ("curl", "ours")}
        results = side_by_side(jobs, rounds=rounds, step=step)
        ours = results["ours"]
        rate = films * size / MB / ours.median()
        cpu = ours.told("cpu") / (films * size / MB) * 1000
        if "curl" in results:
            ratios = tuple(results["curl"].ratios(ours))
            marks.append(Mark(f"download, speed / curl's: {line}", ratios, 0.9, least=True))
        compared = results["curl"].over(ours) if "curl" in results else "-"
        rows.append([line, f"{films} x {size // MB} MB", compared, f"{rate:.0f}", f"{cpu:.1f}"])
    head = ["line", "films", "speed / curl's", "MB/s", "ms of processor a MB"]
    yield table("Films to the disk, hashed, checked and synced, against curl and sync", head, rows)
    yield from marks


def _questions(address: str) -> Iterator[str | Mark]:
    asyncio.run(_ask(address))
    with urllib.request.urlopen(f"{address}/counts") as reply:  # noqa: S310  our own address
        counts = json.load(reply)
    rows = [[str(counts["requests"]), str(counts["connections"])]]
    yield table("Questions about one task, side by side with another", ["questions", "connections"], rows)
    yield Mark("connections for the questions of two tasks", (counts["connections"],), 2, digits=0)


async def _ask(address: str) -> None:
    from measure import pack

    pack()
    from kling.nodes.runware.client import Client

    client = Client("made-up", base_url=f"{address}/v1")

    async def questions(task: int) -> None:
        for _ in range(QUESTIONS):
            await client.ask(f"0000000{task}-0000-4000-8000-000000000000")

    await asyncio.gather(questions(1), questions(2))
    await client.close()


# Jobs: each prepares, and returns what is measured.


def curl(url: str, films: int) -> Callable[[], Any]:
    """Fetch with one curl for each film, then sync."""
    if not shutil.which("curl"):
        not_here("no curl")
    folder = Path(tempfile.mkdtemp(prefix="films-"))

    def work() -> dict[str, float]:
        began = time.perf_counter()
        paths = [folder / f"{number}.mp4" for number in range(films)]
        running = [subprocess.Popen(["curl", "--silent", "--output", str(path), url]) for path in paths]
        for each in running:
            each.wait()
        for path in paths:
            with path.open("rb") as file:
                os.fsync(file.fileno())
        return _done(began, folder)

    return work


def ours(url: str, films: int) -> Callable[[], Any]:
    """Fetch as a purchase does."""
    from kling.nodes.runware.client import Client
    from kling.nodes.runware.download import save
    from kling.nodes.runware.files import Disk

    folder = Path(tempfile.mkdtemp(prefix="films-"))
    client = Client("made-up", base_url=url.partition("/film")[0] + "/v1")
    loop = asyncio.new_event_loop()
    loop.run_until_complete(client.ask("00000000-0000-4000-8000-000000000000"))  # what is imported late

    async def fetch() -> None:
        paths = [folder / f"{number}.mp4" for number in range(films)]
        await asyncio.gather(*(save(client, url, path, disk=Disk()) for path in paths))

    def work() -> dict[str, float]:
        began, before = time.perf_counter(), time.process_time()
        loop.run_until_complete(fetch())
        return _done(began, folder, time.process_time() - before)

    return work


def _done(began: float, folder: Path, cpu: float = 0.0) -> dict[str, float]:
    seconds = time.perf_counter() - began
    shutil.rmtree(folder)
    return {"seconds": seconds, "cpu": cpu}
