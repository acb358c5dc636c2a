"""What was bought, page by page, and what it cost: the journal read for people. Changes nothing, asks nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from .journal import Journal, midnight
from .record import WAITING, Record

PAGE_MOST = 100
"""Purchases of one page."""


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
    """What the sums need of one record."""

    changed: float
    sent_at: float
    spent: Decimal
    waiting: bool
    readable: bool = True


@dataclass
class Ledger:
    """Remembers what it read of each record, so that ten thousand of them are read once."""

    journal: Journal
    _lines: dict[str, _Line] = field(default_factory=dict)

    def page(self, offset: int, limit: int) -> Page:
        """Give `limit` purchases (at most PAGE_MOST) from `offset` on."""
        start = max(0, offset)
        return self.part(slice(start, start + max(0, min(limit, PAGE_MOST))))

    def part(self, part: slice) -> Page:
        """Give a part of the list, however long: the folder is looked through once for it."""
        names = self._names()
        records = [record for record in map(self.record, names[part]) if record is not None]
        today = midnight(self.journal.clock())
        return Page(
            records=records,
            total=len(names),
            unreadable=len(self._lines) - len(names),
            waiting=sum(line.waiting for line in self._lines.values()),
            today=self._spent(today.timestamp()),
            month=self._spent(today.replace(day=1).timestamp()),
        )

    def _names(self) -> list[str]:
        """List all tasks that can be read, last changed first; read those that changed since they were read."""
        lines = {}
        for name, changed in self.journal.changes().items():
            line = self._lines.get(name)
            lines[name] = line if line and line.changed == changed else self._read(name, changed)
        self._lines = lines
        readable = (name for name, line in lines.items() if line.readable)
        return sorted(readable, key=lambda name: (lines[name].changed, name), reverse=True)

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

    def _spent(self, since: float) -> Decimal:
        return sum((line.spent for line in self._lines.values() if line.sent_at >= since), Decimal(0))
