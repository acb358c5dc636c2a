"""Each widget judged by itself: what may stand in it, said once for the nodes, for bare prompts and for tests."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

from . import request as limits
from .errors import InputError
from .media import LONGEST_SIDE, Source, parse_source, parse_sources
from .profiles import PROFILES
from .tags import has_tags

LARGEST_INTEGER = 2_147_483_647
TIMEOUT_MAX = 24 * 60
"""Minutes of waiting."""
COST_MAX = 10_000
"""USD."""
FILENAME_PREFIX_MAX = 200
"""Characters; with the counter and the ending a name stays below what file systems take."""

ENCODINGS = ("png", "jpeg", "webp")
SHOT_TYPES = ("single", *limits.SHOT_TYPES)
ORIENTATIONS = ("none", *limits.CHARACTER_ORIENTATIONS)
ASPECT_RATIOS = tuple(next(iter(PROFILES.values())).sizes)
MODES = ("generate", "rehearse")
LOAD_FRAMES = ("all", "none")


class Check(Protocol):
    """Give back the value as it is used, or raise an InputError."""

    def __call__(self, value: Any, *, node: str, field: str) -> Any: ...


@dataclass(frozen=True)
class Widget:
    """One widget of a node."""

    default: Any
    check: Check


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
    if type(value) is not int or (value != 0 and not limits.TTL_MIN <= value <= LARGEST_INTEGER):
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
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value <= COST_MAX:
        raise InputError(
            node=node,
            field=field,
            value="nothing" if value is None else value,
            rule=f"it must be an amount from 0 to {COST_MAX} USD; 0 means no limit.",
            next_step="Set it to the most this node may spend, or to 0.",
        )
    return float(value)


def switch(value: Any, *, node: str, field: str) -> bool:
    """On or off; 1 is not True."""
    if type(value) is not bool:
        raise InputError(
            node=node, field=field, value="nothing" if value is None else value, rule="it must be on or off (true or false)."
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
        raise InputError(
            node=node, field=field, value="nothing" if value is None else value, rule="it must be a text."
        )
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
    value = text(value, node=node, field=field)
    least, most = limits.PROMPT_MIN, limits.PROMPT_MAX
    rule = f"a prompt has {least} to {most} characters"
    if not value.strip():
        what = "only blanks" if value else "empty"
        raise InputError(node=node, field=field, rule=f"it is {what}; {rule}.", next_step="Describe the film.")
    if least <= len(value) <= most:
        return value
    raise InputError(
        node=node,
        field=field,
        value=value,
        rule=f"{rule}, this one has {len(value)} ({len(value.encode('utf-16-le')) // 2} in UTF-16).",
        next_step="Describe the film." if len(value) < least else f"Shorten it by {len(value) - most}.",
    )


def draft_text(value: Any, *, node: str, field: str) -> str:
    """A prompt as it is written: tags of elements are still to change its length."""
    if isinstance(value, str) and has_tags(value):
        return text(value, node=node, field=field)
    return prompt_text(value, node=node, field=field)


def optional(value: Any, *, node: str, field: str, check: Check) -> str:
    """Empty for none, or what `check` wants."""
    return "" if value == "" else check(value, node=node, field=field)


_ELEMENT_ID = re.compile(r"[A-Za-z0-9_-]+")


def element_id(value: Any, *, node: str, field: str) -> str:
    """1 to 20 letters, digits, hyphens and underscores: what can be told from the text after a tag's @."""
    value = text(value, node=node, field=field)
    least, most = limits.ELEMENT_ID_MIN, limits.ELEMENT_ID_MAX
    if not least <= len(value) <= most:
        raise InputError(
            node=node,
            field=field,
            value=value,
            rule=f"an element's id has {least} to {most} characters, this one has {len(value)}.",
            next_step="Give the element a short name, such as ada.",
        )
    if not _ELEMENT_ID.fullmatch(value):
        raise InputError(
            node=node,
            field=field,
            value=value,
            rule="an element's id consists of the letters a to z, digits, - and _.",
            next_step="Give the element a short name, such as ada.",
        )
    return value


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


def source(value: Any, *, node: str, field: str) -> Source | None:
    """The UUID or https URL of media known to the service; None if empty."""
    value = text(value, node=node, field=field)
    return parse_source(value, node=node, field=field) if value.strip() else None


def sources(value: Any, *, node: str, field: str, most: int) -> tuple[Source, ...]:
    """Several sources, one per line."""
    found = parse_sources(text(value, node=node, field=field), node=node, field=field)
    if len(found) > most:
        raise InputError(
            node=node,
            field=field,
            rule=f"these are {len(found)} sources, at most {most} are taken.",
            next_step="Delete some.",
        )
    return found


_VARIABLE = re.compile(r"\$KLING_[A-Z0-9_]+")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NEVER_IN_A_URL = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\\]")


def delivery_url(value: Any, *, node: str, field: str) -> str | None:
    """Where results are delivered: an https URL, or `$KLING_NAME` for one in that environment variable; None if empty.

    Such URLs carry signatures, so no message shows one.
    """
    value = text(value, node=node, field=field).strip()
    if value.startswith("$"):
        value = _variable(value, node=node, field=field)
    if not value:
        return None
    fault = _delivery_fault(value)
    if fault:
        raise InputError(
            node=node,
            field=field,
            rule=f"{fault}.",
            next_step="Give an https URL, or $KLING_NAME with the URL in the environment variable KLING_NAME.",
        )
    return value


def _variable(value: str, *, node: str, field: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise InputError(
            node=node,
            field=field,
            rule="only environment variables whose names begin with KLING_ are read, as $KLING_NAME in capital letters.",
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
    return text(found, node=node, field=field)


def _delivery_fault(url: str) -> str:
    if len(url) > limits.URL_MAX:
        return f"the URL has {len(url)} characters, at most {limits.URL_MAX} are sent"
    if _NEVER_IN_A_URL.search(url):
        return "the URL contains a blank, a backslash or a control character"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "this is not a well-formed URL"
    if not host:
        return "this is not a URL"
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        return "this is not an https URL"
    return ""


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def task_uuid(value: Any, *, node: str, field: str) -> str | None:
    """The UUID of an earlier purchase in lower case; None if empty."""
    value = text(value, node=node, field=field).strip()
    if value and not _UUID.fullmatch(value):
        raise InputError(
            node=node,
            field=field,
            value=value,
            rule="a task UUID has 36 characters, such as 236ba4b9-e789-4ff4-8fa9-7ca57ab56210.",
            next_step="Copy it from the task_uuid of the KlingGenerate that made the purchase, or leave it empty.",
        )
    return value.lower() or None


_NEVER_IN_A_NAME = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def filename_prefix(value: Any, *, node: str, field: str) -> str:
    """A path below the output folder without its ending, such as video/kling; parts separated by slashes."""
    value = text(value, node=node, field=field).strip().replace("\\", "/")
    fault = _prefix_fault(value)
    if fault:
        raise InputError(
            node=node,
            field=field,
            value=value,
            rule=f"{fault}.",
            next_step="Use a name below the output folder, such as video/kling.",
        )
    return value


def _prefix_fault(prefix: str) -> str:
    if not prefix:
        return "the film needs a name"
    if len(prefix) > FILENAME_PREFIX_MAX:
        return f"it has {len(prefix)} characters, at most {FILENAME_PREFIX_MAX} are taken"
    if _NEVER_IN_A_NAME.search(prefix):
        return 'a file name contains no control characters and none of < > : " | ? *'
    if prefix.startswith(("/", "~")):
        return "it must stay below the output folder"
    for part in prefix.split("/"):
        if part in ("", ".", ".."):
            return "it must stay below the output folder, without empty parts, . and .."
        if part != part.strip() or part.endswith("."):
            return "no part of a path begins or ends with a blank or ends with a dot"
        if _DEVICES.fullmatch(part):
            return f"{part} is the name of a device on Windows"
    return ""


WIDGETS: Mapping[str, Mapping[str, Widget]] = {
    "KlingPrompt": {
        "positive_prompt": Widget("", draft_text),
        "negative_prompt": Widget("", partial(optional, check=draft_text)),
        "shot_seconds": Widget(0, partial(whole, least=0, most=limits.DURATION_MAX, unit="seconds")),
        "shot_type": Widget("single", partial(choice, options=SHOT_TYPES)),
    },
    "KlingFrameImages": {
        "first_frame_source": Widget("", source),
        "last_frame_source": Widget("", source),
        "encoding": Widget("png", partial(choice, options=ENCODINGS)),
        "max_side": Widget(2048, partial(whole, least=0, most=LONGEST_SIDE, unit="pixels (0: as it is)")),
    },
    "KlingElement": {
        "element_id": Widget("", element_id),
        "description": Widget("", text),
        "tags": Widget("", tags),
        "frontal_image_source": Widget("", source),
        "images_sources": Widget("", partial(sources, most=limits.ELEMENT_IMAGES_MAX)),
        "video_source": Widget("", source),
        "voice_source": Widget("", source),
    },
    "KlingGenerate": {
        "reference_video_source": Widget("", source),
        "model": Widget(next(iter(PROFILES)), partial(choice, options=tuple(PROFILES))),
        "aspect_ratio": Widget("16:9", partial(choice, options=ASPECT_RATIOS)),
        "duration": Widget(
            limits.DURATION_DEFAULT,
            partial(whole, least=limits.DURATION_MIN, most=limits.DURATION_MAX, unit="seconds"),
        ),
        "sound": Widget(default=False, check=switch),
        "number_results": Widget(
            limits.RESULTS_DEFAULT, partial(whole, least=limits.RESULTS_MIN, most=limits.RESULTS_MAX, unit="films")
        ),
        "take": Widget(1, partial(whole, least=1, most=LARGEST_INTEGER)),
        "mode": Widget("generate", partial(choice, options=MODES)),
        "max_cost": Widget(0.0, amount),
        "timeout_minutes": Widget(45, partial(whole, least=1, most=TIMEOUT_MAX, unit="minutes")),
        "character_orientation": Widget("none", partial(choice, options=ORIENTATIONS)),
        "keep_original_sound": Widget(default=False, check=switch),
        "output_format": Widget("MP4", partial(choice, options=limits.OUTPUT_FORMATS)),
        "output_quality": Widget(
            limits.QUALITY_DEFAULT, partial(whole, least=limits.QUALITY_MIN, most=limits.QUALITY_MAX)
        ),
        "safety": Widget("none", partial(choice, options=limits.SAFETY_MODES)),
        "ttl": Widget(0, seconds_to_live),
        "webhook_url": Widget("", delivery_url),
        "upload_endpoint": Widget("", delivery_url),
    },
    "KlingFetchVideo": {
        "task_uuid": Widget("", task_uuid),
        "filename_prefix": Widget("video/kling", filename_prefix),
        "load_frames": Widget("all", partial(choice, options=LOAD_FRAMES)),
        "skip_first_frames": Widget(0, partial(whole, least=0, most=LARGEST_INTEGER, unit="frames")),
        "select_every_nth": Widget(1, partial(whole, least=1, most=LARGEST_INTEGER, unit="frames")),
        "frame_load_cap": Widget(0, partial(whole, least=0, most=LARGEST_INTEGER, unit="frames (0: all)")),
    },
}
"""Node id -> widget -> default and rule. Inputs that carry media or values of other nodes are not widgets."""


def read(node_id: str, label: str, widgets: Mapping[str, Any]) -> dict[str, Any]:
    """Give all widgets of a node as they are used; one that is absent has its default.

    Raises:
        InputError: the first widget that cannot be used. `label` names the node in it.
    """
    return {
        name: widget.check(widgets.get(name, widget.default), node=label, field=name)
        for name, widget in WIDGETS[node_id].items()
    }


def fault(node_id: str, widgets: Mapping[str, Any]) -> str:
    """Say what is wrong with those widgets of a node that are known; empty if nothing is. A widget that is None is not known."""
    for name, value in widgets.items():
        if value is not None:
            try:
                WIDGETS[node_id][name].check(value, node=node_id, field=name)
            except InputError as error:
                return str(error)
    return ""
