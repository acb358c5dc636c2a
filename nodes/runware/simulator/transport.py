"""The simulator as an httpx transport: replies become responses, failures become httpx's own exceptions."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from .exchange import Reply, Request

ENDLESS = 86_400.0
"""Seconds that stand for ever, where a client sets no timeout."""

Answering = Callable[[Request], Awaitable[Reply]]


class Transport(httpx.AsyncBaseTransport):
    """Hands every request to the simulator instead of the network."""

    def __init__(self, answer: Answering, now: Callable[[], float]) -> None:
        self._answer = answer
        self._now = now

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request, or raise what httpx raises when the network fails in that manner."""
        patience = request.extensions.get("timeout", {})
        read = patience.get("read")
        asked = Request(
            method=request.method,
            host=request.url.netloc.decode(),
            path=request.url.path,
            headers={str(name, "latin-1").lower(): str(value, "latin-1") for name, value in request.headers.raw},
            body=await request.aread(),
        )
        reply = await self._answer(asked)
        await _wait(reply.delay, read, request)
        if reply.failure:
            try:
                await _fail(reply, request, connect=patience.get("connect"), read=read)
            finally:  # the client may have lost its patience before
                if reply.given_up:
                    reply.given_up(self._now())
        lengths = {value for name, value in reply.headers if name == "content-length"}
        if len(lengths) > 1:
            raise httpx.RemoteProtocolError("conflicting Content-Length headers", request=request)
        if not all(re.fullmatch(r"[0-9]+", length) for length in lengths):
            raise httpx.RemoteProtocolError("bad Content-Length", request=request)
        body = _Body(reply, int(min(lengths)) if lengths else None, read, request)
        return httpx.Response(reply.status, headers=reply.headers, stream=body, request=request)


async def _wait(seconds: float, read: float | None, request: httpx.Request) -> None:
    if read is not None and seconds > read:
        await asyncio.sleep(read)
        raise httpx.ReadTimeout("The read operation timed out", request=request)
    # Also without a wait: a real exchange always lets other coroutines run.
    await asyncio.sleep(seconds)


async def _fail(reply: Reply, request: httpx.Request, *, connect: float | None, read: float | None) -> None:
    match reply.failure:
        case "refused":
            raise httpx.ConnectError("All connection attempts failed", request=request)
        case "connect_timeout":
            await asyncio.sleep(ENDLESS if connect is None else connect)
            raise httpx.ConnectTimeout("The connect operation timed out", request=request)
        case "reset":
            raise httpx.ReadError("Connection reset by peer", request=request)
        case _:
            await asyncio.sleep(ENDLESS if read is None else read)
            raise httpx.ReadTimeout("The read operation timed out", request=request)


class _Body(httpx.AsyncByteStream):
    """A body that comes in pieces and may end too soon, as HTTP/1.1 would show it."""

    def __init__(self, reply: Reply, length: int | None, read: float | None, request: httpx.Request) -> None:
        self._reply = reply
        self._length = length
        self._read = read
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        reply = self._reply
        sent = reply.body if reply.cut is None else reply.body[: reply.cut]
        if self._length is not None and self._request.method != "HEAD":
            sent = sent[: self._length]
        for start in range(0, len(sent), reply.piece):
            await _wait(reply.pause, self._read, self._request)
            yield sent[start : start + reply.piece]
        if self._length is not None and len(sent) < self._length and self._request.method != "HEAD":
            raise httpx.RemoteProtocolError(
                "peer closed connection without sending complete message body "
                f"(received {len(sent)} bytes, expected {self._length})",
                request=self._request,
            )
