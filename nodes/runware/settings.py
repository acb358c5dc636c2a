"""What the environment says: key, address, limits. Read when a node runs, never at import."""

from __future__ import annotations

import logging
import math
import os
import re
import stat
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .errors import NOTHING_SENT, KlingError, MissingKeyError, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DEFAULT_BASE_URL = "https://api.runware.ai/v1"
STATE_FOLDER_NAME = "__kling"
"""Below ComfyUI's user folder; ComfyUI serves nothing there whose name begins with two underscores."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
RESUBMIT_WINDOW_MOST = 25.0
"""Seconds. A re-send must arrive while the fastest render still runs (35 s) less the latest delivery (10 s)."""
KEY_CHARACTERS_MOST = 512
KEY_WAYS = (
    "Set the environment variable RUNWARE_API_KEY before ComfyUI starts, or put the key into the file "
    "user/__kling/api_key (mode 0600) of your ComfyUI folder. Keys are made at my.runware.ai."
)

logger = logging.getLogger("kling")


@dataclass(frozen=True)
class Settings:
    """The pack's settings, checked."""

    base_url: str = DEFAULT_BASE_URL
    max_concurrency: int = 4
    """Purchases at once in this process."""
    max_fanout: int = 8
    """Purchases one node may start from a list in one run."""
    daily_budget: Decimal | None = None
    """USD a calendar day (local time); None is no limit."""
    resubmit_window: float = 20.0
    """Seconds after the first unsettled send in which the same bytes may be sent again; 0 is never."""


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment, refusing what cannot be meant."""
    environ = os.environ if environ is None else environ
    window = _number(environ, "KLING_RESUBMIT_WINDOW", 20.0)
    if window > RESUBMIT_WINDOW_MOST:
        logger.warning(
            "KLING_RESUBMIT_WINDOW is %g s; %g s are used, the most that is safe.", window, RESUBMIT_WINDOW_MOST
        )
    return Settings(
        base_url=_base_url(environ.get("RUNWARE_BASE_URL", "").strip() or DEFAULT_BASE_URL),
        max_concurrency=_whole(environ, "KLING_MAX_CONCURRENCY", 4),
        max_fanout=_whole(environ, "KLING_MAX_FANOUT", 8),
        daily_budget=_money(environ, "KLING_DAILY_BUDGET_USD"),
        resubmit_window=min(window, RESUBMIT_WINDOW_MOST),
    )


def api_key(state_folder: Path, environ: Mapping[str, str] | None = None) -> str:
    """Find the API key: `RUNWARE_API_KEY`, else the file `api_key` in the state folder.

    Raises MissingKeyError, which names the source and never the key.
    """
    environ = os.environ if environ is None else environ
    if environ.get("RUNWARE_API_KEY", "").strip():
        return _checked_key(environ["RUNWARE_API_KEY"], "RUNWARE_API_KEY")
    return _checked_key(_key_file(state_folder / "api_key"), "the key file user/__kling/api_key")


def is_loopback(host: str | None) -> bool:
    """Whether a URL's host is this machine by name or number."""
    return (host or "").lower() in LOOPBACK


def _key_file(path: Path) -> str:
    try:
        status = path.lstat()
    except OSError:
        raise MissingKeyError("There is no Runware API key.", billing=NOTHING_SENT, next_step=KEY_WAYS) from None
    if not stat.S_ISREG(status.st_mode):
        raise MissingKeyError(
            "The key file user/__kling/api_key is not a plain file.", billing=NOTHING_SENT, next_step=KEY_WAYS
        )
    if os.name == "posix" and status.st_mode & 0o077:
        logger.warning("The key file user/__kling/api_key can be read by others: chmod 600 it.")
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        raise MissingKeyError(
            "The key file user/__kling/api_key cannot be read.", billing=NOTHING_SENT, next_step=KEY_WAYS
        ) from None


def _checked_key(text: str, source: str) -> str:
    key = text.strip()
    wrong = ""
    if not key:
        wrong = "is empty"
    elif key.lower().startswith("bearer"):
        wrong = "begins with the word Bearer; only the key itself belongs there"
    elif key[0] in "'\"" or key[-1] in "'\"":
        wrong = "is in quotation marks; leave them out"
    elif len(key) > KEY_CHARACTERS_MOST:
        wrong = f"is longer than {KEY_CHARACTERS_MOST} characters"
    elif not re.fullmatch(r"[\x21-\x7e]+", key):
        wrong = "contains spaces, line breaks or characters that no key has"
    if wrong:
        raise MissingKeyError(f"The API key in {source} {wrong}.", billing=NOTHING_SENT, next_step=KEY_WAYS)
    return key


def _base_url(text: str) -> str:
    if not _is_base_url(text):
        raise KlingError(
            "RUNWARE_BASE_URL must be an https address, or http on this machine (127.0.0.1), without name or query.",
            billing=NOTHING_SENT,
            next_step=f"Correct it, or unset it for {DEFAULT_BASE_URL}.",
        )
    return text.rstrip("/")


def _is_base_url(text: str) -> bool:
    if not re.fullmatch(r"[\x21-\x7e]+", text):
        return False
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    return secure and bool(host) and not (parts.username or parts.password or parts.query or parts.fragment)


def _number(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise _unusable(name, text, "a number of 0 or more")
    return value


def _whole(environ: Mapping[str, str], name: str, default: int) -> int:
    value = _number(environ, name, default)
    if value < 1 or value != int(value):
        raise _unusable(name, environ[name], "a whole number of 1 or more")
    return int(value)


def _money(environ: Mapping[str, str], name: str) -> Decimal | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    try:
        value = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise _unusable(name, text, "an amount in USD, such as 20")
    return value


def _unusable(name: str, text: str, rule: str) -> KlingError:
    return KlingError(
        f"The environment variable {name} is {shorten(text)}; it must be {rule}.",
        billing=NOTHING_SENT,
        next_step="Correct it where ComfyUI is started, or unset it.",
    )
