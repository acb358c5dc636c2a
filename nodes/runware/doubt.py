"""From "maybe sent" to certainty: free questions first, the same bytes again only where that is safe."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from . import sending, tell
from .journal import State

if TYPE_CHECKING:
    from .task import Purchase


async def resolve(purchase: Purchase) -> None:
    """Find out by free questions whether a send arrived; send the same bytes again only where that is safe."""
    record = purchase.record
    if record.state is State.SENDING:
        sending.hold(purchase, "the program ended while sending")
    purchase.status.words = "checking whether the request arrived"
    clean = await _probe(purchase, purchase.timing.quick_probes)
    if record.state is not State.HELD:
        return
    if _may_repeat(purchase):
        await sending.send(purchase)
        return
    clean += await _probe(purchase, purchase.timing.last_probes)
    if record.state is not State.HELD:
        return
    if clean >= purchase.timing.clean_probes and _has_settled(purchase):
        record.maybe_sent = False
        await _send_again(purchase)
        return
    raise tell.held(record, purchase.held_because, purchase.journal.clock(), purchase.timing.settle)


async def _send_again(purchase: Purchase) -> None:
    """Send once more after the settle window: no earlier copy exists, so this is a first send again."""
    if purchase.journal.disk.stat(purchase.journal.path(purchase.record.task_uuid, "body")) is None:
        if purchase.order is None:
            raise tell.held(purchase.record, "only the graph can send it again", purchase.journal.clock(), 0.0)
        await sending.spool(purchase, await sending.upload(purchase))
    wait = await sending.send(purchase)
    if purchase.record.state is State.INTENT and wait is not None:
        raise tell.not_sent(purchase.record, limited=True)


def _may_repeat(purchase: Purchase) -> bool:
    """Whether the fastest render of the first open send must still be running, so that a copy is refused."""
    first = purchase.record.first_unsettled_at
    if purchase.order is None or first is None or not purchase.record.body_size:
        return False
    if purchase.journal.disk.stat(purchase.journal.path(purchase.record.task_uuid, "body")) is None:
        return False
    return 0 <= purchase.journal.clock() - first <= purchase.settings.resubmit_window


def _has_settled(purchase: Purchase) -> bool:
    """Whether every earlier copy would have ended, and its end could still be seen."""
    last = purchase.record.last_sent_at
    if purchase.order is None or last is None:
        return False
    return purchase.timing.settle <= purchase.journal.clock() - last <= purchase.timing.settle_latest


async def _probe(purchase: Purchase, waits: tuple[float, ...]) -> int:
    """Ask a few times whether the service has the task; gives how many answers clearly showed nothing."""
    clean = 0
    for wait in waits:
        await asyncio.sleep(wait)
        sighting = await purchase.ask(purchase.record.task_uuid)
        if sighting is not None and sighting.proves:
            purchase.accept("seen")
            return clean
        clean += sighting is not None and sighting.empty
    archived = await purchase.archived(purchase.record.task_uuid)
    if archived is not None and (archived.successes or archived.pending):
        purchase.accept("seen in the archive")
    return clean
