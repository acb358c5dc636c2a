"""Time that costs nothing: an event loop that jumps to the next timer when nobody has anything to do."""

from __future__ import annotations

import asyncio
import heapq

import httpx

EPOCH = 1_790_000_000.0
"""Seconds since 1970 at the beginning of every world."""


# The service sets no cookies, and looking for them would take a tenth of a soak run.
httpx.Cookies.extract_cookies = lambda *_: None


class Stuck(Exception):
    """Somebody waits, and nothing can ever wake him."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop without sockets, threads and real time."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self.set_exception_handler(lambda *_: None)  # a killed process's last words

    def time(self) -> float:
        return self._now

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
            if not handle._cancelled:
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
