"""The journal with ten to a hundred thousand purchases in it: to look one up, to list a page, to write one."""

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
PAGE = 50
"""Purchases of one page of the sidebar."""
BUDGETS = {"look_up": 0.005, "first_page": 0.200, "after_a_start": 0.200, "next_page": 0.200}
"""Seconds."""

JOBS = {
    "look_up": "look one purchase up by its UUID",
    "find_intent": "find an intent's newest attempt",
    "first_page": "list a page for the first time ever",
    "after_a_start": "list a page after a start",
    "next_page": "list a page again",
    "read_all": "limit of the first: open and read every file",
    "names_and_times": "limit of the next two: every name and time",
    "sum_of_a_day": "sum a day's purchases, all of them today's",
    "write": "write one record durably",
}
LIMITS = {"first_page": "read_all", "after_a_start": "names_and_times", "next_page": "names_and_times"}
"""What no list can do without: the sums need every record once, and then to know which of them changed."""


def steps(rounds: int) -> int:
    """Count the measurements."""
    return (fewer(rounds) * len(JOBS) + 1) * len(SIZES)


def run(rounds: int, step: Callable[[str], None]) -> Iterator[str | Mark]:
    """Measure, and yield the table; draw it where `--plots` says so."""
    found: dict[str, dict[int, float]] = {name: {} for name in JOBS}
    rows, ratios, filled = [], [], 0
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
            over = {each: results[each].over(results[limit]) for each, limit in LIMITS.items()}
            ratios.append([f"{records:,}", *over.values()])
            rows.append([f"{records:,}", *(f"{found[name][records]:.2f}" for name in found)])
    lines = {JOBS[name]: values for name, values in found.items() if name not in LIMITS.values()}
    plots.draw("journal", "purchases in the journal", [("ms", lines)], logarithmic=True)
    yield table("Growth with purchases in the journal, ms", ["purchases", *JOBS.values()], rows)
    yield table("... and time / limit", ["purchases", *(JOBS[name] for name in LIMITS)], ratios)


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
    os.utime(path, (NOW - 60, NOW - 60))


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


def first_page(folder: str, _records: int) -> Callable[[], Any]:
    """List what nobody has listed before: every record is read for the sums, and they are noted."""
    ledger = _ledger(folder)
    (Path(folder) / "ledger.json").unlink(missing_ok=True)
    return lambda: ledger.page(0, PAGE)


def after_a_start(folder: str, _records: int) -> Callable[[], Any]:
    """List as the sidebar does after a start, and the terminal each time."""
    _ledger(folder).page(0, PAGE)
    ledger = _ledger(folder)
    return lambda: ledger.page(0, PAGE)


def next_page(folder: str, _records: int) -> Callable[[], Any]:
    """List as the sidebar does from then on."""
    ledger = _ledger(folder)
    ledger.page(0, PAGE)
    return lambda: ledger.page(0, PAGE)


def _ledger(folder: str) -> Any:
    journal = _journal(Path(folder))
    journal.get(_uuid(1))
    from kling.nodes.runware.ledger import Ledger

    return Ledger(journal)


def read_all(folder: str, _records: int) -> Callable[[], Any]:
    """Open, read and close, without a look at what is in them."""
    tasks = _journal(Path(folder)).tasks

    def work() -> None:
        with os.scandir(tasks) as entries:
            for entry in entries:
                descriptor = os.open(entry.path, os.O_RDONLY)
                os.read(descriptor, 2**16)
                os.close(descriptor)

    return work


def names_and_times(folder: str, _records: int) -> Callable[[], Any]:
    """Look through the folder."""
    tasks = _journal(Path(folder)).tasks

    def work() -> None:
        with os.scandir(tasks) as entries:
            for entry in entries:
                entry.stat(follow_symlinks=False)

    return work


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
