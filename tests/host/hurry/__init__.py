"""A pack for tests alone: forty seconds of waiting on the wire's loop take one. Nothing else in ComfyUI notices."""

import asyncio
import sys

FACTOR = 40.0
NODE_CLASS_MAPPINGS = {}

_new_event_loop = asyncio.new_event_loop


def hurry(loop):
    """Let a loop's time run faster, and wait so much less for what comes next."""
    time, select = loop.time, loop._selector.select
    loop.time = lambda: time() * FACTOR
    loop._selector.select = lambda timeout=None: select(timeout / FACTOR if timeout else timeout)


def _new_loop():
    loop = _new_event_loop()
    if sys._getframe(1).f_globals["__name__"].endswith(".runware.wire"):
        hurry(loop)
    return loop


asyncio.new_event_loop = _new_loop
