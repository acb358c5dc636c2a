"""Work that is given up after a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class Late(Exception):
    """Something was not done within its time."""


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Do some work within a time, or raise Late. Unlike asyncio.wait_for it never loses a cancellation."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
    if not task.done():
        raise Late
    return task.result()
