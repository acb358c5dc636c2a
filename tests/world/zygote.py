"""Makes real processes that buy: reads one job a line, forks for each, and tells how it ended.

A job is {"folder", "base_url", "key", "take", "kill_at", "begin_after", "daily_budget"}; a line may hold several,
which then run at the same time.
`kill_at` is {"after", "step", "nth", "once_locked_out"}: the process kills itself with SIGKILL at the n-th step of that
name (of any, if there is none) that comes after the first of the other name (after the start, if there is none), and if
so wished not before another process has met its lock. Every step has a name; a number would mean another step after any
change.
`begin_after` is the ending of a file below tasks/ that the process waits for.
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
    failure_patience=0.1,
)
"""The protocol's times for a service whose slowest render takes a fifth of a second."""


LOCKED_OUT = "locked out"


class Steps:
    """Names every step; the process ends at one of them."""

    def __init__(self, kill_at: dict | None, folder: Path) -> None:
        self.kill_at = kill_at
        self._locked_out = folder / LOCKED_OUT
        self.names: list[str] = []
        self._passed = kill_at is not None and kill_at["after"] is None
        self._left = kill_at["nth"] if kill_at else 0

    def take(self, name: str) -> None:
        self.names.append(name)
        if name == LOCKED_OUT:
            self._locked_out.touch()
        if self.kill_at is None:
            return
        if self._passed and self.kill_at["step"] in {None, name}:
            if not self._left:
                while self.kill_at["once_locked_out"] and not self._locked_out.exists():
                    time.sleep(0.001)
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1
        self._passed = self._passed or name == self.kill_at["after"]


class SteppingDisk(Disk):
    """The real disk, each of whose writes is a step. That of a record is named by its state, too."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps
        self._kinds: dict[int, str] = {}

    def create(self, path):
        self._steps.take(f"create {_kind(path)}")
        file = super().create(path)
        self._kinds[id(file)] = _kind(path)
        return file

    def append(self, file, data):
        self._steps.take(f"append {self._kinds[id(file)]}")
        super().append(file, data)

    def sync(self, file):
        self._steps.take(f"sync {self._kinds[id(file)]}")
        super().sync(file)

    def replace(self, source, target):
        name = _kind(target)
        if name == "tasks.json":
            name += f" {json.loads(source.read_bytes())['state']}"
        self._steps.take(f"replace {name}")
        super().replace(source, target)
        self._steps.take(f"replaced {name}")

    def lock(self, path, place):
        if super().lock(path, place):
            return True
        self._steps.take(LOCKED_OUT)
        return False

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
        if name == "file":
            reply.stream = _Film(reply.stream, self._steps)
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


class _Film(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, steps: Steps) -> None:
        self._stream, self._steps = stream, steps

    async def __aiter__(self):
        is_first = True
        async for piece in self._stream:
            half = len(piece) // 2
            yield piece[:half]
            if is_first:
                self._steps.take("half of file")  # and it is written
            is_first = False
            yield piece[half:]

    async def aclose(self):
        await self._stream.aclose()


def buy(job: dict) -> dict:
    """Buy in this process."""
    steps, budget = Steps(job.get("kill_at"), Path(job["folder"])), job.get("daily_budget")
    while job.get("begin_after") and not list(Path(job["folder"]).glob(f"tasks/*.{job['begin_after']}")):
        time.sleep(0.001)

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
