"""One purchase from intent to file: bought at most once, whatever breaks, and collected for as long as it exists.

The protocol: the record is durable before the first byte leaves; every send of a purchase carries the same task UUID
and the same bytes; doubt is resolved by free questions first; the same bytes are sent again only while no earlier copy
can have ended (resubmit window) or after every earlier copy would have ended and been seen (settle window); a new UUID
is made only after a recorded failure or for a new take. What it rests on stands in docs/money-safety.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from . import doubt, fetching, sending, tell, waiting
from .client import Client, Uncertain
from .errors import NotSent
from .journal import ENDED_BADLY, Film, Journal, Record, State, lock_place
from .order import Order, Status, Timing
from .verdict import Sighting, key_refused, look

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .response import Row
    from .settings import Settings

ATTEMPTS_MOST = 1_000


class Purchase:
    """One purchase on the wire's event loop. `run` buys or resumes it; `collect` only ever asks.

    Raises KlingError, whose message says whether anything was billed. May be run again after any end.
    """

    def __init__(  # noqa: PLR0913  what a test replaces
        self,
        order: Order | None,
        *,
        client: Client,
        journal: Journal,
        settings: Settings,
        places: asyncio.Semaphore,
        timing: Timing | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.order = order
        self.client = client
        self.journal = journal
        self.settings = settings
        self.places = places
        self.timing = timing or Timing()
        self.chance = chance or random.Random()  # noqa: S311  jitter
        self.status = Status()
        self.sent = False
        """Whether bytes may have left: from then on the purchase is waited for, whoever asked for it."""
        self.record: Record
        self.urls: dict[str, str] = {}
        self.held_because = ""
        self._has_place = False

    @property
    def wanted(self) -> Order:
        """What is to be bought; `collect` buys nothing and never comes where this is asked."""
        if self.order is None:
            raise AssertionError("a purchase without an order cannot be sent")
        return self.order

    async def run(self) -> Record:
        """Bring the order to its films: from wherever its record stands."""
        self.journal.open()
        self.record = await self._choose(self.wanted)
        return await self._finish()

    async def collect(self, task_uuid: str) -> Record:
        """Bring an earlier purchase to its films by its task UUID. Never sends one."""
        self.journal.open()
        record = self.journal.get(task_uuid)
        if record is None:
            record = await self._find(task_uuid)
        elif record.state is State.INTENT:
            raise tell.never_sent(record)
        elif record.state in ENDED_BADLY and not await self._second_look(record):
            raise tell.ended(record)
        self.record = record
        self.sent = True
        return await self._finish()

    # Choosing the attempt

    async def _choose(self, order: Order) -> Record:
        """Take the newest attempt that has not ended badly, or begin the next one.

        The journal's own index comes first, so that a purchase is found again after the key was changed; the UUIDs
        this key derives come second, so that it is found again after the index was lost.
        """
        last = self._last_attempt(order)
        if last is not None and (last.state not in ENDED_BADLY or await self._second_look(last)):
            self._complete(last, order)
            return last
        attempt = last.attempt + 1 if last is not None else 0
        record = Record(task_uuid=order.uuid(attempt), attempt=attempt, created_at=self.journal.clock())
        self._complete(record, order)
        return record

    def _last_attempt(self, order: Order) -> Record | None:
        indexed = self.journal.of_intent(order.intent)
        last = self.journal.get(indexed) if indexed else None
        for attempt in range(last.attempt + 1 if last else 0, ATTEMPTS_MOST):
            record = self.journal.get(order.uuid(attempt))
            if record is None:
                break
            record.attempt = attempt
            last = record
        return last

    def _complete(self, record: Record, order: Order) -> None:
        """Fill in what a record put aside as unreadable, or made by `collect`, does not say."""
        record.take = order.take
        record.intent = order.intent
        record.model = order.model
        record.request = record.request or order.public
        record.number_results = order.number_results
        record.seconds = order.seconds
        record.price = record.price or (None if order.price is None else str(order.price))
        record.key_fingerprint = record.key_fingerprint or self.client.fingerprint(record.task_uuid)

    async def _second_look(self, record: Record) -> bool:
        """Ask once, for free, whether a failed attempt has become a result after all."""
        sighting = await self.ask_or_stop(record.task_uuid)
        if sighting.successes or sighting.pending:
            record.accepted_at = record.accepted_at or self.journal.clock()
            record.failures = []
            record.evidence = "a later answer"
            record.move(State.ACCEPTED)
            self.journal.put(record)
            return True
        return False

    async def _find(self, task_uuid: str) -> Record:
        """Look for a purchase that this machine has no record of."""
        sighting = await self.ask_or_stop(task_uuid)
        if not sighting.proves:
            sighting = await self.archived(task_uuid) or sighting
        if not (sighting.successes or sighting.pending):
            raise tell.unknown_task(task_uuid, sighting.failures)
        now = self.journal.clock()
        count = len(sighting.successes) + sighting.pending + len(sighting.failures)
        record = Record(task_uuid=task_uuid, created_at=now, accepted_at=now, evidence="found", number_results=count)
        record.state = State.ACCEPTED
        self.journal.put(record)
        return record

    # From state to state

    async def _finish(self) -> Record:
        """Go from state to state until the films are here; each step leaves the record true."""
        self.status.task_uuid = self.record.task_uuid
        steps = {
            State.INTENT: sending.buy,
            State.SENDING: doubt.resolve,
            State.HELD: doubt.resolve,
            State.ACCEPTED: waiting.wait,
            State.RESULT: fetching.fetch,
            State.EXPIRED: Purchase._look_for_expired,
        }
        async with self._alone():
            if self.record.state is State.COMMITTED and await fetching.is_whole(self):
                return self.record
            async with self._place():
                while self.record.state in steps:
                    self.sent = self.sent or self.record.state is not State.INTENT
                    await steps[self.record.state](self)
            if self.record.state is not State.COMMITTED:
                raise tell.ended(self.record)
            return self.record

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Keep other processes with this state folder off this purchase; read the record anew once we have it."""
        place = lock_place(self.record.task_uuid)
        loop = asyncio.get_running_loop()
        began = loop.time()
        waited = False
        while not self.journal.lock(place):
            waited = True
            self.status.words = "another ComfyUI is waiting for the same purchase"
            if loop.time() - began > self.timing.watch:
                raise tell.still_running(self.record)
            await asyncio.sleep(self.timing.lock_pause)
        try:
            if waited:
                fresh = self.journal.get(self.record.task_uuid)
                self.record = fresh or self.record
            yield
        finally:
            self.journal.unlock(place)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Take one of the process's places for running purchases; `_leave_place` gives it back early."""
        if self.places.locked():
            self.status.words = "waiting for a free place (KLING_MAX_CONCURRENCY)"
        await self.places.acquire()
        self._has_place = True
        try:
            yield
        finally:
            self.leave_place()

    def leave_place(self) -> None:
        if self._has_place:
            self._has_place = False
            self.places.release()

    def accept(self, evidence: str) -> None:
        record = self.record
        record.evidence = evidence
        record.accepted_at = record.last_sent_at or self.journal.clock()
        record.maybe_sent = False
        record.move(State.ACCEPTED)
        self.journal.put(record)
        self.journal.forget(record.task_uuid, "body")

    async def ask(self, task_uuid: str) -> Sighting | None:
        """Ask for the state; None when no answer came. Raises AuthenticationError when the key is refused."""
        try:
            answer = await self.client.ask(task_uuid)
        except (NotSent, Uncertain):
            return None
        sighting = look(answer, task_uuid)
        refused = None if sighting.proves else key_refused(answer)
        if refused is not None:
            raise tell.key_refused(refused, answer.status, getattr(self, "record", None))
        return sighting

    async def ask_or_stop(self, task_uuid: str) -> Sighting:
        """Ask before anything is spent; without a clear answer nothing is."""
        for wait in (1.0, 2.0, None):
            sighting = await self.ask(task_uuid)
            if sighting is not None and (sighting.proves or sighting.empty or sighting.lost):
                return sighting
            if wait is not None:
                await asyncio.sleep(wait)
        raise tell.unreachable("the service gave no clear answer", task_uuid)

    async def archived(self, task_uuid: str) -> Sighting | None:
        """Ask the archive. Only what it shows counts: after a refused copy it shows the refusal, not the render."""
        try:
            return look(await self.client.details(task_uuid), task_uuid)
        except (NotSent, Uncertain):
            return None

    def keep(self, rows: list[Row]) -> None:
        """Write new results down, addresses first: a paid result must not be lost before its download."""
        known = {film.video_uuid for film in self.record.films}
        urls = {_film_name(row): row.video_url for row in rows}
        if any(self.urls.get(name) != url for name, url in urls.items()):
            self.urls.update(urls)
            self.journal.put_urls(self.record.task_uuid, self.urls)
        fresh = [row for row in rows if _film_name(row) not in known]
        for row in fresh:
            self.record.films.append(Film(video_uuid=_film_name(row), seed=row.seed, cost=row.cost, nsfw=row.nsfw))
        if fresh:
            self.journal.put(self.record)

    async def _look_for_expired(self) -> None:
        """Ask once more for what the service had forgotten; its word stands."""
        sighting = await self.ask(self.record.task_uuid)
        if sighting is None or not (sighting.successes or sighting.pending):
            raise tell.ended(self.record)
        self.record.move(State.ACCEPTED)
        self.journal.put(self.record)


def _film_name(row: Row) -> str:
    """Give a result a name fit for a file: its video UUID, or one made from what it says."""
    text = row.video_uuid.lower()
    if len(text) == 36 and all(letter in "0123456789abcdef-" for letter in text):  # noqa: PLR2004
        return text
    digest = hashlib.sha256((row.video_uuid or row.video_url).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
