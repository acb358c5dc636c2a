"""Elements in prompts: `@ada` as people write it, `<<<element_1>>>` as the service reads it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_TAG = re.compile(r"(?<![\w.])@([\w-]+)")
_MARKER = re.compile(r"<<<element_([1-9][0-9]{0,99})>>>")
_NEARLY_A_MARKER = re.compile(
    # from the first bracket on: to try each of thousands takes the square of the time
    r"(?<!<)(<*\s*\belements?[\s_-]*\d+\s*>+|<+\s*elements?[\s_-]*\d+\s*>*|<{2,}\s*elements?\s*>{2,})",
    re.IGNORECASE,
)


def expand(text: str, ids: Sequence[str], *, node: str, field: str) -> str:
    """Turn each `@id` into the marker of that element, which is its place in `ids`.

    Raises:
        InputError: a tag or a marker names no element, or a marker is misspelt.
    """

    def marker(tag: re.Match[str]) -> str:
        if tag[1] not in ids:
            raise InputError(
                node=node,
                field=field,
                value=tag[0],
                rule=f"no connected element has this id. {_connected(ids)}",
                next_step="Correct the tag, or connect a KlingElement of this id; a space after @ makes it plain text.",
            )
        return f"<<<element_{ids.index(tag[1]) + 1}>>>"

    _check_markers(text, ids, node=node, field=field)
    return _TAG.sub(marker, text)


def _check_markers(text: str, ids: Sequence[str], *, node: str, field: str) -> None:
    for found in _NEARLY_A_MARKER.finditer(text):
        exact = _MARKER.fullmatch(found[0])
        if not exact:
            raise InputError(
                node=node,
                field=field,
                value=found[0],
                rule="an element is named <<<element_1>>>, with three brackets on each side.",
                next_step="Write @ and the element's id instead; it becomes the right marker.",
            )
        if int(exact[1]) > len(ids):
            raise InputError(
                node=node,
                field=field,
                value=found[0],
                rule=f"there is no such element. {_connected(ids)}",
                next_step="Write @ and the element's id instead; it becomes the right marker.",
            )


def _connected(ids: Sequence[str]) -> str:
    if not ids:
        return "No element is connected."
    return "Connected: " + ", ".join(f"@{each}" for each in ids) + "."


def has_tags(text: str) -> bool:
    """Whether the text changes when elements are known."""
    return bool(_TAG.search(text))


def named_elements(texts: Iterable[str]) -> set[int]:
    """The numbers of the elements that are named in prompts as they are sent, from 1."""
    return {int(number) for text in texts for number in _MARKER.findall(text)}
