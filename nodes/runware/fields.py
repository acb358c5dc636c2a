"""The widgets of the five nodes: what stands in each when nothing was changed, and what may stand there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from . import limits
from .addresses import delivery_url, source, sources, task_uuid
from .checks import (
    Check,
    amount,
    choice,
    draft_text,
    element_id,
    optional,
    seconds_to_live,
    switch,
    tags,
    text,
    whole,
)
from .errors import InputError
from .filenames import filename_prefix
from .profiles import PROFILES

ENCODINGS = ("png", "jpeg", "webp")
SHOT_TYPES = ("single", *limits.SHOT_TYPES)
ORIENTATIONS = ("none", *limits.CHARACTER_ORIENTATIONS)
ASPECT_RATIOS = tuple(next(iter(PROFILES.values())).sizes)
MODES = ("generate", "rehearse")
LOAD_FRAMES = ("all", "none")


@dataclass(frozen=True)
class Widget:
    """One widget of a node."""

    default: Any
    check: Check


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
        "max_side": Widget(
            limits.PICTURE_SIDE_MAX, partial(whole, least=0, most=limits.ENCODED_SIDE_MAX, unit="pixels (0: as it is)")
        ),
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
        "take": Widget(1, partial(whole, least=1, most=limits.INTEGER_MAX)),
        "mode": Widget("generate", partial(choice, options=MODES)),
        "max_cost": Widget(0.0, amount),
        "timeout_minutes": Widget(45, partial(whole, least=1, most=limits.TIMEOUT_MAX, unit="minutes")),
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
        "skip_first_frames": Widget(0, partial(whole, least=0, most=limits.INTEGER_MAX, unit="frames")),
        "select_every_nth": Widget(1, partial(whole, least=1, most=limits.INTEGER_MAX, unit="frames")),
        "frame_load_cap": Widget(0, partial(whole, least=0, most=limits.INTEGER_MAX, unit="frames (0: all)")),
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
    """Say what is wrong with the widgets of a node, of which those that are None are not known; empty if nothing is."""
    for name, value in widgets.items():
        if value is not None:
            try:
                WIDGETS[node_id][name].check(value, node=node_id, field=name)
            except InputError as error:
                return str(error)
    return ""
