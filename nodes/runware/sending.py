"""From intent to accepted: ask, upload, spool, send. The record is durable before a byte leaves."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from . import attempts, budget, tell, uploads
from .client import Uncertain, longest_way
from .deadline import Late, within
from .errors import KlingError, NotSent
from .files import write_whole
from .journal import BUDGET_LOCK_PLACE, unwritable
from .record import State
from .verdict import judge_submission

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from .response import Failure
    from .task import Purchase

MESSAGE_KEPT = 200
"""Characters of the service's words that a record keeps."""
LOOKS = 5
"""So often at most a short look comes after a long one: on a line where all is slow the purchase goes on."""
THERE_ALREADY = "it was there already"
"""Evidence of a purchase that the service showed before it was sent from here."""
WITHOUT_A_LOOK = frozenset({"quota"})
"""Refusals that say nothing of the request. Any other may mean that an upload is no longer there, or another's."""


class Shown(Exception):
    """The service shows the purchase, whose bytes have not all left: they must not."""


async def buy(purchase: Purchase) -> None:
    """Record, ask once whether it exists already, upload, and send."""
    if not purchase.record.updated_at:
        purchase.journal.put(purchase.record)
    purchase.journal.put_intent(purchase.record.intent, purchase.record.task_uuid)
    purchase.status.words = "asking the service"
    afar = await attempts.shown_afar(purchase)
    if await exists(purchase):
        return
    await attempts.check_afar(purchase, afar)
    await spool(purchase, await uploads.bring(purchase))
    await _send_first(purchase)


async def exists(purchase: Purchase) -> bool:
    """Ask for free whether this purchase, or another attempt at it, is known (lost journal, other machine); accept it.

    After a look that took long comes a short one, for which a slow archive is not waited for: another machine may have
    bought meanwhile what was asked about first. What grew old even then is asked for again. May raise CameTrue.
    """
    task_uuid, began = purchase.record.task_uuid, purchase.inquiry.now()
    await attempts.check_others(purchase)
    archived = await purchase.inquiry.archived_or_unclear(task_uuid)
    known = archived.is_taken or (await purchase.inquiry.ask_or_stop(task_uuid)).proves
    if not known and purchase.inquiry.since(began) > purchase.timing.look:
        known = await _shortly(purchase)
    if known:
        purchase.accept(THERE_ALREADY)
    return known


async def _shortly(purchase: Purchase) -> bool:
    """Take short looks until all that they showed is young. May raise CameTrue."""
    inquiry, timing = purchase.inquiry, purchase.timing
    answers = attempts.Answers(inquiry, inquiry.seen_at_once, timing.fresh - timing.look)
    for _ in range(LOOKS):
        if await _is_shown(purchase, answers):
            return True
        if answers.are_young:
            break
    return False


async def _is_shown(purchase: Purchase, ask: attempts.Ask) -> bool:
    """Take a short look: one that does not wait for the archive. May raise CameTrue."""
    await attempts.check_others(purchase, ask=ask)
    sighting = await ask(purchase.record.task_uuid)
    return sighting.proves or sighting.conflict


async def spool(purchase: Purchase, media_uuids: Mapping[str, str]) -> None:
    """Write the exact bytes to send beside the record: a re-send must carry the same ones.

    `media_uuids` is what `uploads.bring` gives.
    """
    order = purchase.wanted
    digest, size = hashlib.sha256(), 0

    def chunks() -> Iterator[bytes]:
        nonlocal size
        for chunk in order.body(purchase.record.task_uuid, media_uuids):
            digest.update(chunk)
            size += len(chunk)
            yield chunk

    purchase.status.words = "preparing the request"
    disk = purchase.journal.disk
    try:
        await disk.offload(write_whole, disk, purchase.journal.path(purchase.record.task_uuid, "body"), chunks())
    except OSError as error:
        raise unwritable(error, purchase.record.task_uuid) from None
    purchase.record.body_sha256, purchase.record.body_size = digest.hexdigest(), size


def is_spooled(purchase: Purchase) -> bool:
    """Whether the bytes to send lie beside the record, as it says."""
    try:
        status = purchase.journal.disk.stat(purchase.journal.path(purchase.record.task_uuid, "body"))
    except OSError:
        return False
    return status is not None and status[0] == purchase.record.body_size


async def _send_first(purchase: Purchase) -> None:
    """Send, with no earlier send unsettled: what surely did not arrive may be repeated, bounded twice.

    Before each repeat everything is asked anew; that nobody answers then is one more try that did not arrive.
    """
    loop = asyncio.get_running_loop()
    began, tries = loop.time(), 0
    while True:
        unanswered = None
        try:
            await send(purchase)
        except NotSent as error:
            if not tries:
                raise
            unanswered = error
        if purchase.record.state is not State.INTENT:
            return
        tries += 1
        wait = 2.0**tries * purchase.chance.uniform(0.5, 1.0)
        if tries >= purchase.timing.unsent_tries or loop.time() - began + wait > purchase.timing.unsent_patience:
            raise unanswered or tell.not_sent(purchase.record)
        purchase.status.words = "no clear answer; trying again" if unanswered else "no connection; trying again"
        await asyncio.sleep(wait)
        purchase.inquiry.age_answers()


def seconds_left(purchase: Purchase) -> float:
    """How long a copy may be under way, to arrive while the first open send's render must still be running."""
    return max(0.0, purchase.timing.still_renders - purchase.in_doubt_for)


async def send(purchase: Purchase, *, is_copy: bool = False) -> None:
    """Send the spooled bytes once, and write down what is known after it; a copy is given up while it is safe.

    The state is INTENT again when it surely did not arrive, HELD when it may have; ACCEPTED without a whole send when
    it turned out to exist. May raise CameTrue.
    """
    earlier = purchase.record.maybe_sent
    if not await _mark_sending(purchase):
        return
    record, disk, now = purchase.record, purchase.journal.disk, asyncio.get_running_loop().time
    purchase.status.words, began = "sending", now()
    try:
        answer = await purchase.client.submit(
            disk,
            purchase.journal.path(record.task_uuid, "body"),
            record.body_size,
            sha256=record.body_sha256,
            seconds_left=partial(seconds_left, purchase) if is_copy else None,
            last_look=partial(_last_look, purchase, began),
        )
    except Shown:
        purchase.accept(THERE_ALREADY)
        return
    except attempts.CameTrue:
        _unsent(purchase, "another attempt came true", earlier=earlier)
        raise
    except NotSent as error:  # its words alone: what it says of the money is not true of an earlier copy
        _unsent(purchase, error.what, earlier=earlier)
        return
    except Uncertain as error:
        _hold_after(purchase, now() - began, str(error))
        return
    except OSError as error:
        hold(purchase, "the request could not be read from the state folder")
        raise unwritable(error, record.task_uuid) from None
    submission = judge_submission(answer, record.task_uuid)
    if submission.outcome == "accepted":
        purchase.accept(submission.evidence)
    elif submission.failure is not None:
        _refused(purchase, submission.failure, answer.status, earlier=earlier)
    else:
        purchase.asked_to_wait = submission.retry_after
        _hold_after(purchase, now() - began, submission.evidence)


async def _last_look(purchase: Purchase, began: float) -> None:
    """Ask once more before the last bytes leave, where what was asked has grown old: another machine may have bought.

    Without a clear answer it goes on, for the upload, which `began` then by the loop's clock, may be in the answer's
    way. But not where it was not the upload that took so long (the machine slept, say), and what another bought may be
    ready by now: the service would take ours for a new one. Raises CameTrue, Shown or NotSent.
    """
    inquiry, timing = purchase.inquiry, purchase.timing
    if inquiry.just_asked:
        return
    asked = inquiry.clean_at
    upload = min(asyncio.get_running_loop().time() - began, longest_way(purchase.record.body_size))
    with suppress(KlingError, Late):
        if await within(timing.last_look, _is_shown(purchase, inquiry.seen_at_once)):
            raise Shown
        return
    if inquiry.since(asked) > timing.still_renders + upload:
        raise tell.unreachable("the service gave no clear answer", purchase.record.task_uuid)


async def _mark_sending(purchase: Purchase) -> bool:
    """Write down that bytes may leave from now on; False when it turned out that the service has the purchase.

    A purchase that is new is held against the day's budget. The last questions and the last look into the journal come
    after every wait.
    """
    fresh = not purchase.record.maybe_sent
    if fresh and not purchase.inquiry.just_asked and await exists(purchase):
        return False
    if fresh:
        order = purchase.wanted
        purchase.record.price = order.planned  # prices may have changed since it was recorded
        budget.check_cost(order.price, order.most, order.node)  # and the limit since it was sent first, in vain
    async with _within_budget(purchase, purchase.settings.daily_budget if fresh else None):
        if fresh and not purchase.inquiry.just_asked and await exists(purchase):  # the lock, or the sum, took long
            return False
        if fresh:
            attempts.check_taken(purchase)
        _write_sending(purchase, fresh=fresh)
        return True


@asynccontextmanager
async def _within_budget(purchase: Purchase, daily: Decimal | None) -> AsyncIterator[None]:
    """Keep others from spending while the day's sum is made and added to. Raises BudgetError."""
    if daily is None:
        yield
        return
    journal, timing, loop = purchase.journal, purchase.timing, asyncio.get_running_loop()
    began = loop.time()
    while not journal.lock(BUDGET_LOCK_PLACE):
        if loop.time() - began > timing.budget_patience:
            raise budget.locked(purchase.record)
        await asyncio.sleep(timing.lock_pause / 10)
    try:
        spent = await journal.disk.offload(journal.spent_today, purchase.record.task_uuid)
        price = purchase.record.price
        budget.check_day(Decimal(price) if price is not None else None, spent, daily, purchase.wanted.node)
        yield
    finally:
        journal.unlock(BUDGET_LOCK_PLACE)


def _write_sending(purchase: Purchase, *, fresh: bool) -> None:
    record = purchase.record
    purchase.sent = True  # before the disk is waited for: whoever cancels meanwhile is told so
    now = purchase.journal.clock()
    purchase.journal.put_intent(record.intent, record.task_uuid, anew=True)
    purchase.journal.put_sent(record.task_uuid, now)
    record.last_sent_at = now
    record.last_sent_uptime = purchase.journal.uptime()
    record.maybe_sent = True
    record.posts += 1
    if fresh:
        record.first_unsettled_at = now
        record.key_fingerprint = purchase.client.fingerprint(record.task_uuid)
    record.move(State.SENDING)
    purchase.journal.put(record)
    if fresh:
        purchase.first_sent = asyncio.get_running_loop().time()


def _unsent(purchase: Purchase, why: str, *, earlier: bool) -> None:
    if earlier:
        hold(purchase, why)
        return
    purchase.record.maybe_sent = False
    purchase.record.first_unsettled_at = purchase.first_sent = None
    purchase.record.move(State.INTENT)
    purchase.journal.put(purchase.record)
    purchase.sent = False


def _hold_after(purchase: Purchase, seconds: float, why: str) -> None:
    """Hold what was under way for so many seconds, by the loop's clock, until just now.

    Where the machine slept meanwhile, or the disk was slow before it, the last bytes may have left long after they were
    written down to leave.
    """
    record, now = purchase.record, purchase.journal.clock()
    if now - (record.last_sent_at or now) > seconds + purchase.timing.fresh:
        record.last_sent_at, record.last_sent_uptime = now, purchase.journal.uptime()
    hold(purchase, why)


def hold(purchase: Purchase, why: str) -> None:
    """Write down that a send may have arrived; `why` goes into the message."""
    purchase.held_because = why
    purchase.record.move(State.HELD)
    purchase.journal.put(purchase.record)


def _refused(purchase: Purchase, failure: Failure, status: int, *, earlier: bool) -> None:
    """A refusal settles the purchase only when no earlier send of it is open."""
    if earlier:
        hold(purchase, failure.message or failure.code)
        return
    if failure.category not in WITHOUT_A_LOOK:
        for clip in purchase.wanted.clips:
            uploads.forget(purchase.journal, clip.sha256)
    purchase.record.failures = [{"code": failure.code, "message": failure.message[:MESSAGE_KEPT]}]
    purchase.record.maybe_sent = False
    purchase.record.move(State.REJECTED)
    purchase.journal.put(purchase.record)
    for kind in ("body", "sent"):
        purchase.journal.forget(purchase.record.task_uuid, kind)
    raise tell.refused(failure, status, doing="Runware refused the request", task_uuid=purchase.record.task_uuid)
