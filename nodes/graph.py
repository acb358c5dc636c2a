"""What can be known to be wrong with a whole graph before the first of its nodes spends anything.

The same pure functions judge it that the nodes call when they run. A value that comes through a link from another
pack's node is not known yet; whatever hangs on it is left to the run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .labels import label
from .runware.errors import InputError
from .runware.fields import WIDGETS
from .runware.filenames import check_prefix
from .runware.media import Source

if TYPE_CHECKING:
    from pathlib import Path

Graph = Mapping[str, Mapping[str, Any]]
"""A prompt as ComfyUI queues it: node -> class_type and inputs, where an input is a value or a link [node, output]."""

CONNECTED = Source("00000000-0000-4000-8000-000000000000")
"""Stands for a picture, film or sound that a link will bring."""

TEXT_TO_COME = "text to come"
"""Stands for a prompt that a link will bring."""

MEDIA = ("first_frame", "last_frame", "frontal_image", "video", "voice", "reference_image", "reference_video")

DECISIVE = (
    "shot_seconds",
    "element_id",
    "first_frame_source",
    "last_frame_source",
    "frontal_image_source",
    "images_sources",
    "video_source",
    "voice_source",
    "reference_video_source",
    "character_orientation",
)
"""Widgets without which nothing can be said about the rest; any other is taken at its default where it is linked."""

WITHOUT_EFFECT_ALONE = ("KlingPrompt", "KlingFrameImages", "KlingElement", "KlingGenerate")
"""ComfyUI runs these only for a node that uses what they give."""


class _Unknown:
    """A value that only the run will tell."""


UNKNOWN = _Unknown()


def check(
    graph: Graph,
    outputs: Collection[str] | None = None,
    *,
    collects: str | None = None,
    folder: Path | None = None,
) -> None:
    """Raise the first fault of the graph, or of what the nodes `outputs` need where only these are to run.

    What collects the films of the KlingGenerate `collects` counts, too: ComfyUI leaves out a node that it has refused,
    and what is bought would come out nowhere. `folder` is where films are written, if that is to be judged as well.

    Raises:
        InputError: some Kling node of the graph will certainly fail.
    """
    if outputs is not None and collects is not None:
        outputs = {*outputs, *_collectors(graph, collects)}
    for fault in faults(graph, outputs, folder):
        raise fault


def faults(graph: Graph, outputs: Collection[str] | None = None, folder: Path | None = None) -> list[InputError]:
    """Find everything in the graph's Kling nodes that will certainly fail, in the order it would."""
    judge = _Judge(graph, folder)
    for node in _running(graph, outputs):
        judge.value(node)
    return judge.faults


def _running(graph: Graph, outputs: Collection[str] | None) -> list[str]:
    """The nodes that something asks for, in the order of the graph."""
    if outputs is None:
        outputs = [node for node in graph if graph[node].get("class_type") not in WITHOUT_EFFECT_ALONE]
    waiting = [node for node in outputs if node in graph]
    asked = set(waiting)
    while waiting:
        for value in graph[waiting.pop()].get("inputs", {}).values():
            source = _link(value)
            if source in graph and source not in asked:
                asked.add(source)
                waiting.append(source)
    return [node for node in graph if node in asked]


def _collectors(graph: Graph, node: str) -> list[str]:
    return [
        name
        for name, each in graph.items()
        if each.get("class_type") == "KlingFetchVideo" and _link(each.get("inputs", {}).get("task")) == node
    ]


def _link(value: Any) -> str:
    """The node a link comes from; empty if the value is no link."""
    return str(value[0]) if isinstance(value, (list, tuple)) and len(value) == 2 else ""  # noqa: PLR2004  [node, output]


@dataclass
class _Judge:
    """Builds each node's value once."""

    graph: Graph
    folder: Path | None = None
    faults: list[InputError] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def value(self, node: str) -> Any:
        """What the node will give, as far as it can be known."""
        if node not in self.values:
            self.values[node] = UNKNOWN  # stands until it is built, so that a circle ends
            kind = str(self.graph.get(node, {}).get("class_type"))
            if kind in WIDGETS:
                self.values[node] = self._built(node, kind)
        return self.values[node]

    def _built(self, node: str, kind: str) -> Any:
        inputs = self.graph[node].get("inputs", {})
        name = label(kind, node)
        try:
            widgets = _widgets(kind, name, inputs)
            if kind == "KlingFetchVideo":
                text = inputs.get("task_uuid", "")
                check_fetch(name, connected="task" in inputs, task_uuid=None if _link(text) else text)
                if self.folder is not None and not _link(inputs.get("filename_prefix")):
                    check_prefix(widgets["filename_prefix"], self.folder, node=name, field="filename_prefix")
                return UNKNOWN
            sockets = {
                socket: self._through(socket, value) for socket, value in inputs.items() if socket not in WIDGETS[kind]
            }
            if UNKNOWN in widgets.values() or UNKNOWN in sockets.values():
                return UNKNOWN
            return _build(kind, name, widgets, sockets)
        except InputError as fault:
            self.faults.append(fault)
            return UNKNOWN

    def _through(self, socket: str, value: Any) -> Any:
        """What a link will bring."""
        if socket == "images":
            return (CONNECTED,)
        return CONNECTED if socket in MEDIA else self.value(_link(value))


def _widgets(kind: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The widgets of a node, each judged by itself."""
    found = {}
    for field_name, widget in WIDGETS[kind].items():
        value = inputs.get(field_name, widget.default)
        if not _link(value):
            widget.check(value, node=name, field=field_name)
        elif field_name in DECISIVE:
            value = UNKNOWN
        else:
            value = TEXT_TO_COME if field_name == "positive_prompt" else widget.default
        found[field_name] = value
    return found


def _build(kind: str, name: str, widgets: dict[str, Any], sockets: dict[str, Any]) -> Any:
    from .runware import assemble, draft

    makers: dict[str, Callable[..., Any]] = {
        "KlingPrompt": draft.prompt,
        "KlingFrameImages": draft.frame_images,
        "KlingElement": draft.element,
    }
    if kind in makers:
        return makers[kind](node=name, **widgets, **sockets)
    if "prompt" in sockets:
        assemble.assemble(settings=draft.settings(node=name, **widgets), **sockets)
    return UNKNOWN


def check_fetch(name: str, *, connected: bool, task_uuid: str | None) -> None:
    """Refuse a KlingFetchVideo that names no purchase, or may name two. A UUID from a link is None.

    Raises InputError.
    """
    if not connected and task_uuid is not None and not task_uuid.strip():
        raise InputError(
            node=name,
            field="task",
            rule="there is nothing to collect.",
            next_step="Connect a KlingGenerate, or give the task_uuid of an earlier purchase.",
        )
    if connected and task_uuid is not None and task_uuid.strip():
        raise InputError(
            node=name,
            field="task_uuid",
            value=task_uuid,
            rule="a task is connected as well; only one of the two is used.",
            next_step="Empty this field, or disconnect the task.",
        )
