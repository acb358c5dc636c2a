"""The simulator on a loopback socket, for tests in which processes and real sockets matter.

A failure becomes what a socket can show: a reset, or silence until the client gives up. A refused connection
cannot be shown by a listening socket; it becomes a reset before a byte is read.

`GET /_simulator/state` tells ledger, balance, requests and deliveries; `POST /_simulator/set` takes
`{"faults": [[channel, fault], ...], "seed": n, "latency": seconds, "dedupe": "none"}`, each part optional.
"""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import json
import socket
import struct
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from .delivery import Deliveries
from .exchange import Exchange, Reply, Request, json_reply
from .faults import Faults

if TYPE_CHECKING:
    from types import TracebackType

    from .simulator import Simulator

ADMIN = "/_simulator/"
SHOWN = 200


class Served:
    """A simulator that listens. `base_url` is what `RUNWARE_BASE_URL` wants; leave the context to stop it."""

    def __init__(self, simulator: Simulator, host: str, port: int, *, deliver: bool) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"The simulator listens on loopback addresses only, not on {host}.")
        self.simulator = simulator
        self.simulator.clock = time.monotonic
        self._loop = asyncio.new_event_loop()
        self._socket = socket.create_server((host, port))
        self.origin = "http://{}:{}".format(*self._socket.getsockname()[:2])
        self.base_url = f"{self.origin}/v1"
        simulator.service.host = self.origin
        self.deliveries = Deliveries(simulator.service, simulator.films, simulator.now)
        self._deliver = deliver
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self._thread.start()

    def __enter__(self) -> Served:  # noqa: PYI034  typing.Self came with Python 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the socket and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._converse, sock=self._socket))
        delivering = self._loop.create_task(self.deliveries.run()) if self._deliver else None
        try:
            self._loop.run_forever()
        finally:
            server.close()
            del delivering
            open_tasks = asyncio.all_tasks(self._loop)
            for task in open_tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*open_tasks, return_exceptions=True))
            # Closed connections tell their transports in the loop's next round.
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read(reader)
            if request.path.startswith(ADMIN):
                reply = self._admin(request)
            else:
                reply = await self.simulator.answer(request)
            try:
                await _send(reader, writer, reply, head=request.method == "HEAD")
            finally:
                if reply.given_up:
                    reply.given_up(self.simulator.now())
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        finally:
            writer.close()

    def _admin(self, request: Request) -> Reply:
        simulator = self.simulator
        if request.method == "GET":
            state = {
                "ledger": [dataclasses.asdict(charge) for charge in simulator.ledger],
                "balance": simulator.balance,
                "billed": {task_uuid: simulator.billed(task_uuid) for task_uuid in simulator.service.jobs},
                "deliveries": [dataclasses.asdict(each) for each in self.deliveries.log],
                "requests": [_shown(exchange) for exchange in simulator.requests],
            }
            return json_reply(200, state)
        wanted: dict[str, Any] = json.loads(request.body)
        if "seed" in wanted:
            simulator.faults = Faults.seeded(wanted["seed"])
        if "faults" in wanted:
            simulator.faults.then((channel, fault) for channel, fault in wanted["faults"])
        if "latency" in wanted:
            simulator.service.latency = float(wanted["latency"])
        if "dedupe" in wanted:
            simulator.service.dedupe = wanted["dedupe"]
        return json_reply(200, {})


def _shown(exchange: Exchange) -> dict[str, Any]:
    shown = dataclasses.asdict(exchange)
    del shown["body"]
    shown["answer"] = exchange.answer
    return dict(json.loads(json.dumps(shown), object_hook=_without_media))


def _without_media(row: dict[str, Any]) -> dict[str, Any]:
    """Shorten the strings that hold whole files."""
    return {name: _short(value) for name, value in row.items()}


def _short(value: object) -> object:
    if isinstance(value, list):
        return [_short(each) for each in value]
    long = isinstance(value, str) and len(value) > SHOWN and value.startswith("data:")
    return f"{str(value)[:40]}..." if long else value


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    fields = (line.partition(":") for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, headers.get("host", ""), target.partition("?")[0], headers, body)


def _phrase(status: int) -> str:
    """Name a status; those of proxies, 520 and the like, have no name."""
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else ""


async def _send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: Reply, *, head: bool) -> None:
    await asyncio.sleep(reply.delay)
    if reply.failure in ("no_answer", "connect_timeout"):
        await reader.read()
        return
    if reply.failure:
        _reset(writer)
        return
    lines = [f"HTTP/1.1 {reply.status} {_phrase(reply.status)}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    if reply.headers and reply.headers[0][0] == "content-type" and "json" in reply.headers[0][1]:
        lines.append(f"content-length: {len(reply.body)}")
    writer.write("\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1"))
    body = b"" if head else reply.body if reply.cut is None else reply.body[: reply.cut]
    for start in range(0, len(body), reply.piece):
        await asyncio.sleep(reply.pause)
        writer.write(body[start : start + reply.piece])
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection with a reset instead of an orderly end."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
