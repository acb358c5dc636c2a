"""The whole simulator: service, results, faults and recording behind one transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from . import tiny_film
from .exchange import Exchange, Reply, Request, converse, json_reply, read_tasks
from .faults import Fault, Faults
from .films import Films
from .jobs import Charge
from .media import MediaStore
from .refusal import Refusal
from .service import Dedupe, Service

if TYPE_CHECKING:
    from .serve import Served
    from .transport import Transport

API_HOST = "api.runware.ai"
RESULT_HOST = "vm.runware.ai"
API_PATH = "/v1"


class Simulator:
    """The service as one object: as strict as the real one, as faulty as asked for, and it keeps the books.

    `key` None takes any key. `render` makes the file of one result from the task and its place among the
    results, when it is first downloaded; in a worker thread if `threads`. `latency` is seconds from acceptance
    to success. `dedupe` is how long a task UUID is refused a second time. `retention` is seconds for which a
    finished task can be read. `trusting` takes media UUIDs never uploaded here. `round_trip` is seconds that
    every exchange takes. `signature` is a query that results' addresses carry. `keep` bounds the recorded
    exchanges and forgets the pictures of finished tasks, for a process that runs for days.
    """

    def __init__(  # noqa: PLR0913  each is one property of the service
        self,
        *,
        seed: int = 0,
        key: str | None = "test-key",
        render: Callable[[dict[str, Any], int], bytes] | None = None,
        latency: Callable[[dict[str, Any]], float] | float = 60.0,
        dedupe: Dedupe = "forever",
        retention: float | None = None,
        faults: Faults | None = None,
        balance: float = 100.0,
        bill_at: Literal["success", "acceptance"] = "success",
        trusting: bool = True,
        threads: bool = False,
        round_trip: float = 0.0,
        signature: str = "",
        keep: int | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        self.key = key
        self.requests: list[Exchange] = []
        self.service = Service(
            seed=seed,
            latency=latency,
            dedupe=dedupe,
            retention=retention,
            faults=faults or Faults(),
            balance=balance,
            bill_at=bill_at,
            media=MediaStore(trusting=trusting),
            host=f"https://{RESULT_HOST}",
            signature=signature,
        )
        self.films = Films(self.service, render or tiny_film.render, threads=threads, forgetful=keep is not None)
        self.clock = now
        self._seen = 0.0
        self._keep = keep
        self._round_trip = round_trip
        self._outages: dict[str, tuple[float, Fault]] = {}

    @property
    def transport(self) -> Transport:
        """A transport for `httpx.AsyncClient`; it answers for the API's host and for the results' host."""
        from .transport import Transport

        return Transport(self.answer, self.now)

    @property
    def faults(self) -> Faults:
        """What will go wrong; may be replaced at any time."""
        return self.service.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self.service.faults = faults

    def now(self) -> float:
        """Give the time in seconds: the running loop's, or the last one seen when no loop runs."""
        if self.clock:
            self._seen = self.clock()
        else:
            try:
                self._seen = asyncio.get_running_loop().time()
            except RuntimeError:
                return self._seen
        return self._seen

    @property
    def ledger(self) -> list[Charge]:
        """Every result billed until now."""
        self.service.settle(self.now())
        return list(self.service.ledger)

    @property
    def balance(self) -> float:
        """USD left."""
        self.service.settle(self.now())
        return self.service.balance

    def billed(self, task_uuid: str) -> int:
        """Count the jobs of a task UUID that were billed until now; more than one is a double purchase."""
        self.service.settle(self.now())
        jobs = self.service.jobs.get(task_uuid.lower(), ())
        at_acceptance = self.service.bill_at == "acceptance"
        return sum(job.charged and (at_acceptance or job.successes > 0) for job in jobs)

    def run_out(self) -> None:
        """Let everything accepted or under way come to its end, so that the books are final."""
        self.service.settle(float("inf"))

    async def answer(self, request: Request) -> Reply:
        """Answer one HTTP request, and record it."""
        if self._round_trip:
            await asyncio.sleep(self._round_trip)
        now = self.now()
        self.service.settle(now)
        if request.path == API_PATH and request.host in (API_HOST, self._own_host()):
            return self._api(request, now)
        channel = "download" if request.host in (RESULT_HOST, self._own_host()) else "elsewhere"
        exchange = self._record(request, channel, [], now)
        if channel == "elsewhere" or request.method not in ("GET", "HEAD"):
            return Reply(405) if channel == "download" else Reply(failure="refused")
        reply = await self.films.download(request, self._fault(exchange, now), now)
        exchange.status = None if reply.failure else reply.status
        return reply

    def _api(self, request: Request, now: float) -> Reply:
        try:
            tasks = read_tasks(request, self.key)
        except Refusal as refusal:
            exchange = self._record(request, "refused", [], now)
            reply = json_reply(refusal.status, {"errors": [refusal.row({})]})
            exchange.status, exchange.body = reply.status, reply.body
            return reply
        channel = str(tasks[0].get("taskType")) if tasks else "authentication"
        exchange = self._record(request, channel, tasks, now)
        reply = converse(self.service, request, tasks, self._fault(exchange, now), now)
        exchange.status, exchange.body = (None, b"") if reply.failure else (reply.status, reply.body)
        self.service.settle(now)
        return reply

    def _own_host(self) -> str:
        return self.service.host.partition("://")[2]

    def _fault(self, exchange: Exchange, now: float) -> Fault | None:
        until, standing = self._outages.get(exchange.channel, (now, None))
        fault = standing if now < until else self.service.faults.draw(exchange.channel)
        if fault and fault.kind == "outage" and fault is not standing:
            self._outages[exchange.channel] = (now + fault.seconds, fault)
        exchange.fault = fault.kind if fault else None
        return fault

    def _record(self, request: Request, channel: str, tasks: list[dict[str, Any]], now: float) -> Exchange:
        headers = request.headers.copy()
        authorized = headers.pop("authorization", None) is not None
        exchange = Exchange(now, channel, f"{request.host}{request.path}", tasks, headers, authorized)
        self.requests.append(exchange)
        if self._keep is not None:
            del self.requests[: -self._keep]
        return exchange

    def serve(self, host: str = "127.0.0.1", port: int = 0, *, deliver: bool = False) -> Served:
        """Serve it on a loopback socket from a thread; result addresses then point there. A context manager.

        `deliver`: PUT results to `uploadEndpoint` and POST them to `webhookURL`, where these are on this machine.
        """
        from .serve import Served

        return Served(self, host, port, deliver=deliver)
