"""What the papers say, against the code they speak of."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from kling.nodes.runware import errors
from kling.nodes.runware.profiles import PROFILES
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "js" / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
NODES = json.loads((ROOT / "tests" / "host" / "object_info.json").read_text(encoding="utf-8"))
EXAMPLES = sorted((ROOT / "example_workflows").glob("*.json"))

LINK = re.compile(r"\]\(([^)#\s]+)")
NAME = re.compile(r"`([a-z_]+)`")
TITLE_HEIGHT = 30
"""Pixels of a node above its position."""


def by_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def section(title: str) -> str:
    return README.split(f"\n### {title}\n")[1].split("\n### ")[0].split("\n## ")[0]


@pytest.mark.parametrize("paper", PAPERS, ids=by_name)
def test_links_within_the_pack_lead_somewhere(paper):
    links = [link for link in LINK.findall(paper.read_text(encoding="utf-8")) if "://" not in link]
    missing = [link for link in links if not (paper.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("node", NODES)
def test_the_readme_and_the_help_page_name_every_input_and_output(node):
    info = NODES[node]
    names = {name for group in info["input_order"].values() for name in group} - {
        "unique_id",
        "prompt",
        "extra_pnginfo",
    }
    names |= {"prompt"} & set(info["input_order"].get("required", [])) | set(info["output_name"])
    for text in (section(info["display_name"]), (ROOT / "js" / "docs" / f"{node}.md").read_text(encoding="utf-8")):
        assert names - set(NAME.findall(text)) == set()


def test_the_table_of_costs_is_what_the_profiles_say():
    for profile in PROFILES.values():
        row = next(line for line in README.splitlines() if line.startswith(f"| {profile.title} "))
        size = ", ".join(f"{width}x{height}" for width, height in profile.sizes.values())
        amounts = (profile.price, profile.price_with_sound, profile.price * 5, profile.price_with_sound * 15)
        assert [cell.strip() for cell in row.strip("|").split("|")[1:2]] == [size]
        assert [float(cell) for cell in row.strip("|").split("|")[2:]] == [float(amount) for amount in amounts]


def test_every_variable_of_the_environment_stands_in_the_readme():
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "nodes").rglob("*.py"))
    variables = set(re.findall(r'"((?:KLING|RUNWARE)_[A-Z_]*[A-Z])"', sources))
    sockets = {"KLING_PROMPT", "KLING_FRAME_IMAGES", "KLING_ELEMENTS", "KLING_TASK"}
    assert variables - sockets
    assert {name for name in variables - sockets if f"`{name}`" not in README} == set()


def told(path: Path) -> list[str]:
    """The texts in a module; what is filled in later stands as a line break."""
    found = []
    for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(part, ast.JoinedStr):
            found.append("".join(str(each.value) if isinstance(each, ast.Constant) else "\n" for each in part.values))
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            found.append(part.value)
    return found


def test_the_messages_that_the_page_of_faults_explains_are_said():
    said = "\n".join(text for path in (ROOT / "nodes").rglob("*.py") for text in told(path))
    tables = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8").split("## In the graph")[0]
    messages = [line.split("|")[1].strip() for line in tables.splitlines() if re.match(r"\| [A-Zct]", line)]
    parts = [part.strip(" ,:*") for message in messages for part in re.split(r"\.\.\.|; |[*(),:]", message)]
    known = [part for part in parts if len(part) > len("the message")]
    assert len(known) > 20
    assert [part for part in known if part not in said and part != "the message begins"] == []


KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.KlingError)}
TOLD_AS_NOT_SAVED = "download.py"
"""What goes wrong with a film on its way is told with "Not saved yet." at its end."""


def beginnings(path: Path) -> set[str]:
    """The first words of each error that a module makes, as far as they stand there."""
    calls = [part for part in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(part, ast.Call)]
    made = [call for call in calls if ast.unparse(call.func).removeprefix("errors.") in {*KINDS, "kind"} and call.args]
    texts = [part for call in made for part in ast.walk(call.args[0]) if isinstance(part, ast.Constant)]
    words = [text.value.strip(" .:;(").split(" ") for text in texts if isinstance(text.value, str)]
    return {" ".join(each[:4]) for each in words if len(each) > 3}


def test_the_page_of_faults_explains_every_error_of_a_purchase():
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    modules = [*(ROOT / "nodes").glob("*.py"), *(ROOT / "nodes" / "runware").glob("*.py")]
    elsewhere = {TOLD_AS_NOT_SAVED, "__main__.py"}
    made = {text for path in modules if path.name not in elsewhere for text in beginnings(path)}
    assert len(made) > 20
    assert {text for text in made if text not in page} == set()


@pytest.mark.parametrize("path", EXAMPLES, ids=by_name)
def test_an_example_has_a_small_picture_and_a_note(path):
    picture = path.with_suffix(".jpg")
    assert picture.stat().st_size <= 60_000
    with Image.open(picture) as image:
        assert image.size == (512, 288)
    notes = [node for node in json.loads(path.read_text(encoding="utf-8"))["nodes"] if node["type"] == "MarkdownNote"]
    assert len(notes) == 1
    assert "USD" in notes[0]["widgets_values"][0]
    assert "RUNWARE_API_KEY" in notes[0]["widgets_values"][0]


@pytest.mark.parametrize("path", EXAMPLES, ids=by_name)
def test_an_example_needs_no_file_and_tells_nothing_of_its_author(path):
    text = path.read_text(encoding="utf-8")
    workflow = json.loads(text)
    assert not {node["type"] for node in workflow["nodes"]} & {"LoadImage", "LoadVideo", "LoadAudio", "LoadImageMask"}
    assert workflow["extra"] == {}
    assert not re.search(r"/home/|/Users/|[A-Z]:\\\\|@[a-z]+\.[a-z]+", text)


@pytest.mark.parametrize("path", EXAMPLES, ids=by_name)
def test_nodes_of_an_example_do_not_lie_upon_each_other(path):
    nodes = [node for node in json.loads(path.read_text(encoding="utf-8"))["nodes"] if not node["flags"]]
    boxes = [(*node["pos"], *node["size"]) for node in nodes]
    upon = [
        (nodes[i]["type"], nodes[k]["type"])
        for i, (x, y, w, h) in enumerate(boxes)
        for k, (x2, y2, w2, h2) in enumerate(boxes[:i])
        if x < x2 + w2 and x2 < x + w and y - TITLE_HEIGHT < y2 + h2 and y2 - TITLE_HEIGHT < y + h
    ]
    assert upon == []
