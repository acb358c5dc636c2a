"""Every limit of the request, each with what it rests on where the model's page does not name it.

https://runware.ai/docs/models/klingai-video-3-0-standard
"""

from __future__ import annotations

from typing import Literal, get_args

PROMPT_MIN, PROMPT_MAX = 2, 2500
"""Characters (code points) of a prompt, a negative prompt and the prompt of one shot."""

DURATION_MIN, DURATION_MAX, DURATION_DEFAULT = 3, 15, 5
"""Whole seconds of film."""

SHOT_SECONDS_MIN = 1
SHOTS_MAX = 6
"""Not on the page; the service's own ComfyUI plugin and Kling itself take six."""

RESULTS_MIN, RESULTS_MAX, RESULTS_DEFAULT = 1, 4, 1

QUALITY_MIN, QUALITY_MAX, QUALITY_DEFAULT = 20, 99, 95

TTL_MIN = 60
"""Seconds; without a ttl the service decides."""

FRAME_IMAGES_MAX = 2

ELEMENTS_MAX = 3
"""Not on the page; the service's own ComfyUI plugin and Kling itself take three."""

ELEMENT_ID_MIN, ELEMENT_ID_MAX = 1, 20
"""Characters. Not on the page; the service reports a longer one only as an error of type."""

ELEMENT_IMAGES_MAX = 3
"""Pictures beside the frontal one."""

ElementTag = Literal["Hottest", "Character", "Animal", "Item", "Costume", "Scene", "Effect", "Others"]
OutputFormat = Literal["MP4", "WEBM", "MOV"]
SafetyMode = Literal["none", "fast", "full"]
CharacterOrientation = Literal["image", "video"]
ShotType = Literal["intelligence"]

ELEMENT_TAGS: tuple[ElementTag, ...] = get_args(ElementTag)
OUTPUT_FORMATS: tuple[OutputFormat, ...] = get_args(OutputFormat)
SAFETY_MODES: tuple[SafetyMode, ...] = get_args(SafetyMode)
CHARACTER_ORIENTATIONS: tuple[CharacterOrientation, ...] = get_args(CharacterOrientation)
SHOT_TYPES: tuple[ShotType, ...] = get_args(ShotType)

URL_MAX = 2048
"""Characters. No limit is documented; longer URLs are cut by proxies on their way."""
