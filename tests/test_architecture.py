"""Who imports whom, against the floors of docs/architecture.md."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NODES = ROOT / "nodes"
PAPER = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

PACKAGES = ("film", "runware/animatic", "runware/profiles", "runware/simulator")
"""Each is one thing to the rest of the pack."""


def sources() -> list[Path]:
    return [
        path
        for path in sorted(NODES.rglob("*.py"))
        if path not in (NODES / "__init__.py", NODES / "runware" / "__init__.py")
    ]


def module(path: Path) -> str:
    name = path.relative_to(NODES).with_suffix("").as_posix().removesuffix("/__init__")
    return next((package for package in PACKAGES if name.startswith(f"{package}/")), name)


@cache
def imports(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """The pack's modules and the other top-level modules that a file imports, at its top or later."""
    own, others = set(), set()
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(statement, ast.Import):
            others |= {alias.name.split(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom) and statement.level:
            folder = path.parents[statement.level - 1].joinpath(*(statement.module or "").split("."))
            own |= {module(target) for alias in statement.names for target in targets(folder, alias.name)}
        elif isinstance(statement, ast.ImportFrom):
            others.add(str(statement.module).split(".")[0])
    return frozenset(own), frozenset(others)


def targets(folder: Path, name: str) -> list[Path]:
    """The file that `from folder import name` reads: a module of that name, or the folder's own file."""
    candidates = (
        folder / f"{name}.py",
        folder / name / "__init__.py",
        folder.with_suffix(".py"),
        folder / "__init__.py",
    )
    return [candidate for candidate in candidates if candidate.is_file()][:1]


def floors() -> dict[str, int]:
    rows = re.findall(r"^\| [\w ]+ \| (`.+?`) \|", PAPER, re.MULTILINE)
    return {name: -number for number, row in enumerate(rows) for name in re.findall(r"`([\w/]+)`", row)}


def importers(*names: str) -> set[str]:
    return {module(path) for path in sources() if imports(path)[1] & set(names)}


def test_every_module_stands_on_one_floor():
    assert set(floors()) == {module(path) for path in sources()}


def test_imports_go_down_or_stay():
    height = floors()
    upwards = [
        f"{module(path)} imports {other}"
        for path in sources()
        for other in imports(path)[0] - {"runware"}
        if height[other] > height[module(path)]
    ]
    assert upwards == []


def test_below_the_nodes_there_is_neither_comfyui_nor_torch():
    foreign = importers("torch", "comfy", "comfy_api", "comfy_execution", "folder_paths", "server", "nodes", "aiohttp")
    assert {name for name in foreign if name.startswith(("runware", "film"))} == set()


def test_torch_and_comfyui_s_insides_have_one_door_each():
    assert importers("torch") == {"tensors"}
    assert importers("comfy", "folder_paths", "server") == {"host"}


def test_bytes_leave_and_arrive_in_two_modules_and_a_simulated_one():
    assert importers("httpx") == {"runware/client", "runware/download", "runware/simulator"}
    assert importers("socket", "urllib3", "requests") == {"runware/simulator"}


def test_the_simulator_shares_nothing_with_what_it_judges():
    simulator = [path for path in sources() if module(path) == "runware/simulator" and path.name != "__main__.py"]
    assert len(simulator) > 5
    assert {other for path in simulator for other in imports(path)[0]} == {"runware/simulator"}


def test_the_drawing_names_modules_that_exist():
    drawing = PAPER.split("```")[1]
    names = {name.rpartition("/")[2] for name in floors()}
    for name in ("draft", "assemble", "rules", "identity", "purchase", "wire", "task", "sending", "doubt", "journal"):
        assert name in drawing
        assert name in names
