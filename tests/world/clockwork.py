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
        self._selector.select = lambda _timeout=None: ()
        self.set_exception_handler(lambda *_: None)  # a killed process's last words

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        timers = self._scheduled
        while timers and timers[0]._cancelled:
            self._timer_cancelled_count -= 1
            heapq.heappop(timers)._scheduled = False
        if not self._ready and not self._stopping:
            if not timers:
                raise Stuck
            self._now = max(self._now, timers[0]._when)
        super()._run_once()

    def __del__(self) -> None:
        if not self.is_closed():
            self.close()

    def rewind(self) -> None:
        """Begin the next world at 0."""
        self._now = 0.0
