"""Who waits for a purchase under way: a ticket for each node, and what becomes of it when the last one leaves."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Literal

from . import tell

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .order import Status
    from .record import Record
    from .task import Purchase

Left = Literal["sent", "shared", "given up"]
"""What becomes of a purchase that a node leaves; shared: nothing was sent, and another node still waits for it."""


class Running:
    """A purchase under way, shared by all who wait for it."""

    def __init__(self, purchase: Purchase, *, rehearsal: bool) -> None:
        self.future: Future[Record] = Future()
        self.waiting = 0
        self._purchase = purchase
        self.rehearsal = rehearsal
        self.task: asyncio.Task[None] | None = None
        self.given_up = False

    def count(self, change: int) -> None:
        """Count one waiter more, or less; the purchase knows whether any is left."""
        self.waiting += change
        self._purchase.unattended = not self.waiting

    @property
    def status(self) -> Status:
        """Where it stands; read from any thread."""
        return self._purchase.status

    @property
    def buys(self) -> bool:
        """Whether it may buy; collecting never does."""
        return self._purchase.order is not None

    @property
    def billing(self) -> str:
        """What is known of the bill now."""
        return tell.so_far(getattr(self._purchase, "record", None))

    @property
    def sent(self) -> bool:
        """Whether it may have been bought, so that it goes on whoever waits."""
        return self._purchase.sent


class Ticket:
    """One node's share in a running purchase. `release` it when the node stops waiting, for whatever reason."""

    def __init__(self, leave: Callable[[Running], Future[Left]], running: Running) -> None:
        self._leave = leave
        self._running = running
        self._left: Future[Left] | None = None

    @property
    def status(self) -> Status:
        """Where the purchase stands."""
        return self._running.status

    @property
    def buys(self) -> bool:
        """Whether the purchase may still be bought; one that is only collected is not."""
        return self._running.buys

    @property
    def rehearsal(self) -> bool:
        """Whether it costs nothing."""
        return self._running.rehearsal

    @property
    def done(self) -> bool:
        """Whether `result` answers at once."""
        return self._running.future.done()

    def result(self) -> Record:
        """Give the record with all films here, or raise the KlingError that ended it."""
        return self._running.future.result()

    @property
    def billing(self) -> str:
        """What is known of the bill now."""
        return self._running.billing

    def release(self) -> Future[Left]:
        """Stop waiting: what was sent goes on; what was not is given up with its last waiter. Gives which it was."""
        if self._left is None:
            self._left = self._leave(self._running)
        return self._left
