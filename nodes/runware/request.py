"""What may be asked: the request of https://runware.ai/docs/models/klingai-video-3-0-standard, and how it is sent.

The models hold one value each to its documented limit. What depends on several values is the business of `rules`.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, model_validator
from pydantic.alias_generators import to_camel

from . import limits
from .media import Clip, Media, Picture, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TASK_TYPE = "videoInference"


def _sendable(text: str) -> str:
    """Refuse what JSON or UTF-8 cannot carry as it stands."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("it contains a NUL or half of a surrogate pair")
    return text


def _picture(value: object) -> Source | Picture:
    if not isinstance(value, (Source, Picture)):
        raise ValueError("a Source or a Picture is needed")  # noqa: TRY004  pydantic wants ValueError
    return value


def _clip(value: object) -> Source | Clip:
    if not isinstance(value, (Source, Clip)):
        raise ValueError("a Source or a Clip is needed")  # noqa: TRY004  pydantic wants ValueError
    return value


Text = Annotated[str, AfterValidator(_sendable)]
PromptText = Annotated[
    str, Field(min_length=limits.PROMPT_MIN, max_length=limits.PROMPT_MAX), AfterValidator(_sendable)
]
Url = Annotated[str, Field(max_length=limits.URL_MAX), AfterValidator(_sendable)]
# Plain validators: pydantic would otherwise take the frozen dataclasses apart and build them anew.
AnyPicture = Annotated[Any, PlainValidator(_picture)]
AnyClip = Annotated[Any, PlainValidator(_clip)]


class Part(BaseModel):
    """Anything that stands in the request: frozen, nothing unknown, `True` is not 1, camelCase on the wire."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )


class FrameImage(Part):
    """A picture that the film begins or ends with."""

    image: AnyPicture
    frame: Literal["first", "last"]


class Element(Part):
    """A character or thing to be recognised, named in prompts as `<<<element_1>>>`, in the order of the list."""

    id: Annotated[
        str, Field(min_length=limits.ELEMENT_ID_MIN, max_length=limits.ELEMENT_ID_MAX), AfterValidator(_sendable)
    ]
    description: Text | None = None
    frontal_image: AnyPicture | None = None
    images: Annotated[tuple[AnyPicture, ...], Field(max_length=limits.ELEMENT_IMAGES_MAX)] = ()
    videos: tuple[AnyClip, ...] = ()
    voices: tuple[AnyClip, ...] = ()
    tags: tuple[limits.ElementTag, ...] = ()

    @model_validator(mode="after")
    def _kinds_agree(self) -> Element:
        if self.videos and (self.frontal_image or self.images or self.voices):
            raise ValueError("videos cannot be combined with images or voices")
        if (self.images or self.voices) and not self.frontal_image:
            raise ValueError("images and voices need a frontalImage")
        return self


class Inputs(Part):
    """Everything that is not text."""

    reference_images: tuple[AnyPicture, ...] = ()
    frame_images: Annotated[tuple[FrameImage, ...], Field(max_length=limits.FRAME_IMAGES_MAX)] = ()
    reference_videos: tuple[AnyClip, ...] = ()
    elements: Annotated[tuple[Element, ...], Field(max_length=limits.ELEMENTS_MAX)] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Inputs:
        if len({each.frame for each in self.frame_images}) < len(self.frame_images):
            raise ValueError("two frame images claim the same frame")
        if len({each.id for each in self.elements}) < len(self.elements):
            raise ValueError("two elements have the same id")
        return self


class PromptSegment(Part):
    """One shot."""

    prompt: PromptText
    duration: Annotated[int, Field(ge=limits.SHOT_SECONDS_MIN, le=limits.DURATION_MAX)]


class KlingSettings(Part):
    """Parameters of Kling alone."""

    character_orientation: limits.CharacterOrientation | None = None
    keep_original_sound: bool = False
    multi_prompt: Annotated[tuple[PromptSegment, ...], Field(max_length=limits.SHOTS_MAX)] = ()
    shot_type: limits.ShotType | None = None
    sound: bool = False


class ProviderSettings(Part):
    """Parameters by provider; there is one."""

    klingai: KlingSettings = KlingSettings()


class Safety(Part):
    """Whether the service looks at what it made: `fast` at key frames, `full` at all of them."""

    check_content: bool = False
    mode: limits.SafetyMode = "none"


class VideoInference(Part):
    """One purchase. Each of its `number_results` films is paid."""

    model: str
    positive_prompt: PromptText | None = None
    negative_prompt: PromptText | None = None
    width: int | None = None
    height: int | None = None
    duration: Annotated[int, Field(ge=limits.DURATION_MIN, le=limits.DURATION_MAX)] = limits.DURATION_DEFAULT
    number_results: Annotated[int, Field(ge=limits.RESULTS_MIN, le=limits.RESULTS_MAX)] = limits.RESULTS_DEFAULT
    inputs: Inputs = Inputs()
    provider_settings: ProviderSettings = ProviderSettings()
    output_format: limits.OutputFormat = "MP4"
    output_quality: Annotated[int, Field(ge=limits.QUALITY_MIN, le=limits.QUALITY_MAX)] = limits.QUALITY_DEFAULT
    safety: Safety = Safety()
    ttl: Annotated[int, Field(ge=limits.TTL_MIN)] | None = None
    webhook_url: Url | None = Field(default=None, alias="webhookURL")
    upload_endpoint: Url | None = None
    delivery_method: Literal["async"] = "async"
    include_cost: bool = True

    @model_validator(mode="after")
    def _has_a_prompt(self) -> VideoInference:
        if self.positive_prompt is None and not self.kling.multi_prompt:
            raise ValueError("positivePrompt is required unless there is a multiPrompt")
        return self

    @property
    def kling(self) -> KlingSettings:
        """The provider's own settings."""
        return self.provider_settings.klingai

    @property
    def motion_control(self) -> bool:
        """Whether a reference video leads the film."""
        return bool(self.inputs.reference_videos)


ALWAYS_SENT = {"model", "duration", "frame", "delivery_method", "include_cost"}
"""Beside these, what the service would take by default anyway is left out. The price hangs on the duration."""


def task(request: VideoInference) -> dict[str, Any]:
    """The request as the service's dictionary, without task UUID; media stand in it as they are."""
    fields = _fields(request)
    if request.motion_control and request.duration == limits.DURATION_DEFAULT:
        del fields["duration"]  # such a film is as long as its reference video
    return {"taskType": TASK_TYPE, **fields}


def _fields(part: Part) -> dict[str, Any]:
    fields = {}
    for name, info in type(part).model_fields.items():
        value = getattr(part, name)
        if name in ALWAYS_SENT or value != info.default:
            fields[info.alias or name] = _plain(value)
    return fields


def _plain(value: object) -> Any:
    if isinstance(value, Part):
        return _fields(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def clips(request: VideoInference) -> tuple[Clip, ...]:
    """The local films and sounds that must be uploaded before the request can be sent, each once."""
    found: dict[str, Clip] = {}
    for medium in _media(task(request)):
        if isinstance(medium, Clip):
            found.setdefault(medium.identity, medium)
    return tuple(found.values())


def _media(value: object) -> Iterator[Media]:
    if isinstance(value, (Source, Picture, Clip)):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _media(item)


def public(request: VideoInference) -> dict[str, Any]:
    """The request as it may be shown and kept: media by identity, and no URL with what may be a signature."""
    fields: dict[str, Any] = _shown(task(request))
    for name in ("webhookURL", "uploadEndpoint"):
        if name in fields:
            url = urlsplit(fields[name])
            fields[name] = f"{url.scheme}://{url.hostname}"
    return fields


def _shown(value: Any) -> Any:
    if isinstance(value, Source):
        return value.text.partition("?")[0].partition("#")[0]
    if isinstance(value, (Picture, Clip)):
        return value.identity
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value


ENCODED_AT_ONCE = 48 * 1024
"""Bytes of a picture; a multiple of three, so that the pieces of base64 fit together."""


def body(request: VideoInference, task_uuid: str, uploads: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the request's bytes, the same for the same request: a JSON array of one task.

    A picture goes out piece by piece, so that it is never in memory a second time. `uploads` gives the media UUID of
    each of `clips(request)` by its identity.
    """
    fields = {"taskType": TASK_TYPE, "taskUUID": task_uuid, **task(request)}
    waiting = b"["
    for piece in _json(fields, uploads):
        if isinstance(piece, Picture):
            yield waiting
            yield from _data_uri(piece)
            waiting = b""
        else:
            waiting += piece
    yield waiting + b"]"


def _json(value: Any, uploads: Mapping[str, str]) -> Iterator[bytes | Picture]:
    """Write JSON up to each picture, which is handed out as it is."""
    if isinstance(value, dict):
        for index, (key, item) in enumerate(value.items()):
            yield b"{" if index == 0 else b","
            yield json.dumps(key).encode("ascii") + b":"
            yield from _json(item, uploads)
        yield b"}" if value else b"{}"
    elif isinstance(value, list):
        yield b"["
        for index, item in enumerate(value):
            yield b"," if index else b""
            yield from _json(item, uploads)
        yield b"]"
    elif isinstance(value, Picture):
        yield value
    else:
        if isinstance(value, Source):
            value = value.text
        elif isinstance(value, Clip):
            value = uploads[value.identity]
        yield json.dumps(value, ensure_ascii=False).encode("utf-8")


def _data_uri(picture: Picture) -> Iterator[bytes]:
    yield f'"data:{picture.mime_type};base64,'.encode("ascii")
    data = memoryview(picture.data)
    for start in range(0, len(data), ENCODED_AT_ONCE):
        yield base64.b64encode(data[start : start + ENCODED_AT_ONCE])
    yield b'"'
