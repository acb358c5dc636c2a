"""What goes together: the decision table of the request's parameters, as one pure function.

The documentation's own sentences about `providerSettings` contradict each other; the rows say what its examples, its
sibling pages and Kling's own API make of them. Where that is certain, or nearly, a row blocks; else it warns. The
numbers up to 34 are those of the table this was written from, where rows that are missing here simply go through.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .limits import (
    CLIP_SECONDS_BY_IMAGE_MAX,
    CLIP_SECONDS_MAX,
    CLIP_SECONDS_MIN,
    DURATION_DEFAULT,
    PROMPT_MAX,
    SHOT_PROMPT_ADVISED,
)
from .profiles import BY_MODEL, Profile
from .tags import named_elements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .request import VideoInference

Action = Literal["block", "warn"]


@dataclass(frozen=True)
class Verdict:
    """A row of the table that applies: `block` means the request is not sent, `warn` that the user is told.

    `node` is a node id such as KlingPrompt, `field` one of its inputs.
    """

    row: int
    action: Action
    node: str
    field: str
    message: str
    next_step: str


@dataclass(frozen=True)
class Facts:
    """What the rows ask about."""

    request: VideoInference
    profile: Profile | None
    """None: a model nothing is known of."""
    sized: tuple[bool, bool]
    """Whether there is a width, and whether there is a height."""
    frames: tuple[str, ...]
    images: int
    clips: int
    seconds: float | None
    """Of the reference video, where known."""
    orientation: str | None
    elements: tuple[str, ...]
    """Their ids."""
    unnamed: str
    """Ids of the elements that no prompt names."""
    shots: tuple[str, ...]
    shot_seconds: int
    intelligence: bool
    sound: bool


def _facts(request: VideoInference, profile: Profile | None, seconds: float | None) -> Facts:
    inputs, kling = request.inputs, request.kling
    shots = tuple(each.prompt for each in kling.multi_prompt)
    named = named_elements([request.positive_prompt or "", *shots])
    return Facts(
        request=request,
        profile=profile,
        sized=(request.width is not None, request.height is not None),
        frames=tuple(each.frame for each in inputs.frame_images),
        images=len(inputs.reference_images),
        clips=len(inputs.reference_videos),
        seconds=seconds,
        orientation=kling.character_orientation,
        elements=tuple(each.id for each in inputs.elements),
        unnamed=", ".join(each.id for number, each in enumerate(inputs.elements, start=1) if number not in named),
        shots=shots,
        shot_seconds=sum(each.duration for each in kling.multi_prompt),
        intelligence=kling.shot_type is not None,
        sound=kling.sound,
    )


@dataclass(frozen=True)
class Row:
    """When it applies, and what is said then."""

    number: int
    action: Action
    node: str
    field: str
    applies: Callable[[Facts], bool]
    message: str
    next_step: str


def judge(
    request: VideoInference,
    *,
    reference_seconds: float | None = None,
    profiles: Mapping[str, Profile] = BY_MODEL,
) -> list[Verdict]:
    """Say what is wrong, or doubtful, with the request as a whole; nothing if all of it goes together.

    `reference_seconds` is the length of the reference video, where it is known.
    """
    facts = _facts(request, profiles.get(request.model), reference_seconds)
    return [
        Verdict(row.number, row.action, row.node, row.field, row.message.format(facts=facts), row.next_step)
        for row in ROWS
        if row.applies(facts)
    ]


def _size_is_foreign(facts: Facts) -> bool:
    size = (facts.request.width, facts.request.height)
    return facts.profile is not None and all(facts.sized) and size not in facts.profile.sizes.values()


def _model_takes_no_clip(facts: Facts) -> bool:
    return facts.profile is not None and facts.clips > 0 and not facts.profile.motion_control


def _clip_is_too_long_for_image(facts: Facts) -> bool:
    return facts.clips > 0 and facts.orientation == "image" and (facts.seconds or 0) > CLIP_SECONDS_BY_IMAGE_MAX


def _clip_is_unusual(facts: Facts) -> bool:
    is_usual = facts.seconds is None or CLIP_SECONDS_MIN <= facts.seconds <= CLIP_SECONDS_MAX
    return facts.clips > 0 and not is_usual


def _counts_differ(facts: Facts) -> bool:
    texts = [facts.request.positive_prompt or "", facts.request.negative_prompt or "", *facts.shots]
    return any(len(text.encode("utf-16-le")) // 2 > PROMPT_MAX for text in texts)


ROWS = (
    Row(5, "block", "KlingPrompt", "shot_type", lambda f: bool(f.shots) and f.intelligence,
        "with shot_type intelligence the model cuts the shots by itself, which excludes your own shots.",
        "Set shot_type to single, or shot_seconds to 0 in a single KlingPrompt."),
    Row(6, "warn", "KlingPrompt", "positive_prompt",
        lambda f: bool(f.shots) and f.request.positive_prompt not in (None, f.shots[0]),
        "beside shots, the prompt of the whole clip may be ignored.",
        "Say in the shots what matters."),
    Row(9, "warn", "KlingFrameImages", "last_frame", lambda f: f.frames == ("last",),
        "it is not documented whether a last frame is taken without a first one.",
        "Connect first_frame as well to be sure."),
    Row(13, "warn", "KlingFrameImages", "last_frame", lambda f: len(f.frames) > 1 and bool(f.shots),
        "Kling's own API takes no last frame together with shots; it may be ignored or refused.",
        "Leave last_frame unconnected to be sure."),
    Row(14, "block", "KlingGenerate", "aspect_ratio", lambda f: bool(f.frames) and any(f.sized),
        "frame images decide the size of the film; width and height exclude them.",
        "Send either frame images or a size."),
    Row(15, "block", "KlingGenerate", "aspect_ratio", lambda f: not (f.frames or any(f.sized) or f.clips),
        "either frame images or width and height are required.",
        "Choose an aspect ratio, or connect KlingFrameImages."),
    Row(16, "block", "KlingGenerate", "aspect_ratio", lambda f: f.sized[0] != f.sized[1],
        "width and height must be used together.",
        "Choose an aspect ratio."),
    Row(18, "block", "KlingGenerate", "elements", lambda f: bool(f.elements) and not f.frames,
        "elements need frame images; without them the service bills the film and ignores the elements.",
        "Connect a KlingFrameImages to frame_images, or disconnect the elements."),
    Row(19, "warn", "KlingElement", "voice",
        lambda f: not f.sound and any(each.voices for each in f.request.inputs.elements),
        "a voice is not heard in a film without sound.",
        "Turn on sound in KlingGenerate."),
    Row(20, "block", "KlingGenerate", "reference_image", lambda f: f.images > 0 and not f.clips,
        "a reference image is only taken together with a reference video (motion control).",
        "Connect reference_video, or use the picture as a first frame or as an element."),
    Row(41, "block", "KlingGenerate", "reference_video", _model_takes_no_clip,
        "{facts.profile.title} takes no reference video (motion control).",
        "Choose another model, or disconnect reference_video and empty reference_video_source."),
    Row(22, "warn", "KlingGenerate", "reference_video", lambda f: f.clips > 0,
        "the documentation does not say whether frame images or a size go with a reference video; the film's size may "
        "differ from the one asked for, or the service may refuse, which costs nothing.",
        "Nothing needs to be done."),
    Row(23, "block", "KlingGenerate", "character_orientation", lambda f: f.clips > 0 and f.orientation is None,
        "motion control (a reference video) requires an orientation.",
        "Set character_orientation to image or video."),
    Row(24, "block", "KlingGenerate", "reference_image", lambda f: f.clips > 0 and not f.images and not f.frames,
        "motion control (a reference video) requires a picture of the character.",
        "Connect reference_image."),
    Row(25, "block", "KlingGenerate", "sound", lambda f: f.clips > 0 and f.sound,
        "motion control (a reference video) excludes generated sound.",
        "Turn off sound; keep_original_sound keeps that of the reference video."),
    Row(27, "block", "KlingPrompt", "shot_seconds", lambda f: f.clips > 0 and bool(f.shots),
        "motion control (a reference video) excludes your own shots.",
        "Use a single KlingPrompt with shot_seconds 0."),
    Row(27, "block", "KlingPrompt", "shot_type", lambda f: f.clips > 0 and f.intelligence,
        "motion control (a reference video) excludes shot_type intelligence.",
        "Set shot_type to single."),
    Row(28, "block", "KlingGenerate", "keep_original_sound",
        lambda f: f.request.kling.keep_original_sound and not f.clips,
        "there is no original sound without a reference video.",
        "Connect reference_video, or turn off keep_original_sound."),
    Row(29, "block", "KlingGenerate", "character_orientation", lambda f: f.orientation is not None and not f.clips,
        "an orientation belongs to motion control and needs a reference video.",
        "Connect reference_video, or set character_orientation to none."),
    Row(30, "block", "KlingGenerate", "reference_video", _clip_is_too_long_for_image,
        "the reference video lasts {facts.seconds:.1f} s; with character_orientation image it lasts at most "
        f"{CLIP_SECONDS_BY_IMAGE_MAX} s.",
        "Shorten the video, or set character_orientation to video."),
    Row(30, "warn", "KlingGenerate", "reference_video",
        lambda f: f.clips > 0 and f.orientation == "image" and f.seconds is None,
        f"with character_orientation image the reference video may last at most {CLIP_SECONDS_BY_IMAGE_MAX} s, and how "
        "long it is is not known here.",
        "Use a shorter one, or set character_orientation to video."),
    Row(31, "warn", "KlingGenerate", "elements", lambda f: f.clips > 0 and bool(f.elements),
        "it is not documented whether elements go with a reference video; they may be ignored.",
        "Disconnect the elements to be sure."),
    Row(32, "warn", "KlingGenerate", "duration", lambda f: f.clips > 0 and f.request.duration != DURATION_DEFAULT,
        "a film led by a reference video is as long as that video; which of the two lengths is billed is not "
        "documented.",
        f"Set duration to {DURATION_DEFAULT}, which is not sent then."),
    Row(34, "block", "KlingGenerate", "reference_video", lambda f: f.clips > 1,
        "there is more than one reference video, and exactly one is used.",
        "Keep one."),
    Row(34, "warn", "KlingGenerate", "reference_image", lambda f: f.clips > 0 and f.images > 1,
        "there is more than one reference image; motion control may use only the first.",
        "Keep one."),
    Row(34, "warn", "KlingGenerate", "reference_video", _clip_is_unusual,
        "the reference video lasts {facts.seconds:.1f} s and may be refused; other Kling models take "
        f"{CLIP_SECONDS_MIN} to {CLIP_SECONDS_MAX} s.",
        "Cut it to that length to be sure."),
    Row(35, "warn", "KlingPrompt", "positive_prompt",
        lambda f: any(len(text) > SHOT_PROMPT_ADVISED for text in f.shots),
        f"Kling's own API takes at most {SHOT_PROMPT_ADVISED} characters for a shot; more may be cut or refused.",
        "Shorten the shot's prompt to be sure."),
    Row(36, "warn", "KlingElement", "element_id", lambda f: bool(f.unnamed),
        "no prompt names {facts.unnamed}; an element that is never named is wasted.",
        "Write @ and its id where it appears."),
    Row(37, "warn", "KlingElement", "images",
        lambda f: any(each.frontal_image and not each.images for each in f.request.inputs.elements),
        "an element was seen to be refused without a picture from another side.",
        "Connect one to three more pictures to images, if need be the frontal one again."),
    Row(38, "warn", "KlingPrompt", "positive_prompt", _counts_differ,
        f"a text has at most {PROMPT_MAX} characters, but more than {PROMPT_MAX} if emoji and rare characters count "
        "double (UTF-16), as they may at the service.",
        "Shorten it to be sure."),
    Row(39, "block", "KlingGenerate", "aspect_ratio", _size_is_foreign,
        "the model makes no films of {facts.request.width}x{facts.request.height} pixels.",
        "Choose an aspect ratio."),
    Row(40, "block", "KlingPrompt", "shot_seconds",
        lambda f: bool(f.shots) and f.shot_seconds != f.request.duration,
        "the shots add up to {facts.shot_seconds} s, and must add up to the film's {facts.request.duration} s.",
        "Change shot_seconds."),
)  # fmt: skip
