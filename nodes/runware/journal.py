"""The durable record of every purchase: one JSON file per task UUID, written before the bytes leave.

State folder (0700, files 0600):
    tasks/<task_uuid>.json    the record, fit to be shown: no key, no URL query, no media
    tasks/<task_uuid>.body    the exact bytes to send, kept while they may have to be sent again
    tasks/<task_uuid>.sent    when they were sent last, for as long
    tasks/<task_uuid>.urls    where the results are, kept while a film is still to be fetched
    intents/<sha256>          the task UUID of an intent's newest attempt
    films/<video_uuid>.<ext>  the films as the service delivered them
    frames/<sha256>.png       the last frame of a film, by the film's content, as it was first given (`last_frame.py`)
    media/<sha256>.json       what was uploaded, by content; with which key, and for which purchase last (`uploads`)
    usual.json                how long renders took, for the estimate
    ledger.json               what the sums need of records that were read before, from a thousand on
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import re
import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from pydantic import ValidationError

from .errors import StorageError
from .files import Disk, write_whole
from .record import Record, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_log = logging.getLogger("kling")

UUID_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CLOCKS_MAY_DIFFER = timedelta(days=2)
"""By so much this machine's clock, its file server's or a file's time may have been wrong for the day's sum to hold."""
DURATIONS_KEPT = 64
PART_KEPT_SECONDS = 86_400
BUDGET_LOCK_PLACE = 0
DELIVERY_TRIES, DELIVERY_PAUSE = 10, 0.1
UNKNOWN_POSTS = 2
"""Stands for "more than one, perhaps" where a record is lost."""


def uptime() -> float:
    """Seconds for which this machine has been up, asleep or not where the system tells."""
    including_sleep = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if including_sleep is None else time.clock_gettime(including_sleep)


class Journal:
    """The records of one state folder."""

    def __init__(
        self,
        folder: Path,
        *,
        disk: Disk | None = None,
        clock: Callable[[], float],
        uptime: Callable[[], float] = uptime,
    ) -> None:
        self.folder = folder
        self.tasks = folder / "tasks"
        self.intents = folder / "intents"
        self.films = folder / "films"
        self.media = folder / "media"
        self.disk = disk or Disk()
        self.clock = clock
        self.uptime = uptime

    def open(self) -> None:
        """Make the folders. Raises StorageError: without a record nothing may be spent."""
        try:
            for folder in (self.folder, self.tasks, self.intents, self.films, self.media):
                self.disk.make_folder(folder)
        except OSError as error:
            raise unwritable(error) from None

    def path(self, task_uuid: str, kind: str = "json") -> Path:
        """Where a task's file lies; refuses what is no UUID, so that nothing foreign becomes a path."""
        if not UUID_PATTERN.fullmatch(task_uuid):
            raise ValueError("not a task UUID")
        return self.tasks / f"{task_uuid}.{kind}"

    def get(self, task_uuid: str) -> Record | None:
        """Read a record; one that cannot be read is put aside and stands in as "maybe sent", never as "none"."""
        path, aside = self.path(task_uuid), self.path(task_uuid, "bad")
        try:
            data = self._data(path)
            if data is not None:
                with contextlib.suppress(ValidationError):
                    record = Record.model_validate_json(data)
                    if record.task_uuid == task_uuid:
                        return record
                if self._data(path) != data:  # it was written anew meanwhile
                    return self.get(task_uuid)
                self.disk.replace(path, aside)
                _log.warning("Kling: a purchase's record cannot be read. It is kept as %s.", aside.name)
            changed = self.disk.stat(aside)
        except OSError as error:
            raise unwritable(error) from None
        return _unreadable(task_uuid, changed[1], self.sent_at(task_uuid)) if changed else None

    def _data(self, path: Path) -> bytes | None:
        try:
            return self.disk.read(path)
        except FileNotFoundError:
            return None

    def put(self, record: Record) -> None:
        """Write a record durably. Raises StorageError; the record that was there stays whole."""
        record.updated_at = self.clock()
        data = record.model_dump_json(exclude_none=True).encode()
        try:
            write_whole(self.disk, self.path(record.task_uuid), [data])
        except OSError as error:
            raise unwritable(error, record.task_uuid) from None

    def remember_deliveries(self, record: Record) -> None:
        """Add to a record where copies of its films lie; the rest of it may have changed since it was read.

        Not for an event loop: it waits a second for who is at it. To forget costs only another copy: nothing is said.
        """
        place = lock_place(record.task_uuid)
        with contextlib.suppress(StorageError):
            for _ in range(DELIVERY_TRIES):
                if self.lock(place):
                    break
                time.sleep(DELIVERY_PAUSE)
            else:
                return
            try:
                known = self.get(record.task_uuid)
                if known is not None:
                    known.deliveries.update(record.deliveries)
                    self.put(known)
            finally:
                self.unlock(place)

    def put_intent(self, intent: str, task_uuid: str, *, anew: bool = False) -> None:
        """Write down which task is an intent's newest attempt, before it is sent.

        `anew` also where that is known: should all of the record be lost, the file's age tells when something was sent
        last.
        """
        if anew or self.of_intent(intent) != task_uuid:
            try:
                write_whole(self.disk, self.intents / intent, [task_uuid.encode()])
            except OSError as error:
                raise unwritable(error, task_uuid) from None

    def of_intent(self, intent: str) -> str | None:
        """Give the task UUID of an intent's newest attempt, whichever key made it; None when it is not known."""
        try:
            text = (self._data(self.intents / intent) or b"").decode("ascii", "replace")
        except OSError as error:
            raise unwritable(error) from None
        return text if UUID_PATTERN.fullmatch(text) else None

    def newest_attempt(self, intent: str) -> Record | None:
        """Give the record of an intent's newest attempt, whichever key made it; None when none is known.

        Where the record itself is gone, something may have been sent when the attempt was noted.
        """
        task_uuid = self.of_intent(intent)
        if task_uuid is None:
            return None
        record = self.get(task_uuid)
        if record is not None:
            return record
        try:
            noted = self.disk.stat(self.intents / intent)
        except OSError as error:
            raise unwritable(error) from None
        return _unreadable(task_uuid, noted[1], noted[1]) if noted else None

    def put_sent(self, task_uuid: str, moment: float) -> None:
        """Write down when a task is being sent, beside the record, for when that cannot be read."""
        try:
            write_whole(self.disk, self.path(task_uuid, "sent"), [repr(moment).encode()])
        except OSError as error:
            raise unwritable(error, task_uuid) from None

    def sent_at(self, task_uuid: str) -> float | None:
        """Read when a task was sent last, as long as that is kept beside its record; seconds since 1970."""
        with contextlib.suppress(OSError, ValueError):
            return float(self.disk.read(self.path(task_uuid, "sent")))
        return None

    def put_urls(self, task_uuid: str, urls: dict[str, str]) -> None:
        """Write where a task's results lie, by video UUID, beside the record: addresses can carry signatures."""
        if urls:
            try:
                write_whole(self.disk, self.path(task_uuid, "urls"), [json.dumps(urls).encode()])
            except OSError as error:
                raise unwritable(error, task_uuid) from None

    def urls(self, task_uuid: str) -> dict[str, str]:
        """Read where a task's results lie; empty when that is not known (the service can be asked again)."""
        with contextlib.suppress(OSError, ValueError):
            urls = json.loads(self.disk.read(self.path(task_uuid, "urls")))
            if isinstance(urls, dict):
                return {str(key): str(value) for key, value in urls.items()}
        return {}

    def forget(self, task_uuid: str, kind: str) -> None:
        """Remove a task's `body`, `sent` or `urls` once nothing needs it."""
        with contextlib.suppress(OSError):
            self.disk.remove(self.path(task_uuid, kind))

    def erase(self, record: Record) -> None:
        """Forget a purchase altogether; only for what was never real, or what nobody will ask for again.

        An attempt before it, which may have become a film, is the newest then.
        """
        try:
            if record.intent and self.of_intent(record.intent) == record.task_uuid:
                before = next((each for each in reversed(record.earlier) if self.get(each)), None)
                if before is not None:
                    self.put_intent(record.intent, before)
                else:
                    self.disk.remove(self.intents / record.intent)
        except (OSError, StorageError):
            return  # an index without its record would stand for something that may have been sent
        for kind in ("body", "sent", "urls", "bad", "json"):
            self.forget(record.task_uuid, kind)

    def uuids(self) -> list[str]:
        """List every task that has a record, also one that was put aside as unreadable."""
        return sorted(self.changes())

    def changes(self) -> dict[str, float]:
        """Give when each task's record changed last, also one's that was put aside as unreadable."""
        changes: dict[str, float] = {}
        try:
            listing = self.disk.listing(self.tasks)
        except OSError as error:
            raise unwritable(error) from None
        for name, changed in listing:
            stem, _, kind = name.rpartition(".")
            if kind in {"json", "bad"} and UUID_PATTERN.fullmatch(stem):
                changes[stem] = max(changed, changes.get(stem, changed))
        return changes

    def newest(self, most: int | None = None) -> Iterator[Record]:
        """Read the records, last changed first."""
        changes = self.changes()
        for name in sorted(changes, key=lambda name: (changes[name], name), reverse=True)[:most]:
            record = self.get(name)
            if record is not None:
                yield record

    def spent_today(self, apart_from: str = "") -> Decimal | None:
        """Sum what was, or may have been, spent this calendar day (local time): billed, else planned, USD.

        None when one of the day's purchases cannot be read, or has no price that is known.

        What was paid on one of the next days counts as well: the clock was ahead. The files' times come from other
        clocks, and only tell which records are too old to be read.

        `apart_from` is the task UUID of the purchase that the sum is wanted for.
        """
        today = midnight(self.clock())
        start, end = today.timestamp(), (today + timedelta(days=1) + CLOCKS_MAY_DIFFER).timestamp()
        oldest = (today - CLOCKS_MAY_DIFFER).timestamp()
        total = Decimal(0)
        for name, changed in self.changes().items():
            record = self.get(name) if changed >= oldest and name != apart_from else None
            if record is not None and start <= (record.paid_at or 0) < end:
                if record.spent is None:
                    return None
                total += record.spent
        return total

    def tidy(self) -> None:
        """Remove what processes that were killed left half written; what is younger than a day may still be growing."""
        for folder in (self.tasks, self.intents, self.films, self.media):
            for name in self.disk.names(folder):
                if not name.endswith(".part"):
                    continue
                with contextlib.suppress(OSError):
                    status = self.disk.stat(folder / name)
                    if status is not None and self.clock() - status[1] > PART_KEPT_SECONDS:
                        self.disk.remove(folder / name)

    def lock(self, place: int) -> bool:
        """Take one of the folder's locks, against other processes that share it. Raises StorageError."""
        try:
            return self.disk.lock(self.tasks / ".lock", place)
        except OSError as error:
            raise unwritable(error) from None

    def unlock(self, place: int) -> None:
        """Give one of the folder's locks back."""
        self.disk.unlock(self.tasks / ".lock", place)

    def durations(self, kind: str) -> list[float]:
        """Give how many seconds the last renders of a kind took, oldest first."""
        try:
            kept = json.loads(self.disk.read(self.folder / "usual.json")).get(kind, [])
            return [float(seconds) for seconds in kept if isinstance(seconds, (int, float)) and seconds > 0]
        except (OSError, ValueError, AttributeError, TypeError):
            return []

    def remember_duration(self, kind: str, seconds: float) -> None:
        """Remember how long a render took; only the estimate and the pace of the questions hang on it."""
        try:
            kept = json.loads(self.disk.read(self.folder / "usual.json"))
        except (OSError, ValueError):
            kept = {}
        kept = kept if isinstance(kept, dict) else {}
        kept[kind] = [*self.durations(kind), round(seconds, 1)][-DURATIONS_KEPT:]
        with contextlib.suppress(OSError):
            write_whole(self.disk, self.folder / "usual.json", [json.dumps(kept).encode()])


def midnight(moment: float) -> datetime:
    """Give when the day of a moment began, by local time and without a zone: so long as its days may differ.

    Where a change of the clocks repeats midnight, the day begins with the first one: it has one budget.
    """
    return datetime.fromtimestamp(moment).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)  # noqa: DTZ006


def _unreadable(task_uuid: str, changed: float, sent_at: float | None) -> Record:
    """Stand in for a record that cannot be read, and was last `changed` then: something may have been sent.

    When it was is known where `sent_at` says it; the file's own age tells only until when it may have been.
    """
    return Record(
        task_uuid=task_uuid,
        state=State.HELD,
        created_at=changed,
        maybe_sent=True,
        first_unsettled_at=changed,
        last_sent_at=sent_at,
        posts=UNKNOWN_POSTS,
    )


def lock_place(text: str) -> int:
    """Give the lock of one intent: a place far from its neighbours' in one lock file."""
    return 1 + int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def unwritable(error: OSError, task_uuid: str | None = None) -> StorageError:
    """Say that the state folder cannot be used."""
    return StorageError(
        f"The purchase cannot be recorded in ComfyUI's user/__kling folder ({error.strerror or type(error).__name__}).",
        billing="Nothing more is sent while it cannot be recorded.",
        task_uuid=task_uuid,
        next_step="Free space or fix the folder's permissions, then run again: what was bought before is collected, "
        "not bought anew.",
    )
