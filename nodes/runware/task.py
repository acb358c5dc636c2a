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
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from . import attempts, doubt, fetching, sending, tell, waiting
from .client import Client, Late, Uncertain, longest_way, within
from .errors import KlingError, NotSent, StorageError
from .journal import Journal, lock_place
from .limits import RESULTS_MAX
from .order import ANOTHER_RUN, Order, Status, Timing
from .record import ENDED_BADLY, NEVER_BILLED, TAKEN, UNSENT, Film, Record, State
from .verdict import PASSING, REFUSALS, Sighting, key_refused, look

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .response import Row
    from .settings import Settings

FILMS_MOST = 2 * RESULTS_MAX
"""Results of one purchase that are fetched; a service that shows more does not fill the disk."""


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
        self.early = fetching.Early(self)
        self.held_because = ""
        self.asked_to_wait: float | None = None
        """Seconds, by the service's own word."""
        self.first_sent: float | None = None
        """When the first send that is still unsettled left this process, by the loop's clock."""
        self._clean_at = float("-inf")
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

    async def ask(self, task_uuid: str) -> Sighting | None:
        """Ask for the state; None when no answer came. Raises AuthenticationError when the key is refused."""
        try:
            answer = await self.client.ask(task_uuid)
        except (NotSent, Uncertain):
            return None
        sighting = look(answer, task_uuid)
        refused = None if sighting.proves else key_refused(answer, task_uuid)
        if refused is not None:
            raise tell.key_refused(refused, answer.status, getattr(self, "record", None) or self.journal.get(task_uuid))
        return sighting

    async def ask_or_stop(self, task_uuid: str) -> Sighting:
        """Ask before anything is spent; without a clear answer nothing is.

        An answer is as old as its question: it can be long on its way.
        """
        now = asyncio.get_running_loop().time
        asked = now()

        async def ask(task_uuid: str) -> Sighting | None:
            nonlocal asked
            asked = now()
            return await self.ask(task_uuid)

        sighting = await _patiently(ask, task_uuid)
        if sighting is None or not (sighting.proves or sighting.denies):
            raise tell.unreachable("the service gave no clear answer", self.status.task_uuid or task_uuid)
        self._clean_at = asked
        return sighting

    async def archived_or_unclear(self, task_uuid: str) -> Sighting:
        """Ask the archive before anything is spent.

        It is the second witness: where it is unclear, the first one's word stands; out of reach, it stops the purchase.
        """
        sighting = await _patiently(self.archived, task_uuid)
        if sighting is None:
            raise tell.unreachable("its archive of tasks gave no answer", self.status.task_uuid or task_uuid)
        return sighting

    async def seen(self, task_uuid: str) -> Sighting:
        """Ask for the state, and the archive where that shows no result.

        Of what has failed the archive may keep that it was accepted once: only its results count then.
        """
        return await self._surely(task_uuid, self._seen)

    async def seen_at_once(self, task_uuid: str) -> Sighting:
        """Ask for the state and in the archive at the same time: no answer grows old for the other.

        An archive that is slow, out of reach or unclear is asked twice and not waited for: the state alone, asked for
        twice, is the answer then.
        """
        return await self._surely(task_uuid, self._seen_at_once)

    async def _surely(self, task_uuid: str, see: Callable[[str], Awaitable[Sighting]]) -> Sighting:
        """Ask up to three times about what is called failed and did not fail here: another machine may have it running.

        One word that something has failed may be taken back.
        """
        for wait in (1.0, 2.0):
            sighting = await see(task_uuid)
            if not self._is_called_failed(task_uuid, sighting):
                return sighting
            await asyncio.sleep(wait)
        return await see(task_uuid)

    def _is_called_failed(self, task_uuid: str, sighting: Sighting) -> bool:
        if all(failure.category in REFUSALS - {"unknown"} for failure in sighting.failures):
            return False  # the archive may say so of what was only sent
        record = self.journal.get(task_uuid)
        return not (sighting.successes or sighting.pending) and (record is None or record.state is not State.FAILED)

    async def _seen(self, task_uuid: str) -> Sighting:
        sighting = await self.ask_or_stop(task_uuid)
        if sighting.successes or sighting.pending:
            return sighting
        return await self._weighed(task_uuid, sighting, await self.archived_or_unclear(task_uuid))

    async def _seen_at_once(self, task_uuid: str) -> Sighting:
        loop = asyncio.get_running_loop()
        archive, began = asyncio.ensure_future(self._archived_soon(task_uuid)), loop.time()
        try:
            sighting = await self.ask_or_stop(task_uuid)
            archived = await archive if loop.time() - began <= self.timing.look else None  # else it has grown old
            if archived is None or not archived.is_clear:
                archived = await self._archived_soon(task_uuid)
            return await self._weighed(task_uuid, sighting, archived)
        finally:
            archive.cancel()

    async def _archived_soon(self, task_uuid: str) -> Sighting | None:
        with suppress(Late):
            return await within(self.timing.look, self.archived(task_uuid))
        return None

    async def _weighed(self, task_uuid: str, sighting: Sighting, archived: Sighting | None) -> Sighting:
        """Choose between the state and the archive's answer; where that says nothing, the state is asked for again."""
        if sighting.successes or sighting.pending:
            return sighting
        if archived is None or not archived.is_clear:
            return await self.ask_or_stop(task_uuid)
        record = self.journal.get(task_uuid)
        has_failed = sighting.failures or (record is not None and record.state is State.FAILED)
        if archived.successes or (not has_failed and (archived.proves or archived.conflict)):
            return archived
        return sighting

    async def shown_among(self, task_uuids: list[str]) -> list[str]:
        """Ask about several in one request, for a moment: which seem to be results, finished or to come.

        The archive is not asked by a service that is slow, out of reach or busy.
        """
        shown: set[str] = set()
        with suppress(NotSent, Uncertain, Late):
            for question in (self.client.ask, self.client.details):
                answer = await within(self.timing.question, question(*task_uuids))
                shown.update(each for each in task_uuids if look(answer, each).is_taken)
                if answer.status in PASSING:
                    break
        return [each for each in task_uuids if each in shown]

    @property
    def just_asked(self) -> bool:
        """Whether a clear answer is young enough to send by it."""
        return asyncio.get_running_loop().time() - self._clean_at <= self.timing.fresh

    def age_answers(self, moment: float = float("-inf")) -> None:
        """Take what is known for no younger than `moment`, by the loop's clock; by default everything is asked anew."""
        self._clean_at = moment

    async def archived(self, task_uuid: str) -> Sighting | None:
        """Ask the archive. It keeps the last answer to a UUID: after a refused copy the refusal, not the render."""
        try:
            return look(await self.client.details(task_uuid), task_uuid)
        except (NotSent, Uncertain):
            return None

    def keep(self, rows: list[Row], *, gone: bool = False) -> None:
        """Write new results down, addresses first: a paid result must not be lost before its download.

        `gone` keeps them apart from the films that are here, until they have been fetched.
        """
        known = {film.video_uuid: film for film in (*self.record.films, *self.record.gone)}
        named = {_film_name(row): row for row in rows}
        urls = self.addresses(rows)
        if any(self.urls.get(name) != url for name, url in urls.items()):
            self.urls = {**self.journal.urls(self.record.task_uuid), **self.urls, **urls}
            self.journal.put_urls(self.record.task_uuid, self.urls)
        fresh = [
            Film(video_uuid=name, seed=row.seed, cost=row.cost, nsfw=row.nsfw)
            for name, row in named.items()
            if name not in known
        ][: max(FILMS_MOST - len(known), 0)]
        dearer = [(known[name], row.cost) for name, row in named.items() if name in known and row.cost is not None]
        dearer = [(film, cost) for film, cost in dearer if cost > (film.cost or 0.0)]
        for film, cost in dearer:  # the first answer may not know the whole cost yet
            film.cost = cost
        if fresh or dearer:
            (self.record.gone if gone else self.record.films).extend(fresh)
            self.journal.put(self.record)

    def addresses(self, rows: list[Row]) -> dict[str, str]:
        """Give where each result lies that has an address, by the name of its film."""
        return {_film_name(row): row.video_url for row in rows if row.video_url}

    async def witness(self) -> Sighting | None:
        """Ask for every result there is, the archive too where fewer than ordered are shown; None when none answers."""
        sighting = await self.ask(self.record.task_uuid)
        if sighting is not None and len(sighting.successes) >= self.record.number_results:
            return sighting
        archived = await self.archived(self.record.task_uuid)
        if sighting is None or archived is None:
            return sighting or archived
        named = {_film_name(row): row for row in (*archived.successes, *sighting.successes)}
        return replace(sighting, successes=list(named.values()))

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


async def _patiently(ask: Callable[[str], Awaitable[Sighting | None]], task_uuid: str) -> Sighting | None:
    """Ask up to three times for a clear answer; give the last one, whatever it is."""
    for wait in (1.0, 2.0):
        sighting = await ask(task_uuid)
        if sighting is not None and sighting.is_clear:
            return sighting
        await asyncio.sleep(wait)
    return await ask(task_uuid)


def _film_name(row: Row) -> str:
    """Give a result a name fit for a file: its video UUID, or one made from what it says."""
    text = row.video_uuid.lower()
    if len(text) == 36 and all(letter in "0123456789abcdef-" for letter in text):  # noqa: PLR2004
        return text
    address = row.video_url.partition("?")[0]  # the signature is another one in each answer
    digest = hashlib.sha256((row.video_uuid or address).encode("utf-8", "replace")).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
