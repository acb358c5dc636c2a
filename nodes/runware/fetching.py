"""From result to file: each film into the state folder, whole, with fresh addresses where one no longer works."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import TYPE_CHECKING

from . import tell
from .download import Gone, NotReady, save
from .errors import DownloadError, KlingError, StorageError
from .journal import Journal
from .record import Film, State

if TYPE_CHECKING:
    from .task import Purchase

GONE = "resultGone"


async def fetch_early(purchase: Purchase) -> None:
    """Fetch what is ready while others are still being made; what fails now is fetched at the end."""
    for film in purchase.record.films:
        if film.file is None:
            try:
                await _fetch_film(purchase, film)
            except (Gone, NotReady, DownloadError, StorageError):
                return


async def fetch(purchase: Purchase) -> None:
    """Fetch every film that is not here yet; the record then says COMMITTED."""
    record = purchase.record
    purchase.status.accepted_at = None  # the render is over
    purchase.urls = purchase.urls or purchase.journal.urls(record.task_uuid)
    await _forget_damaged(purchase)
    missing = [film for film in record.films if film.file is None and not await _fetch_patiently(purchase, film)]
    if len(missing) == len(record.films):
        record.move(State.EXPIRED)
        purchase.journal.put(record)
        raise tell.ended(record)
    for film in missing:
        record.failures.append({"code": GONE, "message": _gone(film)})
        record.films.remove(film)
        record.gone.append(film)
    record.move(State.COMMITTED)
    purchase.journal.put(record)
    purchase.journal.forget(record.task_uuid, "urls")
    purchase.journal.forget(record.task_uuid, "body")


async def _fetch_patiently(purchase: Purchase, film: Film) -> bool:
    """Fetch one film, with fresh addresses where one no longer works. False when the service no longer has it."""
    loop = asyncio.get_running_loop()
    began, wait, last = loop.time(), 1.0, ""
    gone, asked = True, False
    while True:
        try:
            await _fetch_film(purchase, film)
        except Gone as error:
            last = str(error)
        except NotReady as error:
            gone, last = False, str(error)
        except (DownloadError, StorageError) as error:
            raise tell.not_saved(purchase.record, error.what, error.next_step) from None
        else:
            return True
        if loop.time() - began > purchase.timing.fetch_patience:
            break
        purchase.status.words = f"the film is not ready to fetch yet ({last})"
        await asyncio.sleep(wait)
        wait = min(wait * 2, 15.0)
        asked = await _refresh(purchase) or asked
    if gone and asked:
        return False
    raise tell.not_saved(purchase.record, f"The film could not be fetched: {last}.", "Run again: fetching is free.")


async def _refresh(purchase: Purchase) -> bool:
    """Ask for fresh addresses, of the task first, then of the archive. True when the service answered."""
    sighting = await purchase.ask(purchase.record.task_uuid)
    if sighting is None or not sighting.successes:
        sighting = await purchase.archived(purchase.record.task_uuid)
    if sighting is not None:
        purchase.keep(sighting.successes)
    return sighting is not None


async def _fetch_film(purchase: Purchase, film: Film) -> None:
    """Bring one film into the state folder and write its size and hash down."""
    url = purchase.urls.get(film.video_uuid)
    if url is None:
        raise Gone("its address is not known")
    purchase.status.words = "fetching the film"
    container = purchase.order.container if purchase.order else _container(url)
    target = purchase.journal.films / f"{film.video_uuid}.{container}"
    saved = await save(purchase.client, url, target, disk=purchase.journal.disk, container=container)
    film.file, film.size, film.sha256 = target.name, saved.size, saved.sha256
    purchase.journal.put(purchase.record)


async def is_whole(purchase: Purchase) -> bool:
    """Check the films of a finished purchase by size and hash; a damaged one is fetched again, never re-bought."""
    await _forget_damaged(purchase)
    if all(film.file for film in purchase.record.films):
        if purchase.record.gone:
            await _look_for_gone(purchase)
        return True
    purchase.record.move(State.RESULT)
    purchase.journal.put(purchase.record)
    await _refresh(purchase)
    return False


async def _forget_damaged(purchase: Purchase) -> None:
    """Take films that were deleted or changed on the disk for not fetched yet."""
    for film in purchase.record.films:
        if film.file and not await purchase.journal.disk.offload(_intact, purchase.journal, film):
            film.file = film.size = film.sha256 = None


async def _look_for_gone(purchase: Purchase) -> None:
    """Try once more what could not be fetched when the other films were; what is still not there is no error."""
    record = purchase.record
    with contextlib.suppress(KlingError):
        sighting = await purchase.ask(record.task_uuid)
        shown = {} if sighting is None else purchase.addresses(sighting.successes)
        purchase.urls.update(shown)
        for film in [film for film in record.gone if film.video_uuid in shown]:
            with contextlib.suppress(Gone, NotReady):
                await _fetch_film(purchase, film)
                record.gone.remove(film)
                record.films.append(film)
                record.failures = [each for each in record.failures if each.get("message") != _gone(film)]
                purchase.journal.put(record)


def _gone(film: Film) -> str:
    return f"film {film.video_uuid} could not be fetched; collecting the task UUID asks for it again, for free"


def _container(url: str) -> str:
    path = url.partition("?")[0].lower()
    return next((ending for ending in ("webm", "mov") if path.endswith("." + ending)), "mp4")


def _intact(journal: Journal, film: Film) -> bool:
    """Whether a film's file is there with its size and hash."""
    if film.file is None:
        return False
    path = journal.films / film.file
    try:
        status = journal.disk.stat(path)
        if status is None or status[0] != film.size:
            return False
        digest = hashlib.sha256()
        with journal.disk.open(path) as file:
            while piece := file.read(2**20):
                digest.update(piece)
    except OSError:
        return False
    return digest.hexdigest() == film.sha256
