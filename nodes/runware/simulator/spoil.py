"""How an answer is spoilt on its way: JSON of the API, and result files."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from .faults import Fault

if TYPE_CHECKING:
    from .exchange import Reply
    from .service import Row

SOMEONE_ELSE = "00000000-0000-4000-8000-000000000000"
OUR_PROBLEM = {"code": "providerError", "message": "The external provider reported an error."}


def spoil_answer(reply: Reply, fault: Fault, tasks: list[Row]) -> Reply:
    """Spoil the JSON answer to a request that has been done."""
    kind = fault.kind
    if kind == "truncated":
        return replace(reply, body=reply.body[: fault.offset(len(reply.body))])
    if kind == "empty_body":
        return replace(reply, body=b"")
    if kind == "slow_answer":
        return replace(reply, delay=fault.seconds, pause=fault.seconds, piece=max(1, len(reply.body) // 4))
    payload = json.loads(reply.body)
    return replace(reply, body=json.dumps(_changed(payload, fault, tasks)).encode())


def _changed(payload: Row, fault: Fault, tasks: list[Row]) -> Row:  # noqa: C901, PLR0911, PLR0912  a table: one case for each fault
    rows: list[Row] = payload.get("data", [])
    ours = {name: tasks[0].get(name) for name in ("taskUUID",)} if tasks else {}
    problem = {**OUR_PROBLEM, **({"code": fault.code} if fault.code else {}), **ours}
    errors = payload.get("errors", [])
    head = {"taskType": "videoInference", **ours}
    match fault.kind:
        case "empty_data":
            return {**payload, "data": []}
        case "no_data":
            return {name: value for name, value in payload.items() if name != "data"}
        case "null_data":
            return {**payload, "data": None}
        case "unknown_status":
            return {**payload, "data": [{**row, "status": "polishing"} for row in rows]}
        case "extra_fields":
            return {"data": [{**row, "new": {"deep": [1, None]}, "progress": -5} for row in rows], "meta": {}}
        case "error_row":
            return {"data": [{**head, "status": "error", "error": problem}]}
        case "error_row_text":
            return {"data": [{**head, "status": "error", "error": problem["message"]}]}
        case "error_top":
            return {"data": [], "errors": [{**problem, "status": "error"}]}
        case "errors_object":
            return {"data": [], "errors": problem}
        case "foreign_uuid":
            return {"data": [{**row, "taskUUID": SOMEONE_ELSE} for row in rows]}
        case "foreign_error":
            return {**payload, "errors": [*errors, {**problem, "taskUUID": SOMEONE_ELSE}]}
        case "foreign_row":
            return {**payload, "data": [_foreign_success(), *rows]}
        case "duplicate_rows":
            return {**payload, "data": rows + rows}
        case "backwards":
            return {"data": [{**head, "status": "processing"} for _ in rows]}
        case "huge_numbers":
            return {**payload, "data": [{**row, "cost": float("inf"), "seed": 10**400} for row in rows]}
        case _:
            raise ValueError(f"{fault.kind!r} cannot befall an answer of the API.")


def _foreign_success() -> Row:
    address = f"https://vm.runware.ai/video/os/a20d05/ws/5/vi/{SOMEONE_ELSE}.mp4"
    head = {"taskType": "videoInference", "taskUUID": SOMEONE_ELSE, "status": "success", "cost": 9.99}
    return {**head, "videoUUID": SOMEONE_ELSE, "videoURL": address}


def spoil_file(reply: Reply, fault: Fault) -> Reply:  # noqa: C901, PLR0911  a table: one case for each fault
    """Spoil a result file. A `content-length` is told or not, true or not, in the headers alone."""
    size = len(reply.body)
    match fault.kind:
        case "cut":
            cut = replace(reply, cut=fault.offset(size))
            return _without(cut, "content-length") if fault.length == "none" else cut
        case "no_length":
            return _without(reply, "content-length")
        case "wrong_length":
            return _with(reply, ("content-length", str(max(0, size + fault.count))))
        case "two_lengths":
            reply = _with(reply, ("content-length", str(size)))
            return replace(reply, headers=[*reply.headers, ("content-length", str(size + 1))])
        case "garbage_length":
            return _with(reply, ("content-length", "many"))
        case "gzip":
            body = gzip.compress(reply.body, 1, mtime=0)
            reply = _with(reply, ("content-length", str(len(body))))
            return replace(reply, body=body, headers=[*reply.headers, ("content-encoding", "gzip")])
        case "content_type":
            return _with(reply, ("content-type", fault.text or "text/html; charset=utf-8"))
        case "drip":
            return replace(reply, piece=max(1, fault.count), pause=fault.seconds)
        case "weak_etag":
            etag = next((value for name, value in reply.headers if name == "etag"), '""')
            return _with(reply, ("etag", f"W/{etag}"))
        case "wrong_range":
            return _with(reply, ("content-range", f"bytes 1-{size}/{size + 1}"))
        case _:
            raise ValueError(f"{fault.kind!r} cannot befall a result file.")


def vary(film: bytes, times: int, ending: str) -> bytes:
    """Change a film's bytes, not its pictures: an empty box more at its end for every time."""
    filler = b"\xec\x84\0\0\0\0" if ending == "webm" else b"\0\0\0\x0cfree\0\0\0\0"
    return film + filler * times


def _with(reply: Reply, header: tuple[str, str]) -> Reply:
    return replace(reply, headers=[*_without(reply, header[0]).headers, header])


def _without(reply: Reply, name: str) -> Reply:
    return replace(reply, headers=[each for each in reply.headers if each[0] != name])
