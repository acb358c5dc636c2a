"""The films that lie in the state folder: whether one is here, whole, and whose it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import tell
from .container import container_fault
from .errors import KlingError, StorageError
from .files import sha256_of
from .record import State

if TYPE_CHECKING:
    from .journal import Journal
    from .record import Film, Record
    from .task import Purchase

CONTAINERS = ("mp4", "webm", "mov")


async def not_here(purchase: Purchase) -> tuple[list[Film], KlingError | None]:
    """List the films that are not in the state folder, whole; and give the error of one that is and cannot be read.

    What is known of the missing ones stays: they may come back.
    """
    missing, unreadable = [], None
    for film in purchase.record.films:
        try:
            if not await is_here(purchase, film):
                missing.append(film)
        except StorageError as error:
            unreadable = error
    return missing, unreadable


async def is_here(purchase: Purchase, film: Film) -> bool:
    """Whether a film is here with its size and hash. Raises StorageError where it is here and cannot be read."""
    if film.file is None:
        return False
    try:
        return await purchase.journal.disk.offload(_intact, purchase.journal, film)
    except OSError as error:
        raise tell.unreadable(purchase.record, film.file, error) from None


def are_here(journal: Journal, record: Record) -> bool:
    """Whether a purchase is finished and its films were not deleted since, by their sizes.

    Raises StorageError where one cannot be looked at.
    """
    if record.state is not State.COMMITTED:
        return False
    for film in record.films:
        try:
            status = journal.disk.stat(journal.films / str(film.file))
        except OSError as error:
            raise tell.unreadable(record, str(film.file), error) from None
        if not status or status[0] != film.size:
            return False
    return True


async def adopted(purchase: Purchase, film: Film) -> bool:
    """Take a film that lies here under its own name, whole by its structure: only its record could not be written.

    For what the service no longer has: there is no hash to judge the file by.
    """
    if film.sha256 is not None:
        return False
    try:
        found = await purchase.journal.disk.offload(_look_for_file, purchase.journal, purchase.record, film.video_uuid)
    except OSError as error:
        raise tell.unreadable(purchase.record, film.video_uuid, error) from None
    if found is None:
        return False
    film.file, film.size, film.sha256 = found
    purchase.journal.put(purchase.record)
    return True


def _look_for_file(journal: Journal, record: Record, video_uuid: str) -> tuple[str, int, str] | None:
    """Give name, size and SHA-256 of a film's whole file that belongs to no other purchase."""
    if is_anothers(journal, record, video_uuid):
        return None
    for container in CONTAINERS:
        name = f"{video_uuid}.{container}"
        status = journal.disk.stat(journal.films / name)
        if status is None:
            continue
        with journal.disk.open(journal.films / name) as file:
            wrong = container_fault(file, status[0], container, announced=False)
        if not wrong:
            return name, status[0], sha256_of(journal.films / name, journal.disk)
    return None


def is_anothers(journal: Journal, record: Record, video_uuid: str) -> bool:
    """Whether a film of that name is here and belongs to another purchase, should the service call two by one name."""
    names = [f"{video_uuid}.{container}" for container in CONTAINERS]  # a set has another order in every process
    if all(journal.disk.stat(journal.films / name) is None for name in names):
        return False
    others = (each for each in journal.newest() if each.task_uuid != record.task_uuid)
    return any(film.file in names for each in others for film in (*each.films, *each.gone))


def _intact(journal: Journal, film: Film) -> bool:
    """Whether a film's file is there with its size and hash. Raises OSError when it is there and cannot be read."""
    path = journal.films / str(film.file)
    status = journal.disk.stat(path)
    if status is None or status[0] != film.size:
        return False
    try:
        return sha256_of(path, journal.disk) == film.sha256
    except FileNotFoundError:
        return False
