"""From "maybe sent" to certainty: free questions first, the same bytes again only where that is safe."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from . import attempts, sending, tell, uploads
from .client import longest_way
from .deadline import Late, within
from .errors import NotSent
from .journal import midnight
from .record import State
from .verdict import REFUSED_SENDS

if TYPE_CHECKING:
    from .task import Purchase
    from .verdict import Sighting

CHECKING = "checking whether the request arrived"


async def resolve(purchase: Purchase) -> None:
    """Find out by free questions whether a send arrived; send the same bytes again only where that is safe."""
    record, timing = purchase.record, purchase.timing
    if record.state is State.SENDING:
        sending.hold(purchase, "the program ended while sending")
    purchase.status.words = CHECKING
    if await _wait_for_repeat(purchase):
        await _probe(purchase, timing.quick_probes)
        if record.state is State.HELD and not await _repeat(purchase):
            return  # no clear answer yet, and time for another round
        if record.state is not State.HELD:
            return
    seen = await _probe(purchase, timing.last_probes)
    if record.state is not State.HELD:
        return
    if _seconds_to_repeat(purchase) is not None:
        return
    is_alone = await _is_alone_afar(purchase)
    if not purchase.has_its_key:
        raise tell.held_by_other_key(record)
    if is_alone and seen.clean >= timing.clean_probes and seen.archive_clean and _has_settled(purchase):
        await _send_again(purchase)
        return
    raise tell.held(record, purchase.held_because, _seconds_to_settle(purchase))


async def _send_again(purchase: Purchase) -> None:
    """Send once more after the settle window: no earlier copy exists, so this is a first send again."""
    await sending.spool(purchase, await uploads.bring(purchase))
    if not await sending.exists(purchase):
        purchase.record.maybe_sent = False
        await sending.send(purchase)


async def _is_alone_afar(purchase: Purchase) -> bool:
    """Ask about attempts far ahead, and by the present key's names; False without a clear answer. Raises CameTrue."""
    if purchase.order is not None:
        try:
            await attempts.check_afar(purchase, await attempts.shown_afar(purchase))
        except NotSent:
            return False
    return True


async def _repeat(purchase: Purchase) -> bool:
    """Send the same bytes again while that is safe; False when it is safe and unclear whether it is right.

    Raises CameTrue when another machine has bought another attempt, and ours, which may have been under way all the
    while, has not arrived either by the time it must have (A4).
    """
    try:
        is_clear = await _is_the_only_attempt(purchase)
        seconds = _seconds_to_repeat(purchase)
        if seconds is not None and is_clear:
            await sending.send(purchase, is_copy=True)
    except attempts.CameTrue:
        await _probe(purchase, purchase.timing.last_probes)
        if purchase.record.state is State.HELD:
            raise
        return True
    return seconds is None or is_clear


async def _is_the_only_attempt(purchase: Purchase) -> bool:
    """Ask whether another machine has made another attempt since the first send; False without a clear answer.

    An answer that grew old while the others were waited for is asked for again. Raises CameTrue.
    """
    answers = attempts.Answers(purchase.inquiry, partial(_seen_soon, purchase), purchase.timing.fresh)
    for _ in range(sending.LOOKS):
        try:
            await attempts.check_others(purchase, ask=answers)
        except (NotSent, Late):
            return False
        if answers.are_young:
            purchase.inquiry.age_answers(answers.oldest)
            return True
    return False


async def _seen_soon(purchase: Purchase, task_uuid: str) -> Sighting:
    """Ask twice at most, and not for long. Raises Late."""
    with suppress(Late):
        return await within(purchase.timing.question, purchase.inquiry.seen_at_once(task_uuid))
    return await within(purchase.timing.question, purchase.inquiry.seen_at_once(task_uuid))


async def _wait_for_repeat(purchase: Purchase) -> bool:
    """Whether the same bytes may be sent again soon; waits as long as the service asked, if that is in time."""
    left = _seconds_to_repeat(purchase)
    wait = max(0.0, (purchase.asked_to_wait or 0.0) - sum(purchase.timing.quick_probes))
    purchase.asked_to_wait = None
    if left is None or wait + sum(purchase.timing.quick_probes) + purchase.timing.least_answer > left:
        return False
    await asyncio.sleep(wait)
    return _seconds_to_repeat(purchase) is not None


def _seconds_to_repeat(purchase: Purchase) -> float | None:
    """How long a copy sent now may take; None when a copy is not safe.

    Nor is it safe past midnight where each day has its budget: the copy would be spent on another day.
    """
    first, window = purchase.record.first_unsettled_at, purchase.settings.resubmit_window
    if purchase.order is None or first is None or not sending.is_spooled(purchase):
        return None
    if purchase.settings.daily_budget is not None and midnight(first) != midnight(purchase.journal.clock()):
        return None
    left = sending.seconds_left(purchase)
    is_open = window and purchase.in_doubt_for <= window and left >= purchase.timing.least_answer
    return left if is_open else None


def _has_settled(purchase: Purchase) -> bool:
    """Whether every earlier copy would have ended, and its end could still be seen."""
    seconds = _seconds_to_settle(purchase)
    return purchase.order is not None and seconds is not None and seconds <= 0


def _seconds_to_settle(purchase: Purchase) -> float | None:
    """How long until every earlier copy would have ended; None when its end could no longer be seen then."""
    record, timing = purchase.record, purchase.timing
    ages = purchase.ages(record.last_sent_at)
    if not ages or max(ages) > timing.settle_latest:
        return None
    return longest_way(record.body_size) + timing.settle - min(ages)


@dataclass
class _Seen:
    """What some free questions showed: how many answers clearly nothing, and whether the archive's did."""

    clean: int = 0
    archive_clean: bool = False


async def _probe(purchase: Purchase, waits: tuple[float, ...]) -> _Seen:
    """Ask a few times, then the archive, whether the service has the task; accept it if it has."""
    task_uuid = purchase.record.task_uuid
    purchase.status.words = CHECKING  # a copy may have been sent since
    seen = _Seen()
    for wait in waits:
        await asyncio.sleep(wait)
        sighting = await purchase.inquiry.ask(task_uuid)
        if sighting is not None and sighting.proves:
            purchase.accept("seen")
            return seen
        seen.clean += sighting is not None and sighting.denies
    archived = await purchase.inquiry.archived(task_uuid)
    if archived is not None and archived.is_taken:
        purchase.accept("seen in the archive")
    seen.archive_clean = archived is not None and (archived.denies or _only_send_refused(purchase, archived))
    return seen


def _only_send_refused(purchase: Purchase, archived: Sighting) -> bool:
    """Whether the archive shows that our one and only send was refused."""
    refused = archived.failures and all(failure.category in REFUSED_SENDS for failure in archived.failures)
    return bool(refused) and purchase.record.posts == 1
