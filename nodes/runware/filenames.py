"""The name a user gives a film, below ComfyUI's output folder: what it may hold, and what it becomes.

What refuses a name raises an InputError that names the node and the field.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

from .checks import text
from .errors import InputError

FILENAME_PREFIX_MAX = 200
"""Characters."""
FILENAME_BYTES_MAX = 200
"""Of each part of a path in UTF-8. File systems take 255; the counter and an unfinished file's name are added to it."""

_NEVER_IN_A_NAME = re.compile(
    r'[\x00-\x1f\x7f-\x9f<>:"|?*\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]'  # the last turn the writing round
)
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\xb9\xb2\xb3])\s*(\..*)?", re.IGNORECASE)


def filename_prefix(value: Any, *, node: str, field: str) -> str:
    """A path below the output folder without its ending, such as video/kling; parts separated by slashes."""
    prefix = text(value, node=node, field=field).strip().replace("\\", "/")
    fault = _prefix_fault(prefix)
    if fault:
        raise InputError(
            node=node,
            field=field,
            value=prefix,
            rule=f"{fault}.",
            next_step="Use a name below the output folder, such as video/kling.",
        )
    return prefix


def _prefix_fault(prefix: str) -> str:  # noqa: PLR0911  one return for each rule
    if len(prefix) > FILENAME_PREFIX_MAX:
        return f"it has {len(prefix)} characters, at most {FILENAME_PREFIX_MAX} are accepted"
    prefix = expand_dates(prefix, _LONGEST_DATE)
    if not prefix:
        return "the film needs a name"
    if _NEVER_IN_A_NAME.search(prefix):
        return 'a file name contains no control characters and none of < > : " | ? *'
    if prefix.startswith(("/", "~")):
        return "it must stay below the output folder"
    for part in prefix.split("/"):
        if part in ("", ".", ".."):
            return "no part of a path is empty, . or ..; it must stay below the output folder"
        if part != part.strip() or part.endswith("."):
            return "no part of a path begins or ends with a space, or ends with a dot"
        if _DEVICES.fullmatch(part):
            return f"{part} is the name of a device on Windows"
        size = len(part.encode())
        if size > FILENAME_BYTES_MAX:
            return f"a part of it has {size} bytes in UTF-8, at most {FILENAME_BYTES_MAX} are accepted"
    return ""


_DATE = re.compile("%date:([^%]*)%")
_PART_OF_DATE = re.compile("yyyy|yy|" + "|".join(f"{letter}{letter}?" for letter in "MdHhms"))
_LONGEST_DATE = time.struct_time((2026, 12, 31, 23, 59, 59, 3, 365, 0))
"""No other moment makes a longer name."""


def expand_dates(prefix: str, now: time.struct_time) -> str:
    """Put in what ComfyUI's page puts in for %date:yyyy-MM-dd% and the like, but for its own save nodes alone."""
    numbers = {"M": now.tm_mon, "d": now.tm_mday, "H": now.tm_hour, "h": now.tm_hour, "m": now.tm_min, "s": now.tm_sec}

    def part(found: re.Match[str]) -> str:
        letters = found[0]
        if letters[0] == "y":
            return str(now.tm_year)[-len(letters) :]
        return str(numbers[letters[0]]).zfill(len(letters))

    return _DATE.sub(lambda date: _PART_OF_DATE.sub(part, date[1]), prefix)


def expand_tokens(prefix: str, size: tuple[int, int], now: time.struct_time) -> str:
    """Put in what ComfyUI's own save nodes put in for %year%, %month%, %width%, %date:yyyy-MM-dd% and so on."""
    prefix = expand_dates(prefix, now)
    tokens = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "minute": "%M", "second": "%S"}
    for name, form in tokens.items():
        prefix = prefix.replace(f"%{name}%", time.strftime(form, now))
    return prefix.replace("%width%", str(size[0])).replace("%height%", str(size[1]))


def check_prefix(value: Any, root: Path, *, node: str, field: str) -> None:
    """Refuse, before anything is bought, a prefix with which nothing can be written below the folder `root`.

    Makes nothing. Raises InputError.
    """
    name = filename_prefix(value, node=node, field=field)
    check_output(expand_dates(name, time.localtime()), root, node=node, field=field)


def check_output(prefix: str, root: Path, *, node: str, field: str) -> None:
    """Refuse a prefix below the folder `root` whose folder a link leads out of it, or where nothing can be written.

    Makes nothing. Raises InputError.
    """
    try:
        fault = _place_fault(prefix, root)
    except OSError as error:
        fault = f"its folder cannot be looked at ({error.strerror or type(error).__name__})"
    if fault:
        raise InputError(
            node=node,
            field=field,
            value=prefix,
            rule=f"{fault}.",
            next_step="Use another name below the output folder, or fix the folder.",
        )


def _place_fault(prefix: str, root: Path) -> str:
    top, folder = (Path(os.path.realpath(path)) for path in (root, (root / prefix).parent))
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if folder != top and top not in folder.parents:
        return "a link in it leads out of ComfyUI's output folder"
    if not there.is_dir():
        return f"{there.name} is a file, not a folder"
    return "" if os.access(there, os.W_OK | os.X_OK) else "ComfyUI may not write into this folder"
