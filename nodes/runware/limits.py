"""Every limit of the request and of the widgets, each with what it rests on where the model's page does not name it.

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

SHOT_PROMPT_ADVISED = 512
"""Characters; Kling's own API takes no longer prompt of a shot."""

PICTURE_SIDE_MIN, PICTURE_SIDE_MAX = 300, 2048
"""Pixels. Documented for Kling 1.0 to 2.6 at the same service and not restated for 3.0, hence warnings; the service's
own upload reduces pictures to the larger of the two."""

ENCODED_SIDE_MAX = 16_383
"""Pixels of any picture, even one that is reduced; WebP's format ends here, and every decoder has some such end."""

ENCODED_PIXELS_MAX = 8192 * 8192
"""Of one picture: 200 MB as uint8. Nothing the service reads comes near."""

PICTURE_BYTES_MAX = 20_000_000
"""Documented for Kling 1.0 to 2.6 at the same service."""

PICTURE_RATIO_MAX = 2.5
"""Longer side to shorter one: Kling's own API takes 1:2.5 to 2.5:1."""

CLIP_SECONDS_MIN, CLIP_SECONDS_MAX = 3, 30
"""Of a reference video; documented for Kling 2.6 Pro."""

CLIP_SECONDS_BY_IMAGE_MAX = 10
"""Of a reference video when the orientation follows the image."""

COST_MAX = 10_000
"""USD that max_cost can be set to."""

TIMEOUT_MAX = 24 * 60
"""Minutes of waiting."""

INTEGER_MAX = 2_147_483_647
"""Of any widget that has no smaller limit: what 32 bits hold."""
