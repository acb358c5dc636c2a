"""How messages name a node."""

from __future__ import annotations


def label(node_id: str, unique_id: str | None) -> str:
    """Name a node with ComfyUI's own number for it: ``KlingPrompt (node 12)``, or ``(node 57:12)`` in a subgraph."""
    return f"{node_id} (node {unique_id})" if unique_id else node_id
