"""Which ComfyUI is run, and by which Python."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN_COMFYUI = ROOT / ".venv" / "comfyui"
OWN_PYTHON = ROOT / ".venv" / "bin" / "python"

PYTHONS_NEAR_A_COMFYUI = (
    ".venv/bin/python",
    "venv/bin/python",
    "../.venv/bin/python",
    "../venv/bin/python",
    ".venv/Scripts/python.exe",
    "venv/Scripts/python.exe",
    "../python_embeded/python.exe",  # the spelling of ComfyUI's portable build
)

PACK_REQUIREMENTS = ("httpx", "pydantic", "PIL", "numpy", "av")


class HostError(Exception):
    """ComfyUI cannot be run, or has stopped."""


@dataclass(frozen=True)
class ComfyUI:
    """The code of a ComfyUI and the interpreter that has its requirements."""

    code: Path
    python: Path

    def frontend_version(self) -> str:
        """Name the version of the page this ComfyUI serves, "" if it brings none."""
        lookup = (
            "from importlib.metadata import distributions as all_of; "
            "print(next((d.version for d in all_of(name='comfyui-frontend-package')), ''))"
        )
        return self._answer(lookup).strip()

    def check(self) -> None:
        """Make sure that the pack can be imported there.

        Raises:
            HostError: there is no main.py, or its Python lacks one of the pack's requirements.
        """
        if not (self.code / "main.py").is_file():
            msg = f"There is no ComfyUI in {self.code} (no main.py). `make setup` brings one, or set COMFYUI_PATH."
            raise HostError(msg)
        lookup = f"import importlib.util as u; print(*[m for m in {PACK_REQUIREMENTS} if not u.find_spec(m)])"
        if missing := self._answer(lookup).strip():
            msg = (
                f"{self.python} has no {missing}. Install the pack's requirements there "
                f"({self.python} -m pip install -r {ROOT / 'requirements.txt'}), "
                "or name another Python with COMFYUI_PYTHON."
            )
            raise HostError(msg)

    def _answer(self, program: str) -> str:
        command = [str(self.python), "-c", program]
        return subprocess.run(command, capture_output=True, check=True, text=True, cwd=self.code).stdout


def find_comfyui() -> ComfyUI:
    """Take the ComfyUI of COMFYUI_PATH with the Python of COMFYUI_PYTHON, or what `make setup` made.

    Without COMFYUI_PYTHON, a ComfyUI of the user's own is run by the virtual environment in or beside its folder.
    """
    own = os.environ.get("COMFYUI_PATH", "")
    python = os.environ.get("COMFYUI_PYTHON", "")
    code = Path(own).expanduser().absolute() if own else OWN_COMFYUI
    near = (code / place for place in PYTHONS_NEAR_A_COMFYUI) if own else ()
    found = next((path for path in near if path.is_file()), OWN_PYTHON)
    # not resolved: a virtual environment is known by the path of its symlink
    return ComfyUI(code, Path(python).expanduser().absolute() if python else found)
