"""A workflow as the page saves it, turned into the form that POST /prompt takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .widgets import widget_values

WITHOUT_CODE = ("Note", "MarkdownNote", "Reroute", "PrimitiveNode")
"""Nodes that exist in the page alone."""
MUTED, BYPASSED = 2, 4


def api_form(workflow: Mapping[str, Any], object_info: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a saved workflow; `object_info` says which of a node's inputs are widgets, and in which order.

    Raises:
        ValueError: it holds something this does not convert (a subgraph, a bypassed node, an unknown node).
    """
    nodes = {node["id"]: node for node in workflow["nodes"]}
    origins = {link[0]: (link[1], link[2]) for link in workflow["links"]}
    return {
        str(node["id"]): {
            "class_type": node["type"],
            "inputs": {**_widgets(node, object_info), **_links(node, nodes, origins)},
            "_meta": {"title": node.get("title", node["type"])},
        }
        for node in nodes.values()
        if _runs(node, object_info)
    }


def _runs(node: Mapping[str, Any], object_info: Mapping[str, Any]) -> bool:
    if node["type"] in WITHOUT_CODE or node.get("mode") == MUTED:
        return False
    if node["type"] not in object_info or node.get("mode") == BYPASSED:
        msg = f"Node {node['id']} ({node['type']}) is unknown, bypassed or a subgraph: not converted here."
        raise ValueError(msg)
    return True


def _widgets(node: Mapping[str, Any], object_info: Mapping[str, Any]) -> dict[str, Any]:
    values = node.get("widgets_values", [])
    if isinstance(values, Mapping):
        return dict(values)
    return widget_values(object_info[node["type"]], values)


def _links(
    node: Mapping[str, Any], nodes: Mapping[int, Mapping[str, Any]], origins: Mapping[int, tuple[int, int]]
) -> dict[str, list[Any]]:
    linked = {}
    for socket in node.get("inputs", []):
        origin = _origin(socket.get("link"), nodes, origins)
        if origin is not None:
            linked[socket["name"]] = [str(origin[0]), origin[1]]
    return linked


def _origin(
    link: int | None, nodes: Mapping[int, Mapping[str, Any]], origins: Mapping[int, tuple[int, int]]
) -> tuple[int, int] | None:
    """Follow a link to the node that makes the value, through reroutes; None where nothing runs."""
    if link is None:
        return None
    node_id, slot = origins[link]
    if nodes[node_id]["type"] == "Reroute":
        return _origin(nodes[node_id]["inputs"][0].get("link"), nodes, origins)
    return None if nodes[node_id].get("mode") == MUTED else (node_id, slot)
