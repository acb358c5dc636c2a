"""What the two nodes that touch money share: the account, the waiting, and the task that travels between them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from . import beside, host
from .runware import settings, tell
from .runware.errors import BILLING_UNKNOWN, NOT_BILLED, SAFE, KlingError, MissingKeyError, TaskTimeout
from .runware.kept import are_here
from .runware.order import ANOTHER_RUN
from .runware.pace import HISTORY_NEEDED, usual
from .runware.response import plain
from .runware.wire import REHEARSAL_KEY, WIRE, Account

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .runware.order import Status
    from .runware.record import Record
    from .runware.ticket import Left, Ticket

FIRST_TICK = 0.002
"""Seconds; what is finished already is found within a few milliseconds. Each look doubles it, up to `beside.TICK`."""
DECISION_SECONDS = 0.5
"""For the answer whether a purchase was given up; a disk that is waited for can keep it back."""
LINE_SECONDS = 1.0
REHEARSAL_IS_FREE = "A rehearsal costs nothing."
UNKNOWN_USUAL = (60.0, 240.0)
"""Seconds; what others report for this model, until this machine has a history of its own."""


@dataclass(frozen=True)
class Task:
    """The value of a KLING_TASK link: a purchase that can be collected, here or anywhere else with its key."""

    task_uuid: str
    rehearsal: bool


async def account(*, rehearsal: bool) -> Account:
    """Read where purchases are made and recorded. Raises MissingKeyError; a rehearsal needs no key."""
    return await beside.run(_account, rehearsal=rehearsal)


def _account(*, rehearsal: bool) -> Account:
    folder = host.state_folder()
    where = _practice(folder) if rehearsal else Account(folder, settings.api_key(folder), settings.read())
    WIRE.prepare(where)
    return where


def _practice(folder: Path) -> Account:
    """Where rehearsals are recorded; they spend nothing of the day's budget."""
    return Account(folder, REHEARSAL_KEY, replace(settings.read(), daily_budget=None), rehearsal=True)


async def account_of(task_uuid: str, *, rehearsal: bool | None = None) -> Account:
    """Find the account a task was bought with. A purchase whose films are here needs no key to be read again."""
    return await beside.run(_account_of, task_uuid, rehearsal=rehearsal)


def _account_of(task_uuid: str, *, rehearsal: bool | None) -> Account:
    folder = host.state_folder()
    practice, real = _practice(folder), Account(folder, "", settings.read())
    if rehearsal or (rehearsal is None and _record(practice, task_uuid) and not _record(real, task_uuid)):
        WIRE.prepare(practice)
        return practice
    try:
        real = replace(real, key=settings.api_key(folder))
    except MissingKeyError:
        record = _record(real, task_uuid)
        if record is None or not are_here(WIRE.journal(real), record):
            raise
    WIRE.prepare(real)
    return real


def _record(where: Account, task_uuid: str) -> Record | None:
    return WIRE.journal(where).get(task_uuid)


async def attend(
    ticket: Ticket, *, node_id: str | None, minutes: float, cost: str = "", show: Callable[[str], None] | None = None
) -> Record:
    """Wait for a purchase in words, second by second, until its films are here; `cost` is told until it is accepted.

    `show` brings the words onto the node; without it they stand there alone. Raises the KlingError that ended it,
    TaskTimeout when `minutes` are over, or ComfyUI's interruption within a second of Cancel. In each case what was sent
    goes on and can be collected; what was not sent is given up.
    """
    began = told = time.monotonic()
    announced, pause = "", FIRST_TICK
    show = show or partial(host.status, node_id)
    try:
        show(_line(ticket.status, 0.0, cost))
        while not ticket.done:
            if ticket.status.words != announced:
                announced = ticket.status.words
                announce(node_id, ticket.status.task_uuid)
            if host.interrupted():
                show(await _stopped(ticket, "cancelled"))
                raise host.interrupt()
            now = time.monotonic()
            if now - began > minutes * 60:
                raise await _overdue(ticket, minutes)
            if now - told >= LINE_SECONDS:
                told = now
                show(_line(ticket.status, now - began, cost))
                await _move_bar(node_id, ticket.status)
            await asyncio.sleep(pause)
            pause = min(pause * 2, beside.TICK)
        return _result(ticket)
    except asyncio.CancelledError:
        why = "cancelled" if host.interrupted() else "another node ended the run"
        show(_failed(ticket) or await _stopped(ticket, why))
        raise
    except KlingError as error:
        if ticket.rehearsal:
            error.billing = REHEARSAL_IS_FREE
        show(str(error))  # where several nodes fail at once, or Cancel ends the run, ComfyUI tells of one alone
        raise
    finally:
        ticket.release()
        announce(node_id, ticket.status.task_uuid)


@contextlib.contextmanager
def paid(task_uuid: str, node: str) -> Iterator[None]:
    """Let no error pass that does not say where the paid film is: too little memory, say, while it loads."""
    try:
        yield
    except KlingError as error:
        error.billing = error.billing or SAFE
        error.task_uuid = task_uuid
        raise
    except Exception as error:
        if isinstance(error, type(host.interrupt())):  # before ComfyUI 0.20 Cancel is an Exception like any other
            raise
        raise KlingError(
            f"{node}: the film could not be loaded into the graph ({_words(error)}).",
            billing=SAFE,
            task_uuid=task_uuid,
            next_step="Load fewer frames (frame_load_cap, select_every_nth), or set load_frames to 'none'.",
        ) from error


def announce(node_id: str | None, task_uuid: str) -> None:
    """Tell every open page that a purchase has changed."""
    host.send("kling.purchase", {"prompt_id": host.execution()[0], "node": node_id, "task_uuid": task_uuid})


def _line(status: Status, waited: float, cost: str) -> str:
    if status.accepted_at is None:
        so_far = f", {waited:.0f} s so far" if waited >= LINE_SECONDS else ""
        return f"{status.words}{so_far}{cost}"
    elapsed = max(0.0, time.time() - status.accepted_at)
    early, late = _usual(status)
    ready = f", {status.films} ready" if status.films else ""
    span = " to ".join(dict.fromkeys(f"{each:.0f}" for each in (early, late)))
    return f"{status.words}{ready}, {elapsed:.0f} s so far, usually {span} s"


def _usual(status: Status) -> tuple[float, float]:
    return usual(status.durations) if len(status.durations) >= HISTORY_NEEDED else UNKNOWN_USUAL


async def _move_bar(node_id: str | None, status: Status) -> None:
    """Show an estimate as one: the bar follows the usual time and never claims the end before it is there."""
    if status.accepted_at is None:
        return
    elapsed = max(0.0, time.time() - status.accepted_at)
    _, late = _usual(status)
    await host.progress(node_id, min(elapsed / late, 0.95) * 100, 100)


async def _left(ticket: Ticket) -> Left:
    """Leave a purchase, and say what becomes of it: only where it is bought can be told whether something was sent."""
    left = asyncio.wrap_future(ticket.release())
    await asyncio.wait({left}, timeout=DECISION_SECONDS)
    return left.result() if left.done() else "sent"


def _words(error: Exception) -> str:
    return " ".join(part for part in (type(error).__name__, plain(str(error))) if part)


def _result(ticket: Ticket) -> Record:
    """Give what became of a purchase; what nobody thought of is told with what it leaves of the money."""
    try:
        return ticket.result()
    except KlingError:
        raise
    except Exception as error:  # no threads or memory left, say
        raise KlingError(
            f"The purchase was broken off by something unforeseen ({_words(error)}).",
            billing=ticket.billing,
            task_uuid=ticket.status.task_uuid or None,
            next_step="Run again: what was sent is collected, not bought anew.",
        ) from error


def _failed(ticket: Ticket) -> str:
    """Say how a purchase has failed by now, for which its node was kept from looking; empty where it has not."""
    try:
        if ticket.done:
            _result(ticket)
    except KlingError as error:
        return str(error)
    return ""


async def _stopped(ticket: Ticket, why: str) -> str:
    """Say what becomes of a purchase for which its node no longer waits."""
    if not ticket.buys:
        return f"{why}; collecting it again is free."
    left = await _left(ticket)
    if left == "given up" and ticket.status.words == ANOTHER_RUN:
        return f"{why}; another run may have bought this film: run again to collect it."
    if left == "given up":
        return f"{why} before anything was sent. {NOT_BILLED}"
    if left == "shared":
        return f"{why} before anything was sent; the other node that waits for this film says what becomes of it."
    return f"{why}; the purchase goes on, collecting it is free: run again. Task UUID: {ticket.status.task_uuid}"


async def _overdue(ticket: Ticket, minutes: float) -> TaskTimeout:
    sent = not ticket.buys or await _left(ticket) != "given up"
    unsent = BILLING_UNKNOWN if ticket.status.words == ANOTHER_RUN else NOT_BILLED
    return TaskTimeout(
        f"The film was not ready after {minutes:g} minutes{' (timeout_minutes)' if ticket.buys else ''}.",
        billing=f"{ticket.billing} It is still being waited for." if sent else unsent,
        task_uuid=ticket.status.task_uuid or None,
        next_step=tell.COLLECT if sent else "Run again.",
    )
