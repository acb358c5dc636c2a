"""The pack as users have it, from the archive, in a real ComfyUI, in places nobody thought of."""

import os
import stat

import pytest

from host.comfy import Comfy
from host.comfyui import ComfyUI, find_comfyui
from host.graph import Graph

FOLDER = "Kling video 1.0 (Käufer)"
"""ComfyUI itself serves no page from a folder of such a name."""


def rehearsal(comfy):
    graph = Graph(comfy.object_info)
    prompt = graph.add("KlingPrompt", positive_prompt="A ship on a calm sea.")
    task = graph.add("KlingGenerate", prompt=prompt["prompt"], duration=3, mode="rehearse")
    graph.add("KlingFetchVideo", task=task["task"], load_frames="none")
    return comfy.run(graph)


def make_read_only(folder):
    for path in [folder, *folder.rglob("*")]:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)


@pytest.fixture
def without_privileges(tmp_path):
    """The host under rights that a read-only folder holds back, even when the tests are run by root."""
    host = find_comfyui()
    if os.geteuid() != 0:
        return host
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec setpriv --bounding-set -dac_override -- "{host.python}" "$@"\n')
    python.chmod(0o755)
    return ComfyUI(host.code, python)


def test_it_runs_from_a_read_only_folder_of_another_name_below_blanks_and_umlauts(unpack, tmp_path, without_privileges):
    folder = unpack(tmp_path / "gekauft für später" / FOLDER)
    before = sorted(folder.rglob("*"))
    make_read_only(folder)
    try:
        with Comfy(tmp_path / "Filme für Übersee", packs={FOLDER: folder}, host=without_privileges) as comfy:
            assert comfy.object_info["KlingGenerate"]["python_module"] == f"custom_nodes.{FOLDER}"
            (page,) = [path for path in comfy.get("/extensions").json() if path.endswith("/kling.js")]
            assert comfy.get(page).status_code == 200
            run = rehearsal(comfy)
            assert run.status == "success"
            assert list(comfy.output.rglob("*.mp4"))
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)
    assert sorted(folder.rglob("*")) == before


def test_installed_twice_one_copy_works_and_the_log_says_which_and_what_to_do(unpack, tmp_path):
    packs = {"kling-video": unpack(tmp_path / "one"), "kling-video-main": unpack(tmp_path / "two")}
    with Comfy(tmp_path / "base", packs=packs) as comfy:
        used = comfy.object_info["KlingGenerate"]["python_module"].removeprefix("custom_nodes.")
        (unused,) = set(packs) - {used}
        lines = [line for line in comfy.log.splitlines() if "The Kling nodes are installed twice." in line]
        assert len(lines) == 1
        assert f"The copy in custom_nodes/{used} is in use, the one in custom_nodes/{unused} is not." in lines[0]
        assert "Remove one of the two folders and restart ComfyUI." in lines[0]
        assert not [line for line in comfy.log.splitlines() if "File" in line and "/custom_nodes/" in line]
        pages = [path for path in comfy.get("/extensions").json() if "kling" in path]
        assert pages
        assert all(path.startswith(f"/extensions/{used}/") for path in pages)
        assert rehearsal(comfy).status == "success"
