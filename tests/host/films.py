"""The graphs that the tests buy and rehearse, and where their films are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .comfy import Comfy
from .graph import Graph, Node
from .run import Run


@dataclass(frozen=True)
class Film:
    """The nodes of one film in a graph."""

    prompt: Node
    generate: Node
    fetch: Node
    info: Node


def text_to_video(
    object_info: Mapping[str, Any], text: str = "a harbour at dawn", **generate: Any
) -> tuple[Graph, Film]:
    """Make a graph of one film; its info is shown by a core node, so that it can be read in /history."""
    graph = Graph(object_info)
    return graph, add_film(graph, text, **generate)


def add_film(graph: Graph, text: str = "a harbour at dawn", **generate: Any) -> Film:
    """Add one more film to a graph."""
    prompt = graph.add("KlingPrompt", positive_prompt=text)
    bought = graph.add("KlingGenerate", prompt=prompt["prompt"], **generate)
    fetch = graph.add("KlingFetchVideo", task=bought["task"])
    return Film(prompt, bought, fetch, graph.add("PreviewAny", source=fetch["info"]))


def film_paths(comfy: Comfy, run: Run, fetch: Node) -> list[Path]:
    """List the files a KlingFetchVideo showed, as a program reads them from /history."""
    assert run.status == "success", run.why
    shown = run.outputs[fetch.id]["images"]
    return [comfy.output / file["subfolder"] / file["filename"] for file in shown]


def info_of(run: Run, film: Film) -> list[dict[str, Any]]:
    """Read the info of each result."""
    return [json.loads(text) for text in run.outputs[film.info.id]["text"]]
