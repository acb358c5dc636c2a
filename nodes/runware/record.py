"""What is known of one purchase, and how it may change: the values that the journal keeps."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from .response import MOST_USD

FORMAT = 1


class State(str, Enum):
    """Where a purchase stands; the drawing in docs/money-safety.md is checked against `MOVES`."""

    INTENT = "intent"
    """Recorded; nothing was sent."""
    SENDING = "sending"
    """Bytes may have left; a crash now must be read as "maybe sent"."""
    HELD = "held"
    """Sent, and not known whether it arrived. Asking is free; it is never paid twice."""
    ACCEPTED = "accepted"
    """The service has it."""
    RESULT = "result"
    """Every result is known and recorded; a film is still to be fetched."""
    COMMITTED = "committed"
    """Every film lies in the state folder."""
    REJECTED = "rejected"
    """Refused before it was accepted: not billed."""
    FAILED = "failed"
    """Accepted, then failed."""
    EXPIRED = "expired"
    """It existed, and the service no longer has it."""


MOVES: dict[State, frozenset[State]] = {
    State.INTENT: frozenset({State.SENDING, State.ACCEPTED}),
    State.SENDING: frozenset({State.INTENT, State.HELD, State.ACCEPTED, State.REJECTED}),
    State.HELD: frozenset({State.SENDING, State.ACCEPTED}),
    State.ACCEPTED: frozenset({State.RESULT, State.FAILED, State.EXPIRED}),
    State.RESULT: frozenset({State.COMMITTED, State.EXPIRED}),
    State.COMMITTED: frozenset({State.RESULT}),
    State.REJECTED: frozenset({State.ACCEPTED}),
    State.FAILED: frozenset({State.ACCEPTED}),
    State.EXPIRED: frozenset({State.ACCEPTED, State.RESULT}),
}
"""Which state may follow which. REJECTED, FAILED and EXPIRED move only when the service, asked again, shows a film;
EXPIRED also when its file turns out to be here."""

UNSENT = frozenset({State.INTENT})
WAITING = frozenset({State.SENDING, State.HELD, State.ACCEPTED, State.RESULT})
UNCLEAR = frozenset({State.SENDING, State.HELD})
TAKEN = frozenset({State.ACCEPTED, State.RESULT, State.COMMITTED, State.EXPIRED})
"""The service has, or had it: whatever is done with it from here on spends nothing more."""
ENDED_BADLY = frozenset({State.REJECTED, State.FAILED})
FILMLESS = frozenset({State.FAILED, State.EXPIRED})
"""The service had it, and it may have ended without a film."""
NEVER_BILLED = UNSENT | {State.REJECTED}
ALL_KNOWN = frozenset({State.RESULT, State.COMMITTED, State.EXPIRED})
"""No further result comes, and so no further cost."""

UNSEEN = "resultUnseen"
"""Code of a failure: results were ordered, and never shown by the service. They may be billed."""


class Film(BaseModel):
    """One result: what the service said of it, and the file once it is here."""

    model_config = ConfigDict(extra="allow")

    video_uuid: str
    seed: int | None = None
    cost: float | None = None
    """USD as billed; None where the service did not say."""
    nsfw: bool = False
    file: str | None = None
    """Name in the state folder's films/."""
    size: int | None = None
    """Bytes."""
    sha256: str | None = None

    @field_validator("cost")
    @classmethod
    def _known_cost(cls, cost: float | None) -> float | None:
        return cost if cost is not None and 0 <= cost < MOST_USD else None


class Record(BaseModel):
    """One purchase. Times are seconds since 1970 by this machine's clock, money is USD."""

    model_config = ConfigDict(extra="allow")

    version: int = FORMAT
    task_uuid: str
    state: State = State.INTENT
    intent: str = ""
    """SHA-256 of canonical request and take: the purchase's name, whatever the key and the attempt."""
    take: int = 1
    attempt: int = 0
    earlier: list[str] = Field(default_factory=list)
    """Task UUIDs of the attempts before this one, oldest first."""
    model: str = ""
    key_fingerprint: str = ""
    price: str | None = None
    """Planned USD, decimal; None where the price is not known before."""
    request: dict[str, Any] = Field(default_factory=dict)
    """The request with media as hashes."""
    number_results: int = 1
    seconds: int | None = None
    created_at: float = 0.0
    updated_at: float = 0.0
    posts: int = 0
    body_sha256: str = ""
    body_size: int = 0
    maybe_sent: bool = False
    """Whether an earlier send of this UUID is unsettled."""
    first_unsettled_at: float | None = None
    last_sent_at: float | None = None
    last_sent_uptime: float | None = None
    """The machine's uptime then, or when the service showed it, by a clock that nobody can set."""
    accepted_at: float | None = None
    evidence: str = ""
    """What proved that the service has it."""
    finished_at: float | None = None
    stuck_since: float | None = None
    """When a film could not be fetched, or asked about, for the first time since the last success."""
    films: list[Film] = Field(default_factory=list)
    gone: list[Film] = Field(default_factory=list)
    """Results that could not be fetched when the others were; asked for again by every later run."""
    failures: list[dict[str, str]] = Field(default_factory=list)
    """`code` and `message` of what failed, in the service's words, and `cost`, USD, where it reported one."""
    untold: bool = False
    """Whether it failed when nobody was there to be told: the next run tells it, and buys nothing."""
    deliveries: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Files already written into the output folder, by what they hold."""

    @field_validator("price")
    @classmethod
    def _known_price(cls, price: str | None) -> str | None:
        """Take a price that is none for unknown: a record can be edited by hand, and is read before money is spent."""
        return price if _is_money(price) else None

    @property
    def billed(self) -> float | None:
        """USD the service reported, over all results; None when it reported none."""
        costs = [film.cost for film in (*self.films, *self.gone) if film.cost is not None] + self._costs_of_failures
        return round(sum(costs), 6) if costs else None

    @property
    def _costs_of_failures(self) -> list[float]:
        """Of no more than are missing: one can be told in two shapes, or have become a film since."""
        costs = [float(each["cost"]) for each in self.failures if _is_money(each.get("cost"))]
        return costs[: max(self.number_results - len(self.films) - len(self.gone), 0)]

    @property
    def is_told(self) -> bool:
        """Whether the service reported a cost for every result that it showed; it reports 0 where it knows none."""
        costs = [film.cost for film in (*self.films, *self.gone)]
        unseen = any(failure.get("code") == UNSEEN for failure in self.failures)
        return self.state in ALL_KNOWN and bool(costs) and None not in costs and not unseen

    @property
    def is_billed_whole(self) -> bool:
        """Whether the service reported a cost for every result that was ordered: what failed may yet become a film."""
        return self.is_told and len(self.films) + len(self.gone) >= self.number_results

    @property
    def paid_at(self) -> float | None:
        """When it was, or may have been, paid, seconds since 1970; None where nothing was sent from here."""
        return self.last_sent_at or (self.created_at if self.posts else None)

    @property
    def spent(self) -> Decimal | None:
        """USD that it has cost, or may yet cost: no less than planned where not every cost is told; None: unknown."""
        if self.state in NEVER_BILLED:
            return Decimal(0)
        known = self.billed
        if self.price is None and known is None:
            return None
        planned, billed = Decimal(self.price or 0), Decimal(str(known or 0))
        return billed if self.is_billed_whole else max(planned, billed)

    @property
    def cost(self) -> Decimal | None:
        """USD for what there is: as billed where every result that was shown is told, else as `spent`."""
        return Decimal(str(self.billed)) if self.is_told else self.spent

    def move(self, state: State) -> None:
        """Go to another state; what the protocol does not allow is a fault of ours and stops everything."""
        if state is not self.state and state not in MOVES[self.state]:
            raise AssertionError(f"no move from {self.state.value} to {state.value}")
        self.state = state


def _is_money(amount: str | None) -> bool:
    try:
        return amount is not None and 0 <= Decimal(amount) < MOST_USD
    except InvalidOperation:  # no number, or none that can be compared
        return False
