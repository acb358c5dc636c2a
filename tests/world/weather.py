"""What goes wrong in a world: drawn fault by fault from its seed."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from kling.nodes.runware.simulator import Fault, Faults
from kling.nodes.runware.simulator.refusal import Refusal
from kling.nodes.runware.simulator.service import Answer, Row, Service

if TYPE_CHECKING:
    from kling.nodes.runware.simulator import Simulator

RETRY_AFTER = (None, None, "1", "7", "120", "0", "-3", "1e9", "soon", "2.5", "Wed, 21 Oct 2015 07:28:00 GMT")
BEFORE_AND_AFTER = ("408", "429", "500", "502", "503", "504")
GATEWAY = tuple(
    f"{status}{after}{body}"
    for status in BEFORE_AND_AFTER
    for after in ("", " after")
    for body in ("", " html", " empty", " foreign")
)
SPOILT = (
    "html", "truncated", "empty_body", "empty_data", "no_data", "null_data", "unknown_status", "extra_fields",
    "error_row", "error_row_text", "error_top", "errors_object", "foreign_uuid", "foreign_error", "foreign_row",
    "duplicate_rows", "backwards", "slow_answer", "huge_numbers",
)  # fmt: skip
HIDING = frozenset({"empty_data"})
"""An answer that, whole and clear, shows nothing. Befalls running tasks only: a finished one is shown (A2)."""
DENYING = frozenset({"error_row", "error_row_text", "error_top", "errors_object"})
"""A clear word that a task has failed, though it has not. Befalls running tasks only; others are not spoken of."""


def _table(**parts: tuple[float, tuple[str, ...]]) -> tuple[list[str], list[float]]:
    names, weights = [], []
    for share, kinds in parts.values():
        names += kinds
        weights += [share / len(kinds)] * len(kinds)
    return names, weights


TABLES = {
    "videoInference": _table(
        unsent=(0.08, ("refused", "connect_timeout")),
        lost=(0.10, ("lost_before", "reset_before", "hang")),
        taken=(0.13, ("lost_after", "reset_after")),
        late=(0.05, ("late",)),
        gateway=(0.16, GATEWAY),
        refused=(0.015, ("402", "403 html", "413 html", "404 html")),
        spoilt=(0.12, SPOILT),
        outage=(0.01, ("outage",)),
    ),
    "getResponse": _table(
        lost=(0.06, ("refused", "connect_timeout", "lost_before", "reset_before", "lost_after", "hang")),
        gateway=(0.08, (*BEFORE_AND_AFTER, "503 html", "502 empty", "404 html", "429 html")),
        empty=(0.15, ("empty_data",)),
        spoilt=(0.09, SPOILT),
        outage=(0.01, ("outage",)),
    ),
    "getTaskDetails": _table(
        lost=(0.08, ("refused", "lost_before", "lost_after")),
        gateway=(0.08, (*BEFORE_AND_AFTER, "503 html")),
        spoilt=(0.06, SPOILT),
    ),
    "mediaStorage": _table(
        lost=(0.10, ("refused", "lost_before", "lost_after", "hang")),
        gateway=(0.10, (*BEFORE_AND_AFTER, "503 html")),
        spoilt=(0.05, ("html", "truncated", "empty_body", "foreign_uuid")),
        unfinished=(0.10, ("unfinished",)),
    ),
    "job": _table(
        failed=(0.08, ("fail", "moderated")),
        partly=(0.05, ("partial",)),
        turns=(0.03, ("turns",)),
        slow=(0.04, ("slow",)),
        others=(0.06, ("no_url", "nsfw")),
    ),
    "download": _table(
        cut=(0.10, ("cut",)),
        lengths=(0.06, ("no_length", "wrong_length", "two_lengths", "garbage_length")),
        status=(0.12, ("403", "404", "422", "502", "503", "404 html", "200 html")),
        body=(0.06, ("changed", "gzip", "content_type", "html", "weak_etag", "range_ignored", "wrong_range")),
        lost=(0.06, ("refused", "lost_before", "reset_before", "hang", "connect_timeout")),
        others=(0.02, ("redirect", "drip")),
    ),
}  # fmt: skip

HARSH = {
    **TABLES,
    "videoInference": _table(
        unsent=(0.14, ("refused", "connect_timeout")),
        lost=(0.22, ("lost_before", "reset_before", "hang")),
        taken=(0.13, ("lost_after", "reset_after")),
        late=(0.11, ("late",)),
        gateway=(0.16, GATEWAY),
        refused=(0.26, ("402",)),
        spoilt=(0.12, SPOILT),
    ),
}
"""For two machines with journals of their own: a refusal on one of them makes that they want different attempts."""

STORM = 3.0
MOST = 0.85
"""Of all exchanges, at worst."""


class ShyService(Service):
    """A service that shows nothing of a task before it has ended: running and unknown look the same."""

    def _poll(self, task: Row, now: float) -> Answer:
        return Answer() if self._hides(task, now) else super()._poll(task, now)

    def _details(self, task: Row, now: float) -> Answer:
        if self._hides(task, now):
            raise Refusal("taskNotFound", "No task found.", status=404)
        return super()._details(task, now)

    def _hides(self, task: Row, now: float) -> bool:
        jobs = self.jobs.get(str(task.get("taskUUID")), ())
        return any(now < job.ends for job in jobs) and not any(now >= job.ends for job in jobs)


class Weather(Faults):
    """Draws a fault, or none, for every exchange, from `tables`. `force` scales all shares."""

    def __init__(self, chance: Random, force: float, tables: dict[str, tuple[list[str], list[float]]]) -> None:
        super().__init__()
        self.tables = tables
        self.chance = chance
        self.force = force
        self.stormy = chance.choice((None, None, None, "videoInference", "getResponse", "download"))
        """The channel that has it worst."""
        self.simulator: Simulator

    def draw(self, channel: str) -> Fault | None:
        if channel not in self.tables or not self.force:
            return None
        names, weights = self.tables[channel]
        force = self.force * (STORM if channel == self.stormy else 1.0)
        if self.chance.random() >= min(MOST, force * sum(weights)):
            return None
        name = self.chance.choices(names, weights)[0]
        if channel.startswith("get") and (
            (name in HIDING and self._any(running=False)) or (name in DENYING and not self._any(running=True))
        ):
            return None
        return self._varied(Fault.named(name))

    def _any(self, *, running: bool) -> bool:
        now = self.simulator.now()
        return any((now < job.ends) is running for jobs in self.simulator.service.jobs.values() for job in jobs)

    def _varied(self, fault: Fault) -> Fault:
        chance = self.chance
        return replace(
            fault,
            seconds=chance.uniform(0, 240) if fault.kind == "outage" else chance.uniform(0, 10),
            at=chance.random(),
            retry_after=chance.choice(RETRY_AFTER),
            count=chance.choice((-7, -1, 1, 9)) if fault.kind == "wrong_length" else chance.randint(1, 4),
            shape=chance.choice(("top", "row", "bad_request")),
            length=chance.choice(("true", "none")),
        )
