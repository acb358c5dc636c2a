"""A graph in API form, written as short as it is thought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .widgets import widget_values


@dataclass(frozen=True)
class Node:
    """A node in a graph; `node["task"]` is the link to its output of that name."""

    id: str
    outputs: tuple[str, ...]

    def __getitem__(self, name: str) -> list[Any]:
        """Link to an output."""
        return [self.id, self.outputs.index(name)]


class Graph(dict[str, Any]):
    """A prompt for `Comfy.run`: what is not said of a node's inputs stands at its default."""

    def __init__(self, object_info: Mapping[str, Any]) -> None:
        super().__init__()
        self._info = object_info

    def add(self, class_type: str, **inputs: Any) -> Node:
        """Add a node, by the name of its class, and return it for linking."""
        info = self._info[class_type]
        node = Node(str(len(self) + 1), tuple(info["output_name"]))
        self[node.id] = {"class_type": class_type, "inputs": {**widget_values(info), **inputs}}
        return node

    def change(self, node: Node, **inputs: Any) -> Graph:
        """Give the same graph with other inputs of one node."""
        changed = Graph(self._info)
        changed.update({name: {**entry, "inputs": dict(entry["inputs"])} for name, entry in self.items()})
        changed[node.id]["inputs"].update(inputs)
        return changed
