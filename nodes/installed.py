"""How this copy is installed: beside another one, or in a folder whose name ComfyUI's server cannot serve."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from . import host

FOLDER = Path(__file__).parents[1].name
"""Of this copy, below `custom_nodes`."""

PLAIN_NAME = "kling-video"


class SecondCopy(Exception):
    """Another copy of this pack has brought the nodes already."""


def stand_aside_for(node_id: str) -> None:
    """Take this copy's page back if another pack has brought the node; ComfyUI logs why and lists IMPORT FAILED.

    ComfyUI itself would let the last copy have the nodes and would serve the pages of both.

    Raises:
        SecondCopy: which copy is in use, and what to do.
    """
    first = host.pack_of(node_id)
    if first in ("", FOLDER):
        return
    host.withdraw_page(FOLDER)
    raise SecondCopy(
        f"The Kling nodes are installed twice. The copy in custom_nodes/{first} is in use, the one in "
        f"custom_nodes/{FOLDER} is not. Remove one of the two folders and restart ComfyUI."
    )


def serve_page_under_a_plain_name() -> None:
    """Let the page be served from a folder with blanks, brackets or umlauts in its name, for which aiohttp has 404."""
    if quote(FOLDER) != FOLDER:
        host.rename_page(FOLDER, PLAIN_NAME)
