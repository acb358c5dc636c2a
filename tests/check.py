"""All checks that need no ComfyUI, one after the other: `make check`. They are part of `make test` as well.

What they judge by stands in pyproject.toml, jsconfig.json and the tests named here.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = [sys.executable, "-P", "-m"]
NPM = ROOT / "node_modules" / ".bin"

CHECKS = {
    "ruff": [*PYTHON, "ruff", "check", "--no-cache", "--output-format", "concise", "."],
    "format": [*PYTHON, "ruff", "format", "--no-cache", "--check", "."],
    "types": [*PYTHON, "mypy", "--cache-dir", str(ROOT / ".venv" / "mypy"), "nodes"],
    "dead code": [*PYTHON, "vulture"],
    "spelling": [*PYTHON, "codespell_lib"],
    "imports, links and papers": [
        *(*PYTHON, "pytest", "-q", "-p", "no:cacheprovider"),
        *("tests/test_architecture.py", "tests/test_papers.py", "tests/test_import.py", "tests/test_packaging.py"),
    ],
    "the page's types": [str(NPM / "tsc"), "-p", "jsconfig.json"],
    "the page's code": [str(NPM / "eslint"), "js", "tests/js"],
    "the page's format": [str(NPM / "prettier"), "--check", "js", "tests/js"],
}

FREE = re.compile(r"\b(MIT|BSD|Apache|PSF|Python-2.0|MPL|ISC|HPND|0BSD|Zlib|CC0)\b", re.IGNORECASE)
"""Licences under which a user may have what the pack brings into a ComfyUI."""


def tracked() -> list[str]:
    """List the files git knows of, whose text people read."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def find_fault(check: str) -> str:
    """Run one check; give what it says against the tree, empty if nothing."""
    command = [*CHECKS[check], *(tracked() if check == "spelling" else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    return done.stdout + done.stderr if done.returncode else ""


def can_run(check: str) -> bool:
    """Tell whether a check's program is here: those for the page come with `npm ci`."""
    return shutil.which(CHECKS[check][0]) is not None


def requirements() -> dict[str, str]:
    """Give the licence of everything the pack's requirements bring, however indirectly."""
    waiting = [re.split(r"[<>=]", line)[0] for line in (ROOT / "requirements.txt").read_text().split()]
    found: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name not in found:
            told = importlib.metadata.metadata(name)
            known = [told.get("License-Expression"), told.get("License"), *(told.get_all("Classifier") or [])]
            found[name] = " ".join(word for word in known if word and ("License" in word or "::" not in word))
            needed = [each for each in importlib.metadata.requires(name) or [] if "extra ==" not in each]
            waiting += [re.split(r"[^\w.-]", each)[0] for each in needed if "python_version <" not in each]
    return found


def main() -> None:
    """Run everything, and say what was found."""
    faults = 0
    for check in CHECKS:
        if not can_run(check):
            sys.stdout.write(f"-     {check}: left out, `npm ci` brings its program\n")
            continue
        found = find_fault(check)
        sys.stdout.write(f"{'ok   ' if not found else 'FAULT'} {check}\n{found}")
        sys.stdout.flush()
        faults += bool(found)
    foreign = [f"{name}: {licence}" for name, licence in requirements().items() if not FREE.search(licence)]
    sys.stdout.write(f"{'ok   ' if not foreign else 'FAULT'} licences of {', '.join(sorted(requirements()))}\n")
    sys.stdout.write("".join(f"{line}\n" for line in foreign))
    sys.exit(1 if faults or foreign else 0)


if __name__ == "__main__":
    main()
