"""The journal with ten to a hundred thousand purchases in it: to look one up, to list the newest, to write one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import plots
from measure import Mark, fewer, pack, side_by_side, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = (10, 100, 1_000, 10_000, 100_000)
MARKED = 10_000
SAMPLE = 0xABCDEF
"""The record whose text the others are made of."""
NOW = 1_790_000_000.0
BUDGETS = {"look_up": 0.005, "list_newest": 0.200}
"""Seconds."""

JOBS = {
    "look_up": "look one purchase up by its UUID",
    "find_intent": "find an intent's newest attempt",
    "list_newest": "list the 100 that changed last",
    "sum_of_a_day": "sum a day's purchases, all of them today's",
    "write": "write one record durably",
}


def steps(rounds: int) -> int:
    """Count the measurements."""
    return (fewer(rounds) * len(JOBS) + 1) * len(SIZES)


def run(rounds: int, step: Callable[[str], None]) -> Iterator[str | Mark]:
    """Measure, and yield the table; draw it where `--plots` says so."""
    found: dict[str, dict[int, float]] = {name: {} for name in JOBS}
    rows, filled = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for records in SIZES:
            step(f"writing {records:,} records")
            fill(Path(folder), filled, records)
            filled = records
            jobs = {name: ("bench_journal", name, (folder, records)) for name in JOBS}
            results = side_by_side(jobs, rounds=fewer(rounds), step=step)
            for name, runs in results.items():
                found[name][records] = runs.median() * 1000
                if name in BUDGETS and records == MARKED:
                    spent = tuple(seconds * 1000 for seconds in runs.seconds)
                    yield Mark(f"journal of {records:,}: {JOBS[name]}", spent, BUDGETS[name] * 1000, " ms")
            rows.append([f"{records:,}", *(f"{found[name][records]:.2f}" for name in found)])
    lines = {JOBS[name]: values for name, values in found.items()}
    plots.draw("journal", "purchases in the journal", [("ms", lines)], logarithmic=True)
    yield table("Growth with purchases in the journal, ms", ["purchases", *JOBS.values()], rows)


def _journal(folder: Path) -> Any:
    pack()
    from kling.nodes.runware.journal import Journal

    journal = Journal(folder, clock=lambda: NOW)
    journal.open()
    return journal


def _uuid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def _record(number: int) -> Any:
    from kling.nodes.runware.record import Film, Record, State

    return Record(
        task_uuid=_uuid(number),
        state=State.COMMITTED,
        intent=f"{number:064x}",
        model="klingai:kling-video@3-standard",
        price="0.42",
        request={"positivePrompt": "A red fox runs through fresh snow, dawn, long lens. " * 6, "duration": 5},
        last_sent_at=NOW - 60,
        films=[Film(video_uuid=_uuid(number), seed=number, cost=0.42, file=f"{number}.mp4", size=9, sha256="0" * 64)],
    )


def fill(folder: Path, first: int, last: int) -> None:
    """Write the records of these numbers quickly: their durability is not what is measured."""
    journal = _journal(folder)
    pattern = _record(SAMPLE).model_dump_json(exclude_none=True)
    tasks, intents = str(journal.tasks), str(journal.intents)
    for number in range(first, last):
        text = pattern.replace(f"{SAMPLE:08x}-0000", f"{number:08x}-0000").replace(f"{SAMPLE:064x}", f"{number:064x}")
        _put(f"{tasks}/{_uuid(number)}.json", text)
        _put(f"{intents}/{number:064x}", _uuid(number))


def _put(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(descriptor, text.encode())
    os.close(descriptor)


# Jobs: each prepares, and returns what is measured.


def look_up(folder: str, records: int) -> Callable[[], Any]:
    """Read one record."""
    journal = _journal(Path(folder))
    journal.get(_uuid(1))
    return lambda: journal.get(_uuid(records // 2))


def find_intent(folder: str, records: int) -> Callable[[], Any]:
    """Read the index, then the record."""
    journal = _journal(Path(folder))
    journal.get(_uuid(1))
    return lambda: journal.newest_attempt(f"{records // 2:064x}")


def list_newest(folder: str, _records: int) -> Callable[[], Any]:
    """List a page."""
    journal = _journal(Path(folder))
    journal.get(_uuid(1))
    return lambda: list(journal.newest(100))


def sum_of_a_day(folder: str, _records: int) -> Callable[[], Any]:
    """Read every record."""
    journal = _journal(Path(folder))
    return journal.spent_today


def write(folder: str, records: int) -> Callable[[], Any]:
    """Write with every flush."""
    journal = _journal(Path(folder))
    record = _record(2**24 + records)
    journal.put(record)
    return lambda: journal.put(record)
