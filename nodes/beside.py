"""Slow work beside a prompt's event loop, which Cancel leaves within a moment.

ComfyUI runs a prompt's nodes on one loop, and waits at its end for the loop's own threads, whatever they still do.
These are not the loop's: work that nobody waits for any more ends by itself and is forgotten.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from . import host

T = TypeVar("T")

TICK = 0.1
"""Seconds between two looks at Cancel."""

_places = threading.BoundedSemaphore((os.cpu_count() or 1) + 4)
"""A list of a hundred pictures is not encoded all at once."""


async def run(work: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Run `work` in a thread of its own and give what it gives.

    Raises ComfyUI's interruption within a moment of Cancel, even when the work has just failed because of it.
    """
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # from now on nobody can cancel it, so the thread may always answer
    call = partial(contextvars.copy_context().run, work, *arguments, **named)
    threading.Thread(target=_answer, args=(done, call), name="kling-work", daemon=True).start()
    waiting = asyncio.wrap_future(done)
    try:
        while True:
            await asyncio.wait({waiting}, timeout=TICK)
            if host.interrupted():
                raise host.interrupt()
            if waiting.done():
                return waiting.result()
    finally:
        if not waiting.cancel() and not waiting.cancelled():
            waiting.exception()  # looked at, so that asyncio does not log it


def _answer(done: Future[T], call: Callable[[], T]) -> None:
    with _places:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001  handed to whoever waits
            done.set_exception(error)
        else:
            done.set_result(result)
