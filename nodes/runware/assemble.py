"""All the drafts of a graph become one request, or one sentence that says why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import limits
from .checks import optional, prompt_text
from .draft import Elements, FrameImages, Prompt, Settings, Shot, expect, one_of
from .errors import InputError
from .media import Clip, Picture, Source
from .request import FrameImage, Inputs, KlingSettings, PromptSegment, ProviderSettings, Safety, VideoInference
from .rules import judge
from .tags import expand


def assemble(
    prompt: Prompt,
    settings: Settings,
    frame_images: FrameImages | None = None,
    elements: Elements | None = None,
    reference_image: Picture | Source | None = None,
    reference_video: Clip | Source | None = None,
) -> VideoInference:
    """Make the request of everything that is connected to a KlingGenerate.

    Raises:
        InputError: something does not go together; the message names the node and the field that caused it.
    """
    expect(prompt, Prompt, node=settings.node, field="prompt")
    if frame_images is not None:
        expect(frame_images, FrameImages, node=settings.node, field="frame_images")
    if elements is not None:
        expect(elements, Elements, node=settings.node, field="elements")
    shots = _expanded(prompt, elements.ids if elements else ())
    clip = one_of("reference_video", reference_video, settings.reference_video_source, node=settings.node)
    inputs = Inputs(
        reference_images=(reference_image,) if reference_image else (),
        frame_images=_frames(frame_images),
        reference_videos=(clip,) if clip else (),
        elements=elements.elements if elements else (),
    )
    request = _request(shots, inputs, settings)
    _check(request, _labels(prompt, settings, frame_images, elements))
    return request


def _request(shots: tuple[Shot, ...], inputs: Inputs, settings: Settings) -> VideoInference:
    width, height = (None, None) if inputs.frame_images else settings.profile.sizes[settings.aspect_ratio]
    return VideoInference(
        model=settings.profile.model,
        positive_prompt=shots[0].text,
        negative_prompt=_negative(shots) or None,
        width=width,
        height=height,
        duration=sum(shot.seconds for shot in shots) or settings.duration,
        number_results=settings.number_results,
        inputs=inputs,
        provider_settings=ProviderSettings(klingai=_kling(shots, settings)),
        output_format=settings.output_format,
        output_quality=settings.output_quality,
        safety=Safety(check_content=settings.safety != "none", mode=settings.safety),
        ttl=settings.ttl,
        webhook_url=settings.webhook_url,
        upload_endpoint=settings.upload_endpoint,
    )


def _check(request: VideoInference, labels: dict[str, str]) -> None:
    """Refuse what the decision table blocks; `labels` names the nodes. Raises InputError."""
    for verdict in judge(request, reference_seconds=reference_seconds(request)):
        if verdict.action == "block":
            raise InputError(
                node=labels.get(verdict.node, verdict.node),
                field=verdict.field,
                rule=verdict.message,
                next_step=verdict.next_step,
            )


def warnings(request: VideoInference) -> list[str]:
    """What is doubtful about a request that may be sent, in sentences."""
    return [
        f"{verdict.node}, {verdict.field}: {verdict.message} {verdict.next_step}"
        for verdict in judge(request, reference_seconds=reference_seconds(request))
        if verdict.action == "warn"
    ]


def reference_seconds(request: VideoInference) -> float | None:
    """How long the reference video of a request lasts, if there is one and it is known."""
    clips = request.inputs.reference_videos
    return clips[0].seconds if clips and isinstance(clips[0], Clip) else None


def _labels(
    prompt: Prompt, settings: Settings, frame_images: FrameImages | None, elements: Elements | None
) -> dict[str, str]:
    """The nodes of this graph by the kind of node."""
    labels = {"KlingPrompt": prompt.shots[-1].node, "KlingGenerate": settings.node}
    if frame_images:
        labels["KlingFrameImages"] = frame_images.node
    if elements:
        labels["KlingElement"] = elements.nodes[-1]
    return labels


def _expanded(prompt: Prompt, ids: tuple[str, ...]) -> tuple[Shot, ...]:
    """The shots with the tags of elements as they are sent, and with it their final length."""
    if prompt.seconds and prompt.seconds < limits.DURATION_MIN:
        last = prompt.shots[-1]
        raise InputError(
            node=last.node,
            field="shot_seconds",
            value=last.seconds,
            rule=(
                f"the shots add up to {prompt.seconds} s; "
                f"a film lasts {limits.DURATION_MIN} to {limits.DURATION_MAX} s."
            ),
            next_step=f"Give the shots {limits.DURATION_MIN - prompt.seconds} s more.",
        )
    return tuple(_as_sent(shot, ids) for shot in prompt.shots)


def _as_sent(shot: Shot, ids: tuple[str, ...]) -> Shot:
    text = expand(shot.text, ids, node=shot.node, field="positive_prompt")
    negative = expand(shot.negative, ids, node=shot.node, field="negative_prompt")
    prompt_text(text, node=shot.node, field="positive_prompt")
    optional(negative, node=shot.node, field="negative_prompt", check=prompt_text)
    return replace(shot, text=text, negative=negative)


def _negative(shots: tuple[Shot, ...]) -> str:
    """Join the negative prompts of a chain, each text once."""
    texts = dict.fromkeys(shot.negative for shot in shots if shot.negative)
    joined = ", ".join(texts)
    if len(joined) > limits.PROMPT_MAX:
        last = next(shot for shot in reversed(shots) if shot.negative)
        raise InputError(
            node=last.node,
            field="negative_prompt",
            rule=(
                f"the negative prompts of a chain are sent as one, which has {len(joined)} characters here; "
                f"at most {limits.PROMPT_MAX} are accepted."
            ),
            next_step=f"Shorten them by {len(joined) - limits.PROMPT_MAX}.",
        )
    return joined


def _frames(frame_images: FrameImages | None) -> tuple[FrameImage, ...]:
    if not frame_images:
        return ()
    first = (FrameImage(image=frame_images.first, frame="first"),) if frame_images.first else ()
    last = (FrameImage(image=frame_images.last, frame="last"),) if frame_images.last else ()
    return first + last


def _kling(shots: tuple[Shot, ...], settings: Settings) -> KlingSettings:
    orientation: Any = settings.character_orientation
    return KlingSettings(
        character_orientation=None if orientation == "none" else orientation,
        keep_original_sound=settings.keep_original_sound,
        multi_prompt=tuple(PromptSegment(prompt=shot.text, duration=shot.seconds) for shot in shots if shot.seconds),
        shot_type="intelligence" if shots[0].shot_type == "intelligence" else None,
        sound=settings.sound,
    )
