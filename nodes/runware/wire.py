"""The one event loop of the wire, in a daemon thread: purchases live here, and outlive the prompts that asked for them.

A synchronous node freezes its prompt's loop for minutes, every prompt has a fresh loop, and a prompt can die while its
purchase is running; none of it reaches this thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .afterwards import collect_later, is_open
from .attempts import FAR
from .client import Client, hide_from_logs
from .errors import NOTHING_SENT, KlingError
from .files import Disk
from .identity import key_fingerprint
from .journal import Journal, lock_place
from .kept import are_here
from .order import Timing
from .record import TAKEN, UNCLEAR, Record, State
from .task import Purchase
from .ticket import Running, Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from decimal import Decimal
    from pathlib import Path

    from .order import Order
    from .settings import Settings
    from .simulator import Simulator
    from .ticket import Left

THREAD_NAME = "kling-wire"
REHEARSAL_KEY = "rehearsal"
REHEARSAL_LATENCY = 0.5
"""Seconds from acceptance to the animatic, beside the time it takes to draw."""
REHEARSAL_TIMING = Timing(expected=(0.6, 1.0, 2.0, 4.0))
EXCHANGES_KEPT = 200


@dataclass(frozen=True)
class Account:
    """Where a purchase is made and recorded. A rehearsal has a folder and a service of its own, and no key."""

    state_folder: Path
    key: str = field(repr=False)
    settings: Settings
    rehearsal: bool = False

    @property
    def folder(self) -> Path:
        """Where its records lie."""
        return self.state_folder / "rehearsal" if self.rehearsal else self.state_folder


class Wire:
    """Runs purchases side by side on one loop in one daemon thread; started by the first of them."""

    def __init__(self, *, disk: Disk | None = None, clock: Callable[[], float] = time.time) -> None:
        self._disk = disk or Disk()
        self._clock = clock
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: dict[tuple[str, str], Running] = {}
        self._clients: dict[tuple[str, str, bool], Client] = {}
        self._places: dict[tuple[bool, int], asyncio.Semaphore] = {}
        self._later: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._tidied: set[Path] = set()

    def journal(self, account: Account) -> Journal:
        """The journal of an account's folder; reading it needs no loop."""
        return Journal(account.folder, disk=self._disk, clock=self._clock)

    def was_sent(self, account: Account, order: Order) -> bool:
        """Whether the service has, or may have, taken an order before: it is collected or settled, not a new purchase.

        Reads the journal.
        """
        journal = self.journal(account)
        newest = journal.newest_attempt(order.intent)
        names = [*(newest.earlier if newest else ()), *(order.uuid(attempt) for attempt in range(FAR + 1))]
        known = [newest, *map(journal.get, names)]
        return any(each is not None and each.state in TAKEN | UNCLEAR for each in known)

    def spent_today(self, account: Account) -> Decimal | None:
        """Sum what was, or may have been, spent this day, as the day's budget counts it. Reads the journal."""
        return self.journal(account).spent_today()

    def prepare(self, account: Account) -> None:
        """Get ready what takes long the first time: certificates, or the service of rehearsals.

        To be called beside any event loop. Raises KlingError when the connection cannot be set up.
        """
        self._client(account)

    def buy(self, account: Account, order: Order) -> Ticket:
        """Buy, or resume, or find again; who asks for the same purchase shares it.

        Answers at once, on any thread. Spends the order's price, once; what fails is raised by the ticket's `result`.
        """
        return self._join(account, order.intent, order, lambda purchase: purchase.run())

    def collect(self, account: Account, task_uuid: str) -> Ticket:
        """Bring an earlier purchase's films here, for free; as `buy`, but it never buys."""
        return self._join(account, task_uuid, None, lambda purchase: purchase.collect(task_uuid))

    def leave(self, running: Running) -> Future[Left]:
        """One waiter less; gives, when the loop has decided it, what becomes of the purchase."""
        decided: Future[Left] = Future()
        with self._guard:
            running.count(-1)
            loop = self._started()
        loop.call_soon_threadsafe(self._give_up_unsent, running, decided)
        return decided

    def _give_up_unsent(self, running: Running, decided: Future[Left]) -> None:
        """End what nobody waits for if nothing was sent; on the loop, where sending is one step with its record."""
        with self._guard:
            left: Left = "sent" if running.sent else "shared" if running.waiting else "given up"
            running.given_up = left == "given up"
        if running.given_up and running.task is not None:
            running.task.cancel()
        decided.set_result(left)

    def _join(
        self,
        account: Account,
        name: str,
        order: Order | None,
        work: Callable[[Purchase], Coroutine[None, None, Record]],
    ) -> Ticket:
        with self._guard:
            loop = self._started()
            key = (str(account.folder), name)
            running = self._running.get(key) or self._by_uuid(*key)
            if running is None or running.given_up or running.future.done():
                running = self._running[key] = self._start(loop, account, order, work, key)
            running.count(+1)
            return Ticket(self.leave, running)

    def _by_uuid(self, folder: str, task_uuid: str) -> Running | None:
        """Find a purchase that somebody else has sent just now, for who wants to collect it.

        One that is not sent yet must end with its last buyer, so nobody who only collects may hold on to it.
        """
        found = (
            running
            for (where, _), running in self._running.items()
            if where == folder and running.sent and running.status.task_uuid == task_uuid
        )
        return next(found, None)

    def _start(
        self,
        loop: asyncio.AbstractEventLoop,
        account: Account,
        order: Order | None,
        work: Callable[[Purchase], Coroutine[None, None, Record]],
        key: tuple[str, str],
    ) -> Running:
        journal = self.journal(account)
        purchase = self._purchase(account, order)
        running = Running(purchase, rehearsal=account.rehearsal)

        async def live() -> None:
            known = None
            try:
                self._tidy(journal, rehearsal=account.rehearsal)
                known = journal.of_intent(key[1]) if order else key[1]
                self._stop_later(account, known)
                if account.rehearsal:
                    _forget_lost(journal, known)
                record = await work(purchase)
            except asyncio.CancelledError:  # given up, but perhaps while what an error had ended was waited for
                running.future.cancel()
                self._go_on(account, known, purchase.status.task_uuid)
            except BaseException as error:  # noqa: BLE001  handed to whoever waits
                running.future.set_exception(error)
                self._go_on(account, known, purchase.status.task_uuid)
            else:
                running.future.set_result(record)
                stopped = known if known != record.task_uuid else None  # one in doubt, beside the film that is given
                self._go_on(account, stopped, record.task_uuid if is_open(record) else None)
            finally:
                with self._guard:
                    if self._running.get(key) is running:
                        del self._running[key]

        def begin() -> None:
            running.task = loop.create_task(live())

        loop.call_soon_threadsafe(begin)
        return running

    def _purchase(self, account: Account, order: Order | None) -> Purchase:
        return Purchase(
            order,
            client=self._client(account),
            journal=self.journal(account),
            settings=account.settings,
            places=self._place(account),
            timing=REHEARSAL_TIMING if account.rehearsal else None,
        )

    def _go_on(self, account: Account, *task_uuids: str | None) -> None:
        """Collect later what an error or Cancel has ended, or what is still missing. On the loop.

        Also what had been collected before a run that ended before it came to it: its disk was away, or it was left at
        once. Each purchase once; what is not open ends by itself.
        """
        for task_uuid in {each for each in task_uuids if each and not account.rehearsal}:
            self._stop_later(account, task_uuid)
            self._begin_later(account, task_uuid)

    def _begin_later(self, account: Account, task_uuid: str) -> None:
        name = (str(account.folder), task_uuid)
        task = asyncio.ensure_future(
            collect_later(lambda: self._purchase(self._owner(account, task_uuid), None), task_uuid)
        )
        self._later[name] = task
        task.add_done_callback(lambda done: self._later.get(name) is done and self._later.pop(name))

    def _owner(self, account: Account, task_uuid: str) -> Account:
        """Give the account whose key made a purchase, where this process has had it; the present one may not see it."""
        record = self.journal(account).get(task_uuid)
        for key, base_url, rehearsal in list(self._clients):
            is_alike = (base_url, rehearsal) == (account.settings.base_url, account.rehearsal)
            if record and is_alike and key_fingerprint(key, task_uuid.encode()) == record.key_fingerprint:
                return replace(account, key=key)
        return account

    def _stop_later(self, account: Account, task_uuid: str | None) -> None:
        """End what goes on with a purchase that somebody waits for again, maybe with another key."""
        task = self._later.pop((str(account.folder), str(task_uuid)), None)
        if task is not None:
            task.cancel()

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            hide_from_logs(THREAD_NAME)
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._loop.run_forever, name=THREAD_NAME, daemon=True).start()
        return self._loop

    def _client(self, account: Account) -> Client:
        name = (account.key, account.settings.base_url, account.rehearsal)
        if name not in self._clients:
            self._clients.setdefault(name, _connection(account))  # made outside the lock: it takes long
        return self._clients[name]

    def _place(self, account: Account) -> asyncio.Semaphore:
        name = (account.rehearsal, account.settings.max_concurrency)
        if name not in self._places:
            self._places[name] = asyncio.Semaphore(account.settings.max_concurrency)
        return self._places[name]

    def _tidy(self, journal: Journal, *, rehearsal: bool) -> None:
        """Once in a process: clear away what killed processes left behind.

        An unfinished rehearsal is forgotten altogether: its service ended with its process, and it cost nothing.
        """
        if journal.folder in self._tidied:
            return
        self._tidied.add(journal.folder)
        journal.open()
        with contextlib.suppress(OSError):
            journal.tidy()
        for task_uuid in journal.uuids() if rehearsal else ():
            record = journal.get(task_uuid)
            if record is not None and record.state is not State.COMMITTED:
                _forget(journal, record)


def _forget_lost(journal: Journal, task_uuid: str | None) -> None:
    """Forget a rehearsal whose films were deleted or are lost: it is made anew, and costs nothing again."""
    record = journal.get(task_uuid) if task_uuid else None
    if record is not None and record.state in {State.COMMITTED, State.EXPIRED} and not are_here(journal, record):
        _forget(journal, record)


def _forget(journal: Journal, record: Record) -> None:
    if journal.lock(lock_place(record.task_uuid)):  # else another process is at it
        journal.erase(record)
        journal.unlock(lock_place(record.task_uuid))


def _connection(account: Account) -> Client:
    if account.rehearsal:
        return Client(REHEARSAL_KEY, transport=rehearsal_service().transport)
    try:
        return Client(account.key, base_url=account.settings.base_url)
    except Exception as error:  # noqa: BLE001  whatever the environment makes the HTTP library stumble over
        raise KlingError(
            f"The connection to Runware cannot be set up ({type(error).__name__}).",
            billing=NOTHING_SENT,
            next_step="Check HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE where ComfyUI is started.",
        ) from None


def rehearsal_service() -> Simulator:
    """Make the service that answers rehearsals: the simulator, with animatics for films."""
    from . import animatic
    from .simulator import Simulator

    return Simulator(
        key=None,
        render=animatic.render,
        latency=REHEARSAL_LATENCY,
        balance=1e9,
        threads=True,
        keep=EXCHANGES_KEPT,
        now=time.monotonic,
    )


WIRE = Wire()
"""The process's wire. Making it does nothing; its thread starts with the first purchase."""
