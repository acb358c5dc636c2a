"""The pack installed twice: the copy that ComfyUI loads first is in use, any other stands aside and says so.

ComfyUI itself would let the last one have the nodes and would serve the pages of both.
"""

from __future__ import annotations

from pathlib import Path

from . import host

FOLDER = Path(__file__).parents[1].name
"""Of this copy, below `custom_nodes`."""


class SecondCopy(Exception):
    """Another copy of this pack has brought the nodes already."""


def stand_aside_for(node_id: str) -> None:
    """Take this copy's page back if another pack has brought the node; ComfyUI logs why and lists IMPORT FAILED.

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
