"""The journal with ten thousand purchases in it: to look one up, to list the newest, to sum a day, to write one."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import pack, side_by_side, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECORDS = 10_000
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
    return rounds * len(JOBS)


def run(rounds: int, step: Callable[[str], None]) -> Iterator[str]:
    """Measure, and yield the table."""
    folder = Path(tempfile.mkdtemp(prefix="journal-"))
    try:
        _fill(folder)
        jobs = {name: ("bench_journal", name, (str(folder),)) for name in JOBS}
        results = side_by_side(jobs, rounds=rounds, step=step)
    finally:
        shutil.rmtree(folder)
    rows = []
    for name, runs in results.items():
        limit = BUDGETS.get(name)
        told = "" if limit is None else f"{'within' if runs.median() < limit else 'ABOVE'} {limit * 1000:.0f}"
        rows.append([JOBS[name], f"{runs.median() * 1000:.2f}", told])
    yield table(f"A journal of {RECORDS:,} purchases", ["what", "ms (median)", "budget, ms"], rows)


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


def _fill(folder: Path) -> None:
    """Write the records quickly: their durability is not what is measured."""
    journal = _journal(folder)
    for number in range(RECORDS):
        record = _record(number)
        journal.path(record.task_uuid).write_text(record.model_dump_json(exclude_none=True))
        (journal.intents / record.intent).write_text(record.task_uuid)


# Jobs: each prepares, and returns what is measured.


def look_up(folder: str) -> Callable[[], Any]:
    """Read one record."""
    journal = _journal(Path(folder))
    journal.get(_uuid(1))
    return lambda: journal.get(_uuid(RECORDS // 2))


def find_intent(folder: str) -> Callable[[], Any]:
    """Read the index, then the record."""
    journal = _journal(Path(folder))
    journal.get(_uuid(1))
    return lambda: journal.newest_attempt(f"{RECORDS // 2:064x}")


def list_newest(folder: str) -> Callable[[], Any]:
    """List a page."""
    journal = _journal(Path(folder))
    journal.get(_uuid(1))
    return lambda: list(journal.newest(100))


def sum_of_a_day(folder: str) -> Callable[[], Any]:
    """Read every record."""
    journal = _journal(Path(folder))
    return journal.spent_today


def write(folder: str) -> Callable[[], Any]:
    """Write with every flush."""
    journal = _journal(Path(folder))
    record = _record(RECORDS + 1)
    journal.put(record)
    return lambda: journal.put(record)
