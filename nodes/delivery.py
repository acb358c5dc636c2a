"""Films into ComfyUI's output folder: a name that cannot leave it, whole or not at all, with a sidecar beside."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import host
from .runware.errors import StorageError
from .runware.files import Disk, sha256_of, write_whole
from .runware.places import check_output, expand_tokens
from .runware.tell import COLLECT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .runware.record import Film, Record

NUMBERS_MOST = 100_000
"""Numbers tried, from the one after the largest that is taken."""


@dataclass(frozen=True)
class Delivered:
    """One film in the output folder."""

    path: Path
    subfolder: str
    """Below the output folder, with the separators ComfyUI uses."""


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
    key = _delivery_key(film, prefix, metadata)
    earlier = _earlier(record, key)
    if earlier is not None:
        return earlier
    try:
        name = expand_tokens(prefix, size, time.localtime())
        check_output(name, host.output_folder(), node="KlingFetchVideo", field="filename_prefix")
        folder, stem, number, subfolder = host.save_path(name, *size)
        path = _write(source, folder, stem, number, metadata)
        entry = {
            "path": str(path),
            "subfolder": subfolder,
            "size": path.stat().st_size,
            "sha256": sha256_of(path),
            "video_uuid": film.video_uuid,
        }
        about = {**sidecar, "file": path.name, "sha256": entry["sha256"], "size": entry["size"]}
        write_whole(Disk(), path.with_suffix(".json"), [json.dumps(about, indent=2, ensure_ascii=False).encode()])
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"The film cannot be written to ComfyUI's output folder ({error.strerror or type(error).__name__}).",
            billing="What was paid for is safe in ComfyUI's user/__kling folder.",
            task_uuid=record.task_uuid,
            next_step=f"Free space or mend the folder's rights. {COLLECT}",
        ) from None
    record.deliveries[key] = entry
    return Delivered(path, subfolder)


def _write(source: Path, folder: Path, stem: str, number: int, metadata: Mapping[str, str]) -> Path:
    from .film import remux

    ending = source.suffix
    part = folder / f".{stem}.{secrets.token_hex(6)}{ending}"
    try:
        remux(source, part, metadata)
        for tried in range(number, number + NUMBERS_MOST):
            path = folder / f"{stem}_{tried:05}_{ending}"
            if path.with_suffix(".json").exists():
                continue
            if _claim(part, path):
                return path
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    raise FileExistsError(0, "all numbers of this prefix are taken")


def _claim(part: Path, path: Path) -> bool:
    """Give a finished file its name unless that is taken, in one step where the file system has hard links."""
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    except OSError:
        if path.exists():
            return False
        part.replace(path)
    return True


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


def _delivery_key(film: Film, prefix: str, metadata: Mapping[str, str]) -> str:
    text = json.dumps([film.video_uuid, prefix, str(host.output_folder()), sorted(metadata.items())])
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
