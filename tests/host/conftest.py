"""The real ComfyUI, started once for all the tests that need no more than one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from host.comfy import Comfy

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and keep them in one process, so that they share one ComfyUI."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("host")
            item.add_marker(pytest.mark.xdist_group("host"))


@pytest.fixture(scope="session")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comfy]:
    """A running ComfyUI with the pack, without a key, out of reach of the service. Shared: do not stop it."""
    with Comfy(tmp_path_factory.mktemp("a base folder")) as running:
        yield running
