"""What the items of a list agree on before the first of them spends: one price for all, or nothing is bought.

ComfyUI runs a node once for each item of a list and starts all of them at once, each without knowing of the others. It
ends the node when all have ended, without a film if one of them failed; and all of them write on the same node.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import host
from .runware.errors import BudgetError, KlingError
from .runware.price import usd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from decimal import Decimal

QUIET_ROUNDS = 3
"""Rounds of the event loop in which no further item started: ComfyUI starts one a round."""

_lists: dict[tuple[str, str], List] = {}


@dataclass(frozen=True)
class Bid:
    """What one item is about to buy; prices in USD, None where nobody knows or there is no limit."""

    price: Decimal | None
    most: Decimal | None


class List:
    """The executions of one node in one prompt; there is one where no list leads into it."""

    def __init__(self) -> None:
        self.started = self.running = self.heard = 0
        self.refusal: BaseException | None = None
        """Why one of them cannot be bought; then none is."""
        self.named: list[KlingError] = []
        """Errors that name their item: one can be that of several which want the same purchase."""
        self.bids: dict[str, Bid] = {}
        """By the purchase: items that want the same one share it, and the lowest of their limits."""
        self.verdict: asyncio.Future[None] | None = None
        self.lines: dict[int, str] = {}
        self.bought: dict[int, str] = {}
        """The UUIDs of what was paid, by item."""
        self.news = asyncio.Event()

    async def all_started(self) -> None:
        """Wait until every item of the list has started."""
        seen, quiet = 0, 0
        while quiet < QUIET_ROUNDS:
            quiet = quiet + 1 if self.started == seen else 0
            seen = self.started
            await asyncio.sleep(0)

    def shown(self) -> list[str]:
        """Give the line of each item. A film that several want is told once: its cost would seem to be paid by each."""
        first: dict[str, int] = {}
        shown: list[str] = []
        for number, text in sorted(self.lines.items()):
            earlier = first.setdefault(self.bought[number], number) if number in self.bought else number
            shown.append(f"{number}. {text if earlier == number else f'the same purchase as {earlier}'}")
        return shown

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for what one of the others makes true."""
        while not is_so():
            self.news.clear()
            await self.news.wait()


class Item:
    """One execution of a node among those of its list."""

    def __init__(self, group: List) -> None:
        self._list = group
        group.started += 1
        group.running += 1
        self.number = group.started
        self._was_heard = False
        self._hears_others = False
        """Whether what is raised now is said of the whole list, by all of its items."""

    async def agree(self, purchase: str, bid: Bid, judge: Callable[[list[Bid]], Awaitable[None]]) -> list[Bid]:
        """Wait until every item has bid for its `purchase`, or needs none, and let `judge` see all bids; give them.

        Raises what `judge` raises, or what any other item was refused for.
        """
        group = self._list
        limits = [each.most for each in (bid, group.bids.get(purchase, bid)) if each.most is not None]
        group.bids[purchase] = Bid(bid.price, min(limits, default=None))
        await group.all_started()
        self._hear()
        await group.until(lambda: group.heard >= group.started)
        bids = list(group.bids.values())
        self._hears_others = True
        if group.refusal is not None:
            raise group.refusal
        if group.verdict is None:
            group.verdict = asyncio.ensure_future(judge(bids))
        await asyncio.shield(group.verdict)
        self._hears_others = False
        return bids

    def buys_nothing(self) -> None:
        """Let the others not wait: what this one wants was bought before, or costs nothing."""
        self._hear()

    def bought(self, task_uuid: str) -> None:
        """Note what an error of another item is to name."""
        self._list.bought[self.number] = task_uuid

    def show(self, node_id: str | None, text: str) -> None:
        """Show a line on the node, below those of the items before this one."""
        self._list.lines[self.number] = text
        host.status(node_id, "\n".join(self._list.shown()) if self._list.started > 1 else text)

    def _hear(self) -> None:
        self._list.heard += not self._was_heard
        self._was_heard = True
        self._list.news.set()

    def end(self, error: BaseException | None) -> None:
        """Tell the others; what fails before it was judged keeps them from buying."""
        if error is not None and not self._was_heard:
            self._list.refusal = self._list.refusal or error
        self._list.running -= 1
        self._hear()

    async def explain(self, error: KlingError) -> None:
        """Name what else of the list was bought, when it has ended: ComfyUI shows one error, and no film."""
        group = self._list
        if group.started > 1 and not self._hears_others:
            self.show(host.execution()[1], str(error))  # at once: another node may end the run before the others end
        await group.until(lambda: not group.running)
        if group.started == 1:
            return
        if not self._hears_others and error not in group.named:
            group.named.append(error)
            error.what = f"{error.what.rstrip('.')} (item {self.number} of {group.started} of the list)."
        others = [task_uuid for number, task_uuid in sorted(group.bought.items()) if number != self.number]
        safe = f"What else is in the list is safe: collect it by task_uuid, {', '.join(dict.fromkeys(others))}."
        if others and safe not in error.next_step:
            error.next_step = f"{error.next_step} {safe}".strip()


@asynccontextmanager
async def item() -> AsyncIterator[Item]:
    """Count this execution among those of its list for as long as it lasts."""
    name = host.execution()
    group = _lists.setdefault(name, List())
    one = Item(group)
    try:
        yield one
    except BaseException as error:
        one.end(error)
        await group.all_started()  # who starts only now is refused, too
        if isinstance(error, KlingError):
            await one.explain(error)
        raise
    else:
        one.end(None)
    finally:
        if not group.running and _lists.get(name) is group:
            del _lists[name]


def check(bids: list[Bid], most: int, node: str) -> None:
    """Refuse a list that makes more purchases than KLING_MAX_FANOUT. Raises BudgetError."""
    if len(bids) <= most:
        return
    total = price_of(bids)
    prices = {bid.price for bid in bids}
    each = f"{usd(total / len(bids))} each, " if total is not None and len(prices) == 1 else ""
    raise BudgetError(
        node=node,
        field="prompt",
        rule=f"a list leads into this node and makes {len(bids)} purchases "
        + ("at a price that cannot be known before" if total is None else f"for {each}{usd(total)} in all")
        + f"; KLING_MAX_FANOUT allows {most}.",
        next_step="Shorten the list, or set KLING_MAX_FANOUT higher if you mean it.",
    )


def price_of(bids: list[Bid]) -> Decimal | None:
    """Sum what is about to be bought; None where a price is unknown."""
    known = [bid.price for bid in bids if bid.price is not None]
    return sum(known[1:], known[0]) if known and len(known) == len(bids) else None
