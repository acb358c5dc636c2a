"""Kling VIDEO 3.0 through Runware, as native ComfyUI nodes.

ComfyUI reads two names from this file; importing it does nothing else.
"""

from __future__ import annotations

WEB_DIRECTORY = "./js"


async def comfy_entrypoint():  # noqa: ANN201  ComfyUI's type, unknown outside ComfyUI
    """Hand ComfyUI the extension that lists the five nodes."""
    from .nodes.extension import KlingExtension

    return KlingExtension()


__all__ = ["WEB_DIRECTORY", "comfy_entrypoint"]
