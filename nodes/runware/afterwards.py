"""After an error has ended a run: what was sent is asked for again and again, and fetched. Nothing is ever sent.

The error was told; but nobody may be there to press Run again before the film is gone.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from .errors import KlingError
from .record import WAITING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .task import Purchase

PAUSES = (30.0, 60.0, 120.0, 300.0, *[600.0] * 140)
"""Seconds before each try: a day in all."""


async def collect_later(make: Callable[[], Purchase], task_uuid: str) -> None:
    """Collect a purchase as soon as that works; `make` gives what can only collect. Raises nothing a user could use."""
    for pause in PAUSES:
        await asyncio.sleep(pause)
        with suppress(KlingError):
            purchase = make()
            record = purchase.journal.get(task_uuid)
            if record is None or record.state not in WAITING:
                return
            await purchase.collect(task_uuid)
