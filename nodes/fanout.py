"""How many purchases one node is about to make from a list, counted before the first of them spends.

ComfyUI runs a node once for each item of a list and starts all of them at once, each without knowing of the others.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import host
from .runware.errors import BudgetError
from .runware.price import usd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

QUIET_ROUNDS = 3
"""Rounds of the event loop in which no further item started: ComfyUI starts one a round."""

_siblings: dict[tuple[str, str], Siblings] = {}


class Siblings:
    """The executions of one node in one prompt, from the start of the first to the end of the last."""

    def __init__(self) -> None:
        self.started = 0
        self.running = 0

    async def count(self) -> int:
        """Wait until every item of the list has started, and give their number.

        Those that have ended count too: one that was refused must not make room for the others.
        """
        seen, quiet = 0, 0
        while quiet < QUIET_ROUNDS:
            quiet = quiet + 1 if self.started == seen else 0
            seen = self.started
            await asyncio.sleep(0)
        return self.started


@contextmanager
def siblings() -> Iterator[Siblings]:
    """Count this execution among its siblings for as long as it lasts."""
    name = host.execution()
    group = _siblings.setdefault(name, Siblings())
    group.started += 1
    group.running += 1
    try:
        yield group
    finally:
        group.running -= 1
        if not group.running:
            del _siblings[name]


def check(count: int, most: int, price: Decimal | None, node: str) -> None:
    """Refuse a list that makes more purchases than KLING_MAX_FANOUT. Raises BudgetError."""
    if count > most:
        each = (
            "at a price that cannot be known before"
            if price is None
            else f"for {usd(price)} each, {usd(price * count)} in all"
        )
        raise BudgetError(
            node=node,
            field="prompt",
            rule=f"a list leads into this node and makes {count} purchases {each}; KLING_MAX_FANOUT allows {most}.",
            next_step="Shorten the list, or set KLING_MAX_FANOUT higher if you mean it.",
        )
