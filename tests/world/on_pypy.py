"""What PyPy is slow at, done another way. A world is the same under PyPy and CPython, step by step."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import inspect
import random
from pathlib import PurePath

PATHS_KEPT = 20_000


def quicken() -> None:
    """Make the standard library quick enough for a million worlds. Concerns the process that lives through them."""
    gc.freeze = lambda: None  # PyPy has none, and needs none
    random._sha512 = hashlib.sha512  # PyPy's own is written in Python
    _spare_finalizers()
    _keep_tasks_in_a_list()
    _keep_paths()


def _spare_finalizers() -> None:
    """Make tasks and futures without a last word: whoever has one outlives two collections, with all it refers to."""
    for module in (asyncio.futures, asyncio.tasks):
        source = inspect.getsource(module).replace("def __del__", "def _unheard")
        exec(compile(source, module.__file__, "exec"), vars(module))  # noqa: S102  the standard library's own text
    asyncio.Future, asyncio.Task = asyncio.futures.Future, asyncio.tasks.Task


def _keep_tasks_in_a_list() -> None:
    """Spare the weak set of all tasks, which holds those of many worlds until the collector runs."""
    tasks: list[asyncio.Task] = []

    def all_tasks(_loop: object = None) -> set[asyncio.Task]:
        """Give those of this world; it is asked for once, at its end."""
        left = {task for task in tasks if not task.done()}
        tasks.clear()
        return left

    asyncio.tasks._register_task = tasks.append
    asyncio.all_tasks = asyncio.tasks.all_tasks = all_tasks


def _keep_paths() -> None:
    """Remember what lies below a folder: parsing paths anew took a tenth of the time."""
    known: dict[tuple[str, str], PurePath] = {}
    right = PurePath.__truediv__

    def below(folder: PurePath, name: str | PurePath) -> PurePath:
        if not isinstance(name, str):
            return right(folder, name)
        place = (str(folder), name)
        if place not in known:
            if len(known) >= PATHS_KEPT:
                known.clear()
            known[place] = right(folder, name)
        return known[place]

    PurePath.__truediv__ = below
