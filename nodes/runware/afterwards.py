"""After an error has ended a run: what was sent is asked for again and again, and fetched. Nothing is ever sent.

The error was told; but nobody may be there to press Run again before the film is gone.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from .record import UNSEEN, WAITING, Record, State

if TYPE_CHECKING:
    from collections.abc import Callable

    from .task import Purchase

PAUSES = (30.0, 60.0, 120.0, 300.0, *[600.0] * 140)
"""Seconds before each try: a day in all."""
LONGEST = 86_400.0
"""Seconds after which no further try begins: one can itself wait for a day."""


async def collect_later(make: Callable[[], Purchase], task_uuid: str) -> None:
    """Collect a purchase as soon as that works; `make` gives what can only collect. Raises nothing a user could use."""
    now = asyncio.get_running_loop().time
    began = now()
    for pause in PAUSES:
        await asyncio.sleep(pause)
        if now() - began > LONGEST:
            return
        with suppress(Exception):  # be it without threads or memory for a moment: a film must not be lost to that
            purchase = make()
            purchase.unattended = True
            record = purchase.journal.get(task_uuid)
            if record is None:  # its disk may be away
                continue
            if not is_open(record):
                return
            await purchase.collect(task_uuid)


def is_open(record: Record) -> bool:
    """Whether something that was sent, or is paid, may still come."""
    unseen = any(failure.get("code") == UNSEEN for failure in record.failures)
    return record.state in WAITING or record.state is State.EXPIRED or bool(record.gone) or unseen
