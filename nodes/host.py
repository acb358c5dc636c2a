"""ComfyUI itself, as the nodes need it: Cancel, the line and the bar on a node, folders, switches.

The only importer of ComfyUI's own modules beside `comfy_api`; all of it is looked up when a node runs.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

logger = logging.getLogger("kling")

_listening: dict[str, Any] = {}
"""The pages that know the pack's events, each with the connection on which it said so."""


def interrupted() -> bool:
    """Whether the user pressed Cancel. Leaves the flag as it is: sibling nodes must see it too."""
    try:
        from comfy.model_management import processing_interrupted
    except ImportError:  # without ComfyUI nobody can press it
        return False
    return bool(processing_interrupted())


def interrupt() -> BaseException:
    """Make the exception that tells ComfyUI that a node stopped because of Cancel."""
    from comfy.model_management import InterruptProcessingException

    stop: BaseException = InterruptProcessingException()
    return stop


def execution() -> tuple[str, str]:
    """Name the prompt and the node that are being executed; empty names outside of an execution."""
    from comfy_execution.utils import get_executing_context

    context = get_executing_context()
    return (str(context.prompt_id), str(context.node_id)) if context is not None else ("", "")


def prompt() -> dict[str, Any]:
    """Give the graph of the present prompt, as it was queued; empty where ComfyUI does not say."""
    item = _running()
    return dict(item[2]) if item is not None else {}


def wanted_outputs() -> frozenset[str] | None:
    """The output nodes for which the present prompt runs, when it runs in part; None where ComfyUI does not say."""
    item = _running()
    return frozenset(item[4]) if item is not None else None


def _running() -> Any:
    """Give the present prompt as it lies in ComfyUI's queue; None where it does not lie there."""
    running = getattr(getattr(_server(), "prompt_queue", None), "currently_running", {})
    prompt_id, _ = execution()
    return next((item for item in list(running.values()) if item[1] == prompt_id), None)


def status(node_id: str | None, text: str) -> None:
    """Show a line on the node: to the page that queued the prompt, and to others that have its workflow open.

    ComfyUI's page reads it as HTML, and the service's own words can be in it: a bracket that opens a tag is shown as
    one that looks like it.
    """
    server = _server()
    if server is not None and node_id and text:
        text = text.replace("<", "\u2039")
        server.send_progress_text(text, node_id, server.client_id)
        send("kling.status", {"prompt_id": execution()[0], "node": node_id, "text": text})


def listen(page: str) -> None:
    """Send the pack's own events to a page from now on, until its connection ends.

    A page complains of events it does not know, so none is sent to one that has not asked: without the pack's part of
    the page, or before that part is loaded.
    """
    connections = _connections()
    if page in connections:
        _listening[page] = connections[page]


def send(event: str, detail: dict[str, object]) -> None:
    """Send one of the pack's own events to every page that listens; safe from any thread."""
    connections = _connections()
    for page, connection in list(_listening.items()):
        if connections.get(page) is connection:
            _server().send_sync(event, detail, page)
        else:
            _listening.pop(page, None)


def _connections() -> dict[str, Any]:
    """The open pages by the name that the server has for each."""
    return getattr(_server(), "sockets", {})


async def progress(node_id: str | None, value: float, most: float) -> None:
    """Move the node's progress bar, without looking for Cancel (ComfyUI's own ProgressBar would clear its flag)."""
    if node_id is None or most <= 0:
        return
    from comfy_api.latest import ComfyAPI

    # The class, not an instance's attribute: ComfyUI before 0.14 has no `execution` on instances.
    await ComfyAPI.Execution().set_progress(min(value, most), most, node_id=node_id)
    send("kling.progress", {"prompt_id": execution()[0], "node": node_id, "value": value, "max": most})


def output_folder() -> Path:
    """ComfyUI's output folder."""
    import folder_paths

    return Path(folder_paths.get_output_directory())


def temp_folder() -> Path:
    """ComfyUI's temp folder, which it empties when it starts; who writes there makes it."""
    import folder_paths

    return Path(folder_paths.get_temp_directory())


def state_folder() -> Path:
    """The folder for records, films and the key file: below ComfyUI's user folder, not reachable over HTTP."""
    import folder_paths

    from .runware.settings import STATE_FOLDER_NAME

    return Path(folder_paths.get_user_directory()) / STATE_FOLDER_NAME


def save_path(prefix: str, width: int, height: int) -> tuple[Path, str, int, str]:
    """Give (folder, file stem, next number, subfolder below output) for a prefix, as ComfyUI's own save nodes do."""
    import folder_paths

    folder, stem, number, subfolder, _ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_output_directory(), width, height
    )
    return Path(folder), stem, number, subfolder


def keeps_metadata() -> bool:
    """Whether workflows may be written into files (not under `--disable-metadata`)."""
    from comfy.cli_args import args

    return not args.disable_metadata


def offline() -> bool:
    """Whether the user started ComfyUI with `--offline`, where that switch exists."""
    from comfy.cli_args import args

    return bool(getattr(args, "offline", False))


def pack_of(node_id: str) -> str:
    """Name the folder below `custom_nodes` from which ComfyUI has this node so far; empty if it has none."""
    node = getattr(sys.modules.get("nodes"), "NODE_CLASS_MAPPINGS", {}).get(node_id)
    return str(getattr(node, "RELATIVE_PYTHON_MODULE", "")).removeprefix("custom_nodes.")


def withdraw_page(folder: str) -> None:
    """Let ComfyUI's page load nothing from a pack's folder; works only while ComfyUI loads its nodes."""
    getattr(sys.modules.get("nodes"), "EXTENSION_WEB_DIRS", {}).pop(folder, None)


def rename_page(folder: str, name: str) -> None:
    """Serve what a pack's folder has for the page under another name; works only while ComfyUI loads its nodes."""
    pages = getattr(sys.modules.get("nodes"), "EXTENSION_WEB_DIRS", {})
    if folder in pages:
        pages.setdefault(name, pages.pop(folder))


def routes() -> Any:
    """The table to which routes are added while ComfyUI loads its nodes; None where there is no server."""
    return getattr(_server(), "routes", None)


def listens_locally() -> bool:
    """Whether ComfyUI answers on this machine alone."""
    from comfy.cli_args import args

    addresses = str(getattr(args, "listen", "")).split(",")
    return all(address.strip() in {"127.0.0.1", "::1", "localhost"} for address in addresses)


def _server() -> Any:
    """Give ComfyUI's server; None where there is none."""
    try:
        from server import PromptServer
    except ImportError:
        return None
    return getattr(PromptServer, "instance", None)
