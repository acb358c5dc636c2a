"""Which inputs of a node are widgets, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PLAIN = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
"""A choice that brings widgets of its own (ComfyUI 0.14 and later)."""


def widget_values(info: Mapping[str, Any], saved: Sequence[Any] = ()) -> dict[str, Any]:
    """Give a node's widgets their saved values in order, and their defaults where nothing was saved.

    `info` is the node's entry of /object_info.
    """
    return dict(_filled(info["input"], iter(saved), ""))


def _filled(inputs: Mapping[str, Any], saved: Iterator[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for group in ("required", "optional"):
        for name, spec in inputs.get(group, {}).items():
            kind, options = (*spec, {})[:2]
            if not (isinstance(kind, list) or kind in (*PLAIN, DYNAMIC)) or options.get("forceInput"):
                continue
            for value in _value(kind, options, saved):
                yield prefix + name, value
                if options.get("control_after_generate"):
                    next(saved, None)  # the page's own widget behind a seed
                if kind == DYNAMIC:
                    chosen = next(option["inputs"] for option in options["options"] if option["key"] == value)
                    yield from _filled(chosen, saved, f"{prefix}{name}.")


def _value(kind: Any, options: Mapping[str, Any], saved: Iterator[Any]) -> Iterator[Any]:
    """Give the saved value, else the default, else the first of a list, else nothing."""
    listed = kind if isinstance(kind, list) else options.get("options") or []
    first = [option["key"] if isinstance(option, dict) else option for option in listed[:1]]
    candidates = [options["default"]] if "default" in options else first
    for candidate in candidates or [None]:
        value = next(saved, candidate)
        if value is not None:
            yield value
