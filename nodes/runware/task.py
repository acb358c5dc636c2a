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
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from . import identity, tell
from .client import Client, Uncertain, service_error
from .download import Gone, NotReady, save
from .errors import DownloadError, NotSent, RateLimitError, ServerError, StorageError
from .files import write_whole
from .journal import BUDGET_LOCK_PLACE, ENDED_BADLY, Film, Journal, Record, State, lock_place, unwritable
from .pace import next_wait
from .verdict import Sighting, judge_submission, key_refused, look, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from .media import Clip
    from .response import Failure, Row
    from .settings import Settings

ATTEMPTS_MOST = 1_000
TEXT_SHOWN = 200


@dataclass(frozen=True)
class Timing:
    """The protocol's times, in seconds. Tests may shorten them; users cannot."""

    quick_probes: tuple[float, ...] = (0.0, 1.0, 2.0)
    """Waits before the free questions between two sends."""
    last_probes: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0, 8.0, 8.0)
    """Waits before the free questions that come before giving control back."""
    settle: float = 3_600.0
    """After this long every render of an earlier send has ended and would be seen."""
    settle_latest: float = 43_200.0
    """After this long a result may already be forgotten, so that seeing nothing proves nothing."""
    clean_probes: int = 3
    unsent_tries: int = 5
    unsent_patience: float = 60.0
    limited_patience: float = 300.0
    failure_confirmations: int = 2
    """Answers in a row that must call a task failed: an error can still turn into a result."""
    lost_patience: float = 60.0
    no_address_patience: float = 60.0
    fetch_patience: float = 120.0
    watch: float = 86_400.0
    """How long an accepted purchase is waited for in one process."""
    overlong: float = 1_800.0
    """After this long a render no longer counts against the purchases at once."""
    lock_pause: float = 0.5


@dataclass(frozen=True)
class Order:
    """What is to be bought, and in whose name."""

    canonical: bytes = field(repr=False)
    """Everything the film depends on (`identity.canonical`)."""
    take: int
    key: str = field(repr=False)
    price: Decimal | None
    """Planned USD of all results."""
    number_results: int
    seconds: int | None
    model: str
    container: str
    """File ending of the results: mp4, webm or mov."""
    public: dict[str, Any] = field(repr=False)
    """The request as the journal may show it."""
    clips: tuple[Clip, ...] = field(repr=False)
    body: Callable[[str, Mapping[str, str]], Iterator[bytes]] = field(repr=False)
    """Gives the bytes to send, from the task UUID and the mediaUUIDs of `clips`."""

    def uuid(self, attempt: int) -> str:
        """The task UUID of one attempt."""
        return identity.task_uuid(self.key, self.canonical, self.take, attempt)

    @property
    def intent(self) -> str:
        """The purchase's name, whatever the key and the attempt."""
        return identity.intent(self.canonical, self.take)


@dataclass
class Status:
    """Where a purchase stands, for the node's line; written by the purchase, read by anyone."""

    words: str = "getting ready"
    accepted_at: float | None = None
    """Seconds since 1970."""
    durations: tuple[float, ...] = ()
    """Seconds that earlier renders of the kind took."""
    task_uuid: str = ""
    films: int = 0


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
        self._urls: dict[str, str] = {}
        self._held_because = ""
        self._has_place = False

    async def run(self) -> Record:
        """Bring the order to its films: from wherever its record stands."""
        assert self.order is not None
        self.journal.open()
        self.record = await self._choose(self.order)
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
        sighting = await self._ask_or_stop(record.task_uuid)
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
        sighting = await self._ask_or_stop(task_uuid)
        if not sighting.proves:
            sighting = await self._archived(task_uuid) or sighting
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
            State.INTENT: self._buy,
            State.SENDING: self._resolve,
            State.HELD: self._resolve,
            State.ACCEPTED: self._wait,
            State.RESULT: self._fetch,
            State.EXPIRED: self._look_for_expired,
        }
        async with self._alone():
            if self.record.state is State.COMMITTED and await self._is_whole():
                return self.record
            async with self._place():
                while self.record.state in steps:
                    self.sent = self.sent or self.record.state is not State.INTENT
                    await steps[self.record.state]()
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
            self._leave_place()

    def _leave_place(self) -> None:
        if self._has_place:
            self._has_place = False
            self.places.release()

    async def _buy(self) -> None:
        """Record, ask once whether it exists already, upload, and send."""
        assert self.order is not None
        if not self.record.updated_at:
            self.journal.put(self.record)
        self.journal.put_intent(self.record.intent, self.record.task_uuid)
        self.status.words = "asking the service"
        if await self._exists():
            self._accept("it was there already")
            return
        uploads = await self._upload()
        await self._spool(uploads)
        await self._send_unsettled_free()

    async def _exists(self) -> bool:
        """Ask for free whether an earlier life of this purchase (lost journal, other machine) is known."""
        task_uuid = self.record.task_uuid
        if (await self._ask_or_stop(task_uuid)).proves:
            return True
        archived = await self._archived(task_uuid)
        return archived is not None and bool(archived.successes or archived.pending)

    async def _archived(self, task_uuid: str) -> Sighting | None:
        """Ask the archive. Only what it shows counts: after a refused copy it shows the refusal, not the render."""
        try:
            return look(await self.client.details(task_uuid), task_uuid)
        except (NotSent, Uncertain):
            return None

    async def _upload(self) -> dict[str, str]:
        """Bring each local film or sound into mediaStorage, once for its content."""
        assert self.order is not None
        uploads: dict[str, str] = {}
        for clip in self.order.clips:
            media_uuid = self.journal.uploaded(clip.sha256)
            if media_uuid is None:
                self.status.words = f"uploading a reference {clip.kind}"
                media_uuid = await self._uploaded(clip)
                self.journal.remember_upload(clip.sha256, media_uuid)
            uploads[clip.identity] = media_uuid
        return uploads

    async def _uploaded(self, clip: Clip) -> str:
        """Upload one file; repeating it is harmless, so faults of the network get three tries."""
        for wait in (1.0, 3.0, None):
            try:
                return await self.client.upload(self.journal.disk, clip.path)
            except (NotSent, ServerError, RateLimitError):
                if wait is None:
                    raise
                await asyncio.sleep(wait)
            except OSError:
                raise StorageError(
                    f"The reference {clip.kind} is no longer in ComfyUI's temp folder.",
                    billing="Not billed.",
                    next_step="Run the graph again with a change before this node, or restart ComfyUI.",
                ) from None
        raise AssertionError

    async def _spool(self, uploads: Mapping[str, str]) -> None:
        """Write the exact bytes to send beside the record: a re-send must carry the same ones."""
        assert self.order is not None
        digest, size = hashlib.sha256(), 0

        def chunks() -> Iterator[bytes]:
            nonlocal size
            for chunk in self.order.body(self.record.task_uuid, uploads):  # type: ignore[union-attr]
                digest.update(chunk)
                size += len(chunk)
                yield chunk

        self.status.words = "preparing the request"
        disk = self.journal.disk
        try:
            await disk.offload(write_whole, disk, self.journal.path(self.record.task_uuid, "body"), chunks())
        except OSError as error:
            raise unwritable(error, self.record.task_uuid) from None
        self.record.body_sha256, self.record.body_size = digest.hexdigest(), size

    # Sending

    async def _send_unsettled_free(self) -> None:
        """Send, with no earlier send unsettled: what surely did not arrive may be repeated, bounded twice."""
        loop = asyncio.get_running_loop()
        began, tries = loop.time(), 0
        while True:
            wait = await self._send()
            if self.record.state is not State.INTENT:
                return
            tries += 1
            limited = isinstance(wait, float)
            wait = wait if isinstance(wait, float) else min(30.0, 2.0**tries) * self.chance.uniform(0.5, 1.0)
            patience = self.timing.limited_patience if limited else self.timing.unsent_patience
            if tries >= self.timing.unsent_tries * (4 if limited else 1) or loop.time() - began + wait > patience:
                raise tell.not_sent(self.record, limited=limited)
            self.status.words = "the service is busy; trying again" if limited else "no connection; trying again"
            await asyncio.sleep(wait)

    async def _send(self) -> float | None:
        """Send the spooled bytes once, and write down what is known after it.

        Gives the seconds to wait when the service was too busy to take it; the state is INTENT again when it surely
        did not arrive, HELD when it may have.
        """
        earlier = self.record.maybe_sent
        await self._mark_sending()
        record = self.record
        self.status.words = "sending"
        try:
            answer = await self.client.submit(
                self.journal.disk, self.journal.path(record.task_uuid, "body"), record.body_size
            )
        except NotSent as error:
            self._unsent(str(error), earlier=earlier)
            return None
        except Uncertain as error:
            self._hold(str(error))
            return None
        submission = judge_submission(answer, record.task_uuid)
        if submission.outcome == "accepted":
            self._accept(submission.evidence)
        elif submission.outcome == "unknown":
            self._hold(submission.evidence)
        elif submission.outcome == "limited":
            self._unsent("too many requests", earlier=earlier)
            return 5.0 if submission.retry_after is None else submission.retry_after
        else:
            assert submission.failure is not None
            self._refused(submission.failure, answer.status, earlier=earlier)
        return None

    async def _mark_sending(self) -> None:
        """Write down that bytes may leave from now on; a purchase that is new is held against the day's budget."""
        record = self.record
        fresh = not record.maybe_sent
        budget = self.settings.daily_budget if fresh else None
        if budget is not None:
            while not self.journal.lock(BUDGET_LOCK_PLACE):
                await asyncio.sleep(self.timing.lock_pause / 10)
        try:
            if budget is not None:
                spent = await self.journal.disk.offload(self.journal.spent_today, record.task_uuid)
                tell.check_budget(record, spent, budget)
            now = self.journal.clock()
            record.first_unsettled_at = now if fresh else record.first_unsettled_at
            record.last_sent_at = now
            record.maybe_sent = True
            record.posts += 1
            record.move(State.SENDING)
            self.sent = True
            self.journal.put(record)
        finally:
            if budget is not None:
                self.journal.unlock(BUDGET_LOCK_PLACE)

    def _unsent(self, why: str, *, earlier: bool) -> None:
        if earlier:
            self._hold(why)
            return
        self.record.maybe_sent = False
        self.record.first_unsettled_at = None
        self.record.move(State.INTENT)
        self.journal.put(self.record)
        self.sent = False

    def _hold(self, why: str) -> None:
        self._held_because = why
        self.record.move(State.HELD)
        self.journal.put(self.record)

    def _refused(self, failure: Failure, status: int, *, earlier: bool) -> None:
        """A refusal settles the purchase only when no earlier send of it is open."""
        if earlier:
            self._hold(failure.message or failure.code)
            return
        self.record.failures = [{"code": failure.code, "message": failure.message[:TEXT_SHOWN]}]
        self.record.maybe_sent = False
        self.record.move(State.REJECTED)
        self.journal.put(self.record)
        self.journal.forget(self.record.task_uuid, "body")
        raise service_error(failure, status, doing="Runware refused the request", task_uuid=self.record.task_uuid)

    def _accept(self, evidence: str) -> None:
        record = self.record
        record.evidence = evidence
        record.accepted_at = record.last_sent_at or self.journal.clock()
        record.maybe_sent = False
        record.move(State.ACCEPTED)
        self.journal.put(record)
        self.journal.forget(record.task_uuid, "body")

    # Doubt

    async def _resolve(self) -> None:
        """Find out by free questions whether a send arrived; send the same bytes again only where that is safe."""
        record = self.record
        if record.state is State.SENDING:
            self._hold("the program ended while sending")
        self.status.words = "checking whether the request arrived"
        clean = await self._probe(self.timing.quick_probes)
        if record.state is not State.HELD:
            return
        if self._may_repeat():
            await self._send()
            return
        clean += await self._probe(self.timing.last_probes)
        if record.state is not State.HELD:
            return
        if clean >= self.timing.clean_probes and self._has_settled():
            record.maybe_sent = False
            await self._send_again()
            return
        raise tell.held(record, self._held_because, self.journal.clock(), self.timing.settle)

    async def _send_again(self) -> None:
        """Send once more after the settle window: no earlier copy exists, so this is a first send again."""
        if self.journal.disk.stat(self.journal.path(self.record.task_uuid, "body")) is None:
            if self.order is None:
                raise tell.held(self.record, "only the graph can send it again", self.journal.clock(), 0.0)
            await self._spool(await self._upload())
        wait = await self._send()
        if self.record.state is State.INTENT and wait is not None:
            raise tell.not_sent(self.record, limited=True)

    def _may_repeat(self) -> bool:
        """Whether the fastest render of the first open send must still be running, so that a copy is refused."""
        first = self.record.first_unsettled_at
        if self.order is None or first is None or not self.record.body_size:
            return False
        if self.journal.disk.stat(self.journal.path(self.record.task_uuid, "body")) is None:
            return False
        return 0 <= self.journal.clock() - first <= self.settings.resubmit_window

    def _has_settled(self) -> bool:
        """Whether every earlier copy would have ended, and its end could still be seen."""
        last = self.record.last_sent_at
        if self.order is None or last is None:
            return False
        return self.timing.settle <= self.journal.clock() - last <= self.timing.settle_latest

    async def _probe(self, waits: tuple[float, ...]) -> int:
        """Ask a few times whether the service has the task; gives how many answers clearly showed nothing."""
        clean = 0
        for wait in waits:
            await asyncio.sleep(wait)
            sighting = await self._ask(self.record.task_uuid)
            if sighting is not None and sighting.proves:
                self._accept("seen")
                return clean
            clean += sighting is not None and sighting.empty
        archived = await self._archived(self.record.task_uuid)
        if archived is not None and (archived.successes or archived.pending):
            self._accept("seen in the archive")
        return clean

    async def _ask(self, task_uuid: str) -> Sighting | None:
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

    async def _ask_or_stop(self, task_uuid: str) -> Sighting:
        """Ask before anything is spent; without a clear answer nothing is."""
        for wait in (1.0, 2.0, None):
            sighting = await self._ask(task_uuid)
            if sighting is not None and (sighting.proves or sighting.empty or sighting.lost):
                return sighting
            if wait is not None:
                await asyncio.sleep(wait)
        raise tell.unreachable("the service gave no clear answer", task_uuid)

    # Waiting

    async def _wait(self) -> None:
        """Ask until every result is known; each is recorded, and its film fetched, as soon as it is seen."""
        record = self.record
        watch = _Watch(asyncio.get_running_loop().time)
        kind = f"{record.model} {record.seconds}"
        self.status.durations = tuple(self.journal.durations(kind))
        self.status.accepted_at = record.accepted_at
        while record.state is State.ACCEPTED:
            self.status.words = "accepted" if not watch.trouble else f"accepted; {watch.trouble}"
            self.status.films = len(record.films)
            if watch.elapsed > self.timing.watch:
                raise tell.still_running(record)
            if watch.elapsed > self.timing.overlong:
                self._leave_place()  # a render that hangs must not keep others waiting
            sighting = await self._ask(record.task_uuid)
            watch.note(sighting)
            if sighting is not None:
                self._keep(sighting.successes)
                if self._all_known(sighting, watch):
                    self._close(kind, sighting)
                    return
                await self._fetch_early()
                await self._give_up_lost(watch)
            await asyncio.sleep(self._pause(watch))

    def _pause(self, watch: _Watch) -> float:
        since = self.journal.clock() - (self.record.accepted_at or 0.0)
        elapsed = since if 0 <= since <= self.timing.watch else watch.elapsed
        wait = next_wait(elapsed, self.status.durations)
        return max(wait, 2.0) if watch.trouble or watch.settling else wait

    def _keep(self, rows: list[Row]) -> None:
        """Write new results down, addresses first: a paid result must not be lost before its download."""
        known = {film.video_uuid for film in self.record.films}
        urls = {_film_name(row): row.video_url for row in rows}
        if any(self._urls.get(name) != url for name, url in urls.items()):
            self._urls.update(urls)
            self.journal.put_urls(self.record.task_uuid, self._urls)
        fresh = [row for row in rows if _film_name(row) not in known]
        for row in fresh:
            self.record.films.append(Film(video_uuid=_film_name(row), seed=row.seed, cost=row.cost, nsfw=row.nsfw))
        if fresh:
            self.journal.put(self.record)

    def _all_known(self, sighting: Sighting, watch: _Watch) -> bool:
        """Whether nothing more can come: all there, or the rest has failed in several answers in a row."""
        films, failures = len(self.record.films), len(sighting.failures)
        if films >= self.record.number_results:
            return True
        if not failures or (sighting.pending and films + failures < self.record.number_results):
            return False
        extra = 0 if films + failures >= self.record.number_results else 1
        return watch.settling >= self.timing.failure_confirmations + extra

    def _close(self, kind: str, sighting: Sighting) -> None:
        record = self.record
        record.failures = [{"code": each.code, "message": each.message[:TEXT_SHOWN]} for each in sighting.failures]
        if not record.films:
            record.move(State.FAILED)
            self.journal.put(record)
            raise tell.ended(record)
        record.finished_at = self.journal.clock()
        record.move(State.RESULT)
        self.journal.put(record)
        if record.evidence == "acknowledged" and record.accepted_at and record.finished_at > record.accepted_at:
            self.journal.remember_duration(kind, record.finished_at - record.accepted_at)

    async def _give_up_lost(self, watch: _Watch) -> None:
        """End the waiting for what will not come: the service says for a minute that it has no such task, or no file."""
        if watch.lasted(watch.unaddressed_since, self.timing.no_address_patience):
            raise tell.no_address(self.record)
        other_key = self.record.key_fingerprint not in {"", self.client.fingerprint(self.record.task_uuid)}
        if other_key and watch.lasted(watch.silent_since, self.timing.lost_patience):
            raise tell.other_key(self.record)
        if not watch.lasted(watch.lost_since, self.timing.lost_patience):
            return
        archived = await self._archived(self.record.task_uuid)
        if archived is None:
            return
        self._keep(archived.successes)
        if self.record.films:
            self.record.move(State.RESULT)
        else:
            self.record.move(State.EXPIRED)
        self.journal.put(self.record)

    # Fetching

    async def _fetch_early(self) -> None:
        """Fetch what is ready while others are still being made; what fails now is fetched at the end."""
        for film in self.record.films:
            if film.file is None:
                try:
                    await self._fetch_film(film)
                except (Gone, NotReady, DownloadError, StorageError):
                    return

    async def _fetch(self) -> None:
        """Fetch every film that is not here yet; the record then says COMMITTED."""
        record = self.record
        self._urls = self._urls or self.journal.urls(record.task_uuid)
        missing: list[Film] = []
        for film in record.films:
            if film.file is None and not await self._fetch_patiently(film):
                missing.append(film)
        if len(missing) == len(record.films):
            record.move(State.EXPIRED)
            self.journal.put(record)
            raise tell.ended(record)
        for film in missing:
            record.failures.append({"code": "resultGone", "message": f"film {film.video_uuid} is no longer there"})
            record.films.remove(film)
        record.move(State.COMMITTED)
        self.journal.put(record)
        self.journal.forget(record.task_uuid, "urls")
        self.journal.forget(record.task_uuid, "body")

    async def _fetch_patiently(self, film: Film) -> bool:
        """Fetch one film, with fresh addresses where one no longer works. False when the service no longer has it."""
        loop = asyncio.get_running_loop()
        began, wait, last = loop.time(), 1.0, ""
        gone, asked = True, False
        while True:
            try:
                await self._fetch_film(film)
            except Gone as error:
                last = str(error)
            except NotReady as error:
                gone, last = False, str(error)
            except (DownloadError, StorageError) as error:
                raise tell.not_saved(self.record, error.what, error.next_step) from None
            else:
                return True
            if loop.time() - began > self.timing.fetch_patience:
                break
            self.status.words = f"the film is not ready to fetch yet ({last})"
            await asyncio.sleep(wait)
            wait = min(wait * 2, 15.0)
            asked = await self._refresh() or asked
        if gone and asked:
            return False
        raise tell.not_saved(self.record, f"The film could not be fetched: {last}.", "Run again: fetching is free.")

    async def _refresh(self) -> bool:
        """Ask for fresh addresses, of the task first, then of the archive. True when the service answered."""
        sighting = await self._ask(self.record.task_uuid)
        if sighting is None or not sighting.successes:
            sighting = await self._archived(self.record.task_uuid)
        if sighting is not None:
            self._keep(sighting.successes)
        return sighting is not None

    async def _fetch_film(self, film: Film) -> None:
        """Bring one film into the state folder and write its size and hash down."""
        url = self._urls.get(film.video_uuid)
        if url is None:
            raise Gone("its address is not known")
        self.status.words = "fetching the film"
        container = self.order.container if self.order else _container(url)
        target = self.journal.films / f"{film.video_uuid}.{container}"
        saved = await save(self.client, url, target, disk=self.journal.disk, container=container)
        film.file, film.size, film.sha256 = target.name, saved.size, saved.sha256
        self.journal.put(self.record)

    async def _is_whole(self) -> bool:
        """Check the films of a finished purchase by size and hash; a damaged one is fetched again, never re-bought."""
        for film in self.record.films:
            if not await self.journal.disk.offload(_intact, self.journal, film):
                film.file = film.size = film.sha256 = None
        if all(film.file for film in self.record.films):
            return True
        self.record.move(State.RESULT)
        self.journal.put(self.record)
        await self._refresh()
        return False

    async def _look_for_expired(self) -> None:
        """Ask once more for what the service had forgotten; its word stands."""
        sighting = await self._ask(self.record.task_uuid)
        if sighting is None or not (sighting.successes or sighting.pending):
            raise tell.ended(self.record)
        self.record.move(State.ACCEPTED)
        self.journal.put(self.record)


class _Watch:
    """What the answers of one wait have shown so far, on the loop's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._began = now()
        self.trouble = ""
        self.settling = 0
        """Answers in a row in which something had failed and nothing new came."""
        self.lost_since: float | None = None
        self.unaddressed_since: float | None = None
        """Since when all that is open is finished, by the service's word, and has no address."""
        self.silent_since: float | None = None
        """Since when every answer said nothing of the task."""
        self._films = 0

    @property
    def elapsed(self) -> float:
        return self.now() - self._began

    def note(self, sighting: Sighting | None) -> None:
        """Take one answer, or that none came."""
        if sighting is None:
            self.trouble = "the service cannot be reached just now, asking on"
            return
        self.trouble = said([sighting.trouble]) if sighting.trouble else ""
        news = len(sighting.successes) > self._films
        self._films = len(sighting.successes)
        self.settling = self.settling + 1 if sighting.failures and not news else 0
        if sighting.failures and not self.settling:
            self.settling = 1
        now = self.now()
        self.lost_since = _since(self.lost_since, now, holds=sighting.lost)
        self.silent_since = _since(self.silent_since, now, holds=sighting.empty)
        unaddressed = sighting.unaddressed > 0 and sighting.unaddressed == sighting.pending
        self.unaddressed_since = _since(self.unaddressed_since, now, holds=unaddressed)

    def lasted(self, since: float | None, seconds: float) -> bool:
        """Whether something that holds since then has held for so long."""
        return since is not None and self.now() - since >= seconds


def _since(since: float | None, now: float, *, holds: bool) -> float | None:
    if not holds:
        return None
    return now if since is None else since


def _film_name(row: Row) -> str:
    """Give a result a name fit for a file: its video UUID, or one made from what it says."""
    text = row.video_uuid.lower()
    if len(text) == 36 and all(letter in "0123456789abcdef-" for letter in text):  # noqa: PLR2004
        return text
    digest = hashlib.sha256((row.video_uuid or row.video_url).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def _container(url: str) -> str:
    path = url.partition("?")[0].lower()
    return next((ending for ending in ("webm", "mov") if path.endswith("." + ending)), "mp4")


def _intact(journal: Journal, film: Film) -> bool:
    """Whether a film's file is there with its size and hash."""
    if film.file is None:
        return False
    path = journal.films / film.file
    try:
        status = journal.disk.stat(path)
        if status is None or status[0] != film.size:
            return False
        digest = hashlib.sha256()
        with journal.disk.open(path) as file:
            while piece := file.read(2**20):
                digest.update(piece)
    except OSError:
        return False
    return digest.hexdigest() == film.sha256
