"""What an answer means for one purchase: pure functions over `response.Answer`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from .response import (
    FINISHED,
    HTTP_BAD_REQUEST,
    HTTP_CONFLICT,
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
REFUSALS = frozenset({"validation", "auth", "quota", "safety", "not_found", "unknown"})
"""What the service refuses, with a 4xx, before it accepts, and so before it bills."""
PASSING = frozenset({HTTP_REQUEST_TIMEOUT, HTTP_CONFLICT, HTTP_TOO_MANY_REQUESTS})
"""4xx that say nothing sure about the task: something between us and the service may have sent the request on."""
ABOUT_THE_QUESTION = frozenset({"auth", "rate_limit", "quota", "conflict"})
"""Errors that concern the poll or the key, never the render."""
QUESTIONS = frozenset({"getResponse", "getTaskDetails"})
FINAL = frozenset({"safety", "validation"})
"""Failures that no later answer takes back."""


@dataclass(frozen=True)
class Submission:
    """What became of one send."""

    outcome: Outcome
    evidence: str = ""
    failure: Failure | None = None
    retry_after: float | None = None


def judge_submission(answer: Answer, task_uuid: str) -> Submission:
    """Judge a send by what its answer says of our UUID; a conflict proves that an earlier send arrived.

    "limited" is as unsure as "unknown": a proxy that sends twice gets its second answer, not ours.
    """
    rows, failures = answer.of(task_uuid)
    loose = failures + [failure for failure in answer.failures if not failure.task_uuid]
    if any(failure.category == "conflict" for failure in loose):
        return Submission("accepted", "conflictTaskUUID")
    if rows:
        return Submission("accepted", "acknowledged")
    said = loose[0].message or loose[0].code if loose else answer.excerpt
    words = f"HTTP {answer.status}{': ' + said if said else ' without a word about the task'}"
    if answer.status == HTTP_TOO_MANY_REQUESTS or any(failure.category == "rate_limit" for failure in loose):
        return Submission("limited", words, retry_after=answer.retry_after)
    clear = HTTP_BAD_REQUEST <= answer.status < HTTP_SERVER_ERROR and answer.status not in PASSING
    if clear and loose and loose[0].category in REFUSALS:
        return Submission("rejected", failure=loose[0])
    return Submission("unknown", words)


@dataclass(frozen=True)
class Sighting:
    """What one question showed of a task."""

    successes: list[Row] = field(default_factory=list)
    """Finished results, one row a video UUID."""
    pending: int = 0
    """Results still being made, or finished without an address yet."""
    unaddressed: list[Row] = field(default_factory=list)
    """Of the pending ones: finished, by the service's word, but without an address."""
    failures: list[Failure] = field(default_factory=list)
    """What failed for good, by the service's word."""
    lost: bool = False
    """The service says that it does not know the task (any more)."""
    trouble: Failure | None = None
    """The question itself was refused; says nothing about the task."""
    empty: bool = False
    """A whole, readable answer that says nothing of the task: running or unknown, it cannot be told."""

    conflict: bool = False
    """A copy was refused because the task exists: the archive keeps the last answer to a UUID."""

    @property
    def proves(self) -> bool:
        """Whether the service showed that it has the task."""
        return bool(self.successes or self.pending or self.failures)

    @property
    def is_taken(self) -> bool:
        """Whether the service has it as a result, finished or to come."""
        return bool(self.successes or self.pending or self.conflict)

    @property
    def denies(self) -> bool:
        """Whether the service answered, whole and clear, without a trace of the task."""
        return not self.proves and not self.conflict and (self.empty or self.lost)

    @property
    def is_clear(self) -> bool:
        """Whether the answer says something of the task, be it that there is none."""
        return self.proves or self.denies or self.conflict


def look(answer: Answer, task_uuid: str) -> Sighting:
    """Read an answer to getResponse (or getTaskDetails): matched by UUID, never by position or status alone.

    https://runware.ai/docs/platform/task-polling: every answer is the full current state of the task.
    """
    rows, failures = answer.of(task_uuid)
    finished = [row for row in rows if row.video_url and row.status in FINISHED]
    successes = {row.video_uuid or row.video_url: row for row in finished}
    pending = len(rows) - len(finished)
    reads = answer.status < HTTP_SERVER_ERROR and answer.status not in PASSING
    ended = [f for f in failures if reads and f.category not in ABOUT_THE_QUESTION]
    lost = [failure for failure in ended if failure.category == "not_found"]
    ended = [failure for failure in ended if failure in lost or failure.task_type not in QUESTIONS]
    others = [failure for failure in answer.failures if failure not in ended and failure.category in ABOUT_THE_QUESTION]
    return Sighting(
        successes=list(successes.values()),
        pending=pending,
        unaddressed=[row for row in rows if row.status and row.status in FINISHED and not row.video_url],
        failures=[failure for failure in ended if failure.category != "not_found"],
        lost=bool(lost) and not successes and not pending,
        trouble=others[0] if others and not rows and not ended else None,
        empty=answer.readable and answer.status < HTTP_BAD_REQUEST and not answer.failures and not answer.rows,
        conflict=any(each.category == "conflict" and each.task_type not in QUESTIONS for each in failures),
    )


def key_refused(answer: Answer, task_uuid: str) -> Failure | None:
    """Give the error that says that the key or the account cannot be used, if there is one."""
    for failure in answer.failures:
        if failure.category in {"auth", "quota"} and failure.task_uuid in {"", task_uuid}:
            return failure
    if answer.status in {401, 403} and answer.readable and not answer.failures:
        return Failure("", f"HTTP {answer.status}")
    return None


def said(failures: Sequence[Failure]) -> str:
    """Join the service's own words about failures into one line."""
    return "; ".join(
        dict.fromkeys(failure.message.rstrip(".") or failure.code or "no reason given" for failure in failures)
    )
