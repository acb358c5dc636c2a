"""What was bought, page by page, and what it cost: the journal read for people. Changes no purchase, asks nobody.

Nothing that spends or deletes believes the sums here: what they need is read from the records each time.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from pydantic import BaseModel

from .files import write_whole
from .journal import Journal, midnight
from .record import WAITING, Record

PAGE_MOST = 100
"""Purchases of one page."""
NOTES = "ledger.json"
NOTED_FROM = 1_000
"""So many records read at once are noted for the next start; fewer are read again in no time."""
SETTLED_SECONDS = 10.0
"""What changed more recently may change again within the same tick of a file's time, and is not noted."""


@dataclass(frozen=True)
class Page:
    """Some purchases, last changed first, and the sums over all of them."""

    records: list[Record]
    total: int
    unreadable: int
    """Records that cannot be read, which are on neither page nor sum; the purchases themselves can be collected."""
    waiting: int
    """Purchases whose films are still to come."""
    today: Decimal
    """USD that was, or may have been, spent since midnight (local time)."""
    month: Decimal
    """USD that was, or may have been, spent since the first of this month."""


class _Line(NamedTuple):
    """What the sums need of one record, as long as its file has the same time."""

    changed: float
    sent_at: float
    spent: Decimal
    waiting: bool
    readable: bool = True


class _Notes(BaseModel):
    """What was read of each record before this start. Its version is raised when a line comes to mean another thing."""

    version: Literal[1] = 1
    lines: dict[str, _Line] = {}


@dataclass
class Ledger:
    """Remembers what it read of each record, also over a restart, so that ten thousand of them are read once."""

    journal: Journal
    _lines: dict[str, _Line] | None = None

    def page(self, offset: int, limit: int) -> Page:
        """Give `limit` purchases (at most PAGE_MOST) from `offset` on."""
        start = max(0, offset)
        return self.part(slice(start, start + max(0, min(limit, PAGE_MOST))))

    def part(self, part: slice) -> Page:
        """Give a part of the list, however long: the folder is looked through once for it."""
        lines = self._look()
        readable = [name for name, line in lines.items() if line.readable]
        names = sorted(readable, key=lambda name: (lines[name].changed, name), reverse=True)
        today = midnight(self.journal.clock())
        return Page(
            records=[record for record in map(self.record, names[part]) if record is not None],
            total=len(names),
            unreadable=len(lines) - len(names),
            waiting=sum(line.waiting for line in lines.values()),
            today=_spent(lines, today.timestamp()),
            month=_spent(lines, today.replace(day=1).timestamp()),
        )

    def _look(self) -> dict[str, _Line]:
        """Look through the folder; read the records that changed since they were read, or could not be read."""
        known = self._noted() if self._lines is None else self._lines
        lines, read = {}, 0
        for name, changed in self.journal.changes().items():
            line = known.get(name)
            if line is None or line.changed != changed or not line.readable:
                line = self._read(name, changed)
                read += 1
            lines[name] = line
        self._lines = lines
        if read >= NOTED_FROM:
            self._note(lines)
        return lines

    def _noted(self) -> dict[str, _Line]:
        try:
            return _Notes.model_validate_json(self.journal.disk.read(self.journal.folder / NOTES)).lines
        except (OSError, ValueError):  # none yet, or damaged: the records know
            return {}

    def _note(self, lines: dict[str, _Line]) -> None:
        settled = self.journal.clock() - SETTLED_SECONDS
        notes = _Notes(lines={name: line for name, line in lines.items() if line.readable and line.changed < settled})
        with contextlib.suppress(OSError):  # the records are only read again next time
            write_whole(self.journal.disk, self.journal.folder / NOTES, [notes.model_dump_json().encode()])

    def _read(self, name: str, changed: float) -> _Line:
        record = self.record(name)
        if record is None:
            return _Line(changed, 0.0, Decimal(0), waiting=False, readable=False)
        spent = record.spent or Decimal(0)
        return _Line(changed, record.paid_at or 0.0, spent, waiting=record.state in WAITING)

    def record(self, task_uuid: str) -> Record | None:
        """Read a record and leave it as it is; putting aside one that cannot be read is for those who buy."""
        try:
            record = Record.model_validate_json(self.journal.disk.read(f"{self.journal.tasks}/{task_uuid}.json"))
        except (OSError, ValueError):
            return None
        return record if record.task_uuid == task_uuid else None


def _spent(lines: dict[str, _Line], since: float) -> Decimal:
    return sum((line.spent for line in lines.values() if line.sent_at >= since), Decimal(0))
