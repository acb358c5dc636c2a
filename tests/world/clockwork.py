"""Time that costs nothing: an event loop that jumps to the next timer when nobody has anything to do."""

from __future__ import annotations

import asyncio
import heapq
from contextvars import Context, ContextVar
from dataclasses import dataclass, field

import httpx

EPOCH = 1_790_000_000.0
"""Seconds since 1970 at the beginning of every world."""


# The service sets no cookies, and looking for them would take a tenth of a soak run.
httpx.Cookies.extract_cookies = lambda *_: None


class Stuck(Exception):
    """Somebody waits, and nothing can ever wake him."""


@dataclass(eq=False)
class Sleeper:
    """A machine that can sleep while others go on: what is to run on it waits, and its clock of the loop stands still.

    Whatever runs on it has it in `HERE`.
    """

    slept: float = 0.0
    until: float = 0.0
    waiting: list[asyncio.Handle] = field(default_factory=list)


HERE: ContextVar[Sleeper | None] = ContextVar("HERE", default=None)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop without sockets, threads and real time."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._anyone_slept = False
        self.set_exception_handler(lambda *_: None)  # a killed process's last words

    def time(self) -> float:
        return self._now - self._lag()

    def everywhere(self) -> float:
        """Tell the time that no machine's sleep holds up."""
        return self._now

    def _lag(self) -> float:
        here = HERE.get() if self._anyone_slept else None
        return here.slept if here else 0.0

    def call_at(self, when, callback, *args, context=None):
        return super().call_at(when + self._lag(), callback, *args, context=context)

    def sleep(self, sleeper: Sleeper, seconds: float) -> None:
        """Put a machine to sleep; what runs on it just now runs on until it waits for something."""
        self._anyone_slept = True
        sleeper.slept += seconds
        sleeper.until = self._now + seconds
        for handle in self._scheduled:
            if handle._context.get(HERE) is sleeper:
                handle._when += seconds
        heapq.heapify(self._scheduled)
        super().call_at(sleeper.until, self._wake, sleeper, context=Context())

    def _wake(self, sleeper: Sleeper) -> None:
        if sleeper.until <= self._now:
            self._ready.extend(sleeper.waiting)
            sleeper.waiting.clear()

    def _sleeps(self, handle: asyncio.Handle) -> bool:
        sleeper = handle._context.get(HERE)
        if sleeper is None or sleeper.until <= self._now:
            return False
        sleeper.waiting.append(handle)
        return True

    def _run_once(self) -> None:
        ready, timers = self._ready, self._scheduled
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
        if not ready and not self._stopping:
            if not timers:
                raise Stuck
            self._now = max(self._now, timers[0]._when)
        due = self._now + self._clock_resolution
        while timers and timers[0]._when < due:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled and not (self._anyone_slept and self._sleeps(handle)):
                handle._run()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing: a cancelled timer stays until its time comes."""

    def __del__(self) -> None:
        if not self.is_closed():
            self.close()

    def stall(self, seconds: float) -> None:
        """Let time pass in which nothing else happens: somebody holds up the loop."""
        self._now += seconds

    def rewind(self) -> None:
        """Begin the next world at 0."""
        self._now = 0.0
        self._anyone_slept = False
