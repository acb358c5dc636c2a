"""What travels between the nodes, and how each node makes it of its widgets and of what is connected to it.

The values are frozen, because ComfyUI hands the same one to every node that asks, and each remembers the node it came
from, so that a message found at the end of a graph names the node and the field at its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import limits
from .errors import InputError, not_connectable
from .fields import read
from .media import Clip, Picture, Source
from .profiles import PROFILES, Profile
from .request import Element


@dataclass(frozen=True)
class Shot:
    """What one KlingPrompt says."""

    text: str
    negative: str
    seconds: int
    """0: it describes the whole film."""
    shot_type: str
    node: str


@dataclass(frozen=True)
class Prompt:
    """A chain of KlingPrompt nodes, first to last."""

    shots: tuple[Shot, ...]

    @property
    def segments(self) -> tuple[Shot, ...]:
        """The shots with a length of their own."""
        return tuple(shot for shot in self.shots if shot.seconds)

    @property
    def seconds(self) -> int:
        """How long the shots last together; 0 if there are none."""
        return sum(shot.seconds for shot in self.shots)


@dataclass(frozen=True)
class FrameImages:
    """The pictures a film begins and ends with."""

    first: Picture | Source | None
    last: Picture | Source | None
    node: str


@dataclass(frozen=True)
class Elements:
    """A chain of KlingElement nodes, first to last."""

    elements: tuple[Element, ...]
    nodes: tuple[str, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """In the order that numbers them."""
        return tuple(each.id for each in self.elements)


@dataclass(frozen=True)
class Settings:
    """What stands in the widgets of a KlingGenerate."""

    node: str
    model: str
    aspect_ratio: str
    duration: int
    sound: bool
    number_results: int
    take: int
    mode: str
    max_cost: float
    """USD; 0 is no limit."""
    timeout_minutes: int
    character_orientation: str
    keep_original_sound: bool
    output_format: limits.OutputFormat
    output_quality: int
    safety: limits.SafetyMode
    ttl: int | None
    reference_video_source: Source | None
    webhook_url: str | None = field(repr=False)
    upload_endpoint: str | None = field(repr=False)

    @property
    def profile(self) -> Profile:
        """The model's data."""
        return PROFILES[self.model]


def prompt(*, previous: Prompt | None = None, node: str = "KlingPrompt", **widgets: Any) -> Prompt:
    """Add a prompt to the chain.

    Raises:
        InputError: a widget's value cannot be used, or does not go with the shots before it.
    """
    values = read("KlingPrompt", node, widgets)
    shot = Shot(values["positive_prompt"], values["negative_prompt"], values["shot_seconds"], values["shot_type"], node)
    if shot.shot_type != "single" and (shot.seconds or previous):
        raise InputError(
            node=node,
            field="shot_type",
            value=shot.shot_type,
            rule="the model then cuts the shots by itself, which excludes your own shots.",
            next_step="Set shot_type to single, or use one KlingPrompt with shot_seconds 0.",
        )
    if previous is not None:
        expect(previous, Prompt, node=node, field="previous")
        _check_link(shot, previous)
    chain = Prompt((*(previous.shots if previous else ()), shot))
    _check_chain(chain)
    return chain


MAKERS: dict[type, str] = {Prompt: "KlingPrompt", FrameImages: "KlingFrameImages", Elements: "KlingElement"}


def expect(value: Any, kind: type, *, node: str, field: str) -> None:
    """Refuse anything else in a socket; ComfyUI itself lets through what a program writes there. Raises InputError."""
    if not isinstance(value, kind):
        raise not_connectable(value, MAKERS[kind], node=node, field=field)


def _check_link(shot: Shot, previous: Prompt) -> None:
    head = previous.shots[0]
    if head.shot_type != "single":
        raise InputError(
            node=head.node,
            field="shot_type",
            value=head.shot_type,
            rule="the model then cuts the shots by itself, which excludes your own shots.",
            next_step=f"Set shot_type to single, or disconnect previous of {shot.node}.",
        )
    if shot.seconds == 0:
        raise InputError(
            node=shot.node,
            field="shot_seconds",
            value=shot.seconds,
            rule="only the first prompt of a chain can describe the whole film; every other is a shot of 1 s or more.",
            next_step="Give the shot its seconds, or disconnect previous.",
        )


def _check_chain(chain: Prompt) -> None:
    last = chain.shots[-1]
    if len(chain.segments) > limits.SHOTS_MAX:
        raise InputError(
            node=last.node,
            field="previous",
            rule=f"this is shot {len(chain.segments)} of the chain; a film has at most {limits.SHOTS_MAX} shots.",
            next_step="Join two shots, or make a second film.",
        )
    if chain.seconds > limits.DURATION_MAX:
        raise InputError(
            node=last.node,
            field="shot_seconds",
            value=last.seconds,
            rule=f"the shots add up to {chain.seconds} s; a film lasts {_film_seconds()}.",
            next_step=f"Take {chain.seconds - limits.DURATION_MAX} s away from the shots.",
        )


def _film_seconds() -> str:
    return f"{limits.DURATION_MIN} to {limits.DURATION_MAX} s"


def frame_images(
    *,
    first_frame: Picture | Source | None = None,
    last_frame: Picture | Source | None = None,
    node: str = "KlingFrameImages",
    **widgets: Any,
) -> FrameImages:
    """Choose the first and the last picture of a film.

    Raises:
        InputError: there is none, one is given twice, or a source cannot be read.
    """
    values = read("KlingFrameImages", node, widgets)
    first = one_of("first_frame", first_frame, values["first_frame_source"], node=node)
    last = one_of("last_frame", last_frame, values["last_frame_source"], node=node)
    if not first and not last:
        raise InputError(
            node=node,
            field="first_frame",
            rule="neither a first nor a last frame is given.",
            next_step="Connect a picture, or disconnect the node to make the film from text alone.",
        )
    return FrameImages(first, last, node)


def one_of(name: str, given: Any, source: Any, *, node: str, source_name: str = "") -> Any:
    """Take the connected medium or the one named by text; what it is, or nothing. Raises InputError for both."""
    if given and source:
        raise InputError(
            node=node,
            field=source_name or f"{name}_source",
            rule=f"{name} is connected as well; only one of the two is used.",
            next_step="Empty this field, or disconnect the other.",
        )
    return given or source


def element(
    *,
    frontal_image: Picture | Source | None = None,
    images: tuple[Picture | Source, ...] = (),
    video: Clip | Source | None = None,
    voice: Clip | Source | None = None,
    previous: Elements | None = None,
    node: str = "KlingElement",
    **widgets: Any,
) -> Elements:
    """Add an element to the chain; one with nothing but its id is one the service already has.

    Raises:
        InputError: a value cannot be used, the media do not go together, or the chain is full.
    """
    values = read("KlingElement", node, widgets)
    front = one_of("frontal_image", frontal_image, values["frontal_image_source"], node=node)
    sides = one_of("images", images, values["images_sources"], node=node, source_name="images_sources")
    film = one_of("video", video, values["video_source"], node=node)
    sound = one_of("voice", voice, values["voice_source"], node=node)
    _check_media(front, sides, film, sound, node=node)
    if not (front or film) and (values["description"].strip() or values["tags"]):
        raise InputError(
            node=node,
            field="description" if values["description"].strip() else "tags",
            rule="a new element needs a picture or a video; one the service already has is named by its id alone.",
            next_step="Connect frontal_image or video, or empty description and tags.",
        )
    made = Element(
        id=values["element_id"],
        description=values["description"] if values["description"].strip() else None,
        frontal_image=front,
        images=sides,
        videos=(film,) if film else (),
        voices=(sound,) if sound else (),
        tags=values["tags"],
    )
    return _added(previous, made, node)


def _check_media(front: Any, sides: tuple[Any, ...], film: Any, sound: Any, *, node: str) -> None:
    if film and (front or sides or sound):
        raise InputError(
            node=node,
            field="video",
            rule="an element made from a video takes neither images nor a voice.",
            next_step="Disconnect the video, or everything else.",
        )
    if len(sides) > limits.ELEMENT_IMAGES_MAX:
        raise InputError(
            node=node,
            field="images",
            rule=f"these are {len(sides)} pictures; at most {limits.ELEMENT_IMAGES_MAX} go with the frontal one.",
            next_step="Choose some with ImageFromBatch.",
        )
    if (sides or sound) and not front:
        raise InputError(
            node=node,
            field="images" if sides else "voice",
            rule=f"{'further images' if sides else 'a voice'} can only be added to a frontal image.",
            next_step="Connect frontal_image.",
        )


def _added(previous: Elements | None, made: Element, node: str) -> Elements:
    if previous is not None:
        expect(previous, Elements, node=node, field="previous")
    chain = previous or Elements((), ())
    if len(chain.elements) == limits.ELEMENTS_MAX:
        raise InputError(
            node=node,
            field="previous",
            rule=f"the chain already has {limits.ELEMENTS_MAX} elements, which is all a film takes.",
            next_step="Take one out of the chain.",
        )
    if made.id in chain.ids:
        raise InputError(
            node=node,
            field="element_id",
            value=made.id,
            rule=f"{chain.nodes[chain.ids.index(made.id)]} already has this id.",
            next_step="Give each element of a chain its own id.",
        )
    return Elements((*chain.elements, made), (*chain.nodes, node))


def settings(*, node: str = "KlingGenerate", **widgets: Any) -> Settings:
    """Read the widgets of a KlingGenerate.

    Raises:
        InputError: a value cannot be used.
    """
    return Settings(node=node, **read("KlingGenerate", node, widgets))
