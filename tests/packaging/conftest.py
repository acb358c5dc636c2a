"""The archive that the registry's own program makes of the pack, and what that program and comfy-test say of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".venv" / "packaging" / "bin"

IN_COMFYUI = "test_places"
"""The module whose tests start a ComfyUI."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of this folder in one process, so that the archive is made once; mark those that need a host."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("packaging"))
            if item.path.stem == IN_COMFYUI:
                item.add_marker("host")


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run one of the registry's programs in a folder; its settings go nowhere else."""
    if not (TOOLS / "comfy").exists():
        pytest.skip("the registry's programs are not here: make setup-packaging")
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "HOME": str(home), "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}

    def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(TOOLS / command[0]), *command[1:]], cwd=cwd, env=environment, check=False, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything git knows of, as it stands now, in a repository of its own."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for command in (["init", "--quiet"], ["add", "--all", "--force"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="session")
def archive(checkout: Path, tool: Callable[..., subprocess.CompletedProcess[str]]) -> Path:
    """The archive users install."""
    done = tool("comfy", "--skip-prompt", "node", "pack", cwd=checkout)
    assert done.returncode == 0, done.stdout
    return checkout / "node.zip"


@pytest.fixture
def unpack(archive: Path) -> Callable[[Path], Path]:
    """Unpack the archive into a folder."""

    def into(folder: Path) -> Path:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        return folder

    return into
