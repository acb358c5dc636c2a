"""The ground itself: a ComfyUI that starts, runs, tells, restarts and stops."""

from host.comfy import Comfy

PICTURE = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 255}},
    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
}


def test_a_prompt_of_core_nodes_runs_to_its_end(comfy):
    run = comfy.run(PICTURE)
    assert run.status == "success"
    assert [event.type for event in run.events][-1] == "executing"
    assert run.outputs["2"]["images"][0]["type"] == "temp"


def test_a_second_run_of_the_same_prompt_is_taken_from_the_cache(comfy):
    comfy.run(PICTURE)
    assert comfy.run(PICTURE).cached == ["1", "2"]


def test_a_comfyui_can_be_killed_and_started_again_on_its_folder(tmp_path):
    with Comfy(tmp_path / "base") as comfy:
        comfy.kill()
        assert not comfy.alive
        comfy.start()
        assert comfy.run(PICTURE).status == "success"
    assert not comfy.alive
