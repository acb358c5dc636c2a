"""What the pack adds to ComfyUI's start: reading the files, the entry point, the five schemas."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import ROOT, Mark, fewer, not_here, side_by_side, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUDGET = 150.0
"""Milliseconds of the pack's own."""
STARTS = {"bare": "with a pack of nothing", "with_pack": "**with this pack**"}

JOBS = {
    "pack": "**the pack**: import, entry point, five schemas",
    "empty_pack": "limit: a pack of one empty node",
    "httpx": "import httpx (when a node runs)",
    "pydantic_models": "import pydantic and make the request's models (when a node runs)",
}

COMFYUI = ROOT / ".venv" / "comfyui"


def steps(rounds: int) -> int:
    """Count the measurements."""
    return rounds * len(JOBS) + fewer(rounds) * len(STARTS)


def run(rounds: int, step: Callable[[str], None]) -> Iterator[str | Mark]:
    """Measure, and yield the table."""
    results = side_by_side({name: ("bench_import", name, ()) for name in JOBS}, rounds=rounds, step=step)
    rows = [[JOBS[name], f"{runs.median() * 1000:.0f}", runs.over(results["pack"])] for name, runs in results.items()]
    yield table("ComfyUI's start: what is the pack's own", ["what", "ms (median)", "time / the pack"], rows)
    yield Mark("import of the pack", tuple(each * 1000 for each in results["pack"].seconds), BUDGET, " ms", digits=0)
    starts = side_by_side({name: ("bench_import", name, ()) for name in STARTS}, rounds=fewer(rounds), step=step)
    rows = [[STARTS[name], f"{runs.median():.1f}", runs.over(starts["bare"])] for name, runs in starts.items()]
    yield table("From the start of ComfyUI until /object_info answers", ["ComfyUI", "s", "time / without"], rows)


# Jobs: each prepares, and returns what is measured.


def pack() -> Callable[[], Any]:
    """Load the pack as ComfyUI's loader does, into a process that has loaded all that ComfyUI itself needs."""
    host()
    return lambda: _load(ROOT / "__init__.py")


def empty_pack() -> Callable[[], Any]:
    """Load a pack of one node without inputs."""
    host()
    from comfy_api.latest import ComfyExtension, io

    def load() -> Any:
        class Empty(io.ComfyNode):
            @classmethod
            def define_schema(cls) -> Any:
                return io.Schema(node_id="Empty", inputs=[], outputs=[])

            @classmethod
            def execute(cls) -> None:
                return None

        class Extension(ComfyExtension):
            async def get_node_list(self) -> list[Any]:
                return [Empty]

        return _schemas(Extension())

    return load


def httpx() -> Callable[[], Any]:
    """Import what speaks HTTP."""
    host()
    return lambda: importlib.import_module("httpx")


def pydantic_models() -> Callable[[], Any]:
    """Import the request's models and what they stand on."""
    host()
    return lambda: importlib.import_module("kling.nodes.runware.request")


def bare() -> Callable[[], Any]:
    """Start ComfyUI with a pack that adds no node."""
    folder = Path(tempfile.mkdtemp(prefix="empty-pack-"))
    (folder / "__init__.py").write_text("NODE_CLASS_MAPPINGS = {}\n")
    return _started({"empty": folder})


def with_pack() -> Callable[[], Any]:
    """Start ComfyUI with this pack."""
    return _started(None)


def _started(packs: dict[str, Path] | None) -> Callable[[], Any]:
    if not COMFYUI.is_dir():
        not_here("make setup brings the ComfyUI")
    sys.path.insert(0, str(ROOT / "tests"))
    from host.comfy import Comfy

    comfy = Comfy(Path(tempfile.mkdtemp(prefix="comfyui-")), packs=packs)

    def work() -> dict[str, float]:
        began = time.perf_counter()
        with comfy:
            return {"seconds": time.perf_counter() - began}

    return work


def host() -> None:
    """Load what ComfyUI has loaded when it loads a pack."""
    if not COMFYUI.is_dir():
        not_here("make setup brings the ComfyUI")
    sys.path[:0] = [str(ROOT / "tests"), str(COMFYUI)]
    sys.argv[1:] = ["--cpu"]
    from host.launch import BeforeImport, declare_torchaudio, declare_torchvision

    sys.meta_path.insert(0, BeforeImport({"torchvision": declare_torchvision, "torchaudio": declare_torchaudio}))
    import comfy.options

    comfy.options.enable_args_parsing()
    importlib.import_module("utils.extra_config")  # first, as in main.py: later another module has this name
    import server  # noqa: F401  ComfyUI's, with everything that it has loaded before it loads a pack


def _load(path: Any) -> Any:
    name = "pack_x_"
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=[str(path.parent)])
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return _schemas(asyncio.run(module.comfy_entrypoint()))


def _schemas(extension: Any) -> Any:
    return [node.GET_SCHEMA() for node in asyncio.run(extension.get_node_list())]
