"""From result to file: each film into the state folder, whole, with fresh addresses where one no longer works."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from . import results, tell
from .download import Gone, NotReady, save
from .errors import DownloadError, KlingError, ServiceError, StorageError
from .kept import adopted, is_anothers, is_here, not_here
from .record import Film, State

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from .task import Purchase
    from .verdict import Sighting

GONE = "resultGone"
EARLY_PAUSE, EARLY_PAUSE_MOST = 2.0, 60.0
"""Seconds between two early tries at a film; the pause doubles with each: a file that is no film is loaded whole."""


class Early:
    """Fetches what is ready while others are still being made, all side by side, and keeps nobody from asking on.

    What fails is fetched at the end, when `fetch` takes over what is still under way. A file may live for a minute
    only, and one that is slow must not cost the others.
    """

    def __init__(self, purchase: Purchase) -> None:
        self._purchase = purchase
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._tries: dict[str, tuple[float, float]] = {}
        """The pause after the last try at each film, and when that began, by the loop's clock."""

    def go_on(self) -> None:
        """Begin with what is new, and after a while once more with what failed."""
        now = asyncio.get_running_loop().time()
        for film in self._purchase.record.films:
            name, task = film.video_uuid, self._tasks.get(film.video_uuid)
            pause, began = self._tries.get(name, (EARLY_PAUSE / 2, now))
            if task is not None and not (_has_failed(task) and now - began >= pause):
                continue
            if film.file is None:
                self._tasks[name] = asyncio.ensure_future(_fetch_film(self._purchase, film))
                self._tries[name] = min(2 * pause, EARLY_PAUSE_MOST), now

    def under_way(self) -> dict[str, asyncio.Task[None]]:
        """Give what has not arrived yet, by the name of its film."""
        return {name: task for name, task in self._tasks.items() if not task.done()}

    async def end(self) -> None:
        """Let what is under way arrive."""
        if self._tasks:
            await asyncio.wait(self._tasks.values())
        for task in self._tasks.values():
            _has_failed(task)

    def stop(self) -> None:
        """Leave what is under way; nobody asks any more how it ended."""
        for task in self._tasks.values():
            _leave(task)
            if task.done():
                _forget_its_end(task)
            else:
                task.add_done_callback(_forget_its_end)
        self._tasks = {}


def _forget_its_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()


def _has_failed(task: asyncio.Task[None]) -> bool:
    """Whether a film could not be fetched just now; any other error is raised."""
    error = task.exception() if task.done() and not task.cancelled() else None
    if error is not None and not isinstance(error, (Gone, NotReady, DownloadError, StorageError)):
        raise error
    return error is not None


async def fetch(purchase: Purchase) -> None:
    """Fetch every film that is not here yet; the record then says COMMITTED."""
    record = purchase.record
    purchase.status.accepted_at = None  # the render is over
    purchase.urls = purchase.urls or purchase.journal.urls(record.task_uuid)
    record.films, record.gone = [*record.films, *record.gone], []
    record.failures = [each for each in record.failures if each.get("code") != GONE]
    missing, stuck = await _fetch_all(purchase)
    if stuck is not None and (len(missing) == len(record.films) or not is_overdue(purchase)):
        raise stuck
    record.stuck_since = None
    if len(missing) == len(record.films):
        raise _over(purchase)
    for film in missing:
        record.failures.append({"code": GONE, "message": _gone(film)})
        record.films.remove(film)
        record.gone.append(film)
    if len(record.films) + len(record.gone) >= record.number_results:  # what had not been shown came meanwhile
        record.failures = [each for each in record.failures if each.get("code") == GONE]
    record.move(State.COMMITTED)
    purchase.journal.put(record)
    if not record.gone:
        purchase.journal.forget(record.task_uuid, "urls")
    purchase.journal.forget(record.task_uuid, "body")


def _leave(task: asyncio.Task[Any]) -> None:
    if not task.done() and not task.get_loop().is_closed():  # a process that ends may close it first
        task.cancel()


async def _fetch_all(purchase: Purchase) -> tuple[list[Film], KlingError | None]:
    """Fetch side by side what is not here; give what could not be had, and the first trouble with it.

    A refused question is one: an account that is closed for good must not withhold the films that are here.
    """
    record, under_way = purchase.record, purchase.early.under_way()
    waiting, trouble = await not_here(purchase)
    missing: list[Film] = []
    tried: list[Film] = []
    stuck: KlingError | None = None
    while waiting:
        tried += waiting
        ends = await _together(_fetch_on(purchase, film, under_way.get(film.video_uuid)) for film in waiting)
        for film, end in zip(waiting, ends, strict=True):
            if isinstance(end, (DownloadError, ServiceError)):  # the others are paid as well, and may be gone tomorrow
                stuck = stuck or end
                missing.append(film)
            elif isinstance(end, KlingError):
                trouble = trouble or end
            elif not end:
                missing.append(film)
        known = [id(film) for film in tried]  # asking for addresses may show more films
        waiting = [film for film in record.films if film.file is None and id(film) not in known]
    if trouble is not None:
        raise trouble
    return missing, stuck


async def _together(works: Iterable[Coroutine[Any, Any, bool]]) -> list[bool | KlingError]:
    """Do some works side by side; give each one's end. What is no KlingError is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    if not tasks:
        return []
    try:
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            _leave(task)
    errors = [task.exception() for task in tasks]
    for error in errors:
        if error is not None and not isinstance(error, KlingError):
            raise error
    return [
        error if isinstance(error, KlingError) else task.result() for task, error in zip(tasks, errors, strict=True)
    ]


def _over(purchase: Purchase) -> KlingError:
    """End a purchase none of whose films can be had, unless the account that has them may still give them."""
    record = purchase.record
    if not purchase.has_its_key:
        return tell.other_key(record)
    record.move(State.EXPIRED)
    purchase.journal.put(record)
    return tell.ended(record)


def is_overdue(purchase: Purchase) -> bool:
    """Whether running again has been worth a try for long enough; it begins with the first time."""
    record, now = purchase.record, purchase.journal.clock()
    if record.stuck_since is None or record.stuck_since > now:  # the clock was ahead then
        record.stuck_since = now
        purchase.journal.put(record)
    return now - record.stuck_since > purchase.timing.stuck_patience


async def _fetch_on(purchase: Purchase, film: Film, begun: asyncio.Task[None] | None) -> bool:
    """Wait for a try that is under way, if there is one; where it fails, go on patiently."""
    if begun is not None:
        await asyncio.wait({begun})
        if not _has_failed(begun):
            return True
    return await _fetch_patiently(purchase, film)


async def _fetch_patiently(purchase: Purchase, film: Film) -> bool:
    """Fetch one film, with fresh addresses where one no longer works. False when the service no longer has it."""
    loop = asyncio.get_running_loop()
    began, wait, last = loop.time(), 1.0, ""
    gone, refused, asked, listed = True, False, False, False
    while True:
        try:
            await _fetch_film(purchase, film)
        except Gone as error:
            refused, last = error.refused, str(error)
        except NotReady as error:
            gone, last = False, str(error)
        except (DownloadError, StorageError) as error:
            raise tell.not_saved(purchase.record, error.what, error.next_step, kind=type(error)) from None
        else:
            return True
        if loop.time() - began > purchase.timing.fetch_patience:
            break
        purchase.status.words = f"the film is not ready to fetch yet ({last})"
        await asyncio.sleep(wait)
        wait = min(wait * 2, 15.0)
        sighting = await _refresh(purchase)
        if sighting is not None:
            asked, listed = True, film.video_uuid in results.addresses(sighting.successes)
    if refused and listed:
        raise tell.not_saved(
            purchase.record,
            f"The film's host refuses its file ({last}), though the service still names it.",
            "Check whether a firewall or a proxy is in the way, then run again: fetching is free.",
        )
    if gone and asked:
        return await adopted(purchase, film)
    raise tell.not_saved(purchase.record, f"The film could not be fetched: {last}.", "Run again: fetching is free.")


async def _refresh(purchase: Purchase) -> Sighting | None:
    """Ask for fresh addresses. None when the service gave no clear answer."""
    sighting = await purchase.inquiry.witness()
    if sighting is not None:
        results.keep(purchase, sighting.successes)
    return sighting if sighting is not None and sighting.is_clear else None


async def _fetch_film(purchase: Purchase, film: Film) -> None:
    """Bring one film into the state folder and write its size and hash down."""
    url = purchase.urls.get(film.video_uuid)
    if url is None:
        raise Gone("its address is not known")
    purchase.status.words = "fetching the film"
    container = purchase.order.container if purchase.order else _container(url)
    disk, target = purchase.journal.disk, purchase.journal.films / f"{film.video_uuid}.{container}"
    try:
        if await disk.offload(is_anothers, purchase.journal, purchase.record, film.video_uuid):
            target = target.with_stem(f"{target.stem}-{purchase.record.task_uuid}")
    except OSError as error:
        raise tell.unreadable(purchase.record, target.name, error) from None
    saved = await save(purchase.client, url, target, disk=disk, container=container)
    film.file, film.size, film.sha256 = saved.name, saved.size, saved.sha256
    purchase.journal.put(purchase.record)


async def is_whole(purchase: Purchase) -> bool:
    """Check the films of a finished purchase by size and hash; a damaged one is fetched again, never re-bought.

    Where it has fewer films than were ordered, the service is asked for the others; that there are none is no error.
    """
    record = purchase.record
    missing, unreadable = await not_here(purchase)
    if not missing:
        if unreadable is not None:
            raise unreadable
        is_collected = purchase.order is None and not record.request  # nobody here knows how many were ordered
        if is_collected or len(record.films) < record.number_results:
            await _look_for_more(purchase)
        return True
    record.move(State.RESULT)
    purchase.journal.put(record)
    await _refresh(purchase)
    return False


async def look_again(purchase: Purchase) -> None:
    """Look once more, here and at the service, for what had been gone; its word stands."""
    record = purchase.record
    await _find_here(purchase)
    missing, unreadable = await not_here(purchase)
    if unreadable is not None or len(missing) < len(record.films) or await _fetch_by_kept_addresses(purchase):
        record.move(State.RESULT)
        purchase.journal.put(record)
        return
    sighting = await purchase.inquiry.witness()
    if sighting is None or not sighting.is_clear:
        raise tell.unreachable("whether it still has the film is not known", record.task_uuid)
    found = [
        film for film in record.films if film.file is None and not sighting.proves and await adopted(purchase, film)
    ]
    if not (sighting.successes or sighting.pending or found):
        raise tell.ended(record) if purchase.has_its_key else tell.other_key(record)
    if not record.films:
        record.failures = []  # they said that there is no such task
    results.keep(purchase, sighting.successes)
    record.move(State.RESULT if sighting.successes or found else State.ACCEPTED)
    purchase.journal.put(record)


async def _fetch_by_kept_addresses(purchase: Purchase) -> bool:
    """Try each film once at the address that it had: its host may have been away longer than the service remembers."""
    record = purchase.record
    purchase.urls = {**purchase.journal.urls(record.task_uuid), **purchase.urls}
    return any(await _fetch_each_once(purchase, record.films))


async def _fetch_each_once(purchase: Purchase, films: list[Film]) -> list[bool]:
    """Try every film of a list that has an address, side by side; give for each whether it is here now."""

    async def fetch_once(film: Film) -> bool:
        if film.video_uuid in purchase.urls:
            with contextlib.suppress(Gone, NotReady, DownloadError):
                await _fetch_film(purchase, film)
                return True
        return False

    ends = await _together(fetch_once(film) for film in films)
    for end in ends:
        if isinstance(end, StorageError):
            raise tell.not_saved(purchase.record, end.what, end.next_step, kind=StorageError)
    return [end is True for end in ends]


async def _find_here(purchase: Purchase) -> None:
    """Take back what had been given up and is here after all: a disk may have been away."""
    for film in list(purchase.record.gone):
        with contextlib.suppress(StorageError):
            if await is_here(purchase, film):
                _take_back(purchase, film)


async def _look_for_more(purchase: Purchase) -> None:
    """Try once more for what was not there when the other films were; what is still not there is no error."""
    record = purchase.record
    with contextlib.suppress(KlingError):
        await _find_here(purchase)
        if not record.request or len(record.films) < record.number_results:
            await _ask_for_more(purchase)
        if not record.gone:
            purchase.journal.forget(record.task_uuid, "urls")


async def _ask_for_more(purchase: Purchase) -> None:
    """Ask the service for what is not here, and try it once."""
    record = purchase.record
    sighting = await purchase.inquiry.witness()
    rows = [] if sighting is None else sighting.successes
    purchase.urls = {**purchase.journal.urls(record.task_uuid), **purchase.urls}
    results.keep(purchase, rows, gone=True)  # with its address: tomorrow the service may no longer name it
    if not record.request:
        record.number_results = max(record.number_results, len(record.films) + len(record.gone))
    gone_before = list(record.gone)
    for film, was_fetched in zip(gone_before, await _fetch_each_once(purchase, gone_before), strict=True):
        if was_fetched:
            _take_back(purchase, film)


def _take_back(purchase: Purchase, film: Film) -> None:
    record = purchase.record
    record.gone.remove(film)
    record.films.append(film)
    missing = {_gone(each) for each in record.gone}
    if len(record.films) + len(record.gone) >= record.number_results:
        record.failures = [each for each in record.failures if each.get("message") in missing]
    else:
        record.failures = [each for each in record.failures if each.get("message") != _gone(film)]
    purchase.journal.put(record)


def _gone(film: Film) -> str:
    return f"film {film.video_uuid} could not be fetched; collecting the task UUID asks for it again, for free"


def _container(url: str) -> str:
    path = url.partition("?")[0].lower()
    return next((ending for ending in ("webm", "mov") if path.endswith("." + ending)), "mp4")
