"""The table of contents: which nodes there are."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .element import KlingElement
from .fetch_video import KlingFetchVideo
from .frame_images import KlingFrameImages
from .generate import KlingGenerate
from .installed import serve_page_under_a_plain_name, stand_aside_for
from .prompt import KlingPrompt
from .routes import register


class KlingExtension(ComfyExtension):
    """What ComfyUI asks for the nodes of this pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """List the nodes in the order a graph uses them, and add the page's two routes.

        Raises:
            SecondCopy: another copy of this pack was loaded before.
        """
        stand_aside_for("KlingGenerate")
        serve_page_under_a_plain_name()
        register()
        return [KlingPrompt, KlingFrameImages, KlingElement, KlingGenerate, KlingFetchVideo]
