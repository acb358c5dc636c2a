"""A small world that is told, not drawn: one process, the faults of a script, and time that costs nothing."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

from kling.nodes.runware.record import Record
from kling.nodes.runware.simulator import Faults, Simulator

from .clockwork import EPOCH, VirtualLoop
from .disk import Node, Volume
from .orders import KINDS, REFERENCE, REFERENCE_BYTES, Kind, order
from .process import FOLDER, Outcome, Process

if TYPE_CHECKING:
    from pathlib import Path

    from kling.nodes.runware.order import Order

KEY = "a-key-that-nobody-may-see"
NODE_PATIENCE = 2_700.0


class Story:
    """`script` are pairs of channel and fault, as in `Faults.script`; `service` is what Simulator takes."""

    def __init__(self, *script: tuple[str, Any], window: float = 20.0, key: str = KEY, **service: Any) -> None:
        self.loop = VirtualLoop()
        self.chance = Random(1)  # noqa: S311  no secret
        self.skew = 0.0
        self.window = window
        self.key = key
        self.posts: list[str] = []
        self.simulator = Simulator(**{"key": key, "faults": Faults.script(script), "now": self.loop.time, **service})
        self.now = self.simulator.now
        self.volume = Volume(lambda: EPOCH + self.loop.time() + self.skew, self.loop.time)
        self.volume.put(REFERENCE, REFERENCE_BYTES)
        self.process = Process(self, self.volume, key, window=window)

    # What a process wants of its world

    def note(self, text: str) -> None:
        """Nobody reads it."""

    def fail(self, invariant: str, error: BaseException | None = None) -> None:
        """Show what broke the story."""
        raise AssertionError(invariant) from error

    def check_sending(self, process: Process, body: bytes, durable: dict[Path, Node]) -> None:  # noqa: ARG002
        """Keep what was sent."""
        self.posts.append(body.decode())

    def note_answer(self, process: Process, body: bytes, asked_at: float) -> None:
        """Nobody counts them."""

    # What happens in it

    def run(self, work: Any) -> Any:
        """Let a coroutine run to its end."""
        return self.loop.run_until_complete(work)

    def buy(self, kind: Kind = KINDS[0], *, take: int = 1, patience: float = NODE_PATIENCE) -> Outcome:
        """Press Run."""
        return self.run(self.process.buy(self.order(kind, take), patience))

    def collect(self, task_uuid: str, *, patience: float = NODE_PATIENCE) -> Outcome:
        """Use KlingFetchVideo."""
        return self.run(self.process.collect(task_uuid, patience))

    def order(self, kind: Kind = KINDS[0], take: int = 1) -> Order:
        """What would be bought."""
        return order(kind, self.key, take)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.run(asyncio.sleep(seconds))

    def restart(self, *, key: str | None = None) -> Process:
        """End the process and start the next one on its disk."""
        self.process.end()
        self.key = key or self.key
        self.process = Process(self, self.volume, self.key, window=self.window)
        return self.process

    def script(self, *entries: tuple[str, Any]) -> None:
        """Let more go wrong."""
        self.simulator.faults.then(entries)

    @property
    def billed(self) -> int:
        """How many jobs were paid in all, when everything has come to its end."""
        self.simulator.run_out()
        return sum(self.simulator.billed(task_uuid) for task_uuid in self.simulator.service.jobs)

    @property
    def sends(self) -> int:
        """How often bytes of a purchase left."""
        return len(self.posts)

    def asked(self, channel: str) -> int:
        """How many exchanges of a channel there were."""
        return sum(exchange.channel == channel for exchange in self.simulator.requests)

    def path(self, task_uuid: str, kind: str = "json") -> Path:
        """Where a task's file lies."""
        return FOLDER / "tasks" / f"{task_uuid}.{kind}"

    def record(self, task_uuid: str | None = None) -> Record:
        """Read a record, by default the first attempt's, as it lies on the disk."""
        task_uuid = task_uuid or self.order().uuid(0)
        return Record.model_validate_json(bytes(self.volume.names[self.path(task_uuid)].data))

    def films(self) -> list[bytes]:
        """The films that are here under their names."""
        here = [path for path in self.volume.below("films") if not path.name.startswith(".")]
        return [bytes(self.volume.names[path].data) for path in here]
