"""Films into ComfyUI's output folder: a name that cannot leave it, whole or not at all, with a sidecar beside."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import host
from .runware import tell
from .runware.errors import SAFE, KlingError, StorageError
from .runware.filenames import check_output, expand_tokens
from .runware.files import Disk, sha256_of, write_whole
from .runware.journal import PART_KEPT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .film import FilmInfo
    from .runware.journal import Journal
    from .runware.record import Film, Record

_turns = [threading.Lock() for _ in range(16)]
"""One for each purchase, some of which share one."""

NUMBERS_MOST = 100_000
"""Numbers tried, from the one after the largest that is taken."""


@dataclass(frozen=True)
class Delivered:
    """One film in the output folder."""

    path: Path
    subfolder: str
    """Below the output folder, with the separators ComfyUI uses."""


def deliver_all(
    journal: Journal,
    record: Record,
    *,
    prefix: str,
    metadata: Mapping[str, str],
    about: Callable[[Film, FilmInfo], dict[str, Any]],
) -> list[tuple[Delivered, FilmInfo, dict[str, Any]]]:
    """Write all films of a purchase; each with what it is, and what `about` says of it, which is its sidecar.

    One that cannot be written or read keeps none of the others back: its error is raised when they lie there and are
    remembered, so that the next run makes no second copies of them. Nor does another node, or item of a list, that
    wants the same films now: it waits, and finds them.
    """
    with _turn(journal, record):
        placed: list[tuple[Delivered, FilmInfo, dict[str, Any]]] = []
        trouble: Exception | None = None
        known = dict(record.deliveries)
        try:
            for film in record.films:
                source = journal.films / str(film.file)
                try:
                    info = _probe(source, film, record)
                    said = about(film, info)
                    size = (info.width, info.height)
                    place = deliver(source, film, record, prefix=prefix, size=size, metadata=metadata, sidecar=said)
                except Exception as error:  # noqa: BLE001  whatever a damaged film makes its reader stumble over
                    trouble = trouble or error
                else:
                    placed.append((place, info, said))
        finally:
            if record.deliveries != known:
                journal.remember_deliveries(record)
        if isinstance(trouble, KlingError) and placed:
            trouble.next_step += f" In the output folder: {len(placed)} of {len(record.films)} films."
        if trouble is not None:
            raise trouble
        return placed


@contextlib.contextmanager
def _turn(journal: Journal, record: Record) -> Iterator[None]:
    """Let one at a time write the films of a purchase; who comes next is told of what was written meanwhile."""
    with _turns[hash(record.task_uuid) % len(_turns)]:
        with contextlib.suppress(StorageError):
            written = journal.get(record.task_uuid)
            record.deliveries.update(written.deliveries if written is not None else {})
        yield


def _probe(source: Path, film: Film, record: Record) -> FilmInfo:
    """Read a kept film's header. One that cannot be read, and is what was fetched, is not fetched anew by itself."""
    from .film import FilmError, probe

    try:
        return probe(source)
    except FilmError as error:
        _check_source(source, film, record)
        error.next_step = (
            f"It is as the service gave it, and lies at {source}: another player may show it. To fetch it again for "
            "free, as long as the service has it, move it away and run again."
        )
        raise


def deliver(  # noqa: PLR0913
    source: Path,
    film: Film,
    record: Record,
    *,
    prefix: str,
    size: tuple[int, int],
    metadata: Mapping[str, str],
    sidecar: Mapping[str, Any],
) -> Delivered:
    """Write one film, with its workflow inside and its sidecar beside, or find it where an earlier run put it.

    `source` is the film as it was fetched, `size` (width, height), `metadata` what goes into the container.
    Raises StorageError; the purchase stays in the state folder and nothing half-written is left.
    """
    key, former = (_delivery_key(film, prefix, told) for told in (_telling(metadata), metadata))
    earlier = _earlier(record, key) or _earlier(record, former)  # as version 1.0.0 named them
    if earlier is not None:
        return earlier
    _check_source(source, film, record)
    try:
        name = expand_tokens(prefix, size, time.localtime())
        check_output(name, host.output_folder(), node="KlingFetchVideo", field="filename_prefix")
        folder, stem, number, subfolder = host.save_path(name, *size)
        _clear(folder, stem)
        path, size_and_hash = _write(source, folder, stem, number, metadata, sidecar)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"The film cannot be written to ComfyUI's output folder ({error.strerror or type(error).__name__}).",
            billing=SAFE,
            task_uuid=record.task_uuid,
            next_step=f"Free space or fix the folder's permissions. {tell.COLLECT}",
        ) from None
    entry = {"path": str(path), "subfolder": subfolder, **size_and_hash, "video_uuid": film.video_uuid}
    record.deliveries[key] = entry
    return Delivered(path, subfolder)


def _check_source(source: Path, film: Film, record: Record) -> None:
    """Refuse a file that is not the film the record names: it would lie in the output folder as if it were paid for."""
    if film.sha256 is None:
        return
    try:
        found = sha256_of(source)
    except OSError as error:
        raise tell.unreadable(record, source.name, error) from None
    if found != film.sha256:
        raise StorageError(
            f"The film user/__kling/films/{source.name} has changed since it was fetched.",
            billing=tell.billed(record),
            task_uuid=record.task_uuid,
            next_step="Run again: it is fetched again for free, as long as the service has it.",
        )


def _write(
    source: Path, folder: Path, stem: str, number: int, metadata: Mapping[str, str], sidecar: Mapping[str, Any]
) -> tuple[Path, dict[str, Any]]:
    """Write a film and its sidecar under the next free number. Gives the film's path, and its size and hash."""
    from .film import remux

    ending = source.suffix
    part = folder / f".{stem}.{secrets.token_hex(6)}{ending}"
    try:
        remux(source, part, metadata)
        size_and_hash = {"size": part.stat().st_size, "sha256": sha256_of(part)}
        for tried in range(number, number + NUMBERS_MOST):
            path = folder / f"{stem}_{tried:05}_{ending}"
            if _place(part, path, {**sidecar, **size_and_hash, "file": path.name}):
                return path, size_and_hash
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    raise FileExistsError(0, "all numbers of this prefix are taken")


def _place(part: Path, path: Path, about: Mapping[str, Any]) -> bool:
    """Give a finished film its name and its sidecar. False, and nothing is left, where one of the names is taken.

    The sidecar's name comes first: it is the same for an MP4 and a WEBM, and one number must not stand for both.
    """
    sidecar = path.with_suffix(".json")
    if not _take(sidecar):
        return False
    placed = False
    try:
        write_whole(Disk(), sidecar, [json.dumps(about, indent=2, ensure_ascii=False).encode()])
        placed = _claim(part, path)
    finally:
        if not placed:
            with contextlib.suppress(OSError):
                sidecar.unlink()
    with contextlib.suppress(OSError):  # it lies there, and is remembered
        Disk().sync_folder(path.parent)
    return placed


def _claim(part: Path, path: Path) -> bool:
    """Give a finished file its name, unless that is taken: to look first and to rename then would be two steps."""
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links: exFAT, many network shares
        if not _take(path):
            return False
        try:
            Disk().replace(part, path)
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
    return True


def _take(path: Path) -> bool:
    """Make an empty file of this name, in one step; False where there is one."""
    try:
        path.open("xb").close()
    except FileExistsError:
        return False
    return True


def _clear(folder: Path, stem: str) -> None:
    """Remove what deliveries of this name left when they were killed, half written or a name taken and empty.

    A young one may still be growing. A sidecar without its film stays: the film may have been moved by its owner.
    """
    name, drawn, ending = re.escape(stem), "[0-9a-f]{12}", "(?:mp4|mov|webm)"
    film, sidecar = rf"\.{name}\.{drawn}\.{ending}", rf"{name}_\d{{5,}}_\.json"
    parts = re.compile(rf"{film}|\.(?:{film}|{sidecar})\.{drawn}\.part")
    names = re.compile(rf"{sidecar}|{name}_\d{{5,}}_\.{ending}")
    for path in folder.iterdir():
        is_part = parts.fullmatch(path.name)
        if is_part or names.fullmatch(path.name):
            with contextlib.suppress(OSError):
                found = path.lstat()
                if (is_part or not found.st_size) and time.time() - found.st_mtime > PART_KEPT_SECONDS:
                    path.unlink()


def _earlier(record: Record, key: str) -> Delivered | None:
    entry = record.deliveries.get(key)
    if not entry:
        return None
    path = Path(str(entry.get("path")))
    try:
        if path.stat().st_size == entry.get("size") and sha256_of(path) == entry.get("sha256"):
            return Delivered(path, str(entry.get("subfolder", "")))
    except OSError:
        pass
    return None


def _telling(metadata: Mapping[str, str]) -> dict[str, str]:
    """Leave out the workflow where the prompt stands for it.

    It is another one as soon as a node is moved, or has grown to show the film: each look at the canvas would make a
    copy.
    """
    return {name: text for name, text in metadata.items() if name != "workflow" or "prompt" not in metadata}


def _delivery_key(film: Film, prefix: str, told: Mapping[str, str]) -> str:
    """Name a film in its place by what went into it."""
    text = json.dumps([film.video_uuid, prefix, str(host.output_folder()), sorted(told.items())])
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
