"""Checks of single values of a raw JSON task. Each raises `Refusal` in the service's manner, or returns."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from .refusal import Refusal

UUID_V4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
UUID_SHAPE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
CONTAINERS = ("inputs", "providerSettings", "klingai")


def code(prefix: str, path: str) -> str:
    """Make an error code from a path: `invalid` and `inputs.elements.id` give `invalidElementsId`."""
    parts = [part for part in path.split(".") if part not in CONTAINERS] or [path]
    return prefix + "".join(part[0].upper() + part[1:] for part in parts)


def names(path: str, value: object, allowed: Iterable[str]) -> dict[str, Any]:
    """Take an object none of whose keys is unknown."""
    given = obj(path, value)
    prefix = f"{path}." if path else ""
    allowed = tuple(allowed)
    for name in given:
        if name not in allowed:
            listed = ", ".join(f"'{each}'" for each in allowed)
            raise Refusal(
                "unsupportedParameter",
                f"Unsupported use of '{prefix}{name}' parameter. This parameter is not supported for the "
                f"selected model. Allowed values are: {listed}.",
                parameter=f"{prefix}{name}",
                allowedValues=list(allowed),
            )
    return given


def missing(*paths: str) -> Refusal:
    """Make the refusal for a required parameter that is absent."""
    shown = "/".join(paths)
    parameter: object = paths[0] if len(paths) == 1 else list(paths)
    return Refusal(code("missing", paths[0]), f"Missing required parameter: '{shown}'.", parameter=parameter)


def invalid(path: str, rule: str, kind: str) -> Refusal:
    """Make the refusal for a value that breaks its rule. `kind` is the JSON type the service expects."""
    message = f"Invalid value for '{path}' parameter. {rule}"
    return Refusal(code("invalid", path), message, parameter=path, type=kind)


def obj(path: str, value: object) -> dict[str, Any]:
    """Take a JSON object."""
    if not isinstance(value, dict):
        raise invalid(path or "task", "The value must be an object.", "object")
    return value


def array(path: str, value: object, least: int, most: int | None) -> list[Any]:
    """Take an array of `least` to `most` items."""
    if not isinstance(value, list):
        raise invalid(path, "The value must be an array.", "array")
    if len(value) < least:
        message = f"'{path}' must hold at least {least} item(s), got {len(value)}."
        raise Refusal("arrayTooSmall", message, parameter=path, type="array")
    if most is not None and len(value) > most:
        message = f"'{path}' must hold at most {most} item(s), got {len(value)}."
        raise Refusal("arrayTooLarge", message, parameter=path, type="array")
    return value


def text(path: str, value: object, least: int = 0, most: int | None = None) -> str:
    """Take a string of `least` to `most` characters (code points)."""
    if not isinstance(value, str):
        raise invalid(path, "The value must be a string.", "string")
    if len(value) < least or (most is not None and len(value) > most):
        message = f"Invalid length of '{path}' parameter. It must be between {least} and {most} characters."
        raise Refusal(code("invalid", path) + "Length", message, parameter=path, type="string")
    return value


def integer(path: str, value: object, least: int, most: int | None = None) -> int:
    """Take an integer; `true` and `5.0` are none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(path, "The value must be an integer.", "integer")
    if value < least:
        message = f"The value of '{path}' is too small: {value}. The minimum is {least}."
        raise Refusal("valueTooSmall", message, parameter=path, type="integer")
    if most is not None and value > most:
        message = f"The value of '{path}' is too large: {value}. The maximum is {most}."
        raise Refusal("valueTooLarge", message, parameter=path, type="integer")
    return value


def boolean(path: str, value: object) -> None:
    """Take `true` or `false`."""
    if not isinstance(value, bool):
        raise invalid(path, "The value must be a boolean.", "boolean")


def one_of(path: str, value: object, allowed: tuple[object, ...]) -> None:
    """Take one of the listed values; `false` is not 0."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value not in allowed:
        listed = ", ".join(f"'{each}'" for each in allowed)
        message = f"Invalid value for '{path}' parameter. Allowed values are: {listed}."
        fields = {"parameter": path, "type": "string", "allowedValues": list(allowed)}
        raise Refusal(code("invalid", path), message, status=400, **fields)


def uri(path: str, value: object) -> None:
    """Take an absolute http or https address."""
    if not is_address(text(path, value)):
        raise invalid(path, "The value must be a valid URI.", "string")


def is_address(value: str) -> bool:
    """Tell whether a string is an http or https address with a host and no blanks."""
    try:
        parts = urlsplit(value)
        host = parts.hostname
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and not re.search(r"\s", value)


def is_loopback(value: str) -> bool:
    """Tell whether an address is on this machine, by number or as localhost."""
    host = urlsplit(value).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def uuid_v4(path: str, value: object) -> str:
    """Take a UUID whose version and variant bits are those of v4."""
    if not isinstance(value, str) or not UUID_V4.fullmatch(value):
        raise invalid(path, "The value must be a UUID v4.", "string")
    return value.lower()
