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

_running: dict[tuple[str, str], int] = {}


class Siblings:
    """The executions of one node in one prompt."""

    def __init__(self, name: tuple[str, str]) -> None:
        self._name = name

    async def count(self) -> int:
        """Wait until every item of the list has started, and give their number."""
        seen, quiet = 0, 0
        while quiet < QUIET_ROUNDS:
            now = _running[self._name]
            quiet = quiet + 1 if now == seen else 0
            seen = now
            await asyncio.sleep(0)
        return seen


@contextmanager
def siblings() -> Iterator[Siblings]:
    """Count this execution among its siblings for as long as it lasts."""
    name = host.execution()
    _running[name] = _running.get(name, 0) + 1
    try:
        yield Siblings(name)
    finally:
        _running[name] -= 1
        if not _running[name]:
            del _running[name]


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
