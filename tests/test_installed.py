"""The pack installed twice, or under an odd name."""

import sys
import types

import pytest
from kling.nodes import installed


@pytest.fixture
def loader(monkeypatch):
    """What ComfyUI's own `nodes` keeps while it loads packs."""
    module = types.ModuleType("nodes")
    module.NODE_CLASS_MAPPINGS = {}
    module.EXTENSION_WEB_DIRS = {installed.FOLDER: "/there/js", "first": "/first/js"}
    monkeypatch.setitem(sys.modules, "nodes", module)
    return module


def brought_by(folder):
    return type("KlingGenerate", (), {"RELATIVE_PYTHON_MODULE": f"custom_nodes.{folder}"})


def test_the_first_copy_keeps_its_page(loader):
    installed.stand_aside_for("KlingGenerate")
    assert set(loader.EXTENSION_WEB_DIRS) == {installed.FOLDER, "first"}


def test_a_copy_that_is_loaded_again_is_no_second_one(loader):
    loader.NODE_CLASS_MAPPINGS["KlingGenerate"] = brought_by(installed.FOLDER)
    installed.stand_aside_for("KlingGenerate")
    assert installed.FOLDER in loader.EXTENSION_WEB_DIRS


def test_the_second_copy_stands_aside_and_names_the_one_in_use(loader):
    loader.NODE_CLASS_MAPPINGS["KlingGenerate"] = brought_by("first v1.2")
    with pytest.raises(installed.SecondCopy, match=r"custom_nodes/first v1\.2 is in use, .* Remove one"):
        installed.stand_aside_for("KlingGenerate")
    assert set(loader.EXTENSION_WEB_DIRS) == {"first"}


def test_outside_of_comfyui_there_is_no_other_copy(monkeypatch):
    monkeypatch.delitem(sys.modules, "nodes", raising=False)
    assert installed.stand_aside_for("KlingGenerate") is None


@pytest.mark.parametrize("folder", ["kling video", "k\xfcche", "kling-video (1)"])
def test_a_page_is_served_under_a_plain_name_where_its_folder_has_an_odd_one(loader, monkeypatch, folder):
    monkeypatch.setattr(installed, "FOLDER", folder)
    loader.EXTENSION_WEB_DIRS[folder] = "/odd/js"
    installed.serve_page_under_a_plain_name()
    assert folder not in loader.EXTENSION_WEB_DIRS
    assert loader.EXTENSION_WEB_DIRS["kling-video"] == "/odd/js"


def test_a_page_in_a_folder_of_a_plain_name_stays_where_it_is(loader, monkeypatch):
    monkeypatch.setattr(installed, "FOLDER", "first")
    before = dict(loader.EXTENSION_WEB_DIRS)
    installed.serve_page_under_a_plain_name()
    assert before == loader.EXTENSION_WEB_DIRS
