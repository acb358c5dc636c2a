"""KlingElement: a character or thing the film has to recognise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from . import beside, host, pictures
from .compat import known
from .labels import label
from .runware.fields import WIDGETS, fault, read
from .runware.limits import (
    ELEMENT_ID_MAX,
    ELEMENT_IMAGES_MAX,
    ELEMENT_TAGS,
    ELEMENTS_MAX,
    PICTURE_SIDE_MAX,
    PICTURE_SIDE_MIN,
)
from .sockets import KlingElements as ElementsSocket

if TYPE_CHECKING:
    from .runware import draft

DEFAULTS = {name: widget.default for name, widget in WIDGETS["KlingElement"].items()}


class KlingElement(io.ComfyNode):
    """Describe a character or thing by pictures, a video or a voice; or name one the service already has."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """List the inputs and outputs."""
        return io.Schema(
            node_id="KlingElement",
            display_name="Kling Element",
            category="Kling",
            description="A character or thing, named in prompts as @ and its id. With nothing but its id it is one "
            "that the service already has.",
            inputs=_inputs(),
            outputs=[
                ElementsSocket.Output(
                    "elements",
                    display_name="elements",
                    tooltip="To KlingGenerate, or to previous of another KlingElement; "
                    f"at most {ELEMENTS_MAX} in a chain.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
            **known(io.Schema, search_aliases=["kling character", "kling subject", "kling voice", "kling reference"]),
        )

    @classmethod
    def validate_inputs(  # noqa: PLR0913, PLR0917  one parameter per widget
        cls,
        element_id: str | None = None,
        description: str | None = None,
        tags: str | None = None,
        frontal_image_source: str | None = None,
        images_sources: str | None = None,
        video_source: str | None = None,
        voice_source: str | None = None,
    ) -> bool | str:
        """Judge what is typed in before anything runs; what comes through a link is None here."""
        widgets = {
            "element_id": element_id,
            "description": description,
            "tags": tags,
            "frontal_image_source": frontal_image_source,
            "images_sources": images_sources,
            "video_source": video_source,
            "voice_source": voice_source,
        }
        return fault("KlingElement", widgets) or True

    @classmethod
    async def execute(
        cls,
        frontal_image: Any = None,
        images: Any = None,
        video: Any = None,
        voice: Any = None,
        previous: draft.Elements | None = None,
        **widgets: Any,
    ) -> io.NodeOutput:
        """Encode the pictures, write video and voice to files, and add the element to the chain.

        `frontal_image` is [1, height, width, channels], `images` a batch of as many as an element takes. Spends
        nothing. Raises InputError or StorageError.
        """
        from .runware import draft

        node = label("KlingElement", cls.hidden.unique_id)
        read("KlingElement", node, widgets)
        given, lines = await _encoded(frontal_image, images, video, voice, node=node)
        chain = draft.element(**given, **widgets, previous=previous, node=node)
        pictures.tell(lines, node=node, node_id=cls.hidden.unique_id)
        return io.NodeOutput(chain)


async def _encoded(
    frontal_image: Any, images: Any, video: Any, voice: Any, *, node: str
) -> tuple[dict[str, Any], list[str]]:
    """What is connected, as it can be sent, by the name of its input; and what is to be said about it."""
    from . import tensors

    given: dict[str, Any] = {}
    lines: list[str] = []
    if frontal_image is not None:
        given["frontal_image"], said = await pictures.encode(frontal_image, node=node, field="frontal_image")
        lines += said
    if images is not None:
        given["images"], said = await pictures.encode_all(images, node=node, field="images", most=ELEMENT_IMAGES_MAX)
        lines += said
    if video is not None:
        given["video"] = await beside.run(tensors.save_video, video, host.temp_folder(), node=node, field="video")
    if voice is not None:
        given["voice"] = await beside.run(tensors.save_audio, voice, host.temp_folder(), node=node, field="voice")
    return given, lines


def _inputs() -> list[io.Input]:
    known_to_the_service = "what the service has by a UUID, or an https URL it can read"
    return [
        io.String.Input(
            "element_id",
            default=DEFAULTS["element_id"],
            tooltip=f"Its name, 1 to {ELEMENT_ID_MAX} letters, digits, - and _. Write @ and this id in a prompt.",
        ),
        io.String.Input(
            "description",
            multiline=True,
            default=DEFAULTS["description"],
            dynamic_prompts=False,
            tooltip="What it is, in a sentence; may be empty.",
        ),
        io.String.Input(
            "tags",
            default=DEFAULTS["tags"],
            tooltip=f"Any of {', '.join(ELEMENT_TAGS)}, separated by commas; may be empty.",
        ),
        io.Image.Input(
            "frontal_image",
            optional=True,
            tooltip="The element from the front: one picture, "
            f"sides of {PICTURE_SIDE_MIN} to {PICTURE_SIDE_MAX} pixels.",
        ),
        io.Image.Input(
            "images",
            optional=True,
            tooltip=f"From other sides: 1 to {ELEMENT_IMAGES_MAX} pictures in a batch; needs frontal_image.",
        ),
        io.Video.Input(
            "video",
            optional=True,
            tooltip="The element in motion, one video of a few seconds; cannot be combined with images or voice.",
        ),
        io.Audio.Input(
            "voice",
            optional=True,
            tooltip="The element's voice, one speaker, 5 to 30 s; needs frontal_image, and sound in KlingGenerate.",
        ),
        io.String.Input(
            "frontal_image_source",
            default=DEFAULTS["frontal_image_source"],
            tooltip=f"Instead of frontal_image: {known_to_the_service}.",
        ),
        io.String.Input(
            "images_sources",
            multiline=True,
            default=DEFAULTS["images_sources"],
            dynamic_prompts=False,
            tooltip=f"Instead of images: {known_to_the_service}; 1 to {ELEMENT_IMAGES_MAX}, one per line.",
        ),
        io.String.Input(
            "video_source",
            default=DEFAULTS["video_source"],
            tooltip=f"Instead of video: {known_to_the_service}.",
        ),
        io.String.Input(
            "voice_source",
            default=DEFAULTS["voice_source"],
            tooltip=f"Instead of voice: {known_to_the_service}, as mp3, wav, mp4 or mov.",
        ),
        ElementsSocket.Input(
            "previous",
            optional=True,
            tooltip=f"The elements before this one; at most {ELEMENTS_MAX} in a chain, each with its own id.",
        ),
    ]
