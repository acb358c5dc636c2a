"""Films into ComfyUI's output folder: a name that cannot leave it, whole or not at all, with a sidecar beside."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import host
from .runware.errors import InputError, StorageError
from .runware.files import Disk, write_whole
from .runware.tell import COLLECT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .runware.journal import Film, Record

PREFIX_CHARACTERS_MOST = 200
PART_CHARACTERS_MOST = 120
NUMBERS_MOST = 100_000
WINDOWS_NAMES = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
)
FORBIDDEN = re.compile(r'[<>:"|?*\\]')
UUID_PATTERN = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
NAME_RULE = "a name below ComfyUI's output folder, such as video/kling, in letters that every system takes"


@dataclass(frozen=True)
class Delivered:
    """One film in the output folder."""

    path: Path
    subfolder: str
    """Below the output folder, with the separators ComfyUI uses."""


def check_prefix(prefix: Any, node: str = "KlingFetchVideo") -> str:  # noqa: ANN401  a widget's value
    """Give a `filename_prefix` that stays below the output folder. Raises InputError before anything is paid."""

    def refuse(rule: str) -> InputError:
        return InputError(node=node, field="filename_prefix", value=prefix, rule=rule, next_step=f"Use {NAME_RULE}.")

    if not isinstance(prefix, str) or not prefix.strip():
        raise refuse("it is empty.")
    if len(prefix) > PREFIX_CHARACTERS_MOST:
        raise refuse(f"it is longer than {PREFIX_CHARACTERS_MOST} characters.")
    if not prefix.isprintable() or any("\ud800" <= letter <= "\udfff" for letter in prefix):
        raise refuse("it holds characters that cannot be seen.")
    if FORBIDDEN.search(prefix):
        raise refuse('it holds one of < > : " | ? * or a backslash.')
    parts = prefix.split("/")
    if prefix.startswith(("/", "~")) or not all(parts):
        raise refuse("it begins or ends with a slash or ~, or has two slashes in a row.")
    for part in parts:
        if part.startswith(".") or part.endswith((".", " ")) or part != part.strip():
            raise refuse("a part of it begins with a dot or blank, or ends with one.")
        if len(part) > PART_CHARACTERS_MOST:
            raise refuse(f"a part of it is longer than {PART_CHARACTERS_MOST} characters.")
        if part.split(".")[0].lower() in WINDOWS_NAMES:
            raise refuse("a part of it is a device name on Windows.")
    return prefix


def check_task_uuid(text: Any, node: str = "KlingFetchVideo") -> str:  # noqa: ANN401
    """Give a task UUID in small letters. Raises InputError for everything else: no path, no URL."""
    text = text.strip() if isinstance(text, str) else text
    if not isinstance(text, str) or not UUID_PATTERN.fullmatch(text):
        raise InputError(
            node=node,
            field="task_uuid",
            value=text,
            rule="it must be a task UUID: 8-4-4-4-12 hexadecimal digits.",
            next_step="Copy it from a KlingGenerate node, a sidecar file or an error message.",
        )
    return text.lower()


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
        folder, stem, number, subfolder = host.save_path(prefix, *size)
        _check_inside(folder)
        path = _write(source, folder, stem, number, metadata)
        entry = {"path": str(path), "subfolder": subfolder, "size": path.stat().st_size, "sha256": _sha256(path)}
        about = {**sidecar, "file": path.name, "sha256": entry["sha256"], "size": entry["size"]}
        write_whole(Disk(), path.with_suffix(".json"), [json.dumps(about, indent=2, ensure_ascii=False).encode()])
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"The film cannot be written to ComfyUI's output folder ({error.strerror or type(error).__name__}).",
            billing="It is paid and safe in the state folder.",
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
        for tried in range(number, NUMBERS_MOST):
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
        os.replace(part, path)
    return True


def _earlier(record: Record, key: str) -> Delivered | None:
    entry = record.deliveries.get(key)
    if not entry:
        return None
    path = Path(str(entry.get("path")))
    try:
        if path.stat().st_size == entry.get("size") and _sha256(path) == entry.get("sha256"):
            _check_inside(path.parent)
            return Delivered(path, str(entry.get("subfolder", "")))
    except (OSError, InputError):
        pass
    return None


def _check_inside(folder: Path) -> None:
    """Refuse a folder that a link leads out of the output folder."""
    root, real = host.output_folder().resolve(), folder.resolve()
    if real != root and root not in real.parents:
        raise InputError(
            node="KlingFetchVideo",
            field="filename_prefix",
            rule="a link in it leads out of ComfyUI's output folder.",
            next_step=f"Use {NAME_RULE}.",
        )


def _delivery_key(film: Film, prefix: str, metadata: Mapping[str, str]) -> str:
    text = json.dumps([film.video_uuid, prefix, str(host.output_folder()), sorted(metadata.items())])
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
