"""One HTTP exchange with the simulated service, apart from any HTTP library: request in, `Reply` out.

`transport.py` turns a `Reply` into an httpx response or exception, `serve.py` into bytes on a socket.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from .faults import Fault
from .refusal import Refusal
from .service import Answer, Row, Service
from .spoil import spoil_answer

if TYPE_CHECKING:
    from collections.abc import Callable

Failure = Literal["refused", "connect_timeout", "no_answer", "reset"]

UNHEARD: dict[str, Failure] = {
    "refused": "refused",
    "connect_timeout": "connect_timeout",
    "lost_before": "no_answer",
    "late": "no_answer",
    "hang": "no_answer",
    "reset_before": "reset",
}
"""How a fault shows when nothing is done, or not yet."""
UNANSWERED: dict[str, Failure] = {"lost_after": "no_answer", "reset_after": "reset"}
"""How a fault shows when everything has been done."""

DRY_RUN = "x-runware-dry-run"
HTML = b"<!DOCTYPE html><html><head><title>503</title></head><body><h1>Please wait</h1></body></html>"
FOREIGN_UUID = "00000000-0000-4000-8000-000000000000"
OK = 200


@dataclass
class Request:
    """What arrived: header names in lower case."""

    method: str
    host: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Reply:
    """What goes back.

    `failure`: no answer at all. `cut`: the body ends after that many bytes. `pause` seconds between pieces of
    `piece` bytes. `delay` seconds before the first byte. `given_up` is to be told when the client waits no more.
    """

    status: int = OK
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    failure: Failure | None = None
    cut: int | None = None
    pause: float = 0.0
    piece: int = 65536
    delay: float = 0.0
    given_up: Callable[[float], None] | None = None


@dataclass
class Exchange:
    """One recorded exchange: what was asked, without the key, and what became of it.

    `channel` is the first task's type, or `download`, or `elsewhere`. `status` is None without an answer.
    """

    at: float
    channel: str
    address: str
    tasks: list[Row]
    headers: dict[str, str]
    authorized: bool
    fault: str | None = None
    status: int | None = None
    body: bytes = b""

    @property
    def answer(self) -> Row | None:
        """The JSON that was answered, or None."""
        try:
            return dict(json.loads(self.body))
        except (ValueError, TypeError):
            return None

    @property
    def task(self) -> Row:
        """The first task of the request."""
        return self.tasks[0] if self.tasks else {}


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


STRICT = json.JSONDecoder(parse_constant=_no_number)
"""JSON as the standard has it, without NaN and Infinity."""


def json_reply(status: int, payload: Row) -> Reply:
    """Make a JSON answer."""
    return Reply(status, [("content-type", "application/json; charset=utf-8")], json.dumps(payload).encode())


def read_tasks(request: Request, key: str | None) -> list[Row]:
    """Take the tasks out of a request to the API, or refuse the request as a whole."""
    if request.method != "POST":
        raise Refusal("invalidMethod", "Only POST is supported.", status=405)
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Refusal("invalidContentType", "The Content-Type header must be application/json.")
    try:
        tasks = STRICT.decode(request.body.decode())
    except ValueError:
        raise Refusal("invalidJSON", "The request body is not valid JSON.") from None
    if not isinstance(tasks, list) or not tasks or not all(isinstance(task, dict) for task in tasks):
        raise Refusal("invalidRequest", "The request body must be a JSON array of task objects.", type="array")
    return _authenticated(tasks, request.headers.get("authorization"), key)


def _authenticated(tasks: list[Row], header: str | None, key: str | None) -> list[Row]:
    rest = [task for task in tasks if task.get("taskType") != "authentication"]
    given = [task.get("apiKey") for task in tasks if task.get("taskType") == "authentication"]
    if header is not None:
        given.append(header.removeprefix("Bearer ") if header.startswith("Bearer ") else None)
    if not given:
        raise Refusal("missingApiKey", "No API key provided.", status=401)
    if len(given) > 1:
        raise Refusal("conflictAuthentication", "Use either the header or the authentication task, not both.")
    if not isinstance(given[0], str) or not given[0] or key not in (None, given[0]):
        raise Refusal("invalidApiKey", "Invalid API key. Get one at https://my.runware.ai/keys", status=401)
    return rest


def converse(service: Service, request: Request, tasks: list[Row], fault: Fault | None, now: float) -> Reply:
    """Answer a request whose tasks have been read, with what goes wrong in it."""
    if fault is None:
        return answer_tasks(service, request, tasks, now)
    kind = fault.kind
    if kind in UNHEARD:
        arrival = partial(service.let_arrive, tasks, fault.seconds) if kind == "late" else None
        return Reply(failure=UNHEARD[kind], given_up=arrival)
    bare = kind in ("status", "html", "outage")
    if bare and not fault.accepted:
        return refuse(fault, tasks)
    reply = answer_tasks(service, request, tasks, now)
    if kind in UNANSWERED:
        return Reply(failure=UNANSWERED[kind])
    if kind == "unfinished":
        return _unfinished(service, reply, fault, now)
    return refuse(fault, tasks) if bare else spoil_answer(reply, fault, tasks)


def _unfinished(service: Service, reply: Reply, fault: Fault, now: float) -> Reply:
    """Answer an upload with the media UUID "1": the true one comes by `getResponse`, after `seconds`."""
    payload = json.loads(reply.body)
    for row in payload["data"]:
        uploaded = service.uploads.get(row.get("taskUUID"))
        if uploaded:
            service.uploads[row["taskUUID"]] = (now + fault.seconds, uploaded[1])
            row["mediaUUID"] = "1"
    return json_reply(reply.status, payload)


def answer_tasks(service: Service, request: Request, tasks: list[Row], now: float) -> Reply:
    """Do every task of a request on its own; the status is the first refusal's when nothing succeeded."""
    dry = request.headers.get(DRY_RUN) == "1"
    answers = [service.answer(task, now, dry=dry) for task in tasks]
    payload: Row = {"data": [row for answer in answers for row in answer.data]}
    errors = [row for answer in answers for row in answer.errors]
    if errors:
        payload["errors"] = errors
    return json_reply(_status(answers), payload)


def _status(answers: list[Answer]) -> int:
    refused = [answer.status for answer in answers if answer.status != OK]
    return refused[0] if refused and len(refused) == len(answers) else OK


def refuse(fault: Fault, tasks: list[Row]) -> Reply:
    """Answer with a bare HTTP status: as JSON that names our task or another's, as HTML, or empty."""
    status = OK if fault.kind == "html" else fault.status
    headers = [("retry-after", fault.retry_after)] if fault.retry_after is not None else []
    if fault.kind == "html" or fault.body == "html":
        return Reply(status, [("content-type", "text/html; charset=utf-8"), *headers], HTML)
    if fault.body == "empty":
        return Reply(status, headers)
    code, message = STATUS_CODES.get(status, ("unknownError", "An unknown error occurred."))
    row: dict[str, Any] = {"code": fault.code or code, "message": fault.text or message}
    row["taskUUID"] = FOREIGN_UUID if fault.body == "foreign" else tasks[0].get("taskUUID") if tasks else None
    if row["taskUUID"] is None:
        del row["taskUUID"]
    reply = json_reply(status, {"data": [], "errors": [row]})
    reply.headers += headers
    return reply


STATUS_CODES = {
    401: ("invalidApiKey", "Invalid API key. Get one at https://my.runware.ai/keys"),
    402: ("insufficientCredits", "Insufficient credits."),
    403: ("forbidden", "The API key lacks the permission for this operation."),
    404: ("notFound", "The requested resource was not found."),
    408: ("requestTimeout", "The request timed out."),
    413: ("requestTooLarge", "The request body is too large."),
    429: ("rateLimitExceeded", "Queue capacity exceeded. Please retry later."),
    500: ("internalServerError", "An internal error occurred."),
    502: ("providerBadGateway", "Bad gateway."),
    503: ("serviceUnavailable", "The service is temporarily unavailable."),
    504: ("providerGatewayTimeout", "Gateway time-out."),
}
