"""One purchase from intent to file: bought at most once, whatever breaks, and collected for as long as it exists.

The protocol: the record is durable before the first byte leaves; every send of a purchase carries the same task UUID
and the same bytes; doubt is resolved by free questions first; the same bytes are sent again only while no earlier copy
can have ended (resubmit window) or after every earlier copy would have ended and been seen (settle window); a new UUID
is made only after a recorded failure or for a new take. What it rests on stands in docs/money-safety.md.
"""

from __future__ import annotations

import asyncio
import math
import random
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from . import attempts, doubt, fetching, sending, tell, waiting
from .client import Client, longest_way
from .errors import KlingError, StorageError
from .inquiry import Inquiry
from .journal import Journal, lock_place
from .order import ANOTHER_RUN, Order, Status, Timing
from .record import ENDED_BADLY, NEVER_BILLED, TAKEN, UNSENT, Record, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .settings import Settings


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
        self.unattended = False
        """Whether nobody waits for it just now."""
        self.record: Record
        self.urls: dict[str, str] = {}
        self.inquiry = Inquiry(self)
        self.early = fetching.Early(self)
        self.held_because = ""
        self.asked_to_wait: float | None = None
        """Seconds, by the service's own word."""
        self.first_sent: float | None = None
        """When the first send that is still unsettled left this process, by the loop's clock."""
        self._has_place = False

    @property
    def wanted(self) -> Order:
        """What is to be bought; `collect` buys nothing and never comes where this is asked."""
        if self.order is None:
            raise AssertionError("a purchase without an order cannot be sent")
        return self.order

    @property
    def has_its_key(self) -> bool:
        """Whether it was sent with the present key. Another one's account may not see it, nor refuse a copy of it."""
        return self.record.key_fingerprint in {"", self.client.fingerprint(self.record.task_uuid)}

    async def run(self) -> Record:
        """Bring the order to its films: from wherever its newest attempt stands."""
        order = self.wanted
        self.journal.open()
        async with self._alone(order.intent):
            record, seen_again = await attempts.choose(self)
            while True:
                try:
                    return await self._resume(record, seen_again=seen_again)
                except attempts.CameTrue as other:  # each is before the last, or never sent
                    record, seen_again = other.record, True

    def tell_untold(self, record: Record) -> None:
        """Tell a failure that nobody was told of, before another attempt is made, and paid. Raises TaskFailed."""
        if record.untold and record.state is State.FAILED:
            raise self._ended(record)

    def _ended(self, record: Record) -> KlingError:
        """Give what tells how a purchase ended; who waits for it is told with that."""
        if record.untold and not self.unattended:
            record.untold = False
            with suppress(StorageError):  # it is told once more then
                self.journal.put(record)
        return tell.ended(record)

    async def collect(self, task_uuid: str) -> Record:
        """Bring an earlier purchase to its films by its task UUID. Never sends one."""
        self.journal.open()
        self.status.task_uuid = task_uuid
        known = self.journal.get(task_uuid)
        record = known or await attempts.find(self, task_uuid)
        seen_again = record.state in ENDED_BADLY | UNSENT and await attempts.seen_again(self, record)
        return await self._resume(record, seen_again=seen_again)

    # From state to state

    def _complete(self, record: Record, order: Order, attempt: int) -> None:
        """Fill in what a record put aside as unreadable, or made by `collect`, does not say."""
        record.attempt = attempt
        record.take = order.take
        record.intent = order.intent
        record.model = order.model
        record.request = record.request or order.public
        record.number_results = order.number_results
        record.seconds = order.seconds
        record.price = record.price or order.planned
        record.key_fingerprint = record.key_fingerprint or self.client.fingerprint(record.task_uuid)
        record.earlier = attempts.names_before(order, record)

    async def _resume(self, record: Record, *, seen_again: bool) -> Record:
        """Go on with a record, alone and from what it says by then."""
        self.record = record
        self.status.task_uuid = record.task_uuid
        async with self._alone(record.task_uuid):
            known = self.journal.get(record.task_uuid)
            self.record = known or record
            self.record.earlier = self.record.earlier or record.earlier
            if self.order is not None:
                self._complete(self.record, self.order, record.attempt)
                if known is None and self.record.evidence == attempts.FOUND:
                    self.journal.put(self.record)
                    known = self.record
                self._index(known)
            elif self.record.state in UNSENT and not seen_again:
                raise tell.never_sent(self.record)
            if self.record.state in ENDED_BADLY | UNSENT and seen_again:
                self._revive()
            return await self._finish()

    def _index(self, known: Record | None) -> None:
        """Write a lost index again; for a purchase that has no record yet, `buy` writes it after the record.

        Not for a record that cannot be read: the index would tell a wrong time of it. It never goes back: what it names
        may be unsettled, and knows the names of those before it.
        """
        if known is not None and known.updated_at:
            with suppress(StorageError):
                newest = self.journal.newest_attempt(known.intent)
                if newest is None or newest.attempt < known.attempt:
                    self.journal.put_intent(known.intent, known.task_uuid)

    def _revive(self) -> None:
        self.record.accepted_at = self.journal.clock()  # it may have been made just now
        self.record.last_sent_uptime = self.journal.uptime()
        self.record.failures = []
        self.record.evidence = "a later answer"
        self.record.move(State.ACCEPTED)
        self.journal.put(self.record)

    async def _finish(self) -> Record:
        """Go from state to state until the films are here; each step leaves the record true."""
        steps = {
            State.INTENT: sending.buy,
            State.SENDING: doubt.resolve,
            State.HELD: doubt.resolve,
            State.ACCEPTED: waiting.wait,
            State.RESULT: fetching.fetch,
            State.EXPIRED: fetching.look_again,
        }
        if self.record.state is State.COMMITTED and await fetching.is_whole(self):
            return self.record
        self.sent = self.sent or self.record.state not in NEVER_BILLED
        async with self._place():
            try:
                while self.record.state in steps:
                    self.sent = self.sent or self.record.state is not State.INTENT
                    await steps[self.record.state](self)
            finally:
                self.early.stop()
        if self.record.state is not State.COMMITTED:
            raise self._ended(self.record)
        return self.record

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        """Keep others with this state folder off an intent or a task, in this process and in others."""
        place = lock_place(name)
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not self.journal.lock(place):
            self.status.words = ANOTHER_RUN
            if loop.time() - began > self.timing.watch:
                raise tell.still_running(self.status.task_uuid or None)
            await asyncio.sleep(self.timing.lock_pause)
        try:
            yield
        finally:
            self.journal.unlock(place)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Take one of the process's places for running purchases; `leave_place` gives it back early.

        What the service has needs none: its film may not live until one is free.
        """
        is_free = not self.places.locked()
        if is_free or self.record.state not in TAKEN:
            if not is_free:
                self.status.words = "waiting for a free place (KLING_MAX_CONCURRENCY)"
            await self.places.acquire()
            self._has_place = True
        try:
            yield
        finally:
            self.leave_place()

    def leave_place(self) -> None:
        """Let another purchase run while this one only waits on."""
        if self._has_place:
            self._has_place = False
            self.places.release()

    def accept(self, evidence: str) -> None:
        """Write down that the service has it, and what proved it."""
        record = self.record
        record.evidence = evidence
        now, ages = self.journal.clock(), self.ages(record.last_sent_at)
        # Where our send did not arrive, or its render would have ended, another machine may have made it just now; and
        # what answers a send begins after its upload. What is seen later began when its last byte can have arrived.
        is_ours = record.state is State.HELD and ages and min(ages) < self.timing.settle
        arrived = (record.last_sent_at or now) + longest_way(record.body_size)
        record.accepted_at = min(arrived, now) if is_ours else now
        if not is_ours:
            record.last_sent_uptime = self.journal.uptime()
        record.maybe_sent = False
        record.move(State.ACCEPTED)
        self.journal.put(record)
        for kind in ("body", "sent"):
            self.journal.forget(record.task_uuid, kind)

    @property
    def in_doubt_for(self) -> float:
        """For how many seconds the first open send is past, by the clock that says more: one stands still in a sleep.

        Without end where that is not known, or where the other clock was set back.
        """
        first, sent = self.record.first_unsettled_at, self.first_sent
        by_wall = -1.0 if first is None else self.journal.clock() - first
        if sent is None or by_wall < 0:
            return math.inf
        return max(by_wall, asyncio.get_running_loop().time() - sent)

    def ages(self, moment: float | None) -> list[float]:
        """Give for how many seconds something is past that came with the last send, by every clock there is.

        The one can be set; the other begins anew with the machine, and only then does the first count alone.
        """
        if moment is None:
            return []
        ages, up = [self.journal.clock() - moment], self.record.last_sent_uptime
        if up is not None and up <= self.journal.uptime():
            ages.append(self.journal.uptime() - up)
        return ages
