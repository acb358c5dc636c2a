"""KlingFetchVideo: a purchase becomes files, VIDEO, frames and sound."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comfy_api.latest import InputImpl, io, ui

from . import beside, graph, host, missing
from .compat import known
from .labels import label
from .runware.errors import SAFE, InputError, not_connectable
from .runware.fields import LOAD_FRAMES, WIDGETS, fault, read
from .runware.filenames import check_prefix
from .runware.limits import INTEGER_MAX
from .sockets import KlingTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from . import purchase
    from .loading import Loaded

NODE = "KlingFetchVideo"
DEFAULTS = {name: widget.default for name, widget in WIDGETS[NODE].items()}
WAIT_MINUTES = 45
UNLINKED = object()
"""Stands for a socket that is not connected; a connected one is None before the run."""

logger = logging.getLogger("kling")


class KlingFetchVideo(io.ComfyNode):
    """Bring a purchase's films into the output folder and into the graph. Free, as often as wanted."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """List the inputs and outputs."""
        return io.Schema(
            node_id="KlingFetchVideo",  # as in KlingGenerate
            display_name="Kling Fetch Video",
            category="Kling",
            description="Saves the films of a purchase and gives them as video, frames and sound: one item per result. "
            "Collecting is free, also of an earlier purchase by its task_uuid.",
            inputs=_inputs(),
            outputs=_outputs(),
            hidden=[io.Hidden.unique_id, io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
            **known(
                io.Schema, search_aliases=["kling download", "kling result", "runware", "collect video", "task uuid"]
            ),
        )

    @classmethod
    def validate_inputs(
        cls, task_uuid: str | None = None, filename_prefix: str | None = None, task: Any = UNLINKED
    ) -> bool | str:
        """Judge what is typed in and ComfyUI cannot judge itself, before anything is bought.

        What comes through a link is None here.
        """
        wrong = fault(NODE, {"task_uuid": task_uuid, "filename_prefix": filename_prefix})
        if wrong:
            return wrong
        try:
            graph.check_fetch(NODE, connected=task is not UNLINKED, task_uuid=task_uuid)
            if filename_prefix is not None:
                check_prefix(filename_prefix, host.output_folder(), node=NODE, field="filename_prefix")
        except InputError as error:
            return str(error)
        return True

    @classmethod
    async def fingerprint_inputs(cls, **_: Any) -> int:
        """Let ComfyUI run the node again, with the same inputs, when a film has come that was missing."""
        return await missing.came()

    @classmethod
    async def execute(cls, task: purchase.Task | None = None, **widgets: Any) -> io.NodeOutput:
        """Bring the films here, write them into the output folder, then decode what the graph wants of them.

        Spends nothing. Every output is a list with one item per result. Raises KlingError.
        """
        try:
            return await _fetch(task, widgets, cls.hidden)
        except InputError as error:
            error.billing = SAFE  # the film may be paid by now: "not billed" would be read of it
            raise


async def _fetch(task: purchase.Task | None, widgets: dict[str, Any], hidden: Any) -> io.NodeOutput:
    from . import loading, purchase
    from .runware.wire import WIRE

    node_id = hidden.unique_id
    node = label(NODE, node_id)
    wanted = read(NODE, node, widgets)
    task_uuid = _task_uuid(task, wanted["task_uuid"], node)
    account = await purchase.account_of(task_uuid, rehearsal=task.rehearsal if task else None)
    ticket = WIRE.collect(account, task_uuid)
    record = await purchase.attend(ticket, node_id=node_id, minutes=WAIT_MINUTES)
    with purchase.paid(task_uuid, node), _stop_with_the_node() as stopped:
        results = await beside.run(loading.load, account, record, wanted, metadata=_metadata(hidden), cancelled=stopped)
    host.status(node_id, "\n".join(str(result.path.name) for result in results))
    purchase.announce(node_id, task_uuid)
    missing.note(record)
    previews = [ui.SavedResult(each.path.name, each.subfolder, io.FolderType.output) for each in results]
    shown = {**ui.PreviewVideo(previews).as_dict(), "kling_task_uuid": [task_uuid]}
    return io.NodeOutput(*_columns(results), ui=shown)


def _columns(results: list[Loaded]) -> list[list[Any]]:
    """Turn results into outputs: one list for each."""
    return [
        [InputImpl.VideoFromFile(str(each.path)) for each in results],
        [each.frames for each in results],
        [each.audio for each in results],
        [each.last_frame for each in results],
        [str(each.path) for each in results],
        [float(each.film.frame_rate) for each in results],
        [each.film.frame_count for each in results],
        [json.dumps(each.about, ensure_ascii=False) for each in results],
    ]


def _metadata(hidden: Any) -> dict[str, str]:
    """Give what ComfyUI's own SaveVideo writes into a film: the prompt, and the workflow it came from."""
    if not host.keeps_metadata():
        return {}
    entries = dict(hidden.extra_pnginfo) if isinstance(hidden.extra_pnginfo, Mapping) else {}
    if hidden.prompt is not None:
        entries["prompt"] = {name: _as_queued(node) for name, node in hidden.prompt.items()}
    return {key: json.dumps(value) for key, value in entries.items()}


def _as_queued(node: dict[str, Any]) -> dict[str, Any]:
    """Leave out the fingerprint, which ComfyUI writes into a node: a film does not become another file by it."""
    return {key: each for key, each in node.items() if key != "is_changed" or node["class_type"] != NODE}


def _task_uuid(task: purchase.Task | None, text: str | None, node: str) -> str:
    from . import purchase

    if task is not None and not isinstance(task, purchase.Task):
        raise not_connectable(task, "KlingGenerate", node=node, field="task")
    if task is None and not text:
        graph.check_fetch(node, connected=False, task_uuid="")
    if task is not None and text and text != task.task_uuid:
        raise InputError(
            node=node,
            field="task_uuid",
            value=text,
            rule="a task is connected, and this is the UUID of another one.",
            next_step="Empty the field, or disconnect the task.",
        )
    return task.task_uuid if task is not None else str(text)


@contextlib.contextmanager
def _stop_with_the_node() -> Iterator[Callable[[], bool]]:
    """Give a question for worker threads: whether nobody waits for them, after Cancel or another node's end."""
    stopped = threading.Event()
    try:
        yield stopped.is_set
    finally:
        stopped.set()


def _inputs() -> list[Any]:
    return [
        KlingTask.Input("task", optional=True, tooltip="From KlingGenerate."),
        io.String.Input(
            "task_uuid",
            default=DEFAULTS["task_uuid"],
            tooltip="Instead of task: the UUID of any earlier purchase, also from another day. Collecting is free.",
        ),
        io.String.Input(
            "filename_prefix",
            default=DEFAULTS["filename_prefix"],
            tooltip="Name of the file below ComfyUI's output folder; a number and the ending are added. "
            "May hold %year%, %month%, %day%, %width%, %height%.",
        ),
        io.Combo.Input(
            "load_frames",
            options=list(LOAD_FRAMES),
            default=DEFAULTS["load_frames"],
            tooltip="all: frames holds every chosen frame as float32 (5 s of 720p is about 1.7 GB). "
            "none: it costs nothing; use video.",
        ),
        io.Int.Input(
            "skip_first_frames",
            default=DEFAULTS["skip_first_frames"],
            min=0,
            max=INTEGER_MAX,
            tooltip="Frames left out at the start.",
        ),
        io.Int.Input(
            "select_every_nth",
            default=DEFAULTS["select_every_nth"],
            min=1,
            max=INTEGER_MAX,
            tooltip="2 takes every second frame, and so on.",
        ),
        io.Int.Input(
            "frame_load_cap",
            default=DEFAULTS["frame_load_cap"],
            min=0,
            max=INTEGER_MAX,
            tooltip="Most frames that are loaded; 0: all.",
        ),
    ]


def _outputs() -> list[Any]:
    def listed(output: Any, name: str, tooltip: str) -> Any:
        return output.Output(name, display_name=name, is_output_list=True, tooltip=f"{tooltip} One item per result.")

    return [
        listed(io.Video, "video", "The film, as saved."),
        listed(io.Image, "frames", "The chosen frames, float32 [frames, height, width, 3], 0 to 1."),
        listed(io.Audio, "audio", "The film's sound; silence of its length where it has none."),
        listed(io.Image, "last_frame", "The very last frame, to begin the next clip with."),
        listed(io.String, "file_path", "Full path of the film."),
        listed(io.Float, "frame_rate", "Frames per second."),
        listed(io.Int, "frame_count", "Frames of the whole film."),
        listed(io.String, "info", "JSON: request, UUIDs, seed, planned and billed cost, size, hash."),
    ]
