"""KlingFrameImages: the pictures a film begins and ends with."""

from __future__ import annotations

import asyncio
from typing import Any

from comfy_api.latest import io

from . import pictures
from .compat import known
from .labels import label
from .runware.fields import ENCODINGS, WIDGETS, fault, read
from .runware.limits import ENCODED_SIDE_MAX, PICTURE_SIDE_MAX, PICTURE_SIDE_MIN
from .sockets import KlingFrameImages as FrameImagesSocket

DEFAULTS = {name: widget.default for name, widget in WIDGETS["KlingFrameImages"].items()}
_SIDES = f"sides of {PICTURE_SIDE_MIN} to {PICTURE_SIDE_MAX} pixels"


class KlingFrameImages(io.ComfyNode):
    """Choose the first and the last picture of the film; they also decide its size."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """List the inputs and outputs."""
        return io.Schema(
            node_id="KlingFrameImages",
            display_name="Kling Frame Images",
            category="Kling",
            description="The pictures the film begins and ends with. They decide its size; aspect_ratio is not sent.",
            inputs=[
                io.Image.Input(
                    "first_frame",
                    optional=True,
                    tooltip=f"The first picture of the film: one picture, {_SIDES}. Alpha is composited on black.",
                ),
                io.Image.Input(
                    "last_frame",
                    optional=True,
                    tooltip=f"The last picture of the film: one picture, {_SIDES}. Alpha is composited on black.",
                ),
                io.String.Input(
                    "first_frame_source",
                    default=DEFAULTS["first_frame_source"],
                    tooltip="Instead of first_frame: the UUID of a picture that the service has, or an https URL.",
                ),
                io.String.Input(
                    "last_frame_source",
                    default=DEFAULTS["last_frame_source"],
                    tooltip="Instead of last_frame: the UUID of a picture that the service has, or an https URL.",
                ),
                io.Combo.Input(
                    "encoding",
                    options=list(ENCODINGS),
                    default=DEFAULTS["encoding"],
                    tooltip="How pictures travel. png: exact. jpeg: quality 95, a quarter of the bytes. "
                    "webp: exact and smaller, but the service may re-encode it.",
                ),
                io.Int.Input(
                    "max_side",
                    default=DEFAULTS["max_side"],
                    min=0,
                    max=ENCODED_SIDE_MAX,
                    tooltip="Pixels. A picture with a longer side is reduced to it (Lanczos). 0: sent as it is.",
                ),
            ],
            outputs=[
                FrameImagesSocket.Output(
                    "frame_images", display_name="frame_images", tooltip="To KlingGenerate: one or two pictures."
                ),
            ],
            hidden=[io.Hidden.unique_id],
            **known(io.Schema, search_aliases=["kling image to video", "kling first frame", "kling last frame"]),
        )

    @classmethod
    def validate_inputs(cls, first_frame_source: str | None = None, last_frame_source: str | None = None) -> bool | str:
        """Judge what is typed in and ComfyUI cannot judge itself; what comes through a link is None here."""
        widgets = {"first_frame_source": first_frame_source, "last_frame_source": last_frame_source}
        return fault("KlingFrameImages", widgets) or True

    @classmethod
    async def execute(cls, first_frame: Any = None, last_frame: Any = None, **widgets: Any) -> io.NodeOutput:
        """Encode the pictures, [1, height, width, channels] each, and choose where each of them stands.

        Spends nothing. Raises InputError.
        """
        from .runware import draft

        node = label("KlingFrameImages", cls.hidden.unique_id)
        values = read("KlingFrameImages", node, widgets)
        images = {"first_frame": first_frame, "last_frame": last_frame}
        images = {field: image for field, image in images.items() if image is not None}
        settings = {"node": node, "encoding": values["encoding"], "max_side": values["max_side"]}
        encoded = await asyncio.gather(
            *(pictures.encode(image, field=field, **settings) for field, image in images.items())
        )
        given = {field: picture for field, (picture, _) in zip(images, encoded, strict=True)}
        lines = [line for _, said in encoded for line in said]
        chosen = draft.frame_images(**given, **widgets, node=node)
        pictures.tell(lines, node=node, node_id=cls.hidden.unique_id)
        return io.NodeOutput(chosen)
