"""What an answer means for one purchase: pure functions over `response.Answer`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from .response import (
    HTTP_BAD_REQUEST,
    HTTP_REQUEST_TIMEOUT,
    HTTP_SERVER_ERROR,
    HTTP_TOO_MANY_REQUESTS,
    Answer,
    Failure,
    Row,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

Outcome = Literal["accepted", "rejected", "limited", "unknown"]
REFUSALS = frozenset({"validation", "auth", "quota", "safety", "not_found"})
"""What the service refuses before it accepts, and so before it bills."""
ABOUT_THE_QUESTION = frozenset({"auth", "rate_limit", "quota", "conflict"})
"""Errors that concern the poll or the key, never the render."""


@dataclass(frozen=True)
class Submission:
    """What became of one send."""

    outcome: Outcome
    evidence: str = ""
    failure: Failure | None = None
    retry_after: float | None = None


def judge_submission(answer: Answer, task_uuid: str) -> Submission:  # noqa: PLR0911  one line a class
    """Judge a send by what its answer says of our UUID; a conflict proves that an earlier send arrived."""
    rows, failures = answer.of(task_uuid)
    loose = failures + [failure for failure in answer.failures if not failure.task_uuid]
    if any(failure.category == "conflict" for failure in loose):
        return Submission("accepted", "conflictTaskUUID")
    if rows:
        return Submission("accepted", "acknowledged")
    if not answer.readable or not loose:
        return Submission("unknown", answer.excerpt or f"HTTP {answer.status} without a word about the task")
    failure = loose[0]
    if answer.status == HTTP_TOO_MANY_REQUESTS or failure.category == "rate_limit":
        return Submission("limited", failure=failure, retry_after=answer.retry_after)
    if answer.status >= HTTP_SERVER_ERROR or answer.status == HTTP_REQUEST_TIMEOUT:
        return Submission("unknown", f"HTTP {answer.status}: {failure.message or failure.code}")
    if failure.category in REFUSALS:
        return Submission("rejected", failure=failure)
    if failure.category == "unknown" and answer.status >= HTTP_BAD_REQUEST:
        return Submission("rejected", failure=failure)
    return Submission("unknown", failure.message or failure.code)


@dataclass(frozen=True)
class Sighting:
    """What one question showed of a task."""

    successes: list[Row] = field(default_factory=list)
    """Finished results, one row a video UUID."""
    pending: int = 0
    """Results still being made, or finished without an address yet."""
    unaddressed: int = 0
    """Of the pending ones: finished, by the service's word, but without an address."""
    failures: list[Failure] = field(default_factory=list)
    """What failed for good, by the service's word."""
    lost: bool = False
    """The service says that it does not know the task (any more)."""
    trouble: Failure | None = None
    """The question itself was refused; says nothing about the task."""
    empty: bool = False
    """A whole, readable answer that says nothing of the task: running or unknown, it cannot be told."""

    @property
    def proves(self) -> bool:
        """Whether the service showed that it has the task."""
        return bool(self.successes or self.pending or self.failures)


def look(answer: Answer, task_uuid: str) -> Sighting:
    """Read an answer to getResponse (or getTaskDetails): matched by UUID, never by position or status alone.

    https://runware.ai/docs/platform/task-polling: every answer is the full current state of the task.
    """
    rows, failures = answer.of(task_uuid)
    successes = {
        row.video_uuid or row.video_url: row for row in rows if row.status in {"success", ""} and row.video_url
    }
    pending = sum(1 for row in rows if not (row.video_url and row.status in {"success", ""}))
    reads = answer.status < HTTP_SERVER_ERROR and answer.status != HTTP_TOO_MANY_REQUESTS
    ended = [f for f in failures if reads and f.category not in ABOUT_THE_QUESTION and f.task_type != "getResponse"]
    lost = [failure for failure in ended if failure.category == "not_found"]
    real = [failure for failure in ended if failure.category != "not_found"]
    others = [failure for failure in answer.failures if failure not in ended and failure.category in ABOUT_THE_QUESTION]
    quiet = answer.readable and answer.status < HTTP_BAD_REQUEST and not answer.failures and not rows
    return Sighting(
        successes=list(successes.values()),
        pending=pending,
        unaddressed=sum(1 for row in rows if row.status == "success" and not row.video_url),
        failures=real,
        lost=bool(lost) and not successes and not pending,
        trouble=others[0] if others and not rows and not ended else None,
        empty=quiet,
    )


def key_refused(answer: Answer) -> Failure | None:
    """Give the error that says that the key or the account cannot be used, if there is one."""
    for failure in answer.failures:
        if failure.category in {"auth", "quota"}:
            return failure
    return Failure("", f"HTTP {answer.status}") if answer.status in {401, 403} and answer.readable else None


def said(failures: Sequence[Failure]) -> str:
    """Join the service's own words about failures into one line."""
    return "; ".join(
        dict.fromkeys(failure.message.rstrip(".") or failure.code or "no reason given" for failure in failures)
    )
