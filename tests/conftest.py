"""The pack under a private package name, so that its `nodes` never meets ComfyUI's own module of that name."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent

_pack = types.ModuleType("kling")
_pack.__path__ = [str(ROOT)]
sys.modules.setdefault("kling", _pack)

# How long an example takes depends on who else is at work on the machine.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")

TOGETHER = ("host", "page")
"""Folders whose tests share what is dear to start; each is also the name of a marker."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of these folders."""
    for item in items:
        folder = item.path.relative_to(ROOT / "tests").parts[0]
        if folder in TOGETHER:
            item.add_marker(folder)


class Together(LoadScopeScheduling):
    """Give each of these folders to one process as a whole, and every other test to whoever is free.

    pytest-xdist 3.8 knows groups of its own (`--dist loadgroup`), but they have no effect with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        folder = nodeid.split("/", maxsplit=1)[0]
        return folder if folder in TOGETHER else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    """Deal the tests out to the processes."""
    return Together(config, log)


@contextlib.contextmanager
def _without_the_browsers_loop(item: pytest.Item) -> Iterator[None]:
    """Let a test run a loop of its own: while a browser is open, Playwright's counts as running in this thread."""
    running = None if item.get_closest_marker("page") else asyncio._get_running_loop()
    if running is None:
        yield
        return
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(running)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Make a test's fixtures outside of the browser's loop."""
    with _without_the_browsers_loop(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Run a test outside of the browser's loop."""
    with _without_the_browsers_loop(item):
        return (yield)
