"""The frontends the page is tested on: the one the host brings, and the newest of the package index."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from host.comfyui import OWN_PYTHON, ROOT

NEWEST = "1.58.1"
"""The newest that was published when this was written; raise it, and look at the screenshots."""

FOLDER = ROOT / ".venv" / f"frontend-{NEWEST}"


def newest_frontend() -> Path:
    """Give the static folder of the newest frontend; installed on first use, beside the one of the host."""
    stamp = FOLDER / "ready"
    if not stamp.is_file():
        shutil.rmtree(FOLDER, ignore_errors=True)
        what = ["--no-deps", "--target", str(FOLDER), f"comfyui-frontend-package=={NEWEST}"]
        command = [str(OWN_PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what]
        subprocess.run(command, check=True, timeout=280)
        stamp.write_text(NEWEST, encoding="utf-8")
    return FOLDER / "comfyui_frontend_package" / "static"
