"""A result's address becomes a whole file: right length, right container, hashed, under its name only when complete."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import io
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit

import httpx

from .client import UNTRANSLATED
from .container import container_fault, container_of
from .errors import DownloadError, StorageError
from .settings import is_loopback

if TYPE_CHECKING:
    from pathlib import Path

    from .client import Client
    from .files import Disk

RESULT_DOMAIN = "runware.ai"
HTTPS_PORT = 443
FILE_BYTES_MOST = 512 * 2**20
FREE_BYTES_LEFT = 64 * 2**20
TRIES = 5
PROGRESS = 256 * 2**10
"""Bytes. A try that brings so many, and can be carried on, does not count against the tries."""
RESUME_STATUS = 206
SLOW_SECONDS = 60.0
SLOW_BYTES_PER_SECOND = 16 * 2**10
NOT_READY = frozenset({408, 422, 425, 429, 500, 502, 503, 504})
"""Right after success the file may not be there yet (seen: 422 and 502)."""
REFUSED = frozenset({401, 403})
GONE = frozenset({404, 410}) | REFUSED


class NotReady(Exception):
    """The file is not there yet, or the connection broke: another try may have it."""


class Gone(Exception):
    """The address no longer gives the file: a fresh one may. A refusal can also be a firewall's, before the service."""

    def __init__(self, words: str, *, refused: bool = False) -> None:
        super().__init__(words)
        self.refused = refused


@dataclass(frozen=True)
class Saved:
    """A whole file: its name, size in bytes, SHA-256 in hex."""

    name: str
    size: int
    sha256: str


def check_address(url: str, loopback_host: str = "") -> None:
    """Refuse an address that is not the service's: https, `*.runware.ai`, port 443, no user name.

    `loopback_host` is the host of a `RUNWARE_BASE_URL` on this machine, whose own results are allowed too.
    Raises DownloadError, which names the host only.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        port = parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    plain = re.fullmatch(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*(:\d*)?", parts.netloc.lower())  # no brackets, no gaps
    ours = (host == RESULT_DOMAIN or host.endswith("." + RESULT_DOMAIN)) and plain
    clean = not parts.username and not parts.password and not re.search(r"[\s\\\x00-\x1f\x7f\ud800-\udfff]", url)
    if clean and ours and parts.scheme == "https" and port in {None, HTTPS_PORT}:
        return
    if clean and loopback_host and is_loopback(host) and parts.scheme in {"http", "https"}:
        return
    if ours and not clean:
        raise DownloadError("The film's address contains characters that no address may contain; it was not opened.")
    raise DownloadError(
        f"The film's address leads to {re.sub(r'[^a-zA-Z0-9.:-]', '', host)[:80] or 'no host'}, which is not the "
        "service's; it was not opened.",
        next_step="The purchase stays recorded. If the service has moved its files, update the pack and run again.",
    )


async def save(client: Client, url: str, target: Path, *, disk: Disk, container: str = "mp4") -> Saved:
    """Bring one result to `target`, whole or not at all. `container` is what was ordered: mp4, mov or webm.

    A whole film in another container is paid as well: it is kept, and its name ends as its bytes say.
    Raises Gone (a fresh address may help), NotReady (later may help), DownloadError (nothing will) or StorageError.
    """
    if url.startswith("data:"):
        return await _save_inline(url, target, disk=disk, container=container)
    check_address(url, client.result_host)
    part = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    attempt = _Attempt(client, url, part, disk)
    try:
        await attempt.fill()
        saved = await _finish(attempt, target, container)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise _unwritable(error) from None
    finally:
        attempt.drop()
    return saved


class _Attempt:
    """One file on its way: how far it is, and whether it can be carried on where it stopped."""

    def __init__(self, client: Client, url: str, part: Path, disk: Disk) -> None:
        self.client = client
        self.url = url
        self.part = part
        self.disk = disk
        self.file: BinaryIO | None = None
        self._made = False
        self.digest = hashlib.sha256()
        self.size = 0
        self.total: int | None = None
        self.etag = ""

    async def fill(self) -> None:
        """Fetch until the declared length is here; carry on a cut transfer only under a strong ETag."""
        left = TRIES
        while True:
            before = self.size
            try:
                await self._exchange()
            except (NotReady, httpx.HTTPError, httpx.StreamError, *UNTRANSLATED) as error:
                left -= not (self.etag and self.size - before >= PROGRESS)
                if not left:
                    raise NotReady(str(error) if isinstance(error, NotReady) else type(error).__name__) from None
                if not self.etag:
                    self._restart()
                await asyncio.sleep(1.0)
            else:
                return

    async def _exchange(self) -> None:
        resume = {"Range": f"bytes={self.size}-", "If-Range": self.etag} if self.size and self.etag else {}
        reply = await self.client.stream(self.url, resume)
        try:
            self._judge(reply, resuming=bool(resume))
            await self._pour(reply)
        finally:
            await reply.aclose()

    def _judge(self, reply: httpx.Response, *, resuming: bool) -> None:
        status = reply.status_code
        if status in GONE:
            raise Gone(f"HTTP {status}", refused=status in REFUSED)
        if status in NOT_READY:
            raise NotReady(f"HTTP {status}")
        if 300 <= status < 400:  # noqa: PLR2004
            raise DownloadError("The film's address answers with a redirect, which is not followed.")
        encoding = reply.headers.get("Content-Encoding", "identity").lower()
        if encoding not in {"", "identity"}:
            raise NotReady("the file came compressed")
        kind = reply.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if kind in {"text/html", "application/json"}:
            raise NotReady("a page came in place of the film")
        if resuming and status == RESUME_STATUS:
            start, total = _content_range(reply.headers.get("Content-Range", ""))
            if start == self.size and total == self.total and reply.headers.get("ETag", self.etag) == self.etag:
                return
            self.etag = ""
            raise NotReady("the rest did not fit what is here")
        self.etag = ""
        if status != 200:  # noqa: PLR2004
            raise NotReady(f"HTTP {status}")
        self._restart()
        self.total = _length(reply.headers.get_list("Content-Length"))
        tag = reply.headers.get("ETag", "")
        self.etag = tag if re.fullmatch(r'"[!#-~]+"', tag) and self.total is not None else ""
        if self.total is not None and self.total > FILE_BYTES_MOST:
            raise DownloadError(
                f"The film is {self.total} bytes by its header, more than {FILE_BYTES_MOST}; not fetched."
            )
        self._check_room(self.total or 0)
        self.file = self.disk.create(self.part)
        self._made = True

    async def _pour(self, reply: httpx.Response) -> None:
        file = self.file
        if file is None:
            raise AssertionError("_judge opens the file")
        loop = asyncio.get_running_loop()
        began, poured = loop.time(), 0
        async for piece in reply.aiter_raw():
            if self.size + len(piece) > (FILE_BYTES_MOST if self.total is None else self.total):
                self.etag = ""
                raise NotReady("more bytes came than were announced")
            self.disk.append(file, piece)
            self.digest.update(piece)
            self.size += len(piece)
            poured += len(piece)
            spent = loop.time() - began
            if spent > SLOW_SECONDS and poured < spent * SLOW_BYTES_PER_SECOND:
                raise NotReady("the file came too slowly")
        if self.total is not None and self.size != self.total:
            raise NotReady(f"{self.size} of {self.total} bytes came")

    def _check_room(self, size: int) -> None:
        free = self.disk.free(self.part.parent)
        if free is not None and free < size + FREE_BYTES_LEFT:
            raise StorageError(
                f"There are {free // 2**20} MiB free where the film goes; "
                f"{(size + FREE_BYTES_LEFT) // 2**20} MiB are needed.",
                next_step="Free space, then run again.",
            )

    def _restart(self) -> None:
        self.drop()
        self.digest = hashlib.sha256()
        self.size = 0
        self.total = None
        self.etag = ""

    def close(self) -> None:
        """Close the file, if it is open."""
        if self.file is not None:
            with contextlib.suppress(OSError):
                self.disk.close(self.file)
        self.file = None

    def drop(self) -> None:
        """Leave nothing behind; once the part has its final name there is nothing to leave."""
        self.close()
        if self._made:
            self._made = False
            with contextlib.suppress(OSError):
                self.disk.remove(self.part)


async def _finish(attempt: _Attempt, target: Path, container: str) -> Saved:
    disk = attempt.disk
    if attempt.file is None:
        raise NotReady("no bytes came")
    shown = container_of(attempt.file, container)
    wrong = container_fault(attempt.file, attempt.size, shown, announced=attempt.total is not None)
    if wrong:
        raise NotReady(wrong)
    target = _ending(target, container, shown)
    await disk.offload(disk.sync, attempt.file)
    attempt.close()
    disk.replace(attempt.part, target)
    disk.sync_folder(target.parent)
    return Saved(target.name, attempt.size, attempt.digest.hexdigest())


def _ending(target: Path, container: str, shown: str) -> Path:
    return target if shown == container else target.with_suffix("." + shown)


async def _save_inline(url: str, target: Path, *, disk: Disk, container: str) -> Saved:
    from .files import write_whole

    try:
        data = base64.b64decode(url.partition(",")[2], validate=True)
    except (binascii.Error, ValueError):
        data = b""
    shown = container_of(io.BytesIO(data), container)
    wrong = container_fault(io.BytesIO(data), len(data), shown, announced=False)
    if wrong:
        raise DownloadError(f"The film came inside the answer, and {wrong}.")
    target = _ending(target, container, shown)
    try:
        await disk.offload(write_whole, disk, target, [data])
    except OSError as error:
        raise _unwritable(error) from None
    return Saved(target.name, len(data), hashlib.sha256(data).hexdigest())


def _unwritable(error: OSError) -> StorageError:
    return StorageError(
        f"The film cannot be written ({error.strerror or type(error).__name__}).",
        next_step="Free space or fix the folder's permissions, then run again.",
    )


def _length(values: list[str]) -> int | None:
    lengths = {value.strip() for text in values for value in text.split(",")}
    if not lengths:
        return None
    text = lengths.pop()
    if lengths or not re.fullmatch(r"[0-9]{1,15}", text, re.ASCII):
        raise NotReady("the file's length is announced in two ways")
    return int(text)


def _content_range(text: str) -> tuple[int, int] | tuple[None, None]:
    match: Any = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", text.strip(), re.ASCII)
    if not match or int(match[2]) != int(match[3]) - 1:
        return None, None
    return int(match[1]), int(match[3])
