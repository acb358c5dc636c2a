"""Which attempt at an order is meant: the newest here, an earlier one that came true, or one from another machine."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from . import tell
from .deadline import Late, within
from .errors import KlingError
from .record import ENDED_BADLY, TAKEN, UNCLEAR, UNSENT, Record, State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .inquiry import Inquiry, Moment
    from .order import Order
    from .task import Purchase
    from .verdict import Sighting

    Ask = Callable[[str], Awaitable[Sighting]]

MOST = 1_000
AHEAD = 2
"""Only the counter of refusals and failures can differ between two machines, and by little."""
FAR = 12
"""By so many one may differ that was refused again and again (without credits, say) before it bought."""
AT_ONCE = 4
"""Attempts asked about at the same time: many at once could be more than the service takes."""
FOUND = "found"
"""Evidence of a purchase that this machine has no record of."""


class CameTrue(Exception):
    """Another attempt has become a film, or is becoming one: nothing more is to be sent."""

    def __init__(self, record: Record) -> None:
        super().__init__(record.task_uuid)
        self.record = record


class Answers:
    """What `ask` showed of some attempts; what is older than `age` seconds is asked for again when it is wanted.

    An answer is as old as its question: it can be long on its way.
    """

    def __init__(self, inquiry: Inquiry, ask: Ask, age: float) -> None:
        self._inquiry, self._ask, self._age = inquiry, ask, age
        self._known: dict[str, tuple[Moment, Sighting]] = {}

    async def __call__(self, task_uuid: str) -> Sighting:
        """Give the answer about one attempt; raises what `ask` raises."""
        if task_uuid not in self._known or self._inquiry.since(self._known[task_uuid][0]) > self._age:
            asked = self._inquiry.now()
            self._known[task_uuid] = asked, await self._ask(task_uuid)
        return self._known[task_uuid][1]

    @property
    def oldest(self) -> Moment:
        """When the oldest of the answers was asked for."""
        return max((at for at, _ in self._known.values()), key=self._inquiry.since)

    @property
    def are_young(self) -> bool:
        """Whether none has grown old while others were waited for."""
        return self._inquiry.since(self.oldest) <= self._age


async def choose(purchase: Purchase) -> tuple[Record, bool]:
    """Choose the attempt to go on with; and say whether the service shows a result of it that its record denies.

    Raises TaskFailed where the newest failed and nobody was told.
    """
    order = purchase.wanted
    record = _newest(purchase) or _begin(purchase, order.uuid(0))
    purchase.status.task_uuid = record.task_uuid
    purchase.tell_untold(record)
    other = None if record.state in TAKEN - {State.EXPIRED} else _rather(purchase, record)
    if other is not None and {record.state, other.state} <= UNCLEAR:
        other = None  # the newest is settled first: of those around it the service is asked
    _note_sent(purchase, record)
    if other is not None and record.state in UNCLEAR and await _arrived_after_all(purchase, record):
        return record, False  # both are paid: the film of the one that nobody told of yet is given
    if other is not None and other.state is not State.EXPIRED:
        record, other = other, None
    _note_sent(purchase, record)
    is_seen = record.state in ENDED_BADLY and await seen_again(purchase, record)
    if other is not None and record.state in ENDED_BADLY | UNSENT and not is_seen:
        return other, False  # it was paid and is gone: only another take buys it anew
    if record.state in ENDED_BADLY and not is_seen:
        record = _next(purchase, record)
    if record.state in UNCLEAR:
        record = await _made_elsewhere(purchase, record) or record
    return record, is_seen


def _note_sent(purchase: Purchase, record: Record) -> None:
    """Let whoever cancels know, before anything is asked, that it may be billed."""
    purchase.sent = purchase.sent or record.state in UNCLEAR | TAKEN


async def find(purchase: Purchase, task_uuid: str) -> Record:
    """Look for a purchase that this machine has no record of."""
    sighting = await purchase.inquiry.seen(task_uuid)
    if not (sighting.successes or sighting.pending):
        raise tell.unknown_task(task_uuid, sighting.failures)
    return _begin(purchase, task_uuid, found=True)


async def seen_again(purchase: Purchase, record: Record) -> bool:
    """Ask, for free, whether an attempt that ended badly, or was not sent from here, has become a result."""
    sighting = await purchase.inquiry.seen(record.task_uuid)
    return bool(sighting.successes or sighting.pending)


async def _arrived_after_all(purchase: Purchase, record: Record) -> bool:
    """Ask for a moment whether an attempt in doubt has become a film, though another one was bought.

    The other's film is to be had, perhaps without a network, and is given where no clear answer comes.
    """
    timing = purchase.timing
    if purchase.journal.clock() - (record.last_sent_at or 0.0) > timing.settle_latest:
        return False
    with suppress(KlingError, Late):
        return bool((await within(timing.question, purchase.inquiry.seen_at_once(record.task_uuid))).successes)
    return False


async def check_others(purchase: Purchase, *, ask: Ask | None = None) -> None:
    """Ask, before anything is sent, whether another attempt has become a film, or is becoming one.

    The service may have changed its mind about an earlier one, or another machine have sent what was refused here, or
    the one after it; where the key was changed, under its own name for each. All are asked about at once: while one
    question is answered, another's answer grows old. `ask` is the question, for the state and in the archive if none is
    given. Raises CameTrue.
    """
    names, own = _around(purchase, purchase.record)
    others = {name: attempt for attempt, name in enumerate(names) if attempt != own}
    unsent = own if purchase.record.maybe_sent else own + 1  # one in doubt is settled by itself
    others = {**_renamed(purchase, names, unsent), **others}
    shown = [list(others)[n] for n in await _taken(list(others), ask or purchase.inquiry.seen)]
    for name in shown:
        names[others[name]] = name
    taken = [others[name] for name in shown]
    if own in taken:
        raise CameTrue(_found(purchase, names, own))
    earlier = [attempt for attempt in taken if attempt < own]
    if earlier:
        attempt = max(earlier)
        record = purchase.journal.get(names[attempt]) or _begin(purchase, names[attempt], found=True)
        record.attempt, record.earlier = attempt, names[:attempt]
        raise CameTrue(record)
    if taken:
        raise CameTrue(_found(purchase, names, min(taken)))


async def shown_afar(purchase: Purchase) -> dict[str, int]:
    """Ask in one request which attempts further ahead than `AHEAD` seem to be bought: no race, but a machine before.

    And, where the key was changed, under the names it gives to those made before. That a request may hold several
    questions is inferred from the service's documents: this stops nothing by itself. Gives their numbers by name.
    """
    names, own = _around(purchase, purchase.record, FAR)
    ahead = {names[attempt]: attempt for attempt in range(own + 1 + AHEAD, len(names))}
    afar = {**_renamed(purchase, names, own + 1), **ahead}
    return {name: afar[name] for name in await purchase.inquiry.shown_among(list(afar))}


async def check_afar(purchase: Purchase, shown: dict[str, int]) -> None:
    """Ask about each that was shown afar by itself. Raises CameTrue."""
    taken = await _taken(list(shown), purchase.inquiry.seen)
    if taken:
        name = list(shown)[taken[0]]
        names, _ = _around(purchase, purchase.record, FAR)
        names[shown[name]] = name
        raise CameTrue(_found(purchase, names, shown[name]))
    if shown:
        purchase.inquiry.age_answers()  # those about the attempts nearby have grown old meanwhile


def check_taken(purchase: Purchase) -> None:
    """Look into the journal, at the last moment: whoever collects another attempt may have revived it.

    Raises CameTrue.
    """
    other = _rather(purchase, purchase.record, at_last=True)
    if other is not None:
        raise CameTrue(other)


def _newest(purchase: Purchase) -> Record | None:
    """Find the newest attempt at an order.

    The journal's own index names it, also after the key was changed. Where the index was lost, the names that this key
    derives are looked for: one may be known here whose forerunners were made elsewhere.
    """
    order, journal = purchase.wanted, purchase.journal
    last = journal.newest_attempt(order.intent)
    if last is not None:
        if not last.earlier:  # it stands for a record that is lost, or was collected, and does not say which it is
            reach = range(FAR + 1 if last.updated_at else MOST)
            last.attempt = next((attempt for attempt in reach if order.uuid(attempt) == last.task_uuid), last.attempt)
        return last
    attempt, missing = 0, 0
    while missing <= (AHEAD if last and last.state in UNCLEAR else FAR) and attempt < MOST:
        record = journal.get(order.uuid(attempt))
        missing = missing + 1 if record is None else 0
        if record is not None:
            record.attempt = attempt
            last = record
        attempt += 1
    return last


def _next(purchase: Purchase, record: Record) -> Record:
    """Begin the attempt after one that ended badly; those that are known here, and ended badly too, are passed over."""
    order, attempt = purchase.wanted, record.attempt
    names = [*names_before(order, record), record.task_uuid]
    while True:
        attempt += 1
        known = purchase.journal.get(order.uuid(attempt))
        if known is None:
            return _begin(purchase, order.uuid(attempt), attempt, earlier=names)
        if known.state not in ENDED_BADLY:
            known.attempt, known.earlier = attempt, names
            return known
        names.append(known.task_uuid)


def _rather(purchase: Purchase, record: Record, *, at_last: bool = False) -> Record | None:
    """Find an attempt with a record here whose film is wanted rather than this one's: it was taken, or may have been.

    One whose film is to be had comes before one in doubt, and that before one that has expired; the newest first. At
    the last moment only an earlier one in doubt counts: two would wait for each other.
    """
    names, own = _around(purchase, record, FAR)
    numbers = {**{name: attempt for attempt, name in enumerate(names)}, **_renamed(purchase, names, own + 1)}
    found = []
    for name, attempt in sorted(numbers.items(), key=lambda each: each[1], reverse=True):
        known = purchase.journal.get(name) if name != record.task_uuid else None
        if known is not None and known.state in (TAKEN if at_last and attempt > own else TAKEN | UNCLEAR):
            known.attempt = attempt  # one that was collected by its UUID does not know it
            if name == names[attempt]:
                known.earlier = known.earlier or names[:attempt]
            found.append(known)
    return min(found, key=lambda each: (each.state is State.EXPIRED, each.state in UNCLEAR), default=None)


async def _made_elsewhere(purchase: Purchase, record: Record) -> Record | None:
    """Find a later attempt that another machine has made, or a journal since lost; asking is free."""
    names, own = _around(purchase, record)
    taken = await _taken(names[own + 1 :], purchase.inquiry.seen)
    return _found(purchase, names, own + 1 + min(taken)) if taken else None


def _found(purchase: Purchase, names: list[str], attempt: int) -> Record:
    return _begin(purchase, names[attempt], attempt, found=True, earlier=names[:attempt])


def _around(purchase: Purchase, record: Record, ahead: int = AHEAD) -> tuple[list[str], int]:
    """Name the attempts before this one, itself, and those that another machine may be ahead by; say which it is."""
    before = names_before(purchase.wanted, record)
    after = [purchase.wanted.uuid(len(before) + 1 + n) for n in range(ahead)]
    return [*before, record.task_uuid, *after], len(before)


def _renamed(purchase: Purchase, names: list[str], before: int) -> dict[str, int]:
    """Give the names, and their numbers, of the first attempts by the present key, where it was changed since."""
    renamed = {purchase.wanted.uuid(attempt): attempt for attempt in range(before)}
    return {name: attempt for name, attempt in renamed.items() if name not in names}


async def _taken(names: list[str], ask: Ask) -> list[int]:
    """Say which of some attempts the service has as a result, finished or to come.

    `asyncio.gather` would lose a cancellation that comes just as a question has failed.
    """
    taken: list[int] = []
    for start in range(0, len(names), AT_ONCE):
        asked = [asyncio.ensure_future(ask(each)) for each in names[start : start + AT_ONCE]]
        try:
            await asyncio.wait(asked, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for each in asked:  # a late answer about one of them would make those about the others look young
                each.cancel()
        failed = [each for each in asked if each.done() and each.exception()]
        sightings = [each.result() for each in failed or asked]
        taken += [start + n for n, each in enumerate(sightings) if each.is_taken]
    return taken


def _begin(
    purchase: Purchase, task_uuid: str, attempt: int = 0, *, found: bool = False, earlier: list[str] | None = None
) -> Record:
    """Begin the record of an attempt; what was `found` at the service is never sent, whatever it says next."""
    record = Record(task_uuid=task_uuid, attempt=attempt, earlier=earlier or [], created_at=purchase.journal.clock())
    if found:
        record.state, record.accepted_at, record.evidence = State.ACCEPTED, record.created_at, FOUND
    return record


def names_before(order: Order, record: Record) -> list[str]:
    """Name the attempts before this one, oldest first: as they were named, by whichever key."""
    return record.earlier or [order.uuid(attempt) for attempt in range(record.attempt)]
