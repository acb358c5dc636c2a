"""Results brought to where a request asked for: the file by PUT to `uploadEndpoint`, the row by POST to `webhookURL`.

Only of a served simulator, only if asked for, and only to loopback addresses. What the real service does when a PUT
fails, or with one address and several results, is not documented: here each result is PUT once, in turn.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .films import TYPES
from .values import is_loopback

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from .films import Films
    from .jobs import Job
    from .service import Service

ROUND = 0.05
"""Seconds between two looks for finished jobs."""

PATIENCE = 5.0
"""Seconds that the receiver of a webhook has for its answer, as documented."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0
"""Seconds between the attempts of a webhook, doubling, with jitter, as documented."""

ATTEMPTS = 8
"""Of one webhook; how many the real service makes is not documented."""

logger = logging.getLogger("kling.simulator")


@dataclass(frozen=True)
class Delivery:
    """One attempt: `status` is None without an answer."""

    kind: str
    """upload or webhook."""
    task_uuid: str
    video_uuid: str
    status: int | None


class Deliveries:
    """What was, and is to be, brought somewhere."""

    def __init__(self, service: Service, films: Films, now: Callable[[], float]) -> None:
        self.service, self.films, self.now = service, films, now
        self.log: list[Delivery] = []
        self._taken: set[int] = set()
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Deliver what finishes, until cancelled."""
        import httpx

        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False, follow_redirects=False) as client:
            while True:
                for job in self._finished():
                    task = asyncio.create_task(self._deliver(client, job))
                    self._under_way.add(task)
                    task.add_done_callback(self._under_way.discard)
                await asyncio.sleep(ROUND)

    def _finished(self) -> list[Job]:
        now = self.now()
        found = [job for jobs in self.service.jobs.values() for job in jobs if job.ends <= now]
        new = [job for job in found if job.number not in self._taken]
        self._taken.update(job.number for job in new)
        return new

    async def _deliver(self, client: httpx.AsyncClient, job: Job) -> None:
        _, rows, failures = job.state(self.now())
        for row in rows:
            await self._upload(client, job, row)
            await self._tell(client, job, row)
        for row in failures:
            await self._tell(client, job, row)

    async def _upload(self, client: httpx.AsyncClient, job: Job, row: dict[str, Any]) -> None:
        address = _allowed(job.task.get("uploadEndpoint"))
        path = urlsplit(row.get("videoURL", "")).path
        if address and path:
            film = await self.films.film(path, self.now())
            kind = {"content-type": TYPES[path.rpartition(".")[2]]}
            await self._attempt("upload", row, client.put(address, content=film, headers=kind))

    async def _tell(self, client: httpx.AsyncClient, job: Job, row: dict[str, Any]) -> None:
        """POST a row until somebody says 2xx."""
        address = _allowed(job.task.get("webhookURL"))
        pause = FIRST_PAUSE
        for _ in range(ATTEMPTS if address else 0):
            status = await self._attempt("webhook", row, client.post(address, json=row))
            if status is not None and 200 <= status < 300:  # noqa: PLR2004  what HTTP calls success
                return
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  no secret
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _attempt(self, kind: str, row: dict[str, Any], exchange: Awaitable[httpx.Response]) -> int | None:
        import httpx

        try:
            status: int | None = (await exchange).status_code
        except httpx.HTTPError as error:
            logger.info("%s of %s: %s", kind, row["taskUUID"], type(error).__name__)
            status = None
        self.log.append(Delivery(kind, row["taskUUID"], row.get("videoUUID", ""), status))
        return status


def _allowed(address: str | None) -> str:
    """Give the address if it is on this machine; else nothing is sent anywhere."""
    return address if address and is_loopback(address) else ""
