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
REFUSED_MODELS = frozenset({"modeldisabled"})
"""Refusals, too, by their codes. That a model, or a server for it, is not there just now is none: of a request that a
proxy sends twice the first may have been in time."""
PASSING = frozenset({HTTP_REQUEST_TIMEOUT, HTTP_CONFLICT, HTTP_TOO_MANY_REQUESTS})
"""4xx that say nothing sure about the task: something between us and the service may have sent the request on."""
ABOUT_THE_QUESTION = frozenset({"auth", "rate_limit", "quota", "conflict"})
"""Errors that concern the poll or the key; a result only where more than their code says so."""
REFUSED_SENDS = REFUSALS - ABOUT_THE_QUESTION - {"not_found"}
"""Failures by which the archive may tell of a request that was refused. Any other is that of a result."""
LIMITED_PAUSE = 10.0
"""Seconds until the next question, where the service has too many and does not say how long to wait."""
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
    if clear and loose and (loose[0].category in REFUSALS or loose[0].code.lower() in REFUSED_MODELS):
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
    lost: list[Failure] = field(default_factory=list)
    """The words with which the service says that it does not know the task (any more)."""
    trouble: Failure | None = None
    """The question itself was refused, or may have been; says nothing sure about the task."""
    empty: bool = False
    """A whole, readable answer that says nothing of the task: running or unknown, it cannot be told."""

    conflict: bool = False
    """A copy was refused because the task exists: the archive keeps the last answer to a UUID."""
    pause: float = 0.0
    """Seconds for which the service wants no further question."""

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
        return not self.proves and not self.conflict and (self.empty or bool(self.lost))

    @property
    def is_doubted(self) -> bool:
        """Whether what failed may be the question alone."""
        return bool(self.failures and self.trouble)

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
    named = [failure for failure in failures if reads and failure.task_type not in QUESTIONS]
    surety = [(failure, _surety(failure, answer, is_shown=bool(successes))) for failure in named]
    ended = [failure for failure, sure in surety if sure]
    doubted = [failure for failure, sure in surety if sure == 1]
    lost = [f for f in failures if reads and f.category == "not_found" and f not in ended]
    others = [failure for failure in answer.failures if failure not in ended and failure.category in ABOUT_THE_QUESTION]
    troubles = doubted if ended else [] if rows or lost else others
    trouble = troubles[0] if troubles else None
    return Sighting(
        successes=list(successes.values()),
        pending=pending,
        unaddressed=[row for row in rows if row.status and row.status in FINISHED and not row.video_url],
        failures=ended,
        lost=lost if not successes and not pending else [],
        trouble=trouble,
        empty=answer.readable and answer.status < HTTP_BAD_REQUEST and not answer.failures and not answer.rows,
        conflict=any(each.category == "conflict" and each.task_type not in QUESTIONS for each in failures),
        pause=_pause(answer, trouble),
    )


def _pause(answer: Answer, trouble: Failure | None) -> float:
    is_limited = answer.status == HTTP_TOO_MANY_REQUESTS or (trouble is not None and trouble.category == "rate_limit")
    if answer.retry_after is None:
        return LIMITED_PAUSE if is_limited else 0.0
    return answer.retry_after if is_limited or answer.status >= HTTP_BAD_REQUEST else 0.0


def _surety(failure: Failure, answer: Answer, *, is_shown: bool) -> int:
    """Tell how sure an error that names the task is a result's, not the question's: 2 it is, 1 it may be, 0 it is not.

    `is_shown`: whether the answer shows other results, finished; then the question cannot have been refused. A conflict
    may always be that of a copy, while the task itself goes on; and that there is no such task is no end of a result:
    it may never have been sent, or its film be billed and forgotten.
    """
    is_end = failure.of_result and failure.category != "conflict" and not failure.denies_task
    if is_end and answer.status < HTTP_BAD_REQUEST:
        return 2
    if failure.category == "not_found":
        return 2 if is_shown else 0
    return is_shown + failure.is_upstream if failure.category in ABOUT_THE_QUESTION else 2


def key_refused(answer: Answer, task_uuid: str) -> Failure | None:
    """Give the error that says that the key or the account cannot be used, if there is one."""
    for failure in answer.failures:
        is_meant = not failure.task_uuid or (failure.task_uuid == task_uuid and not failure.is_upstream)
        if failure.category in {"auth", "quota"} and is_meant:
            return failure
    if answer.status in {401, 403} and answer.readable and not answer.failures:
        return Failure("", f"HTTP {answer.status}")
    return None


def said(failures: Sequence[Failure]) -> str:
    """Join the service's own words about failures into one line."""
    return "; ".join(
        dict.fromkeys(failure.message.rstrip(".") or failure.code or "no reason given" for failure in failures)
    )
