"""The host of the results: renders a film when it is first asked for, and serves it whole or in ranges."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .exchange import HTML, UNHEARD, Reply, Request, refuse
from .faults import Fault
from .service import Service
from .spoil import spoil_file, vary

NAME = re.compile(r"/video/.*/(?P<uuid>[0-9a-f-]{36})\.(?P<ending>mp4|webm|mov)")
RANGE = re.compile(r"bytes=(?P<first>\d+)-(?P<last>\d*)")
TYPES = {"mp4": "video/mp4", "webm": "video/webm", "mov": "video/quicktime"}
GONE = b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>'
KEPT = 16
LONGEST_TEXT = 4096
"""Characters; what is longer is a picture."""


@dataclass
class Films:
    """Result files. `threads`: render in a worker thread; without, the loop stands still meanwhile.

    `forgetful`: once all films of a task have been rendered, its pictures are forgotten.
    """

    service: Service
    render: Callable[[dict[str, Any], int], bytes]
    threads: bool = False
    forgetful: bool = False
    changes: int = 0
    _kept: OrderedDict[str, bytes] = field(default_factory=OrderedDict)

    async def download(self, request: Request, fault: Fault | None, now: float) -> Reply:
        """Answer GET or HEAD of a result address."""
        if fault and (early := self._early(fault)):
            return early
        film = await self.film(request.path, now)
        if film is None:
            return Reply(404, [("content-type", "application/xml")], GONE)
        kind = fault.kind if fault else ""
        ranged = None if kind == "range_ignored" else request.headers.get("range")
        reply = _file(vary(film, self.changes, request.path.rpartition(".")[2]), request, ranged)
        if fault and kind not in ("changed", "range_ignored"):
            reply = spoil_file(reply, fault)
        return reply if request.method == "GET" else Reply(reply.status, reply.headers)

    def _early(self, fault: Fault) -> Reply | None:
        """Give the reply to a download that never comes to its file."""
        if fault.kind in UNHEARD:
            return Reply(failure=UNHEARD[fault.kind])
        if fault.kind in ("status", "html", "outage"):
            return refuse(fault, [])
        if fault.kind == "redirect":
            return Reply(302, [("location", fault.text or "https://elsewhere.example/film.mp4")], HTML)
        if fault.kind == "changed":
            self.changes += 1
        return None

    async def film(self, path: str, now: float) -> bytes | None:
        """Give the file of a result address, rendered if need be; None if there is none (yet, or any more)."""
        found = NAME.fullmatch(path)
        place = self.service.film(found["uuid"]) if found else None
        if not found or not place:
            return None
        job, index = place
        if now < job.ends or index >= job.successes or job.film_gone(now):
            return None
        if found["uuid"] not in self._kept:
            if self.threads:
                film = await asyncio.to_thread(self.render, job.task, index)
            else:
                film = self.render(job.task, index)
            self._kept[found["uuid"]] = film
            job.rendered.add(index)
            if self.forgetful and len(job.rendered) == job.successes:
                _forget_media(job.task)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[found["uuid"]]


def _file(film: bytes, request: Request, ranged: str | None) -> Reply:
    etag = f'"{hashlib.sha256(film).hexdigest()}"'
    headers = [
        ("content-type", TYPES[request.path.rpartition(".")[2]]),
        ("etag", etag),
        ("accept-ranges", "bytes"),
    ]
    found = RANGE.fullmatch(ranged or "")
    if not found or request.headers.get("if-range", etag) != etag:
        return Reply(200, [*headers, ("content-length", str(len(film)))], film)
    first, last = int(found["first"]), min(int(found["last"] or len(film) - 1), len(film) - 1)
    if first > last:
        return Reply(416, [("content-range", f"bytes */{len(film)}"), ("content-length", "0")])
    part = film[first : last + 1]
    span = f"bytes {first}-{last}/{len(film)}"
    return Reply(206, [*headers, ("content-range", span), ("content-length", str(len(part)))], part)


def _forget_media(part: Any) -> None:
    """Cut the pictures out of a task, in place: its records share it."""
    for place, value in part.items() if isinstance(part, dict) else enumerate(part):
        if isinstance(value, dict | list):
            _forget_media(value)
        elif isinstance(value, str) and len(value) > LONGEST_TEXT:
            part[place] = value[:40] + "..."
