"""Room in the state folder: which kept films and which records can go without forgetting what was paid."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, NamedTuple

from .files import sha256_of
from .journal import Journal, lock_place
from .record import NEVER_BILLED, Record, State


class Gone(NamedTuple):
    """What of a purchase goes, or has gone."""

    films: list[int]
    """The sizes of kept films, in bytes."""
    record: bool
    """Whether its record goes: only of what was never billed."""


NOTHING = Gone([], record=False)


def removable(journal: Journal, record: Record) -> Gone:
    """Tell what of a purchase can go."""
    sizes = [path.stat().st_size for path in _films(journal, record)]
    return Gone(sizes, record.state in NEVER_BILLED and _is_newest(journal, record))


def remove(journal: Journal, task_uuid: str, before: float) -> Gone:
    """Remove what can go of a purchase, unless a ComfyUI is at it, or it has changed since `before`; give what went."""
    taken: list[int] = []

    def lock(name: str) -> bool:
        if journal.lock(lock_place(name)):
            taken.append(lock_place(name))
            return True
        return False

    sizes: list[int] = []
    try:
        if not lock(task_uuid):
            return NOTHING
        record = journal.get(task_uuid)
        if record is None or record.updated_at >= before or (record.intent and not lock(record.intent)):
            return NOTHING
        for path in _films(journal, record):
            with contextlib.suppress(OSError):  # a player has it open: it stays
                size = path.stat().st_size
                journal.disk.remove(path)
                sizes.append(size)
        if record.state not in NEVER_BILLED or not _is_newest(journal, record):
            return Gone(sizes, record=False)
        journal.erase(record)
        return Gone(sizes, not journal.path(task_uuid).exists())
    finally:
        for place in taken:
            journal.unlock(place)


def _is_newest(journal: Journal, record: Record) -> bool:
    """Whether no later attempt stands on this one: without its record, the later one could be taken for unmade."""
    return bool(record.intent) and journal.of_intent(record.intent) == record.task_uuid


def _films(journal: Journal, record: Record) -> list[Path]:
    """List the kept films of a finished purchase that also lie in the output folder; an only copy is never removed."""
    if record.state is not State.COMMITTED:
        return []
    films = [(film, journal.films / Path(film.file).name) for film in record.films if film.file]
    return [
        path
        for film, path in films
        if any(
            _is_there(each, path) for each in record.deliveries.values() if each.get("video_uuid") == film.video_uuid
        )
    ]


def _is_there(entry: dict[str, Any], kept: Path) -> bool:
    """Whether a film that KlingFetchVideo wrote still lies where it was written, byte for byte, beside the kept one.

    A length alone tells nothing: a sync tool's placeholder has it, and so has what a power cut left. A link to the kept
    film is no second one.
    """
    path = Path(str(entry.get("path")))
    try:
        return not path.samefile(kept) and sha256_of(path) == entry.get("sha256")
    except OSError:  # neither of them counts when it cannot be read
        return False
