"""What a purchase has to say when it stops: what happened, whether it was billed, and the next step.

What gives a KlingError makes the one to raise; its docstring says when that is.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from . import errors
from .errors import BILLING_UNKNOWN, NOT_BILLED, NOTHING_SENT, KlingError, ServiceError
from .price import usd
from .record import NEVER_BILLED, UNCLEAR, Record, State
from .response import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .response import Failure

WHEN_READY = "The film is billed when it is ready."
COLLECT = "Run again, or give the UUID to KlingFetchVideo: collecting is free."


def billed(record: Record) -> str:
    """Say what a purchase with a result has cost."""
    if record.billed is not None:
        return f"Billed {'' if record.is_billed_whole else 'at least '}{usd(record.billed)}."
    return (
        f"Billed, by the price list {usd(Decimal(record.price))}."
        if record.price
        else "Billed; the service did not say how much."
    )


def so_far(record: Record | None) -> str:
    """Say what is known of the bill of a purchase that goes on."""
    if record is None or record.state in UNCLEAR:
        return BILLING_UNKNOWN
    if record.state in NEVER_BILLED:
        return NOT_BILLED
    return WHEN_READY if record.state is State.ACCEPTED else billed(record)


def held(record: Record, why: str, seconds: float | None) -> KlingError:
    """It was sent, and nobody knows whether it arrived; in so many `seconds` that can be known, or never."""
    later = "If my.runware.ai does not show it either, raise take to buy it anew, knowingly."
    if seconds is not None:
        minutes = max(1, round(seconds / 60))
        later = f"From {minutes} min on, it is sent again when you run the graph, if the service has never seen it."
        later += " Raise take only to buy another film knowingly."
    because = f": {why}" if why else ""
    return errors.SubmissionUncertain(
        f"The request was sent, and no clear answer came back{because.rstrip('.')}.",
        billing=BILLING_UNKNOWN,
        task_uuid=record.task_uuid,
        next_step=f"Run again in a minute. {later}",
    )


def held_by_other_key(record: Record) -> KlingError:
    """It was sent with another key, whose account alone may know whether it arrived."""
    return errors.SubmissionUncertain(
        "The request was sent with another API key, no clear answer came back, and the present key cannot see it.",
        billing=BILLING_UNKNOWN,
        task_uuid=record.task_uuid,
        next_step="Set the earlier key and run again, or raise take to buy it with this one, knowingly.",
    )


def unreadable(record: Record, name: str, error: OSError) -> KlingError:
    """A film is here and cannot be read; that is no reason to take it for gone."""
    return errors.StorageError(
        f"The film user/__kling/films/{name} cannot be read ({error.strerror or type(error).__name__}).",
        billing=billed(record),
        task_uuid=record.task_uuid,
        next_step="Check that its disk is there and that no other program holds the file, then run again. If that does "
        "not help, remove the file: it is fetched again for free, as long as the service has it.",
    )


def not_sent(record: Record) -> KlingError:
    """It surely did not arrive, and the tries are used up."""
    return errors.NotSent(
        "Runware cannot be reached.",
        billing=NOT_BILLED,
        task_uuid=record.task_uuid,
        next_step="Check the network, proxy and firewall, then run again.",
    )


def unreachable(why: str, task_uuid: str) -> KlingError:
    """A free question before anything else got no answer."""
    return errors.NotSent(
        f"Runware cannot be asked: {why.rstrip('.')}.",
        billing=NOTHING_SENT,
        task_uuid=task_uuid,
        next_step="Check the network, then run again.",
    )


def never_sent(record: Record) -> KlingError:
    """The UUID names a purchase that was prepared only."""
    return errors.TaskFailed(
        "This purchase was prepared but never sent.",
        billing=NOT_BILLED,
        task_uuid=record.task_uuid,
        next_step="Run the graph that made it.",
    )


def unknown_task(task_uuid: str, failures: Sequence[Failure]) -> KlingError:
    """Neither the journal nor the service knows the UUID."""
    words = "; ".join(failure.message or failure.code for failure in failures)
    return errors.ResultExpired(
        f"Neither this ComfyUI nor Runware knows a film under this UUID{': ' + words if words else ''}.",
        billing=NOTHING_SENT,
        task_uuid=task_uuid,
        next_step="Check the UUID and that the API key is the one that bought it; it may also have expired at the "
        "service.",
    )


def still_running(task_uuid: str | None) -> KlingError:
    """Our waiting ended, the render goes on."""
    return errors.TaskTimeout(
        "The film is not ready yet; the waiting ended.",
        billing=WHEN_READY,
        task_uuid=task_uuid,
        next_step=COLLECT,
    )


def no_address(record: Record) -> KlingError:
    """The service calls it finished and names no file."""
    return errors.DownloadError(
        "Runware calls the film finished but names no file.",
        billing=billed(record),
        task_uuid=record.task_uuid,
        next_step=COLLECT,
    )


def other_key(record: Record) -> KlingError:
    """The purchase belongs to another key, and this one cannot see it."""
    return errors.AuthenticationError(
        "This purchase was made with another API key, and the present one cannot see it.",
        billing=f"It {'was' if record.films or record.gone else 'may have been'} paid for with that key.",
        task_uuid=record.task_uuid,
        next_step="Set the earlier key to collect it, or raise take to buy it anew with this one.",
    )


_REFUSED: dict[str, tuple[type[ServiceError], str]] = {
    "auth": (errors.AuthenticationError, "Check the key: RUNWARE_API_KEY, or the file user/__kling/api_key."),
    "quota": (errors.InsufficientCreditsError, "Add credits at my.runware.ai, then run again."),
    "rate_limit": (errors.RateLimitError, "Wait a little, then run again."),
    "safety": (errors.ContentRefusedError, "Change the prompt or the picture, then run again."),
    "server": (errors.ServerError, "Run again in a few minutes."),
}
"""The service's category of an error -> our error, and the next step."""


def refused(failure: Failure, status: int, *, doing: str, task_uuid: str | None = None) -> ServiceError:
    """The service refused something before it accepted anything; `doing` begins the sentence."""
    kind, step = _REFUSED.get(failure.category, (ServiceError, "Correct it, then run again."))
    where = f" (parameter {failure.parameter})" if failure.parameter else ""
    allowed = f" Allowed: {failure.allowed}." if failure.allowed else ""
    said = failure.message.rstrip(".") or failure.code or f"HTTP {status}"
    if failure.is_upstream and failure.category not in {"safety", "validation"}:
        step = "Run again later."  # it is not the user's account, nor anything else of theirs
    return kind(
        f"{doing}: {said}{where}.{allowed}",
        code=failure.code,
        parameter=failure.parameter,
        status_code=status,
        billing=NOT_BILLED,
        task_uuid=task_uuid,
        next_step=step,
    )


def key_refused(failure: Failure, status: int, record: Record | None) -> KlingError:
    """A free question was refused because of the key or the account."""
    quota = failure.category == "quota"
    kind: type[ServiceError] = errors.InsufficientCreditsError if quota else errors.AuthenticationError
    said = failure.message.rstrip(".") or failure.code or f"HTTP {status}"
    ways = "Add credits at my.runware.ai" if quota else "Check RUNWARE_API_KEY, or the file user/__kling/api_key"
    refused = "the account" if quota else "the API key"
    if failure.is_upstream:  # Runware's own account, or key, at the model's maker
        kind, ways, refused = errors.ServerError, "Wait a little", "the question"
    billing, then = _when_refused(record)
    return kind(
        f"Runware refused {refused}: {said}.",
        code=failure.code,
        status_code=status,
        billing=billing,
        task_uuid=record.task_uuid if record is not None else None,
        next_step=f"{ways}, then run again{then}.",
    )


def _when_refused(record: Record | None) -> tuple[str, str]:
    """Say what a question that was refused leaves of a purchase, and what the next run does."""
    if record is None or record.state in {State.FAILED, State.EXPIRED}:
        return NOTHING_SENT, ""
    is_taken = record.state not in NEVER_BILLED | UNCLEAR
    return so_far(record), ": it is collected, not bought anew" if is_taken else ""


def not_saved(
    record: Record, what: str, next_step: str, *, kind: type[KlingError] = errors.DownloadError
) -> KlingError:
    """The film exists and is not here yet."""
    return kind(
        what, billing=f"{billed(record)} Not saved yet.", task_uuid=record.task_uuid, next_step=next_step or COLLECT
    )


def ended(record: Record) -> KlingError:
    """The purchase is over without a film."""
    words = plain("; ".join(dict.fromkeys(each.get("message") or each.get("code", "") for each in record.failures)))
    words = words.rstrip(".") or "no reason given"
    if record.state is State.REJECTED:
        return errors.ServiceError(
            f"Runware refused the request: {words}.",
            billing=NOT_BILLED,
            task_uuid=record.task_uuid,
            next_step="Correct it, then run again.",
        )
    if record.state is State.FAILED:
        return errors.TaskFailed(
            f"The render failed at the service: {words}.",
            billing=f"Billed {usd(record.billed)}." if record.billed else "No cost was reported for it.",
            task_uuid=record.task_uuid,
            next_step="Running again is a new attempt, paid for anew; change the prompt or picture first if they were "
            "refused.",
        )
    made = bool(record.films)
    return errors.ResultExpired(
        "The film was made, but the service no longer has it."
        if made
        else f"The service no longer knows this purchase{': ' + words if record.failures else ''}.",
        billing=billed(record) if made else "Whether it was billed can be seen at my.runware.ai.",
        task_uuid=record.task_uuid,
        next_step="Only a new take (take + 1) can make it again; you pay for it again.",
    )
