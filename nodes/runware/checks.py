"""What may stand in one field: numbers, switches, choices and texts, each to its limit and to its type.

Every check gives back the value as it is used, or raises an InputError that names the node and the field.
"""

from __future__ import annotations

import math
import re
from typing import Any, Protocol

from . import limits
from .errors import InputError
from .tags import has_tags


class Check(Protocol):
    """Give back the value as it is used, or raise an InputError."""

    def __call__(self, value: Any, *, node: str, field: str) -> Any:
        """`node` and `field` are as a message names them."""


def whole(value: Any, *, node: str, field: str, least: int, most: int, unit: str = "") -> int:
    """A whole number within limits; True is not 1 and 5.0 is not 5."""
    if type(value) is not int or not least <= value <= most:
        raise InputError(
            node=node,
            field=field,
            value="nothing" if value is None else value,
            rule=f"it must be a whole number from {least} to {most}{unit and ' ' + unit}.",
            next_step=f"Set it between {least} and {most}.",
        )
    return value


def seconds_to_live(value: Any, *, node: str, field: str) -> int | None:
    """0 for the service's own choice, or at least a minute."""
    if type(value) is not int or (value != 0 and not limits.TTL_MIN <= value <= limits.INTEGER_MAX):
        raise InputError(
            node=node,
            field=field,
            value="nothing" if value is None else value,
            rule=f"it must be 0 (the service decides) or a whole number of seconds from {limits.TTL_MIN}.",
            next_step=f"Set it to 0 or to at least {limits.TTL_MIN}.",
        )
    return value or None


def amount(value: Any, *, node: str, field: str) -> float:
    """An amount of USD, finite and not negative."""
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value <= limits.COST_MAX:
        raise InputError(
            node=node,
            field=field,
            value="nothing" if value is None else value,
            rule=f"it must be an amount from 0 to {limits.COST_MAX} USD; 0 means no limit.",
            next_step="Set it to the most this node may spend, or to 0.",
        )
    return float(value)


def switch(value: Any, *, node: str, field: str) -> bool:
    """On or off; 1 is not True."""
    if type(value) is not bool:
        raise InputError(
            node=node,
            field=field,
            value="nothing" if value is None else value,
            rule="it must be on or off (true or false).",
        )
    return value


def choice(value: Any, *, node: str, field: str, options: tuple[str, ...]) -> str:
    """One of a list."""
    if not isinstance(value, str) or value not in options:
        raise InputError(
            node=node,
            field=field,
            value="nothing" if value is None else value,
            rule=f"it must be one of {', '.join(options)}.",
            next_step="Choose one from the list.",
        )
    return value


def text(value: Any, *, node: str, field: str) -> str:
    """Any text that can be sent, byte for byte as it stands."""
    if not isinstance(value, str):
        raise InputError(node=node, field=field, value="nothing" if value is None else value, rule="it must be a text.")
    if "\0" in value:
        raise InputError(
            node=node, field=field, rule="it contains a NUL character, which cannot be sent.", next_step="Delete it."
        )
    lone = next((index for index, character in enumerate(value) if "\ud800" <= character <= "\udfff"), None)
    if lone is not None:
        raise InputError(
            node=node,
            field=field,
            rule=f"character {lone + 1} is half of a character (a lone surrogate), which cannot be sent.",
            next_step="Type that character again.",
        )
    return value


def prompt_text(value: Any, *, node: str, field: str) -> str:
    """A prompt as it is sent: 2 to 2500 characters that are not all blanks."""
    prompt = text(value, node=node, field=field)
    least, most = limits.PROMPT_MIN, limits.PROMPT_MAX
    rule = f"a prompt has {least} to {most} characters"
    if not prompt.strip():
        what = "only spaces" if prompt else "empty"
        raise InputError(node=node, field=field, rule=f"it is {what}; {rule}.", next_step="Describe the film.")
    if least <= len(prompt) <= most:
        return prompt
    raise InputError(
        node=node,
        field=field,
        value=prompt,
        rule=f"{rule}, this one has {len(prompt)} ({len(prompt.encode('utf-16-le')) // 2} in UTF-16).",
        next_step="Describe the film." if len(prompt) < least else f"Shorten it by {len(prompt) - most}.",
    )


def draft_text(value: Any, *, node: str, field: str) -> str:
    """A prompt as it is written: tags of elements are still to change its length, but not to less than half."""
    if isinstance(value, str) and len(value) <= 2 * limits.PROMPT_MAX and has_tags(value):
        return text(value, node=node, field=field)
    return prompt_text(value, node=node, field=field)


def optional(value: Any, *, node: str, field: str, check: Check) -> str:
    """Empty for none, or what `check` wants."""
    return "" if value == "" else str(check(value, node=node, field=field))


_ELEMENT_ID = re.compile(r"[A-Za-z0-9_-]+")


def element_id(value: Any, *, node: str, field: str) -> str:
    """1 to 20 letters, digits, hyphens and underscores: what can be told from the text after a tag's @."""
    name = text(value, node=node, field=field)
    least, most = limits.ELEMENT_ID_MIN, limits.ELEMENT_ID_MAX
    if not least <= len(name) <= most:
        raise InputError(
            node=node,
            field=field,
            value=name,
            rule=f"an element's id has {least} to {most} characters, this one has {len(name)}.",
            next_step="Give the element a short name, such as ada.",
        )
    if not _ELEMENT_ID.fullmatch(name):
        raise InputError(
            node=node,
            field=field,
            value=name,
            rule="an element's id consists of the letters a to z, digits, - and _.",
            next_step="Give the element a short name, such as ada.",
        )
    return name


def tags(value: Any, *, node: str, field: str) -> tuple[limits.ElementTag, ...]:
    """Tags from the list, separated by commas, in any case; each counts once."""
    known = {tag.lower(): tag for tag in limits.ELEMENT_TAGS}
    found: dict[limits.ElementTag, None] = {}
    for word in text(value, node=node, field=field).replace("\n", ",").split(","):
        if not word.strip():
            continue
        if word.strip().lower() not in known:
            raise InputError(
                node=node,
                field=field,
                value=word.strip(),
                rule=f"the tags are {', '.join(limits.ELEMENT_TAGS)}.",
                next_step="Use these, separated by commas, or leave it empty.",
            )
        found[known[word.strip().lower()]] = None
    return tuple(found)
