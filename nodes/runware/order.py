"""What is to be bought, how long each step may take, and where a purchase stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from . import identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from decimal import Decimal

    from .media import Clip


@dataclass(frozen=True)
class Timing:
    """The protocol's times, in seconds. Tests may shorten them; users cannot."""

    quick_probes: tuple[float, ...] = (0.0, 1.0, 2.0)
    """Waits before the free questions between two sends."""
    last_probes: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0, 8.0, 8.0)
    """Waits before the free questions that come before giving control back."""
    fastest_render: float = 35.0
    """No render is done sooner (A3)."""
    latest_delivery: float = 10.0
    """Nothing that was given up arrives later than this (A4)."""
    least_answer: float = 3.0
    """A send needs this long to be worth a try."""
    settle: float = 3_630.0
    """So long after the bytes were under way every render of a send has ended and would be seen (A2, A3, A4)."""
    settle_latest: float = 43_200.0
    """After this long a result may already be forgotten, so that seeing nothing proves nothing (A2)."""
    clean_probes: int = 3
    fresh: float = 5.0
    """For so long an answer that showed nothing is fit to send by."""
    look: float = 0.9
    """When the questions before a send took longer, the state of every attempt is asked for once more."""
    last_look: float = 10.0
    """For the questions before the last bytes of a request."""
    question: float = 3.5
    """So long a question between two sends may take, which is then asked once more: a longer wait costs the window."""
    unsent_tries: int = 5
    unsent_patience: float = 60.0
    failure_confirmations: int = 3
    """Answers in a row that must call a task failed: an error can still turn into a result."""
    failure_patience: float = 30.0
    """For so long, too, unless the failure is one that nothing takes back."""
    odd_failure_patience: float = 600.0
    """For so long, where there are more failures and results under way than were ordered, or where the error may be
    about the question alone."""
    lost_patience: float = 60.0
    no_address_patience: float = 60.0
    fetch_patience: float = 120.0
    stuck_patience: float = 600.0
    """After this long a film that cannot be fetched no longer withholds the others of its purchase."""
    watch: float = 86_400.0
    """How long an accepted purchase is waited for in one process."""
    overlong: float = 1_800.0
    """After this long a render no longer counts against the purchases at once."""
    lock_pause: float = 0.5
    budget_patience: float = 300.0
    expected: tuple[float, ...] = ()
    """Seconds that renders are taken to last until there is a history; empty where nobody can say."""

    @property
    def still_renders(self) -> float:
        """So long after a send it still renders when what leaves now arrives, and is no new one (A1)."""
        return self.fastest_render - self.latest_delivery


@dataclass(frozen=True)
class Order:
    """What is to be bought, and in whose name."""

    canonical: bytes = field(repr=False)
    """Everything the film depends on (`identity.canonical`)."""
    take: int
    key: str = field(repr=False)
    price: Decimal | None
    """Planned USD of all results."""
    number_results: int
    seconds: int | None
    model: str
    container: str
    """File ending of the results: mp4, webm or mov."""
    public: dict[str, Any] = field(repr=False)
    """The request as the journal may show it."""
    clips: tuple[Clip, ...] = field(repr=False)
    body: Callable[[str, Mapping[str, str]], Iterator[bytes]] = field(repr=False)
    """Gives the bytes to send, from the task UUID and the mediaUUIDs of `clips`."""
    most: Decimal | None = None
    """USD above which it is not sent; None is no limit."""
    node: str = field(default="KlingGenerate", compare=False)
    """Whose order it is, for errors."""
    _uuids: dict[int, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def uuid(self, attempt: int) -> str:
        """The task UUID of one attempt."""
        if attempt not in self._uuids:
            self._uuids[attempt] = identity.task_uuid(self.key, self.canonical, self.take, attempt)
        return self._uuids[attempt]

    @property
    def planned(self) -> str | None:
        """The price as a record keeps it."""
        return None if self.price is None else str(self.price)

    @cached_property
    def intent(self) -> str:
        """The purchase's name, whatever the key and the attempt."""
        return identity.intent(self.canonical, self.take)


ANOTHER_RUN = "another run is waiting for the same purchase"
"""Words for a wait that tells nothing of the money: the other run, of another process, may have bought it."""


@dataclass
class Status:
    """Where a purchase stands, for the node's line; written by the purchase, read by anyone."""

    words: str = "getting ready"
    accepted_at: float | None = None
    """Seconds since 1970."""
    durations: tuple[float, ...] = ()
    """Seconds that earlier renders of the kind took."""
    task_uuid: str = ""
    films: int = 0
