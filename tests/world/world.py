"""One world from one seed: a service, its faults, one or two processes, their users; then the invariants (judge.py).

The invariants are those of the protocol (docs/money-safety.md): I1 a task UUID is billed once; I2 what was billed is
delivered to those who keep asking; I3 nothing is sent without a durable record; I4 no second UUID for an intent
without a recorded end of the first; I5 a file under its final name is whole; I6 everything ends; I7 no key leaks.
And no machine spends more in a day than its budget.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from kling.nodes.runware.order import Timing
from kling.nodes.runware.record import ENDED_BADLY, State
from kling.nodes.runware.simulator import Simulator

from . import judge
from .clockwork import EPOCH, VirtualLoop
from .disk import Node, Volume
from .mischief import DEEDS
from .orders import KINDS, REFERENCE, REFERENCE_BYTES, Kind, order
from .process import FOLDER, Outcome, Process
from .weather import HARSH, TABLES, ShyService, Weather

if TYPE_CHECKING:
    from pathlib import Path

    from kling.nodes.runware.order import Order

DEDUPES = ("running", "forever", "none")
FASTEST = 35.0
"""Seconds: no render is faster (A3)."""
NODE_PATIENCE = 2_700.0
CALM_PRESSES = 5
LONGEST = 2 * Timing.watch
"""Seconds after which no purchase runs any more."""
HISTORY = json.dumps({"klingai:kling-video@3-standard 5": [40, 45, 55, 60, 90, 120]}).encode()
"""How long renders took: with it, questions are asked where most end."""


@dataclass
class Sent:
    """One send of a purchase; `number` is the exchange's among all that the simulator has recorded."""

    task_uuid: str
    attempt: int
    at: float
    machine: Volume
    number: int


class Broken(AssertionError):
    """An invariant does not hold."""


class World:
    """One world. `chance` draws everything; `notes` tell its story.

    In a `harsh` one two machines that cannot see each other's journals are refused often, by a service that helps.
    """

    def __init__(self, seed: int, loop: VirtualLoop, *, harsh: bool = False, verbose: bool = False) -> None:
        self.seed = seed
        self.loop = loop
        self.verbose = verbose
        self.chance = chance = Random(seed)  # noqa: S311  no secret
        self.notes: list[str] = []
        self.suffered: set[str] = set()
        self.ends: list[str] = []
        self.dedupe = DEDUPES[seed % (2 if harsh else 3)]
        self.usual = chance.choice((1.0, 40.0, 40.0))
        """Seconds that most renders take beyond the fastest."""
        self.window = 0.0 if self.dedupe == "none" else 20.0
        self.weather = Weather(chance, chance.choice((0.0, 0.3, 1.0, 1.0, 2.0)), HARSH if harsh else TABLES)
        self.key = f"key-{seed:08d}-{chance.getrandbits(64):016x}"
        self.keys = [self.key]
        self.simulator = Simulator(
            seed=seed,
            key=self.key,
            latency=self._latency,
            dedupe=self.dedupe,
            faults=self.weather,
            balance=1e6,
            now=self.now,
        )
        self.weather.simulator = self.simulator
        if chance.random() < 0.4 and not harsh:
            self.simulator.service.__class__ = ShyService
        self.skew = 0.0
        self.slept = self.stalled = 0.0
        self.naps = _naps(seed)
        self.budget = _budget(seed)
        self.layout = chance.choices(("one", "shared", "separate"), (0, 0, 1) if harsh else (70, 15, 15))[0]
        self.volumes = [Volume(self._clock, self.now) for _ in range(2 if self.layout == "separate" else 1)]
        for volume in self.volumes:
            volume.put(REFERENCE, REFERENCE_BYTES)
            if chance.random() < 0.6:
                volume.put(FOLDER / "usual.json", HISTORY)
        self.processes = [self._process(volume) for volume in self._homes()]
        self.wanted: list[tuple[Kind, int]] = [
            (chance.choice(KINDS), take) for take in range(1, chance.choice((1, 1, 1, 1, 2)) + 1)
        ]
        self.final: list[str] = []
        self.meddled: list[object] = []
        """Films that somebody damaged. Where nobody asks for them again they stay so."""
        self.paid_again = 0
        self.bought_blindly = 0
        self.ended: set[str] = set()
        """Tasks whose records said that they had ended badly, before somebody meddled with the records."""
        self.sent: dict[str, list[str]] = {}
        self.sends: dict[str, list[Sent]] = {}
        """When each task's bytes left, and from which machine."""
        self.answers: dict[str, list[tuple[float, Volume]]] = {}
        """When each task's state was asked for and then told, and to which machine."""

    # Its parts

    def _latency(self, _task: dict[str, Any]) -> float:
        return FASTEST + min(self.chance.expovariate(1 / self.usual), 600.0)

    def now(self) -> float:
        """Tell the service's time, and how long the machines are up: the loop's clock stands still in their sleep."""
        return self.loop.everywhere() + self.slept

    def _clock(self) -> float:
        return EPOCH + self.now() + self.skew

    def _homes(self) -> list[Volume]:
        return [self.volumes[0], self.volumes[-1]] if self.layout != "one" else [self.volumes[0]]

    def _process(self, volume: Volume) -> Process:
        return Process(self, volume, self.key, window=self.window, daily_budget=self.budget)

    def note(self, text: str) -> None:
        """Tell what happens."""
        self.notes.append(f"{self.now():9.1f}  {text}")
        if self.verbose:
            print(self.notes[-1])  # noqa: T201  asked for by --verbose

    def fail(self, invariant: str, error: BaseException | None = None) -> None:
        """Stop the world: an invariant is broken."""
        raise Broken(f"seed {self.seed} ({self.dedupe}, {self.layout}): {invariant}") from error

    # Its story

    async def live(self) -> None:
        """Let users press, and things go wrong; then let the storm end, and look."""
        for _ in range(self.chance.randint(1, 6)):
            await self._turn()
        await self._calm()
        await self._everything_ends()
        judge.look(self)

    async def _turn(self) -> None:
        chance = self.chance
        if chance.random() < 0.18:
            self._mischief()
        pressing = []
        both = len(self.processes) > 1 and chance.random() < 0.5
        for index in range(len(self.processes)) if both else (chance.randrange(len(self.processes)),):
            process = self._alive(index)
            self._endanger(process)
            for kind, take in self.wanted:
                patience = chance.expovariate(1 / 30) if chance.random() < 0.3 else NODE_PATIENCE
                pressing.append(self._press(process, order(kind, process.key, take), patience, index))
            if chance.random() < 0.15 and self.sent:
                pressing.append(self._collect(process, chance.choice(sorted(self.sent.values()))[-1]))
        if chance.random() < 0.1:
            pressing.append(self._strike(chance.expovariate(1 / 60)))
        await asyncio.gather(*pressing)
        for index, process in enumerate(self.processes):
            process.disk_fuse = -1
            if not process.alive and chance.random() < 0.5:
                self._lose_power(index)
        await asyncio.sleep(
            chance.choices(
                (0.0, chance.uniform(0, 30), chance.uniform(60, 600), chance.uniform(3660, 7000), 86_400.0),
                (20, 30, 25, 22, 3),
            )[0]
        )

    def _endanger(self, process: Process) -> None:
        """Draw when a process is to end, to sleep, and to have trouble with its disk."""
        chance = self.chance
        if chance.random() < 0.25:
            process.fuse = int(10 ** chance.uniform(0, 2.4))
        if self.naps is not None and self.naps.random() < 0.3:
            process.nap_fuse = int(10 ** self.naps.uniform(0, 2.6))
        if self.naps is not None and self.naps.random() < 0.5:
            process.nap_send = self.naps.randrange(3)
        if self.naps is not None and self.layout == "separate" and self.naps.random() < 0.6:
            process.doze_fuse = int(10 ** self.naps.uniform(0, 1.9))
        if chance.random() < 0.15:
            process.disk_fault = chance.choice(("full", "read-only", "broken", "torn", "unreadable"))
            process.disk_fuse = int(10 ** chance.uniform(0, 1.9)) - 1

    def _alive(self, index: int) -> Process:
        process = self.processes[index]
        if process.alive and self.chance.random() < 0.2:
            self.note(f"process {index} restarted")
            process.end()
        if not process.alive:
            process = self.processes[index] = self._process(process.volume)
        return process

    def _lose_power(self, index: int) -> None:
        volume = self.processes[index].volume
        self.note("power lost")
        self.suffered.add("power")
        for process in self.processes:
            if process.volume is volume:
                process.end()
        volume.crash(self.chance)

    async def _collect(self, process: Process, task_uuid: str) -> None:
        self.note(f"collects {task_uuid}")
        outcome = await process.collect(task_uuid, NODE_PATIENCE)
        self.note(f"collected {task_uuid}: {outcome.end} {outcome.error or ''}")
        self._check_end(outcome, 0.0, NODE_PATIENCE)

    async def _press(self, process: Process, wanted: Order, patience: float, index: int) -> Outcome:
        self.note(f"process {index} presses Run for take {wanted.take}, waits {patience:.0f} s")
        began = self.loop.time() - self.stalled
        outcome = await process.buy(wanted, patience)
        self.note(f"process {index}, take {wanted.take}: {outcome.end} {outcome.error or ''}")
        self.ends.append(outcome.end)
        self._check_end(outcome, self.loop.time() - self.stalled - began, patience)
        return outcome

    async def _strike(self, seconds: float) -> None:
        """Let mischief come while purchases run."""
        await asyncio.sleep(seconds)
        self._mischief()

    def nap(self, when: str) -> None:
        """Let the machines sleep, or a disk hold up the process; the service goes on."""
        assert self.naps is not None
        if self.naps.random() < 0.7:
            seconds = self._seconds_asleep()
            self.slept += seconds
            self.note(f"slept for {seconds:.0f} s at {when}")
        else:
            seconds = self.naps.uniform(1, 60)
            self.stalled += seconds
            self.loop.stall(seconds)
            self.note(f"stalled for {seconds:.0f} s at {when}")

    def doze(self, volume: Volume) -> None:
        """Let one machine sleep; the service and the other machine go on."""
        seconds = self._seconds_asleep()
        self.loop.sleep(volume.machine, seconds)
        self.note(f"machine {self.volumes.index(volume)} sleeps for {seconds:.0f} s")

    def _seconds_asleep(self) -> float:
        assert self.naps is not None
        return self.naps.choice((self.naps.uniform(3, 40), self.naps.uniform(40, 600), self.naps.uniform(3600, 5000)))

    def _mischief(self) -> None:
        """Do what users and fate do, between two presses or during one."""
        chance = self.chance
        volume = chance.choice(self.volumes)
        self.ended |= {path.stem for path in volume.below("tasks") if _ended_badly(bytes(volume.names[path].data))}
        deed = chance.choice(DEEDS)
        self.note(f"mischief: {deed.__name__.replace('_', ' ')}")
        deed(self, volume, chance)

    async def _calm(self) -> None:
        """End the storm; everyone keeps pressing."""
        self.weather.force = 0.0
        for process in self.processes:
            process.end()
        self.note("calm")
        for number in range(CALM_PRESSES):
            await asyncio.sleep(30.0 if number == 0 else 3_700.0)
            ends = []
            for index in range(len(self.processes)):
                process = self._alive(index)
                for kind, take in self.wanted:
                    outcome = await self._press(process, order(kind, process.key, take), NODE_PATIENCE, index)
                    ends.append(outcome.end)
            if set(ends) == {"film"}:
                break
        self.final = ends
        await self._collect_others()

    async def _collect_others(self) -> None:
        """Use KlingFetchVideo for what was paid and is not the newest attempt: a failure may have become a film."""
        await asyncio.sleep(3_700.0)  # until then a failure that was told may still become a film
        here = {path.stem for volume in self.volumes for path in volume.below("films")}
        for task_uuid, jobs in list(self.simulator.service.jobs.items()):
            if any(row["videoUUID"] not in here for job in jobs for row in job.films[: job.successes]):
                if not self._knows(task_uuid):
                    self.fail(f"I2: nobody can know of {task_uuid}")
                await self._collect(self._alive(0), task_uuid)

    def _knows(self, task_uuid: str) -> bool:
        """Whether a user can read the UUID: in the list of purchases or in an error, unless records were deleted."""
        listed = any(FOLDER / "tasks" / f"{task_uuid}.json" in volume.names for volume in self.volumes)
        return listed or "journal" in self.suffered or any(task_uuid in note for note in self.notes if ": " in note)

    # The invariants

    def check_sending(self, process: Process, body: bytes, durable: dict[Path, Node]) -> None:
        """I3 and I4, as a purchase leaves; `durable` is what lay safely on the disk before its first byte."""
        task_uuid = json.loads(body)[0]["taskUUID"]
        text = process.volume.durable_bytes(FOLDER / "tasks" / f"{task_uuid}.json", durable)
        record = json.loads(text) if text else {}
        if record.get("state") != State.SENDING.value or not record.get("maybe_sent"):
            self.fail("I3: sent without a durable record")
        self.note(f"sends {task_uuid}")
        sent = Sent(task_uuid, record["attempt"], self.now(), process.volume, len(self.simulator.requests))
        self.sends.setdefault(task_uuid, []).append(sent)
        earlier = self.sent.setdefault(record["intent"], [])
        if task_uuid in earlier:
            return
        for each in earlier:
            path = FOLDER / "tasks" / f"{each}.json"
            known = process.volume.durable_bytes(path)
            elsewhere = self.layout == "separate" and _is(known, State.INTENT)  # sent there, only prepared here
            if known is None:  # another machine's alone, which wrote down how it ended
                known = next(filter(None, (volume.durable_bytes(path) for volume in self.volumes)), None)
            if not (_ended_badly(known) or elsewhere or each in self.ended or judge.other_name(self)):
                self.fail(f"I4: {task_uuid} was made while {each} has not ended: {known!r:.80}")
        earlier.append(task_uuid)

    def note_answer(self, process: Process, body: bytes, asked_at: float) -> None:
        """Remember who was told of a task, and of when; the answer may have been long on its way."""
        for task in json.loads(body):
            self.answers.setdefault(task["taskUUID"], []).append((asked_at, process.volume))

    def _check_end(self, outcome: Outcome, spent: float, patience: float) -> None:
        if spent > patience + 1.0:
            self.fail("I6: the press took longer than allowed")
        if outcome.error is not None:
            text = _told(outcome.error)
            if any(key in text for key in self.keys):
                self.fail("I7: the key stands in an error")

    async def _everything_ends(self) -> None:
        tasks = {task for process in self.processes for _, task, _ in process.running.values()}
        if tasks and (await asyncio.wait(tasks, timeout=LONGEST))[1]:
            self.fail("I6: a purchase never ends by itself")


def _budget(seed: int) -> Decimal | None:
    """Draw a day's budget, USD, for some worlds; by a chance of its own, so that the others stay as they were."""
    chance = Random(f"{seed} budget")  # noqa: S311  no secret
    return Decimal(chance.choice(("0.41", "0.42", "0.83", "0.84", "1.26", "2.00"))) if chance.random() < 0.2 else None


def _naps(seed: int) -> Random | None:
    """Draw what is drawn of sleeping machines and slow disks, in some worlds; by a chance of its own, as above."""
    chance = Random(f"{seed} naps")  # noqa: S311  no secret
    return chance if chance.random() < 0.15 else None


def _ended_badly(record: bytes | None) -> bool:
    return any(_is(record, bad) for bad in ENDED_BADLY)


def _is(record: bytes | None, state: State) -> bool:
    return record is not None and f'"state":"{state.value}"'.encode() in record


def run(seed: int, loop: VirtualLoop, *, harsh: bool = False, verbose: bool = False) -> World:
    """Live through one world. Raises Broken."""
    loop.rewind()
    world = World(seed, loop, harsh=harsh, verbose=verbose)
    try:
        loop.run_until_complete(world.live())
    except BaseException as error:
        if not isinstance(error, (Broken, KeyboardInterrupt)):
            raise Broken(f"seed {seed} ({world.dedupe}, {world.layout}): {error!r}") from error
        raise
    finally:
        for process in world.processes:
            process.end()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    return world


def _told(error: BaseException | None) -> str:
    """Say all that an exception and those behind it could put into a log; source lines are the same in every world."""
    texts = []
    while error is not None:
        texts += [*traceback.format_exception_only(error), repr(error)]
        error = error.__cause__ or error.__context__
    return "".join(texts)
