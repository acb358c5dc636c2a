"""Every example workflow, as it is opened from ComfyUI's template browser, played to its end in rehearsal."""

import json

import pytest

from host.api_form import api_form
from host.comfyui import ROOT

EXAMPLES = sorted((ROOT / "example_workflows").glob("*.json"))
SECONDS_TO_PLAY = 240


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_plays_in_rehearsal_as_it_is_saved(comfy, service, path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    prompt = api_form(workflow, comfy.object_info)
    modes = {node["inputs"]["mode"] for node in prompt.values() if node["class_type"] == "KlingGenerate"}
    fetches = [name for name, node in prompt.items() if node["class_type"] == "KlingFetchVideo"]
    run = comfy.run(prompt, workflow=workflow, timeout=SECONDS_TO_PLAY)
    assert run.status == "success", run.why
    assert modes == {"rehearse"}
    assert fetches
    for name in fetches:
        for shown in run.outputs[name]["images"]:
            assert (comfy.output / shown["subfolder"] / shown["filename"]).stat().st_size > 10_000
    assert service.requests == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_comfyui_offers_the_example_with_its_picture(comfy, path):
    offered = comfy.get("/workflow_templates").json()
    assert path.stem in offered["kling-video"]
    assert comfy.get(f"/api/workflow_templates/kling-video/{path.stem}.jpg").status_code == 200


def test_there_are_eight_examples():
    assert len(EXAMPLES) == 8
