"""Text in a widget that names something elsewhere: media the service has, an earlier purchase, where results go.

Each function gives the value as it is used, or raises an InputError that names the node and the field.
"""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import urlsplit

from . import checks
from .errors import InputError
from .limits import URL_MAX
from .media import Source
from .settings import is_loopback

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BETWEEN_SOURCES = re.compile(r"\s*[\r\n]\s*|,\s+|,(?=https?://)|,(?=[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-)")
_NEVER_IN_A_URL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\\]")
_VARIABLE = re.compile(r"\$KLING_[A-Z0-9_]+")


def source(value: Any, *, node: str, field: str) -> Source | None:
    """The UUID or https URL of media that the service reads by itself; None if empty."""
    text = checks.text(value, node=node, field=field).strip()
    return _source(text, node=node, field=field) if text else None


def sources(value: Any, *, node: str, field: str, most: int) -> tuple[Source, ...]:
    """Up to `most` sources, one per line or separated by commas; none if empty."""
    parts = _BETWEEN_SOURCES.split(checks.text(value, node=node, field=field))
    named = [part for part in (part.strip().rstrip(",") for part in parts) if part]
    found = tuple(_source(part, node=node, field=field) for part in named)
    if len(found) > most:
        raise InputError(
            node=node,
            field=field,
            rule=f"these are {len(found)} sources, at most {most} are accepted.",
            next_step="Delete some.",
        )
    return found


def _source(text: str, *, node: str, field: str) -> Source:
    if _UUID.fullmatch(text):
        return Source(text.lower())
    fault = _source_fault(text)
    if fault:
        # What stands behind the question mark or before the @ may be a secret, and messages are logged.
        shown = None if "@" in text else text.partition("?")[0]
        raise InputError(
            node=node,
            field=field,
            value=shown,
            rule=f"{fault}. A source is the UUID of media the service already has, or an https URL it can read.",
        )
    return Source(text)


def _source_fault(text: str) -> str:
    fault = _url_fault(text)
    if fault:
        return fault
    url = urlsplit(text)
    faults = {
        "this is neither a UUID nor an https URL": url.scheme != "https",
        "the URL names no host": not url.hostname,
        "the URL carries a user name or a password": "@" in url.netloc,
    }
    return next((fault for fault, is_so in faults.items() if is_so), "")


def delivery_url(value: Any, *, node: str, field: str) -> str | None:
    """Where results are delivered: an https URL, or `$KLING_NAME` for one in that environment variable; None if empty.

    Such URLs carry signatures, so no message shows one.
    """
    url = checks.text(value, node=node, field=field).strip()
    if url.startswith("$"):
        url = _variable(url, node=node, field=field)
    if not url:
        return None
    fault = _delivery_fault(url)
    if fault:
        raise InputError(
            node=node,
            field=field,
            rule=f"{fault}.",
            next_step="Give an https URL, or $KLING_NAME with the URL in the environment variable KLING_NAME.",
        )
    return url


def _variable(value: str, *, node: str, field: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise InputError(
            node=node,
            field=field,
            rule="only environment variables that begin with KLING_ are read, as $KLING_NAME in capital letters.",
            next_step="Rename the variable.",
        )
    found = os.environ.get(value[1:], "").strip()
    if not found:
        raise InputError(
            node=node,
            field=field,
            value=value,
            rule="this environment variable is not set.",
            next_step="Set it where ComfyUI is started, or leave the field empty.",
        )
    return checks.text(found, node=node, field=field)


def _delivery_fault(text: str) -> str:
    fault = _url_fault(text)
    if fault:
        return fault
    url = urlsplit(text)
    if not url.hostname:
        return "this is not a URL"
    is_safe = url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname))
    return "" if is_safe else "this is not an https URL"


def _url_fault(text: str) -> str:
    """Say why a text cannot be a URL, whatever its scheme and host; empty if it can."""
    if len(text) > URL_MAX:
        return f"a URL has at most {URL_MAX} characters, this one has {len(text)}"
    if _NEVER_IN_A_URL.search(text):
        return "a URL contains no spaces, backslashes or control characters"
    try:
        _ = urlsplit(text).port  # judged only when it is read
    except ValueError:
        return "this is not a well-formed URL"
    return ""


def task_uuid(value: Any, *, node: str, field: str) -> str | None:
    """The UUID of an earlier purchase in lower case; None if empty."""
    uuid = checks.text(value, node=node, field=field).strip()
    if uuid and not _UUID.fullmatch(uuid):
        raise InputError(
            node=node,
            field=field,
            value=uuid,
            rule="a task UUID has 36 characters, such as 236ba4b9-e789-4ff4-8fa9-7ca57ab56210.",
            next_step="Copy it from the task_uuid of the KlingGenerate that made the purchase, or leave it empty.",
        )
    return uuid.lower() or None
