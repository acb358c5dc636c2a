"""One ComfyUI as the money path sees it: a key, a disk, a wire, and users who press Run and go away."""

from __future__ import annotations

import asyncio
import types
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from kling.nodes.runware.client import Client
from kling.nodes.runware.errors import KlingError
from kling.nodes.runware.journal import Journal
from kling.nodes.runware.order import Timing
from kling.nodes.runware.settings import Settings
from kling.nodes.runware.task import Purchase

from .clockwork import HERE
from .disk import FOR_ONCE, READS, WRITES, MemoryDisk, Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from decimal import Decimal

    from kling.nodes.runware.order import Order
    from kling.nodes.runware.record import Record

    from .world import World

FOLDER = Path("/state")
NEVER = -1


class Killed(BaseException):
    """The process has ended; nothing it does after this has an effect."""


@dataclass
class Outcome:
    """How a press of Run ended: with a record, with an error, or with the user gone."""

    record: Record | None = None
    error: BaseException | None = None
    end: str = ""


class _Network(httpx.AsyncBaseTransport):
    """The way to the service, as long as the process lives."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._inner = process.world.simulator.transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        durable = dict(self._process.volume.durable)  # before the first byte is read: users meddle while bytes leave
        if not isinstance(request.stream, httpx.ByteStream):  # a purchase, whose bytes come from a file
            self._process.connect()
        await self._process.doze()
        self._process.step("request")
        await request.aread()
        world, asks = self._process.world, b'"getResponse"' in request.content[:120]
        if b'"videoInference"' in request.content[:120]:
            world.check_sending(self._process, request.content, durable)
        asked_at = world.now()
        reply = await self._inner.handle_async_request(request)
        if asks and reply.status_code == httpx.codes.OK:
            world.note_answer(self._process, request.content, asked_at)
        await self._process.doze()
        self._process.step("reply")
        return reply


class Process:
    """A process with its journal.

    `fuse` counts down steps (awaits, file operations, exchanges) to its death, `nap_fuse` to a
    sleep of all machines, and `nap_send` counts sends to one in their middle; `doze_fuse` counts
    requests and replies to a sleep of its machine, while the others go on.
    """

    def __init__(
        self, world: World, volume: Volume, key: str, *, window: float, daily_budget: Decimal | None = None
    ) -> None:
        self.world = world
        self.volume = volume
        self.key = key
        self.alive = True
        self.fuse = NEVER
        self.nap_fuse = self.nap_send = self.doze_fuse = NEVER
        self.disk_fuse = NEVER
        self.disk_fault = ""
        self.steps = 0
        self.disk = MemoryDisk(volume, self.disk_step, world.chance)
        self.client = Client(key, transport=_Network(self))
        self.journal = Journal(FOLDER, disk=self.disk, clock=volume.clock, uptime=volume.uptime)
        self.settings = Settings(resubmit_window=window, daily_budget=daily_budget)
        self.places = asyncio.Semaphore(4)
        self.running: dict[str, tuple[Purchase, asyncio.Task[Record], list[int]]] = {}

    def step(self, what: str) -> None:
        """Take one step; the fuse may end here."""
        self.steps += 1
        if self.fuse == 0:
            self.world.note(f"killed at {what}")
            self.end()
        self.fuse -= self.fuse > 0
        self.nap_fuse = self._nap_after(self.nap_fuse, what)
        if not self.alive:
            raise Killed

    def connect(self) -> None:
        """Make the connection for a send, whose last bytes are still to be read."""
        self.nap_send = self._nap_after(self.nap_send, "a send")

    async def doze(self) -> None:
        """Let the machine sleep here, if it is to."""
        if self.doze_fuse == 0:
            self.world.doze(self.volume)
            await asyncio.sleep(0.0)
        self.doze_fuse -= self.doze_fuse >= 0

    def _nap_after(self, left: int, what: str) -> int:
        if left == 0:
            self.world.nap(what)
        return left - (left >= 0)

    def disk_step(self, operation: str) -> str | None:
        """Take one file operation, which may fail."""
        self.step(operation)
        if self.disk_fuse == NEVER or operation not in (READS if self.disk_fault == "unreadable" else WRITES):
            return None
        if self.disk_fuse > 0:
            self.disk_fuse -= 1
            return None
        if self.disk_fault in FOR_ONCE:
            self.disk_fuse = NEVER
        self.world.note(f"disk {self.disk_fault} at {operation}")
        return self.disk_fault

    def end(self) -> None:
        """Die: locks are freed, nothing else happens any more."""
        self.alive = False
        self.fuse = NEVER
        self.volume.locks = {place: owner for place, owner in self.volume.locks.items() if owner is not self.disk}
        for _, task, _ in self.running.values():
            task.cancel()

    async def buy(self, order: Order, patience: float) -> Outcome:
        """Press Run, and wait so many seconds."""
        return await self._press(order.intent, order, lambda purchase: purchase.run(), patience)

    async def collect(self, task_uuid: str, patience: float) -> Outcome:
        """Use KlingFetchVideo with a UUID."""
        return await self._press(task_uuid, None, lambda purchase: purchase.collect(task_uuid), patience)

    def purchase(self, order: Order | None, **timing: Any) -> Purchase:
        """Make what a press of Run, or a collection by UUID, goes through; with other times than the protocol's."""
        return Purchase(
            order,
            client=self.client,
            journal=self.journal,
            settings=self.settings,
            places=self.places,
            timing=Timing(**timing),
            chance=self.world.chance,
        )

    async def _press(
        self, name: str, order: Order | None, work: Callable[[Purchase], Coroutine[Any, Any, Record]], patience: float
    ) -> Outcome:
        if name not in self.running or self.running[name][1].done():
            purchase = self.purchase(order)
            task = asyncio.get_running_loop().create_task(_stepping(work, purchase, self))
            self.running[name] = (purchase, task, [0])
        purchase, task, waiting = self.running[name]
        waiting[0] += 1
        try:
            await asyncio.wait({task}, timeout=patience)
        finally:
            waiting[0] -= 1
        if not task.done():
            if not waiting[0] and not purchase.sent:
                task.cancel()
                return Outcome(end="given up unsent")
            return Outcome(end="left")
        if not self.alive or task.cancelled():
            return Outcome(end="killed")
        error = task.exception()
        if error is None:
            return Outcome(record=task.result(), end="film")
        if isinstance(error, Killed):
            return Outcome(end="killed")
        if not isinstance(error, KlingError) or isinstance(error, AssertionError):
            self.world.fail("only KlingErrors leave a purchase", error)
        return Outcome(error=error, end=type(error).__name__)


@types.coroutine
def _awaits(work: Coroutine[Any, Any, Record], process: Process):
    """Run a coroutine and make each of its awaits a step."""
    inner = work.__await__()
    try:
        waited = next(inner)
        while True:
            try:
                process.step("await")
                sent = yield waited
            except GeneratorExit:  # nobody waits any more; the work may be gone already
                inner.close()
                raise
            except BaseException as error:  # noqa: BLE001
                waited = inner.throw(error)
            else:
                waited = inner.send(sent)
    except StopIteration as result:
        return result.value


async def _stepping(
    work: Callable[[Purchase], Coroutine[Any, Any, Record]], purchase: Purchase, process: Process
) -> Record:
    HERE.set(process.volume.machine)
    return await _awaits(work(purchase), process)
