"""Virtual environments beside the one of the tests: `python environment.py <tools | scaling | ...>`.

tools        .venv/packaging: the registry's own programs, comfy-cli and comfy-test
scaling      .venv/scaling: a queue and an object store, for docs/scaling-out
mutate       .venv/mutate: cosmic-ray, for tests/mutate
lowest       .venv/lowest: the pack's lower bounds, on the oldest Python at hand
python3.x    .venv/python3.x: the pack's requirements as they come today, on that Python

Each is made once: a stamp in it says what was installed. The command prints the path of its interpreter.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"

TOOLS = ("comfy-cli==1.23.0", "comfy-test==0.4.15")

SCALING = ("rq==3.0.0", "redis==8.1.0", "httpx==0.28.1", "boto3==1.44.5", "moto[server]==5.2.5")
"""What docs/scaling-out/requirements.txt asks for, and an S3 server."""

MUTATE = ("cosmic-ray>=8.3,<9",)

FOR_TESTS = ("pytest>=9,<10", "pytest-xdist>=3.8,<4", "pytest-timeout>=2.4,<3", "hypothesis>=6.165,<7")
"""Ranges: the newest of them do not run on Python 3.10."""

AV_OF_COMFYUI = "av==14.2.0"
"""The oldest that ComfyUI 0.3.75 takes; the pack uses ComfyUI's own."""

OLDEST, NEWEST = (3, 10), (3, 13)


def main(name: str) -> None:
    """Make the environment, unless it is there, and say where."""
    if name == "tools":
        made = make("packaging", sys.executable, TOOLS)
    elif name == "scaling":
        made = make("scaling", sys.executable, SCALING)
    elif name == "mutate":
        made = make("mutate", sys.executable, MUTATE)
    elif name == "lowest":
        made = make("lowest", oldest_python(), (*lower_bounds(), AV_OF_COMFYUI, *FOR_TESTS))
    else:
        made = make(name, python(name), ("-r", str(ROOT / "requirements.txt"), "av", *FOR_TESTS))
    sys.stdout.write(f"{made}\n")


def make(name: str, python: str, requirements: tuple[str, ...]) -> Path:
    """Make `.venv/<name>` and give its interpreter."""
    folder = VENV / name
    folder.parent.mkdir(exist_ok=True)
    interpreter, stamp = folder / "bin" / "python", folder / "ready"
    wanted = "\n".join((python, *requirements))
    if not (stamp.is_file() and stamp.read_text() == wanted):
        shutil.rmtree(folder, ignore_errors=True)
        run(python, "-m", "venv", str(folder))
        run(str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)
    stamp.write_text(wanted)
    return interpreter


def run(*command: str) -> None:
    """Run a command, its words on standard error.

    Raises:
        SystemExit: it failed.
    """
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode != 0:
        sys.exit(f"This failed: {' '.join(command)}")


def lower_bounds() -> tuple[str, ...]:
    """Pin every requirement of the pack to the oldest version it names."""
    lines = (ROOT / "requirements.txt").read_text().split()
    return tuple("{}=={}".format(*re.fullmatch(r"([\w-]+)>=([\d.]+).*", line).groups()) for line in lines)


def oldest_python() -> str:
    """Give the oldest interpreter at hand that the pack supports.

    Raises:
        SystemExit: there is none.
    """
    for minor in range(OLDEST[1], NEWEST[1] + 1):
        if found := find(f"python3.{minor}"):
            return found
    sys.exit("There is no Python 3.10 to 3.13 here.")


def python(name: str) -> str:
    """Give an interpreter by its name.

    Raises:
        SystemExit: it is not here.
    """
    return find(name) or sys.exit(f"There is no {name} here.")


def find(name: str) -> str | None:
    """Look for an interpreter on the path and among those of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places = [shutil.which(name), *pyenv.glob(f"{name.removeprefix('python')}.*/bin/python")]
    return next((str(place) for place in places if place and runs(str(place))), None)


def runs(python: str) -> bool:
    """Tell an interpreter from a shim that only knows its name."""
    return subprocess.run([python, "-c", "import venv"], check=False, capture_output=True).returncode == 0


if __name__ == "__main__":
    main(sys.argv[1])
