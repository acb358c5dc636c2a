"""`make check`, part by part: what ruff and mypy say about the whole tree."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

CHECKS = {
    "ruff": ["ruff", "check", "--no-cache", "--output-format", "concise", "."],
    "ruff format": ["ruff", "format", "--no-cache", "--check", "."],
    "mypy": ["mypy", "nodes/runware"],
}


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_finds_nothing(check):
    command = [sys.executable, "-P", "-m", *CHECKS[check]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
