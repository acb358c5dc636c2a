"""What the service answers, read tolerantly: by our task UUID in the body, not by the HTTP status.

Shapes, codes and status: https://runware.ai/docs/platform/errors and https://runware.ai/docs/platform/task-polling.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Category = Literal[
    "conflict",
    "validation",
    "auth",
    "quota",
    "rate_limit",
    "safety",
    "timeout",
    "not_found",
    "server",
    "provider",
    "unknown",
]
MESSAGE_CHARACTERS = 300
ROWS_MOST = 1_000
"""Rows, and errors, that are read of one answer: far more than any purchase has."""
MOST_USD = 1_000_000_000
"""An amount that is not below this was never paid."""
READ_CHARACTERS = 4_096
"""Of a foreign text: more than is ever shown, and looked through in no time. An answer's can have eight million."""
TAG = re.compile(r"<[a-zA-Z/!?][^<>]*>")
ADDRESS = re.compile(r"([a-z][a-z0-9+.-]{1,30}://)([^\s\"']+)", re.IGNORECASE)
WORD = re.compile(r"[^\s\"']+")
SECRET_WORDS = ("signature", "token", "secret", "credential", "apikey", "api_key")
BEARER = re.compile(r"bearer\s+\S+", re.IGNORECASE)
ENCODED = re.compile(r"[A-Za-z0-9+/=]{120,}")

HTTP_BAD_REQUEST = 400
HTTP_REQUEST_TIMEOUT = 408
HTTP_TOO_MANY_REQUESTS = 429
HTTP_SERVER_ERROR = 500

HTTP_CONFLICT = 409

CONFLICT_CODES = frozenset({"conflicttaskuuid", "duplicatetaskuuid", "taskuuidconflict", "taskalreadyexists"})
SAFETY_CODES = frozenset({
    "contentpolicyviolation", "providercontentpolicyviolation", "sensitivecontentdetected", "unsafecontentdetected",
    "nsfwcontentdetected", "promptblocked", "imageblocked", "moderationfailed", "invalidprovidercontent",
})  # fmt: skip
AUTH_CODES = frozenset({
    "unauthorized", "forbidden", "permissiondenied", "insufficientpermissions", "authenticationfailed", "authfailed",
    "authtimeout", "invalidauthentication", "invalidcredentials", "missingauthentication", "accountsuspended",
    "organizationsuspended", "workspacesuspended", "accountdisabled", "organizationdisabled", "workspacedisabled",
    "tokenexpired", "tokeninvalid", "tokenmissing", "tokenrevoked",
})  # fmt: skip
SERVER_CODES = frozenset({
    "internalservererror", "serviceunavailable", "serverunavailable", "standarderror", "unknownerror", "undefinederror",
    "defaulterror", "unrecognizedresponse", "errorretrievingaccountmanagement",
})  # fmt: skip
PROVIDER_CODES = frozenset({
    "inferenceerror", "processingfailed", "taskfailed", "downloadfailed", "uploadfailed", "noavailableserver",
    "modelunavailable", "modeldisabled", "modelnotready", "mediastoragefilecouldnotbemoved",
})  # fmt: skip
VALIDATION_PREFIXES = (
    "invalid", "missing", "conflict", "duplicate", "unsupported", "value", "array", "max", "unknownparameter",
    "incompatible", "mismatch", "unknownprovidersettings", "validation", "transparentmodel", "modelownership",
    "modelalreadyexists",
)  # fmt: skip
LOST_CODES = frozenset({"tasknotfound", "taskexpired", "taskfailedornotfound", "medianotfound", "mediaexpired"})
FINISHED = frozenset({"", "success", "succeeded", "completed", "complete", "finished", "done", "ready"})
"""Words for a result that is there, and none: the documented one and its like. Any other is still being made."""
PROVIDED = ("provider", "third", "inference")
"""How the codes of what goes wrong while a film is made begin: upstream, at the model's maker."""
ASKED_FOR = ("task", "result", "response", "request", "job")
"""How the codes of what a question did not find begin. A medium or a model was not found while a film was made."""
MONEY_WORDS = ("credits", "quota", "balance")
MODERATION_WORDS = ("moderation", "flagged", "content policy", "safety system")


@dataclass(frozen=True)
class Row:
    """One item of `data`: what became of one result of a task."""

    task_uuid: str
    task_type: str
    status: str
    video_uuid: str = ""
    video_url: str = ""
    """Where the file is; may carry a signature, so it never reaches a log or the journal's record."""
    seed: int | None = None
    cost: float | None = None
    """USD, above 0 and an amount that a record keeps, else None: the service reports 0 where it does not know."""
    nsfw: bool = False
    media_uuid: str = ""
    nested: Any = None
    """`response` of a getTaskDetails row."""


@dataclass(frozen=True)
class Failure:
    """One error the service names."""

    code: str
    message: str
    parameter: str = ""
    task_uuid: str = ""
    task_type: str = ""
    allowed: str = ""
    cost: float | None = None
    """USD, as of a row."""
    of_result: bool = False
    """Whether it stands in `data`, as what became of one result."""

    @cached_property
    def category(self) -> Category:
        """What kind of error the code stands for, judged loosely as the codes are not stable."""
        return categorize(self.code, self.message)

    @property
    def is_upstream(self) -> bool:
        """Whether its code tells of the model's maker, or of Runware's own account there: never of a question."""
        return self.code.lower().startswith(PROVIDED)

    @property
    def denies_task(self) -> bool:
        """Whether its code tells that the service does not know the task, or what came of it (any more)."""
        return self.code.lower().startswith(ASKED_FOR) and self.code.lower().endswith(("notfound", "expired"))


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, taken apart."""

    status: int
    rows: tuple[Row, ...] = ()
    failures: tuple[Failure, ...] = ()
    readable: bool = True
    """Whether the body was the JSON object that the service sends: with rows, an empty list of them, or an error."""
    retry_after: float | None = None
    excerpt: str = ""
    """The first words of an unreadable body, for the message."""

    def of(self, task_uuid: str) -> tuple[list[Row], list[Failure]]:
        """Give the rows and failures that name this task."""
        return (
            [row for row in self.rows if row.task_uuid == task_uuid],
            [failure for failure in self.failures if failure.task_uuid == task_uuid],
        )


def read(status: int, body: bytes, retry_after: float | None = None) -> Answer:
    """Take an HTTP answer apart, whatever its status; nothing in it can raise."""
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        return Answer(
            status,
            readable=False,
            retry_after=retry_after,
            excerpt=plain(body[: 4 * READ_CHARACTERS + 4].decode("utf-8", "replace")),  # too long where it was cut
        )
    if not isinstance(tree, dict):
        return Answer(status, readable=False, retry_after=retry_after, excerpt=plain(str(tree)))
    items = [item for item in _listed(tree.get("data"))[:ROWS_MOST] if isinstance(item, dict)]
    failures = [_failure(error) for error in _listed(tree.get("errors"))[:ROWS_MOST]]
    if tree.get("error"):
        failures.append(_failure(tree["error"], tree))
    failed = [_failure(item.get("error") or item, item) for item in items if _is_failed(item)]
    failures += [replace(failure, of_result=True) for failure in failed]
    rows = tuple(_row(item) for item in items if not _is_failed(item))
    known = isinstance(tree.get("data"), (list, dict)) or bool(failures)
    return Answer(
        status,
        rows,
        tuple(failures),
        readable=known,
        retry_after=retry_after,
        excerpt="" if known else plain(str(tree)),
    )


CATEGORIES: tuple[tuple[Category, Callable[[str, str], bool]], ...] = (
    ("conflict", lambda code, _: code in CONFLICT_CODES),
    ("safety", lambda code, text: code in SAFETY_CODES or any(word in text for word in MODERATION_WORDS)),
    ("auth", lambda code, _: "apikey" in code or code in AUTH_CODES),
    ("quota", lambda code, _: any(word in code for word in MONEY_WORDS) or code == "paymentrequired"),
    ("rate_limit", lambda code, _: "ratelimit" in code),
    ("not_found", lambda code, _: code in LOST_CODES),
    ("timeout", lambda code, _: "timeout" in code),
    ("server", lambda code, _: code in SERVER_CODES),
    ("provider", lambda code, _: code.startswith("provider") or code in PROVIDER_CODES),
    ("not_found", lambda code, _: code.endswith(("notfound", "expired")) or code in {"taskcancelled", "unknownmodel"}),
    ("validation", lambda code, _: code.startswith(VALIDATION_PREFIXES)),
)
"""What fits each category, of code and message in lower case; the first that fits counts."""


def categorize(code: str, message: str = "") -> Category:
    """Sort an error code into the service's own categories; its message tells moderation, whatever the code."""
    low, text = code.lower(), message.lower()
    return next((category for category, fits in CATEGORIES if fits(low, text)), "unknown")


def plain(text: str, most: int = MESSAGE_CHARACTERS) -> str:
    """Make a foreign text fit to show: one line, no control characters, no tags, of addresses the host alone, not long.

    An address can hold a secret anywhere: in its user, its path or its query.
    """
    if len(text) > READ_CHARACTERS:  # the last word could be half an address, up to its password
        text = " ".join([*text[:READ_CHARACTERS].split()[:-1], "..."])
    text = TAG.sub(" ", text.replace("\\/", "/"))
    text = ADDRESS.sub(_host_alone, text)
    text = WORD.sub(_unsigned, text)
    text = BEARER.sub("Bearer ...", text)
    text = ENCODED.sub("...", text)
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 3] + "..."


def _host_alone(address: re.Match[str]) -> str:
    scheme, rest = address.groups()
    authority = re.split(r"[/?#;\\]", rest, maxsplit=1)[0]
    return scheme + authority.rpartition("@")[2] + ("/..." if authority != rest else "")


def _unsigned(word: re.Match[str]) -> str:
    """Take away an address without its scheme, or percent-encoded, that may carry a signature."""
    low = word[0].lower()
    before = low.rpartition("=")[0]
    signed = "%3a%2f%2f" in low or "?" in before or any(each in before for each in SECRET_WORDS)
    return "..." if signed else word[0]


def _listed(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def _is_failed(item: dict[str, Any]) -> bool:
    """Whether a row says that a result failed; one with an address was made, and an error beside it is another's.

    What the address gives is checked when it is fetched.
    """
    status = str(item.get("status", "")).strip().lower()
    made = status and status in FINISHED and _address(item)
    return status in {"error", "failed"} or (bool(item.get("error")) and not made)


def _address(item: dict[str, Any]) -> str:
    url = next((_text(item[key]) for key in ("videoURL", "mediaURL", "videoDataURI") if _text(item.get(key))), "")
    if not url and _text(item.get("videoBase64Data")):
        url = "data:video/mp4;base64," + _text(item["videoBase64Data"])
    return url


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _row(item: dict[str, Any]) -> Row:
    seed = item.get("seed")
    return Row(
        task_uuid=_text(item.get("taskUUID")).lower(),
        task_type=_text(item.get("taskType")),
        status=_text(item.get("status")).strip().lower(),
        video_uuid=_text(item.get("videoUUID")) or _text(item.get("mediaUUID")),
        video_url=_address(item),
        seed=seed if isinstance(seed, int) and not isinstance(seed, bool) else None,
        cost=_cost(item.get("cost")),
        nsfw=item.get("NSFWContent") is True,
        media_uuid=_text(item.get("mediaUUID")) or _text(item.get("imageUUID")),
        nested=item.get("response"),
    )


def _cost(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 < value < MOST_USD else None


def _failure(error: Any, around: dict[str, Any] | None = None) -> Failure:
    around = around or {}
    if not isinstance(error, dict):
        return Failure(
            "",
            plain(str(error)),
            task_uuid=_text(around.get("taskUUID")).lower(),
            task_type=_text(around.get("taskType")),
            cost=_cost(around.get("cost")),
        )
    context = error.get("context")
    context = context if isinstance(context, dict) else {}
    parameter = error.get("parameter")
    if isinstance(parameter, list):
        parameter = ", ".join(str(part) for part in parameter)
    upstream = error.get("responseContent")
    if isinstance(upstream, dict):
        upstream = upstream.get("message")
    message = " ".join(dict.fromkeys(plain(part) for part in (_text(error.get("message")), _text(upstream)) if part))
    allowed = error.get("allowedValues")
    if isinstance(allowed, dict):
        allowed = list(allowed.values())
    return Failure(
        code=plain(_text(error.get("code")), 60),
        message=message,
        parameter=plain(_text(parameter), 80),
        task_uuid=(
            _text(error.get("taskUUID")) or _text(around.get("taskUUID")) or _text(context.get("taskUUID"))
        ).lower(),
        task_type=_text(error.get("taskType")) or _text(around.get("taskType")) or _text(context.get("taskType")),
        allowed=plain(", ".join(str(value) for value in allowed), 160) if isinstance(allowed, list) else "",
        cost=_cost(error.get("cost")) or _cost(around.get("cost")),
    )
