"""Everything that can go wrong, and what each says about the user's money.

KlingError
+- InputError (ValueError)              the request cannot be built: nothing sent, nothing spent
|  +- BudgetError                       it would cost more than the user allows
+- MissingKeyError                      no usable API key: nothing spent
+- StorageError (OSError)               the purchase cannot be recorded or the film cannot be written
+- NotSent (ConnectionError)            no connection was made: nothing spent
+- SubmissionUncertain                  it may have arrived; asking again is free
+- ServiceError                         the service said no: code, parameter, status_code
|  +- AuthenticationError  InsufficientCreditsError  RateLimitError(retry_after)  ContentRefusedError  ServerError
+- TaskFailed                           accepted, then failed
+- TaskTimeout (TimeoutError)           our waiting ended; the purchase goes on and can be collected
+- DownloadError                        made, but not fetched yet
+- ResultExpired                        made, but the service no longer has it

Cancel is not an error and has no class here.
"""

from __future__ import annotations

NOT_BILLED = "Not billed."
NOTHING_SENT = "Nothing was sent now."
SAFE = "What was paid for is safe in ComfyUI's user/__kling folder."
BILLING_UNKNOWN = "It is not known whether this was billed; pressing Run again checks first and will not pay twice."


class KlingError(Exception):
    """A failure told in sentences: what happened, whether it was billed, the task UUID, what to do next."""

    def __init__(
        self,
        what: str,
        *,
        billing: str = "",
        task_uuid: str | None = None,
        next_step: str = "",
    ) -> None:
        self.what = what
        self.billing = billing
        self.task_uuid = task_uuid
        self.next_step = next_step
        super().__init__(what)

    def __str__(self) -> str:
        return _sentences(self.what, self.billing, self._uuid, self.next_step)

    @property
    def _uuid(self) -> str:
        return f"Task UUID: {self.task_uuid}." if self.task_uuid else ""


class InputError(KlingError, ValueError):
    """A value the user set cannot be used. Nothing was sent, nothing was spent.

    `node` is a node id such as ``KlingPrompt`` (with ComfyUI's own id, where known: ``KlingPrompt (node 3)``),
    `field` the input's id, `value` what stands there, `rule` the documented limit, `next_step` the way out.
    """

    def __init__(
        self,
        *,
        node: str,
        field: str,
        rule: str,
        value: object = None,
        next_step: str = "",
    ) -> None:
        self.node = node
        self.field = field
        self.value = value
        self.rule = rule
        shown = "" if value is None else f" is {shorten(value)}"
        super().__init__(f"{node}, {field}{shown}: {rule}", billing=NOT_BILLED, next_step=next_step)

    def __str__(self) -> str:
        return _sentences(self.what, self.next_step, self.billing, self._uuid)


def not_connectable(value: object, maker: str, *, node: str, field: str) -> InputError:
    """Say that what came through a link, or stands in its place, is not what the node `maker` gives."""
    return InputError(
        node=node,
        field=field,
        value="nothing" if value is None else type(value).__name__,
        rule=f"only what {maker} gives can be connected here.",
        next_step=f"Connect a {maker}.",
    )


class BudgetError(InputError):
    """The purchase would cost more than the user allows."""


class MissingKeyError(KlingError):
    """No API key, or one that cannot be a key. Nothing was sent."""


class StorageError(KlingError, OSError):
    """The purchase cannot be recorded, or the film cannot be written."""


class NotSent(KlingError, ConnectionError):
    """No connection was made, so nothing can have been bought."""


class SubmissionUncertain(KlingError):
    """The request may have arrived. The same task UUID is asked about again, for free; never a new one."""


class ServiceError(KlingError):
    """The service said no."""

    def __init__(  # noqa: PLR0913  the fields of the service's own error object
        self,
        what: str,
        *,
        code: str = "",
        parameter: str = "",
        status_code: int | None = None,
        billing: str = "",
        task_uuid: str | None = None,
        next_step: str = "",
    ) -> None:
        self.code = code
        self.parameter = parameter
        self.status_code = status_code
        super().__init__(what, billing=billing, task_uuid=task_uuid, next_step=next_step)


class AuthenticationError(ServiceError):
    """The key was refused."""


class InsufficientCreditsError(ServiceError):
    """The account has too little balance."""


class RateLimitError(ServiceError):
    """Too many requests for now."""

    retry_after: float | None = None
    """Seconds the service asks to wait, if it said so."""


class ContentRefusedError(ServiceError):
    """Moderation refused the prompt or a picture."""


class ServerError(ServiceError):
    """The service's own fault."""


class TaskFailed(KlingError):
    """The task was accepted and then failed."""


class TaskTimeout(KlingError, TimeoutError):
    """Our waiting ended; the purchase goes on and can be collected."""


class DownloadError(KlingError):
    """The film exists but could not be fetched yet."""


class ResultExpired(KlingError):
    """The film existed, and the service no longer has it."""


MESSAGE_CHARACTERS = 600


def _sentences(what: str, *others: str) -> str:
    """Join what happened and the rest to a message of bounded length; the rest is never cut."""
    rest = "".join(f" {part}" for part in others if part)
    room = MESSAGE_CHARACTERS - len(rest)
    return (what if len(what) <= room else what[: room - 3] + "...") + rest


SHOWN_CHARACTERS = 80


def shorten(value: object) -> str:
    """Show a value in a message: at most 80 characters, strings quoted, no line breaks."""
    text = repr(value) if isinstance(value, str) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."
