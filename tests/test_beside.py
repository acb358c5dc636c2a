import asyncio
import contextvars
import threading
import time

import pytest
from kling.nodes import beside, host


class Interrupted(BaseException):
    """As ComfyUI's own is, from 0.20 on."""


@pytest.fixture
def cancel(monkeypatch):
    """ComfyUI's Cancel: set it to press."""
    pressed = threading.Event()
    monkeypatch.setattr(host, "interrupted", pressed.is_set)
    monkeypatch.setattr(host, "interrupt", Interrupted)
    return pressed


def test_work_beside_the_loop_gives_what_it_gives_and_raises_what_it_raises(cancel):
    assert asyncio.run(beside.run(divmod, 7, 2)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(beside.run(divmod, 7, 0))


def test_cancel_leaves_work_that_never_ends_and_nothing_waits_for_it(cancel):
    never = threading.Event()
    threading.Timer(0.05, cancel.set).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        asyncio.run(beside.run(never.wait))
    assert time.monotonic() - began < 1.0
    never.set()


def test_a_failing_sibling_ends_the_waiting_too(cancel):
    never = threading.Event()

    async def prompt():
        await asyncio.gather(beside.run(never.wait), beside.run(divmod, 1, 0))

    began = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        asyncio.run(prompt())
    assert time.monotonic() - began < 1.0
    never.set()


def test_work_that_fails_because_of_cancel_is_told_as_cancel(cancel, caplog):
    def fail():
        cancel.set()
        raise ValueError

    with pytest.raises(Interrupted):
        asyncio.run(beside.run(fail))
    assert not caplog.records


def test_the_loop_goes_on_meanwhile_and_the_context_goes_along(cancel):
    prompt = contextvars.ContextVar("prompt")
    go = threading.Event()

    async def both():
        prompt.set("this one")

        def work():
            return go.wait(10) and prompt.get()

        async def beat():
            go.set()

        found, _ = await asyncio.gather(beside.run(work), beat())
        return found

    assert asyncio.run(both()) == "this one"
