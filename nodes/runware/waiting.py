"""From accepted to result: ask until every result is known, and write each down as soon as it is seen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from . import results, tell
from .errors import KlingError, ServiceError
from .fetching import is_overdue
from .limits import RESULTS_MAX
from .pace import HISTORY_NEEDED, next_wait
from .record import UNSEEN, State
from .sending import MESSAGE_KEPT
from .verdict import FINAL, Sighting, said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .fetching import Early
    from .response import Failure
    from .task import Purchase


GAP = 120.0
"""Seconds without an answer, beyond the pause that the service asked for, after which what had lasted until then is
begun anew: the machine may have slept."""
NAP = 10.0
"""Seconds at most, in a pause, until films that could not be fetched are tried again: an address may live for 60 s."""


async def wait(purchase: Purchase) -> None:
    """Ask until every result is known; each is recorded, and its film fetched, as soon as it is seen."""
    record = purchase.record
    watch = Watch(asyncio.get_running_loop().time)
    kind = f"{record.model} {record.seconds}"
    history = tuple(purchase.journal.durations(kind))
    purchase.status.durations = history if len(history) >= HISTORY_NEEDED else purchase.timing.expected
    purchase.status.accepted_at = record.accepted_at
    purchase.urls = purchase.urls or purchase.journal.urls(record.task_uuid)
    early = purchase.early
    early.go_on()
    try:
        while record.state is State.ACCEPTED:
            purchase.status.words = "accepted" if not watch.trouble else f"accepted; {watch.trouble}"
            purchase.status.films = len(record.films)
            if watch.elapsed > purchase.timing.watch:
                raise tell.still_running(record.task_uuid)
            if watch.elapsed > purchase.timing.overlong:
                purchase.leave_place()  # a render that hangs must not keep others waiting
            await _ask(purchase, watch, early, kind)
            if record.state is State.ACCEPTED:
                await _sleep(_pause(purchase, watch), early)
    except KlingError:  # a question that was refused is no reason to leave a download
        await early.end()
        raise


async def _ask(purchase: Purchase, watch: Watch, early: Early, kind: str) -> None:
    """Ask once; what is shown is recorded, and the waiting ends when nothing more can come.

    Where the key or the account is refused for good, the films that are here by then are given after the hour; not at
    the first word of it, for another key may be set by mistake, or credits be added.
    """
    record = purchase.record
    try:
        sighting = await purchase.inquiry.ask(record.task_uuid)
    except ServiceError as error:
        if not (is_overdue(purchase) and record.films and _is_past_its_hour(purchase)):
            raise
        _close_short(purchase, why=error.what)
        return
    if record.stuck_since is not None and sighting is not None and sighting.is_clear:
        record.stuck_since = None
        purchase.journal.put(record)
    watch.note(sighting)
    if sighting is None:
        return
    results.keep(purchase, sighting.successes)
    early.go_on()
    _count_found(purchase, sighting)
    if _all_known(purchase, sighting, watch):
        await _close(purchase, kind, sighting)
    elif purchase.record.films and _is_late(purchase, watch, sighting):
        await _close_late(purchase, watch, sighting)
    else:
        await _give_up_lost(purchase, watch, sighting)


def _pause(purchase: Purchase, watch: Watch) -> float:
    since = purchase.journal.clock() - (purchase.record.accepted_at or 0.0)
    elapsed = since if 0 <= since <= purchase.timing.watch else watch.elapsed
    wait = max(next_wait(elapsed, purchase.status.durations), watch.pause)
    return max(wait, 2.0) if watch.trouble or watch.settling else wait


async def _sleep(seconds: float, early: Early) -> None:
    while seconds > NAP:
        await asyncio.sleep(NAP)
        early.go_on()
        seconds -= NAP
    await asyncio.sleep(seconds)


def _count_found(purchase: Purchase, sighting: Sighting) -> None:
    """Learn how many results a purchase has that this machine has no record of: no more than can be ordered."""
    record = purchase.record
    if not _knows_its_number(purchase):
        shown = min(len(sighting.successes) + sighting.pending + len(sighting.failures), RESULTS_MAX)
        record.number_results = max(record.number_results, shown, len(record.films))


def _knows_its_number(purchase: Purchase) -> bool:
    """Whether it is known how many results were ordered: not of a purchase that was found by its UUID alone."""
    return purchase.order is not None or bool(purchase.record.request)


def _all_known(purchase: Purchase, sighting: Sighting, watch: Watch) -> bool:
    """Whether nothing more can come: all there, or the rest has failed, in several answers in a row."""
    record, timing = purchase.record, purchase.timing
    films, failures, pending = len(record.films), len(sighting.failures), sighting.pending
    missing = record.number_results - films
    if missing <= 0:
        return True
    if not failures or (pending and failures < missing):
        return False
    told_twice = films + failures + pending > record.number_results > 1  # once as a row, once as an error
    is_odd = sighting.is_doubted or (pending and told_twice)
    if is_odd and not watch.lasted(watch.failed_since, timing.odd_failure_patience):
        return False
    if watch.settling < timing.failure_confirmations + (failures < missing):
        return False
    final = all(failure.category in FINAL for failure in sighting.failures)
    return final or watch.lasted(watch.failed_since, timing.failure_patience)


async def _close(purchase: Purchase, kind: str, sighting: Sighting) -> None:
    """End the waiting; what failed by the one witness may be a film by the other."""
    record = purchase.record
    if len(record.films) < record.number_results:
        archived = await purchase.inquiry.archived(record.task_uuid)
        results.keep(purchase, [] if archived is None else archived.successes)
    failures = sighting.failures if len(record.films) < record.number_results else []
    record.failures = _reasons(failures)
    if not record.films:
        record.move(State.FAILED)
        record.untold = purchase.unattended
        purchase.journal.put(record)
        raise tell.ended(record)
    record.finished_at = purchase.journal.clock()
    record.move(State.RESULT)
    purchase.journal.put(record)
    if record.evidence == "acknowledged" and record.accepted_at and record.finished_at > record.accepted_at:
        purchase.journal.remember_duration(kind, record.finished_at - record.accepted_at)


async def _give_up_lost(purchase: Purchase, watch: Watch, sighting: Sighting) -> None:
    """End the waiting for what will not come: the service says for a minute that it has no such task, or no file."""
    record, timing = purchase.record, purchase.timing
    if watch.lasted(watch.unaddressed_since, timing.no_address_patience):
        if not record.films:
            raise tell.no_address(record)
        results.keep(purchase, sighting.unaddressed, gone=True)
        _close_short(purchase, sighting.failures)
        return
    lost = watch.lasted(watch.lost_since, timing.lost_patience)
    if not (lost or watch.lasted(watch.silent_since, timing.lost_patience)):
        return
    ages = purchase.ages(record.accepted_at or 0.0)
    has_some = record.films and min(ages) > timing.settle_latest  # and nobody may ever come with the other key
    foreign = not purchase.has_its_key and not has_some
    over = not foreign and (lost or min(ages) >= timing.settle)
    if not (over or foreign):
        await _close_by_archive(purchase, watch)
        return
    archived = await purchase.inquiry.archived(record.task_uuid)
    if archived is None or (archived.pending and min(ages) < timing.settle):
        return
    results.keep(purchase, archived.successes)
    if record.films and (over or len(record.films) >= record.number_results):
        _close_short(purchase, why=said(sighting.lost))
    elif foreign and not archived.successes:
        raise tell.other_key(record)
    elif over and (archived.denies or archived.conflict or archived.pending):  # nothing, or that it was taken once
        record.failures = _reasons(sighting.lost)
        record.move(State.EXPIRED)
        purchase.journal.put(record)


def _is_late(purchase: Purchase, watch: Watch, sighting: Sighting) -> bool:
    """Whether every render of this purchase would have ended by now and be seen (A2, A3): what is here is given.

    What is said to be still in the making is waited for an hour more.
    """
    timing = purchase.timing
    is_over = watch.elapsed >= timing.settle or not sighting.pending
    return watch.lasted(watch.unchanged_since, timing.lost_patience) and is_over and _is_past_its_hour(purchase)


def _is_past_its_hour(purchase: Purchase) -> bool:
    return min(purchase.ages(purchase.record.accepted_at or 0.0)) >= purchase.timing.settle


async def _close_late(purchase: Purchase, watch: Watch, sighting: Sighting) -> None:
    """End the waiting with what both witnesses show.

    For a clear word of the archive it is waited as long as a render could take: some accounts may never get one.
    """
    archived = await purchase.inquiry.archived(purchase.record.task_uuid)
    is_clear = archived is not None and archived.is_clear
    if is_clear or watch.lasted(watch.unchanged_since, purchase.timing.settle):
        results.keep(purchase, [] if archived is None else archived.successes)
        _close_short(purchase, sighting.failures)


async def _close_by_archive(purchase: Purchase, watch: Watch) -> None:
    """End the waiting for what the archive alone has, whole; it is asked again after another minute of silence."""
    if not _knows_its_number(purchase):
        return
    watch.silent_since = None
    archived = await purchase.inquiry.archived(purchase.record.task_uuid)
    if archived is None or len(archived.successes) < purchase.record.number_results:
        return
    results.keep(purchase, archived.successes)
    if len(purchase.record.films) >= purchase.record.number_results:  # one may be shown twice
        _close_short(purchase)


def _close_short(purchase: Purchase, failures: Sequence[Failure] = (), *, why: str = "") -> None:
    """End the waiting with the results there are, and say why others failed; what was never shown may be billed."""
    record = purchase.record
    record.failures = _reasons(failures) if len(record.films) < record.number_results else []
    unseen = record.number_results - len(record.films) - len(record.gone)
    if unseen > 0:
        words = f"the service never showed a film of {unseen} of {record.number_results} results"
        because = f" ({why[:MESSAGE_KEPT].rstrip('.')})" if why else ""
        record.failures.append({"code": UNSEEN, "message": words + because})
    record.move(State.RESULT)
    purchase.journal.put(record)


def _reasons(failures: Sequence[Failure]) -> list[dict[str, str]]:
    """Keep of each failure what a record says of it."""
    return [
        {"code": each.code, "message": each.message[:MESSAGE_KEPT], **({"cost": str(each.cost)} if each.cost else {})}
        for each in failures
    ]


class Watch:
    """What the answers of one wait have shown so far, on the loop's clock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._began = now()
        self.trouble = ""
        self.pause = 0.0
        """Seconds for which the last answer wants no further question."""
        self.settling = 0
        """Answers in a row in which something had failed and nothing new came."""
        self.failed_since: float | None = None
        self.lost_since: float | None = None
        self.unaddressed_since: float | None = None
        """Since when all that is open is finished, by the service's word, and has no address."""
        self.silent_since: float | None = None
        """Since when every answer said nothing of the task."""
        self.unchanged_since: float | None = None
        """Since when every answer was clear and showed no further result; begun anew after a gap."""
        self._films = 0
        self._noted_at = float("-inf")

    @property
    def elapsed(self) -> float:
        """Seconds since the waiting began."""
        return self.now() - self._began

    def note(self, sighting: Sighting | None) -> None:
        """Take one answer, or that none came."""
        if sighting is None:
            self.trouble, self.pause = "the service cannot be reached just now, asking on", 0.0
            return
        self.trouble = said([sighting.trouble]) if sighting.trouble else ""
        news = len(sighting.successes) > self._films
        self._films = len(sighting.successes)
        self.settling = self.settling + 1 if sighting.failures and not news else 0
        if sighting.failures and not self.settling:
            self.settling = 1
        now = self.now()
        awake, self._noted_at = now - self._noted_at <= GAP + self.pause, now
        self.pause = sighting.pause
        self.unchanged_since = _since(self.unchanged_since if awake else None, now, holds=sighting.proves and not news)
        self.failed_since = _since(self.failed_since, now, holds=self.settling > 0)
        self.lost_since = _since(self.lost_since, now, holds=bool(sighting.lost))
        self.silent_since = _since(self.silent_since, now, holds=sighting.empty)
        unaddressed = 0 < len(sighting.unaddressed) == sighting.pending
        self.unaddressed_since = _since(self.unaddressed_since, now, holds=unaddressed)

    def lasted(self, since: float | None, seconds: float) -> bool:
        """Whether something that holds since then has held for so long."""
        return since is not None and self.now() - since >= seconds


def _since(since: float | None, now: float, *, holds: bool) -> float | None:
    if not holds:
        return None
    return now if since is None else since
