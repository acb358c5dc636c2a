"""What goes wrong, and when: a script of named faults, or a seeded draw for every exchange.

A fault is asked for by channel: the task type of a request (`videoInference`, `getResponse`, `getTaskDetails`,
`mediaStorage`, ...), `download` for a result file, and `job` for the fate of an accepted task.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

NEVER_SENT = ("refused", "connect_timeout")
"""No connection: nothing can have arrived."""

LOST = ("lost_before", "reset_before", "lost_after", "reset_after", "late", "hang")
"""No answer. `_before`: not accepted. `late`: accepted `seconds` after the client gave up."""

ANSWERS = (
    "status", "html", "truncated", "empty_body", "empty_data", "no_data", "unknown_status", "extra_fields",
    "error_row", "error_row_text", "error_top", "errors_object", "foreign_uuid", "foreign_error", "foreign_row",
    "duplicate_rows", "backwards", "unfinished", "outage", "slow_answer", "null_data", "huge_numbers",
)  # fmt: skip
"""A spoilt answer. What was asked has been done, except for `status` and `html` without `accepted`."""

FATES = ("fail", "moderated", "partial", "turns", "never", "slow", "no_url", "nsfw")
"""What becomes of an accepted task."""

DOWNLOADS = (
    "cut", "no_length", "wrong_length", "two_lengths", "garbage_length", "status", "redirect", "changed", "gzip",
    "content_type", "drip", "range_ignored", "wrong_range", "refused", "connect_timeout", "lost_before",
    "reset_before", "hang", "html", "outage", "weak_etag",
)  # fmt: skip
"""A spoilt result file."""

KINDS = frozenset(NEVER_SENT + LOST + ANSWERS + FATES + DOWNLOADS)
STATUS = re.compile(r"(?P<status>\d{3})(?P<accepted> after)?(?: (?P<body>json|html|empty|foreign))?")
Body = Literal["json", "html", "empty", "foreign"]
BODIES: dict[str, Body] = {"json": "json", "html": "html", "empty": "empty", "foreign": "foreign"}


@dataclass(frozen=True)
class Fault:
    """One fault.

    `seconds` how late, how long, or the pause between two pieces; `status` an HTTP status, `accepted` whether
    the request was taken before it, `body` what its answer holds; `at` where to cut: a byte offset, or a
    fraction of the whole when a float; `count` results that succeed (`partial`), bytes of a piece (`drip`)
    or bytes too many (`wrong_length`, may be negative); `code` an error code; `text` an error message,
    address, header or content type; `length` of a `cut` download: as it should be, or not told.
    """

    kind: str
    seconds: float = 5.0
    status: int = 503
    accepted: bool = False
    body: Body = "json"
    retry_after: str | None = None
    at: int | float = 0.5
    count: int = 1
    code: str = ""
    text: str = ""
    shape: Literal["top", "row", "bad_request"] = "top"
    length: Literal["true", "none"] = "true"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"No such fault: {self.kind!r}. There are: {', '.join(sorted(KINDS))}.")

    @classmethod
    def named(cls, name: str | Fault | Mapping[str, Any] | None) -> Fault | None:
        """Make a fault from its name, from `503`, `503 after`, `429 html`, or from its fields as a mapping."""
        if name is None or isinstance(name, Fault):
            return name
        if isinstance(name, Mapping):
            return cls(**name)
        found = STATUS.fullmatch(name)
        if not found:
            return cls(name)
        return cls(
            "status",
            status=int(found["status"]),
            accepted=bool(found["accepted"]),
            body=BODIES[found["body"] or "json"],
        )

    def offset(self, size: int) -> int:
        """Give the byte of a body of `size` bytes where it is cut."""
        return int(self.at * size) if isinstance(self.at, float) else min(self.at, size)


Named = str | Fault | Mapping[str, Any] | None
Mix = Mapping[str, Mapping[str, float]]

USUAL_MIX: Mix = {
    "videoInference": {
        "refused": 0.06, "lost_before": 0.06, "late": 0.05, "503": 0.05, "429": 0.05, "lost_after": 0.07,
        "reset_after": 0.03, "504 after": 0.04, "502 after html": 0.02, "html": 0.02, "truncated": 0.01,
    },
    "getResponse": {
        "lost_before": 0.05, "503": 0.05, "429": 0.02, "html": 0.02, "refused": 0.02, "empty_data": 0.15,
        "unknown_status": 0.02, "extra_fields": 0.02, "error_top": 0.01, "foreign_uuid": 0.01,
        "foreign_row": 0.01, "duplicate_rows": 0.01, "backwards": 0.01, "outage": 0.01,
    },
    "getTaskDetails": {"lost_before": 0.05, "503": 0.05, "html": 0.02},
    "mediaStorage": {"lost_before": 0.05, "lost_after": 0.03, "503": 0.05, "unfinished": 0.1},
    "job": {"fail": 0.03, "moderated": 0.02, "partial": 0.02, "slow": 0.05, "no_url": 0.02, "nsfw": 0.02},
    "download": {
        "cut": 0.08, "422": 0.05, "502": 0.03, "404": 0.02, "403": 0.02, "no_length": 0.03, "wrong_length": 0.02,
        "two_lengths": 0.01, "changed": 0.03, "gzip": 0.01, "redirect": 0.01, "lost_before": 0.03, "drip": 0.02,
        "content_type": 0.01, "range_ignored": 0.02, "hang": 0.01,
    },
}  # fmt: skip
RETRY_AFTER = (None, "1", "7", "120", "0", "-3", "1e9", "soon", "2.5", "Wed, 21 Oct 2015 07:28:00 GMT")


class Faults:
    """Faults in the order they are asked for. Without any, nothing goes wrong."""

    def __init__(self, *, seed: int | None = None, mix: Mix | None = None) -> None:
        self._seed = seed
        self._mix = mix or {}
        self._scripts: defaultdict[str, deque[Fault | None]] = defaultdict(deque)
        self._asked: defaultdict[str, int] = defaultdict(int)

    @classmethod
    def script(cls, entries: Iterable[tuple[str, Named]]) -> Faults:
        """Make a script: pairs of channel and fault, in order for each channel; None lets one exchange pass."""
        return cls().then(entries)

    @classmethod
    def seeded(cls, seed: int, mix: Mix = USUAL_MIX) -> Faults:
        """Draw a fault, or none, for every exchange; the n-th draw of a channel depends on the seed alone.

        `mix` gives for each channel the probability of each fault by name.
        """
        return cls(seed=seed, mix=mix)

    def then(self, entries: Iterable[tuple[str, Named]]) -> Faults:
        """Add to the script; a scripted fault goes before a drawn one."""
        for channel, name in entries:
            self._scripts[channel].append(Fault.named(name))
        return self

    def draw(self, channel: str) -> Fault | None:
        """Give what goes wrong in the next exchange of a channel."""
        self._asked[channel] += 1
        if self._scripts[channel]:
            return self._scripts[channel].popleft()
        mix = self._mix.get(channel)
        if not mix:
            return None
        chance = random.Random(f"{self._seed}/{channel}/{self._asked[channel]}")  # noqa: S311  no secret
        name = chance.choices([None, *mix], [max(0.0, 1 - sum(mix.values())), *mix.values()])[0]
        fault = Fault.named(name)
        return fault and _varied(fault, chance)


def _varied(fault: Fault, chance: random.Random) -> Fault:
    """Draw a fault's details."""
    return replace(
        fault,
        seconds=chance.uniform(0, 240) if fault.kind == "outage" else chance.uniform(0, 10),
        at=chance.random(),
        retry_after=chance.choice(RETRY_AFTER),
        count=chance.choice((-7, -1, 1, 9)) if fault.kind == "wrong_length" else chance.randint(1, 4),
        shape=chance.choice(("top", "row", "bad_request")),
        length=chance.choice(("true", "none")),
    )
