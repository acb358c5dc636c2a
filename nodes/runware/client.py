"""One HTTP exchange each: submit, ask, details, upload. What an answer means is decided in `verdict.py`.

Wire: https://runware.ai/docs/platform/authentication, /task-polling, /task-details, /media-storage.
"""

from __future__ import annotations

import asyncio
import base64
import email.utils
import errno
import hashlib
import json
import logging
import re
import ssl
import time
import uuid
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING

import httpx

from . import identity, response, tell
from .deadline import Late, within
from .errors import NOT_BILLED, NotSent, ServerError
from .response import Answer
from .settings import DEFAULT_BASE_URL, is_loopback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from .files import Disk

CONNECT_SECONDS = 10.0
ACKNOWLEDGEMENT_SECONDS = 10.0
"""After the last byte. Short on purpose: the answer is immediate, and a long wait eats the resubmit window."""
POLL_SECONDS = 20.0
QUESTION_SECONDS = 45.0
"""For a whole question and its answer, however slowly the bytes drip."""
SEND_SECONDS = 30.0
"""Without a byte going out."""
SLOWEST_UPLOAD = 8 * 2**10
"""Bytes a second."""
STREAM_SECONDS = 60.0
"""Until a file's headers are here."""
UPLOAD_ANSWER_SECONDS = 120.0
ANSWER_BYTES_MOST = 8 * 2**20
RETRY_AFTER_MOST = 120.0
CHUNK_BYTES = 2**18
HELD_BYTES = 2**10
"""The last bytes of a request, which leave when nothing speaks against it any more."""
KEY_QUOTED = 8
"""Characters from which on a key that the service quotes back is told from other text."""
QUOTED_KEY = b"[the API key]"
USER_AGENT = "kling-video/1.0 (ComfyUI)"
SECRET_LOGGERS = (
    "httpx", "httpcore", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks",
)  # fmt: skip
"""They print URLs, whose queries can be signatures."""

UNTRANSLATED = (httpx.InvalidURL, ValueError, ssl.SSLError)
"""What httpx lets through as it is: of an address that it cannot take, be it only in a redirect that nobody follows; of
a length of more digits than Python makes a number of (h11 before 0.15); and, once the connection is made, of bytes that
were damaged on their way, or the other side's alert."""


class Uncertain(Exception):
    """The request may have arrived, and no whole answer came back."""


class NoCookies(CookieJar):
    """Keeps none: no request carries one, and a service that sets new ones with every answer could fill the memory."""

    def extract_cookies(self, response: object, request: object) -> None:
        """Leave an answer's cookies alone."""


class Client:
    """The service, for one API key. Belongs to the event loop it is first used on.

    `transport` replaces the network (simulator, rehearsal); the key is sent in the Authorization header only, and
    only to `base_url`.
    """

    def __init__(
        self, key: str, *, base_url: str = DEFAULT_BASE_URL, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.base_url = base_url
        self.result_host = httpx.URL(base_url).host if is_loopback(httpx.URL(base_url).host) else ""
        self._key = key
        self._headers = httpx.Headers(
            {
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": USER_AGENT,
            }
        )
        self._url = httpx.URL(base_url)
        environment = transport is None and not self.result_host
        keep = httpx.Limits(max_keepalive_connections=4, keepalive_expiry=30.0)
        fresh = httpx.Limits(max_keepalive_connections=0)
        verify = httpx.create_ssl_context() if transport is None and base_url.startswith("https") else True
        common = {
            "transport": transport,
            "trust_env": environment,
            "follow_redirects": False,
            "verify": verify,
            "cookies": NoCookies(),
        }
        self._questions = httpx.AsyncClient(limits=keep, **common)  # type: ignore[arg-type]
        self._submissions = httpx.AsyncClient(limits=fresh, **common)  # type: ignore[arg-type]
        self._files = httpx.AsyncClient(limits=keep, **common)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"Client({self.base_url!r})"

    def fingerprint(self, task_uuid: str) -> str:
        """Tell whether two purchases were made with the same key, without showing it."""
        return identity.key_fingerprint(self._key, task_uuid.encode())

    async def close(self) -> None:
        """Close the connections."""
        for client in (self._questions, self._submissions, self._files):
            await client.aclose()

    async def submit(
        self,
        disk: Disk,
        body: Path,
        size: int,
        *,
        sha256: str = "",
        seconds_left: Callable[[], float] | None = None,
        last_look: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> Answer:
        """Send one purchase: the file `body` as it is, `size` bytes, on a fresh connection.

        A file that is not what `sha256` says never leaves whole, so that nobody can act on it; nor does one at whose
        `last_look`, before the last bytes, something was raised, or for which no `seconds_left` then. It is given up
        after so many seconds; by default after as long as a slow line needs. Raises NotSent when no connection was
        made, Uncertain when the bytes may have arrived, OSError when the file cannot be read or is damaged, and what
        `last_look` raises.
        """
        limit = CONNECT_SECONDS + longest_way(size) + SEND_SECONDS if seconds_left is None else seconds_left()
        timeout = httpx.Timeout(
            connect=min(CONNECT_SECONDS, limit),
            read=min(ACKNOWLEDGEMENT_SECONDS, limit),
            write=min(SEND_SECONDS, limit),
            pool=None,
        )
        request = self._request(_pieces(disk, body, sha256, last_look, seconds_left), timeout, size)
        return await self._exchange(self._submissions, request, limit)

    async def ask(self, *task_uuids: str) -> Answer:
        """Ask for the state of a task, or of several in one request; free. Raises NotSent or Uncertain."""
        return await self._question("getResponse", task_uuids)

    async def details(self, *task_uuids: str) -> Answer:
        """Ask the archive for a task's last answer, or several tasks'; free.

        Rows and failures are those of the stored answers. Raises NotSent or Uncertain.
        """
        answer = await self._question("getTaskDetails", task_uuids)
        stored = [row.nested for row in answer.rows if row.task_type == "getTaskDetails"]
        if not stored:
            return answer
        inner = [response.read(answer.status, json.dumps(each).encode()) for each in stored if isinstance(each, dict)]
        return Answer(
            answer.status,
            tuple(row for each in inner for row in each.rows),
            (*answer.failures, *(failure for each in inner for failure in each.failures)),
            # A stored answer that shows nothing is no word about the task.
            readable=any(each.rows or each.failures for each in inner),
        )

    async def upload(self, disk: Disk, path: Path) -> str:
        """Put a local film or sound into mediaStorage and give its mediaUUID. Nothing is bought.

        Raises ServiceError, NotSent or ServerError; repeating it is harmless.
        """
        task_uuid = str(uuid.uuid4())
        media = await disk.offload(_as_base64, disk, path)
        task = {"taskType": "mediaStorage", "taskUUID": task_uuid, "operation": "upload", "media": media}
        content = await disk.offload(lambda: json.dumps([task]).encode())
        timeout = httpx.Timeout(connect=CONNECT_SECONDS, read=UPLOAD_ANSWER_SECONDS, write=SEND_SECONDS, pool=None)
        request = self._request(content, timeout, len(content))
        limit = CONNECT_SECONDS + longest_way(len(content)) + UPLOAD_ANSWER_SECONDS
        try:
            answer = await self._exchange(self._questions, request, limit)
        except Uncertain as reason:
            raise ServerError(f"The upload of a reference did not finish: {reason}", billing=NOT_BILLED) from None
        rows, _ = answer.of(task_uuid)
        return _media_uuid(rows) or await self._unfinished_upload(task_uuid, answer)

    async def stream(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        """Open a result's file, without key or redirect; the caller reads and closes it. Raises httpx.HTTPError."""
        timeout = httpx.Timeout(connect=CONNECT_SECONDS, read=30.0, write=SEND_SECONDS, pool=None)
        plain = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        request = httpx.Request("GET", url, headers={**plain, **headers}, extensions={"timeout": timeout.as_dict()})
        try:
            return await within(STREAM_SECONDS, self._files.send(request, stream=True))
        except Late:
            raise httpx.ReadTimeout("no answer in time") from None

    async def _unfinished_upload(self, task_uuid: str, answer: Answer) -> str:
        """Wait for an upload that was answered before it was finished (mediaUUID "1"), bounded."""
        for _ in range(100):
            rows, failures = answer.of(task_uuid)
            failures += [failure for failure in answer.failures if not failure.task_uuid]
            if failures:
                raise tell.refused(failures[0], answer.status, doing="The upload of a reference was refused")
            media_uuid = _media_uuid(rows)
            if media_uuid:
                return media_uuid
            if not rows and not answer.readable:
                break
            await asyncio.sleep(2.0)
            try:
                answer = await self.ask(task_uuid)
            except (NotSent, Uncertain):
                continue
        raise ServerError(
            f"The upload of a reference got no usable answer (HTTP {answer.status}).",
            billing=NOT_BILLED,
            next_step="Run again in a minute.",
        )

    async def _question(self, kind: str, task_uuids: Sequence[str]) -> Answer:
        timeout = httpx.Timeout(connect=CONNECT_SECONDS, read=POLL_SECONDS, write=POLL_SECONDS, pool=None)
        content = json.dumps([{"taskType": kind, "taskUUID": each} for each in task_uuids]).encode()
        return await self._exchange(self._questions, self._request(content, timeout, len(content)), QUESTION_SECONDS)

    def _request(self, content: bytes | AsyncIterator[bytes], timeout: httpx.Timeout, size: int) -> httpx.Request:
        headers = self._headers.copy()
        headers["Content-Length"] = str(size)
        extensions = {"timeout": timeout.as_dict()}
        return httpx.Request("POST", self._url, headers=headers, content=content, extensions=extensions)

    async def _exchange(self, client: httpx.AsyncClient, request: httpx.Request, seconds: float) -> Answer:
        """Send, and read a whole answer of bounded size. Any status is an answer; redirects are never followed."""
        try:
            reply, body = await within(seconds, _conversation(client, request))
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.ProxyError,
            httpx.UnsupportedProtocol,
        ) as error:
            raise NotSent(_reason(error), billing=NOT_BILLED) from None
        except (httpx.HTTPError, httpx.StreamError, *UNTRANSLATED, Late) as error:
            raise Uncertain(_reason(error)) from None
        if len(self._key) >= KEY_QUOTED:
            body = _without(self._key, body)
        return response.read(reply.status_code, body, retry_after(reply.headers.get("Retry-After"), time.time()))


def _without(key: str, body: bytes) -> bytes:
    """Take the key out of JSON, whichever of its characters are escaped there: some services escape every slash."""
    body = body.replace(key.encode(), QUOTED_KEY)
    if b"\\" not in body:  # as nearly always; a pattern of its own for each key costs more than all else here
        return body

    def ways(letter: str) -> str:
        before = "" if letter.isalnum() else r"\\?"
        return rf"(?:{before}{re.escape(letter)}|\\u(?i:{ord(letter):04x}))"

    return re.sub("".join(map(ways, key)).encode(), QUOTED_KEY, body)


def longest_way(size: int) -> float:
    """Give for how many seconds `size` bytes may be under way, on the slowest line that is waited for."""
    return size / SLOWEST_UPLOAD


def retry_after(text: str | None, now: float) -> float | None:
    """Read a Retry-After header, seconds or date; None when it is no sensible wait, at most 120 s.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    if text is None:
        return None
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        return min(float(text), RETRY_AFTER_MOST)
    try:
        moment = email.utils.parsedate_to_datetime(text)
        if moment.tzinfo is None:
            return None
        wait = moment.timestamp() - now
    except (TypeError, ValueError, IndexError, OverflowError, OSError):
        return None
    return min(wait, RETRY_AFTER_MOST) if 0 <= wait < 86_400 else None  # noqa: PLR2004  a day: a clock is wrong


def hide_from_logs(thread_name: str) -> None:
    """Keep the HTTP libraries' lines from one thread out of every log: they print URLs and headers."""

    def keep(record: logging.LogRecord) -> bool:
        return record.threadName != thread_name

    for name in SECRET_LOGGERS:
        logging.getLogger(name).addFilter(keep)


def _media_uuid(rows: Sequence[response.Row]) -> str:
    """Find the name of what was uploaded; empty as long as it has none."""
    return next((row.media_uuid for row in rows if re.fullmatch(r"[0-9a-fA-F-]{36}", row.media_uuid)), "")


def _as_base64(disk: Disk, path: Path) -> str:
    with disk.open(path) as file:
        return base64.b64encode(file.read()).decode("ascii")


async def _pieces(
    disk: Disk,
    path: Path,
    sha256: str,
    last_look: Callable[[], Coroutine[Any, Any, None]] | None,
    seconds_left: Callable[[], float] | None,
) -> AsyncIterator[bytes]:
    """Read a file; the last bytes wait until the whole is known to be right and the last look is over.

    Raises Late where no time is left then: the machine may have slept, and no timer of the loop's knows of that.
    """
    file, digest, held = disk.open(path), hashlib.sha256(), b""
    try:
        while piece := file.read(CHUNK_BYTES):
            digest.update(piece)
            held += piece
            if len(held) > HELD_BYTES:
                yield held[:-HELD_BYTES]
                held = held[-HELD_BYTES:]
        if sha256 and digest.hexdigest() != sha256:
            raise OSError(errno.EIO, "the prepared request is damaged")
        if last_look is not None:
            await last_look()
        if seconds_left is not None and seconds_left() <= 0:
            raise Late
        yield held
    finally:
        file.close()


async def _conversation(client: httpx.AsyncClient, request: httpx.Request) -> tuple[httpx.Response, bytes]:
    reply = await client.send(request, stream=True)
    try:
        return reply, await _whole(reply)
    finally:
        await reply.aclose()


async def _whole(reply: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in reply.aiter_raw():
        body += piece
        if len(body) > ANSWER_BYTES_MOST:
            raise httpx.RemoteProtocolError("the answer is larger than 8 MiB")
    length = reply.headers.get("Content-Length", "")
    if length.isdigit() and len(body) != int(length):
        raise httpx.RemoteProtocolError("the answer was cut")
    return bytes(body)


def _reason(error: Exception) -> str:
    """Say what failed in the connection, in words that hold neither key nor URL."""
    words: dict[type[Exception], str] = {
        httpx.ConnectTimeout: "no connection to the service within 10 s",
        httpx.ConnectError: "no connection to the service (network, proxy, firewall or certificate)",
        httpx.ReadTimeout: "the service did not answer in time",
        Late: "the service did not answer in time",
        httpx.WriteTimeout: "the network stopped taking our data",
        httpx.ReadError: "the connection broke while waiting for the answer",
        httpx.WriteError: "the connection broke while sending",
        httpx.ProxyError: "the proxy refused the connection",
        httpx.RemoteProtocolError: "the connection closed without a whole answer",
        ssl.SSLError: "what came over the connection was damaged, or it was refused",
    }
    return words.get(type(error), f"the connection failed ({type(error).__name__})")
