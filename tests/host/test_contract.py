"""The nodes as ComfyUI describes them to pages and programs: names that stand in users' files for ever."""

import json
import os
from pathlib import Path

GOLDEN = Path(__file__).with_name("object_info.json")
NODES = ("KlingPrompt", "KlingFrameImages", "KlingElement", "KlingGenerate", "KlingFetchVideo")

CONTRACT = (
    "input",
    "input_order",
    "output",
    "output_is_list",
    "output_name",
    "name",
    "display_name",
    "category",
    "output_node",
)
"""What every ComfyUI tells of a node, less the words of help."""
HELP = ("tooltip",)


def contract(told):
    """Leave out what may be reworded at any time."""
    if isinstance(told, dict):
        return {name: contract(value) for name, value in told.items() if name not in HELP}
    return [contract(value) for value in told] if isinstance(told, list) else told


def test_the_five_nodes_are_what_they_were(comfy):
    """When a change is meant: `KLING_WRITE_GOLDEN=1 make test TESTS=tests/host/test_contract.py`, and read the diff."""
    described = {name: contract({part: comfy.object_info[name][part] for part in CONTRACT}) for name in NODES}
    if os.environ.get("KLING_WRITE_GOLDEN"):
        GOLDEN.write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert described == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_the_pack_brings_five_nodes_and_no_more(comfy):
    ours = {name for name, info in comfy.object_info.items() if info["python_module"].startswith("custom_nodes")}
    assert ours == set(NODES)
