"""How messages name a node."""

from __future__ import annotations

from typing import Any


def label(node_id: str, hidden: Any) -> str:
    """Name a node with ComfyUI's own number for it: ``KlingPrompt (node 12)``, or ``(node 57:12)`` in a subgraph."""
    unique_id = getattr(hidden, "unique_id", None)
    return f"{node_id} (node {unique_id})" if unique_id else node_id
