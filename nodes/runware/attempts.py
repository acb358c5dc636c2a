"""Which attempt at an order is meant: the newest here, an earlier one that came true, or one from another machine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from . import tell
from .record import ENDED_BADLY, TAKEN, UNCLEAR, UNSENT, Record, State

if TYPE_CHECKING:
    from .order import Order
    from .task import Purchase

MOST = 1_000
AHEAD = 2
"""Only the counter of refusals and failures can differ between two machines, and by little."""
FOUND = "found"
"""Evidence of a purchase that this machine has no record of."""


class CameTrue(Exception):
    """An attempt before this one has become a film, or is becoming one: nothing more is to be sent."""

    def __init__(self, record: Record) -> None:
        super().__init__(record.task_uuid)
        self.record = record


async def choose(purchase: Purchase) -> tuple[Record, bool]:
    """Choose the attempt to go on with; and say whether the service shows a result of it that its record denies."""
    order = purchase.wanted
    record = _newest(purchase) or _begin(purchase, order.uuid(0))
    purchase.status.task_uuid = record.task_uuid
    if record.state not in TAKEN - {State.EXPIRED}:
        record = _taken_earlier(purchase, record) or record
    is_seen = record.state in ENDED_BADLY and await seen_again(purchase, record)
    if record.state in ENDED_BADLY and not is_seen:
        earlier = [*_earlier(order, record), record.task_uuid]
        record = _begin(purchase, order.uuid(record.attempt + 1), record.attempt + 1, earlier=earlier)
    if record.state in UNSENT | UNCLEAR:
        record = await _made_elsewhere(purchase, record.attempt) or record
    return record, is_seen


async def find(purchase: Purchase, task_uuid: str) -> Record:
    """Look for a purchase that this machine has no record of."""
    sighting = await purchase.seen(task_uuid)
    if not (sighting.successes or sighting.pending):
        raise tell.unknown_task(task_uuid, sighting.failures)
    return _begin(purchase, task_uuid, found=True)


async def seen_again(purchase: Purchase, record: Record) -> bool:
    """Ask, for free, whether an attempt that ended badly, or was not sent from here, has become a result."""
    sighting = await purchase.seen(record.task_uuid)
    return bool(sighting.successes or sighting.pending)


async def check_earlier(purchase: Purchase) -> None:
    """Ask, before anything is sent, whether an earlier attempt has become a film, or is becoming one.

    The service may have changed its mind, or another machine have sent what was refused here. Raises CameTrue.
    """
    names = _earlier(purchase.wanted, purchase.record)
    sightings = await asyncio.gather(*(purchase.seen(each) for each in names))
    for attempt, (task_uuid, sighting) in reversed(list(enumerate(zip(names, sightings)))):  # noqa: B905  3.10
        if sighting.successes or sighting.pending or sighting.conflict:
            earlier = purchase.journal.get(task_uuid) or _begin(purchase, task_uuid, found=True)
            earlier.attempt = attempt
            raise CameTrue(earlier)


def check_taken(purchase: Purchase) -> None:
    """Look into the journal, at the last moment: whoever collects an earlier attempt may have revived it.

    Raises CameTrue.
    """
    earlier = _taken_earlier(purchase, purchase.record)
    if earlier is not None:
        raise CameTrue(earlier)


def _newest(purchase: Purchase) -> Record | None:
    """Find the newest attempt at an order.

    The journal's own index comes first, so that a purchase is found again after the key was changed; the UUIDs this key
    derives come second, so that it is found again after the index was lost.
    """
    order, journal = purchase.wanted, purchase.journal
    last = journal.newest_attempt(order.intent)
    if last is not None and not last.updated_at:  # it stands for a record that is lost, and does not say which
        last.attempt = next((n for n in range(MOST) if order.uuid(n) == last.task_uuid), last.attempt)
    for attempt in range(last.attempt + 1 if last else 0, MOST):
        record = journal.get(order.uuid(attempt))
        if record is None:
            break
        record.attempt = attempt
        last = record
    return last


def _taken_earlier(purchase: Purchase, record: Record) -> Record | None:
    """Find an attempt before this one that the service took after all: its film is wanted, not another one."""
    for attempt, task_uuid in reversed(list(enumerate(_earlier(purchase.wanted, record)))):
        earlier = purchase.journal.get(task_uuid)
        if earlier is not None and earlier.state in TAKEN - {State.EXPIRED}:
            earlier.attempt = attempt  # one that was collected by its UUID does not know it
            return earlier
    return None


async def _made_elsewhere(purchase: Purchase, attempt: int) -> Record | None:
    """Find a later attempt that another machine has made, or a journal since lost; asking is free."""
    later = {each: purchase.wanted.uuid(each) for each in range(attempt + 1, attempt + 1 + AHEAD)}
    sightings = await asyncio.gather(*(purchase.seen(each) for each in later.values()))
    for (each, task_uuid), sighting in zip(later.items(), sightings):  # noqa: B905  3.10
        if sighting.successes or sighting.pending:
            return _begin(purchase, task_uuid, each, found=True)
    return None


def _begin(
    purchase: Purchase, task_uuid: str, attempt: int = 0, *, found: bool = False, earlier: list[str] | None = None
) -> Record:
    """Begin the record of an attempt; what was `found` at the service is never sent, whatever it says next."""
    record = Record(task_uuid=task_uuid, attempt=attempt, earlier=earlier or [], created_at=purchase.journal.clock())
    if found:
        record.state, record.accepted_at, record.evidence = State.ACCEPTED, record.created_at, FOUND
    return record


def _earlier(order: Order, record: Record) -> list[str]:
    """Name the attempts before this one, oldest first: as they were named, by whichever key."""
    return record.earlier or [order.uuid(attempt) for attempt in range(record.attempt)]
