"""The pack under a private package name, so that its `nodes` never meets ComfyUI's own module of that name."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

_pack = types.ModuleType("kling")
_pack.__path__ = [str(ROOT)]
sys.modules.setdefault("kling", _pack)

TOGETHER = {"host", "page"}
"""Folders whose tests share what is dear to start; each is also the name of a marker."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of such a folder in one process."""
    for item in items:
        for folder in TOGETHER & {item.path.relative_to(ROOT / "tests").parts[0]}:
            item.add_marker(folder)
            item.add_marker(pytest.mark.xdist_group(folder))
