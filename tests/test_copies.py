"""The pack installed twice."""

import sys
import types

import pytest
from kling.nodes import copies


@pytest.fixture
def loader(monkeypatch):
    """What ComfyUI's own `nodes` keeps while it loads packs."""
    module = types.ModuleType("nodes")
    module.NODE_CLASS_MAPPINGS = {}
    module.EXTENSION_WEB_DIRS = {copies.FOLDER: "/there/js", "first": "/first/js"}
    monkeypatch.setitem(sys.modules, "nodes", module)
    return module


def brought_by(folder):
    return type("KlingGenerate", (), {"RELATIVE_PYTHON_MODULE": f"custom_nodes.{folder}"})


def test_the_first_copy_keeps_its_page(loader):
    copies.stand_aside_for("KlingGenerate")
    assert set(loader.EXTENSION_WEB_DIRS) == {copies.FOLDER, "first"}


def test_a_copy_that_is_loaded_again_is_no_second_one(loader):
    loader.NODE_CLASS_MAPPINGS["KlingGenerate"] = brought_by(copies.FOLDER)
    copies.stand_aside_for("KlingGenerate")
    assert copies.FOLDER in loader.EXTENSION_WEB_DIRS


def test_the_second_copy_stands_aside_and_names_the_one_in_use(loader):
    loader.NODE_CLASS_MAPPINGS["KlingGenerate"] = brought_by("first v1.2")
    with pytest.raises(copies.SecondCopy, match=r"custom_nodes/first v1\.2 is in use, .* Remove one"):
        copies.stand_aside_for("KlingGenerate")
    assert set(loader.EXTENSION_WEB_DIRS) == {"first"}


def test_outside_of_comfyui_there_is_no_other_copy(monkeypatch):
    monkeypatch.delitem(sys.modules, "nodes", raising=False)
    assert copies.stand_aside_for("KlingGenerate") is None
