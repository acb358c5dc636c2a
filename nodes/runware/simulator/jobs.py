"""Accepted tasks: what state each is in at any moment, and what it costs.

A job's whole life is fixed when it is accepted, so its state is a function of the time alone.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from typing import Any

from .faults import Fault
from .models import cost_of_one_result

MODERATED = "[simulate moderation]"
"""A prompt that holds these words is refused by the simulated moderation."""

MODERATION = Fault(
    "fail",
    code="invalidProviderContent",
    text="The content was flagged by the provider's moderation system.",
    shape="bad_request",
)
FAILURE = "The external provider did not respond within the timeout window. The request was automatically terminated."
ENDINGS = {"MP4": "mp4", "WEBM": "webm", "MOV": "mov"}


@dataclass(frozen=True)
class Charge:
    """One result that was billed: USD, at a second of the simulator's clock."""

    task_uuid: str
    usd: float
    at: float


@dataclass
class Job:
    """One accepted task."""

    task: dict[str, Any]
    number: int
    at: float
    seconds: float
    chance: random.Random
    host: str
    signature: str = ""
    fate: Fault | None = None
    charged: bool = False
    films: list[dict[str, Any]] = field(default_factory=list)
    rendered: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        prompts = [self.task.get("positivePrompt", "")]
        klingai = self.task.get("providerSettings", {}).get("klingai", {})
        prompts += [shot["prompt"] for shot in klingai.get("multiPrompt", ())]
        if any(MODERATED in prompt for prompt in prompts) or (self.fate and self.fate.kind == "moderated"):
            self.fate = MODERATION
        if self.fate and self.fate.kind == "slow":
            self.seconds += self.fate.seconds * 60
        self.films = [self._film(index) for index in range(self.task.get("numberResults", 1))]

    def _film(self, index: int) -> dict[str, Any]:
        video_uuid = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        ending = ENDINGS[self.task.get("outputFormat", "MP4")]
        row: dict[str, Any] = {
            "taskType": "videoInference",
            "taskUUID": self.task["taskUUID"],
            "status": "success",
            "videoUUID": video_uuid,
            "videoURL": f"{self.host}/video/os/a20d05/ws/5/vi/{video_uuid}.{ending}{self.signature}",
            "seed": self.chance.randrange(1, 2**31),
        }
        if self.task.get("includeCost"):
            row["cost"] = self.price
        if self._is("nsfw") or _checks_content(self.task):
            row["NSFWContent"] = self._is("nsfw") and index == 0
        return row

    @property
    def price(self) -> float:
        """USD for one result."""
        return cost_of_one_result(self.task)

    @property
    def ends(self) -> float:
        """The second at which it succeeds or fails; never, for some."""
        return float("inf") if self._is("never") else self.at + self.seconds

    @property
    def successes(self) -> int:
        """How many of its results succeed in the end."""
        if self._is("fail"):
            return 0
        if self._is("partial") and self.fate:
            return min(max(self.fate.count, 0), len(self.films))
        return len(self.films)

    def _is(self, kind: str) -> bool:
        return self.fate is not None and self.fate.kind == kind

    def state(self, now: float) -> tuple[int, list[dict[str, Any]], list[dict[str, Any]]]:
        """Give HTTP status, `data` rows and `errors` rows, as `getResponse` shows them at a moment."""
        if now < self.ends:
            if self._is("turns") and now >= self.at + self.seconds / 2:
                return 200, [], [self.error("top")]
            return 200, [self._row("processing") for _ in self.films], []
        good = [self._success(row, now) for row in self.films[: self.successes]]
        bad = len(self.films) - self.successes
        shape = self.fate.shape if self.fate else "top"
        if shape == "row":
            return 200, good + [self.error("row") for _ in range(bad)], []
        status = 400 if shape == "bad_request" and bad and not good else 200
        return status, good, [self.error("top") for _ in range(bad)]

    def _row(self, status: str) -> dict[str, Any]:
        return {"taskType": "videoInference", "taskUUID": self.task["taskUUID"], "status": status}

    def _success(self, row: dict[str, Any], now: float) -> dict[str, Any]:
        if self.fate and self._is("no_url") and now < self.ends + self.fate.seconds:
            return {name: value for name, value in row.items() if name != "videoURL"}
        return dict(row)

    def error(self, shape: str) -> dict[str, Any]:
        """Give the error object of a failed result: an `errors` row, or a `data` row that carries it."""
        fate = self.fate or Fault("fail")
        code, message = fate.code or "timeoutProvider", fate.text or FAILURE
        if shape == "row":
            return {**self._row("error"), "error": {"code": code, "message": message}}
        row = {"code": code, "status": "error", "message": message}
        row["documentation"] = "https://runware.ai/docs/en/video-inference/api-reference"
        row["taskUUID"] = self.task["taskUUID"]
        if code == "invalidProviderContent":
            row["responseContent"] = "Failure to pass the risk control system"
        return row

    def expired(self, now: float, retention: float | None) -> bool:
        """Tell whether the service has forgotten it."""
        return retention is not None and now > self.ends + retention

    def film_gone(self, now: float) -> bool:
        """Tell whether its films outlived the `ttl` of the request."""
        return "ttl" in self.task and now > self.ends + self.task["ttl"]


def _checks_content(task: dict[str, Any]) -> bool:
    safety = task.get("safety", {})
    return bool(safety.get("mode", "fast" if safety.get("checkContent") else "none") != "none")
