"""Makes real processes that buy: reads one job a line, forks for each, and tells how it ended.

A job is {"folder", "base_url", "key", "take", "kill_at", "daily_budget"}; a line may hold several,
which then run at the same time.
`kill_at` is the number of the step at which the process kills itself with SIGKILL; every step has a name.
"""

# ruff: noqa: E402  the pack is put on the path first
from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import sys
import time
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
importlib.import_module("conftest")  # puts the pack on the path, under the name kling

import httpx
from kling.nodes.runware.client import Client
from kling.nodes.runware.errors import KlingError
from kling.nodes.runware.files import Disk
from kling.nodes.runware.journal import Journal
from kling.nodes.runware.order import Timing
from kling.nodes.runware.settings import Settings
from kling.nodes.runware.task import Purchase

from world.orders import KINDS, order

TIMING = Timing(
    quick_probes=(0.0, 0.02, 0.05),
    last_probes=(0.0, 0.05, 0.1, 0.1),
    settle=0.6,
    lock_pause=0.02,
    expected=(0.05, 0.06, 0.07, 0.08),
)
"""The protocol's times for a service whose slowest render takes a fifth of a second."""


class Steps:
    """Numbers and names every step; the process ends at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self.kill_at = kill_at
        self.names: list[str] = []

    def take(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) - 1 == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class SteppingDisk(Disk):
    """The real disk, each of whose writes is a step."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps

    def create(self, path):
        self._steps.take(f"create {_kind(path)}")
        return super().create(path)

    def append(self, file, data):
        self._steps.take("append")
        super().append(file, data)

    def sync(self, file):
        self._steps.take("sync")
        super().sync(file)

    def replace(self, source, target):
        self._steps.take(f"replace {_kind(target)}")
        super().replace(source, target)
        self._steps.take(f"replaced {_kind(target)}")

    def sync_folder(self, path):
        super().sync_folder(path)
        self._steps.take(f"durable {path.name}")


def _kind(path: Path) -> str:
    name = path.name.removesuffix(".part").rpartition(".")[0] if path.name.endswith(".part") else path.name
    return f"{path.parent.name}{Path(name).suffix}"


class SteppingTransport(httpx.AsyncHTTPTransport):
    """The real network, each of whose exchanges is some steps."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps

    async def handle_async_request(self, request):
        name = "file"
        if request.method == "POST":
            body = await request.aread()
            name = json.loads(body)[0]["taskType"]
            request.stream = _Body(body, name, self._steps)
        self._steps.take(f"before {name}")
        reply = await super().handle_async_request(request)
        self._steps.take(f"answer {name}")
        return reply


class _Body(httpx.AsyncByteStream):
    def __init__(self, body: bytes, name: str, steps: Steps) -> None:
        self._body, self._name, self._steps = body, name, steps

    async def __aiter__(self):
        half = len(self._body) // 2
        yield self._body[:half]
        self._steps.take(f"half of {self._name}")
        yield self._body[half:]
        self._steps.take(f"all of {self._name}")


def buy(job: dict) -> dict:
    """Buy in this process."""
    steps, budget = Steps(job.get("kill_at")), job.get("daily_budget")

    async def work():
        purchase = Purchase(
            order(KINDS[0], job["key"], job["take"]),
            client=Client(job["key"], base_url=job["base_url"], transport=SteppingTransport(steps)),
            journal=Journal(Path(job["folder"]), disk=SteppingDisk(steps), clock=time.time),
            settings=Settings(base_url=job["base_url"], daily_budget=Decimal(budget) if budget else None),
            places=asyncio.Semaphore(4),
            timing=TIMING,
        )
        try:
            record = await purchase.run()
        except KlingError as error:
            return {"error": str(error), "kind": type(error).__name__}
        return {"task_uuid": record.task_uuid, "film": record.films[0].file, "sha256": record.films[0].sha256}

    return {**asyncio.run(work()), "steps": steps.names}


def _fork(job: dict) -> tuple[int, int]:
    out, into = os.pipe()
    child = os.fork()
    if child:
        os.close(into)
        return child, out
    os.close(out)
    os.write(into, json.dumps(buy(job)).encode())
    os._exit(0)


def main() -> None:
    """Serve jobs until the input ends."""
    for line in sys.stdin:
        children = [_fork(job) for job in json.loads(line)]
        told = []
        for child, out in children:
            with os.fdopen(out, "rb") as pipe:
                text = pipe.read()
            _, status = os.waitpid(child, 0)
            told.append({"killed": os.WIFSIGNALED(status), **(json.loads(text) if text else {})})
        print(json.dumps(told), flush=True)  # noqa: T201  the answer to the test


if __name__ == "__main__":
    main()
