"""Run a ComfyUI's main.py: `python launch.py <folder of ComfyUI> [its arguments]`.

Two of ComfyUI's requirements have compiled parts that need CUDA even beside a torch for the CPU. Where (and only where)
such a part cannot be loaded, it is declared absent before ComfyUI imports the library; ComfyUI uses neither.

The host ends when its standard input is closed, so that it never outlives the one who started it.
"""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
import threading
import types
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path


def main() -> None:
    """Start ComfyUI in this process, as if main.py had been called."""
    host = Path(sys.argv[1]).resolve()
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    sys.meta_path.insert(0, BeforeImport({"torchvision": declare_torchvision, "torchaudio": declare_torchaudio}))
    sys.argv = [str(host / "main.py"), *sys.argv[2:]]
    sys.path[0] = str(host)
    runpy.run_path(sys.argv[0], run_name="__main__")


def end_with_standard_input() -> None:
    """Leave at once when whoever holds the other end of standard input is gone."""
    while os.read(0, 1):
        pass
    os._exit(1)


class BeforeImport(MetaPathFinder):
    """Call a function just before a module is imported for the first time.

    At the import and not earlier, so that ComfyUI itself imports torch first, with its own settings.
    """

    def __init__(self, actions: dict[str, Callable[[Path], None]]) -> None:
        self._actions = actions

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find nothing, but act on the names waited for."""
        del path, target
        action = self._actions.pop(fullname, None)
        spec = importlib.util.find_spec(fullname) if action else None
        if action and spec and spec.origin:
            action(Path(spec.origin).parent)
        return None


def loads(libraries: list[Path]) -> bool:
    """Tell whether torch can load these compiled parts. None at all is fine: the library then expects none."""
    import torch

    try:
        for library in libraries:
            torch.ops.load_library(library)
    except OSError:
        return False
    return True


def declare_torchvision(package: Path) -> None:
    """Define the two operators whose Python half torchvision registers at import."""
    if loads(sorted(package.glob("_C.*"))):
        return
    import torch

    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    torch.torchvision_operators = library  # they vanish with their library


def declare_torchaudio(package: Path) -> None:
    """Put in place what torchaudio's extension module is when there are no compiled files."""
    if loads(sorted((package / "lib").glob("*torchaudio.*"))):
        return
    absent = types.ModuleType("torchaudio._extension")
    absent._IS_TORCHAUDIO_EXT_AVAILABLE = False
    absent._IS_ALIGN_AVAILABLE = False
    absent._check_cuda_version = lambda: None
    absent.fail_if_no_align = lambda function: function
    sys.modules[absent.__name__] = absent


if __name__ == "__main__":
    main()
