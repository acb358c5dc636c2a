"""The ground itself: a ComfyUI that runs and tells."""

PICTURE = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 255}},
    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
}


def test_a_prompt_of_core_nodes_runs_to_its_end(comfy):
    run = comfy.run(PICTURE)
    assert run.status == "success"
    said = [event.type for event in run.events if event.type != "status"]
    assert said[-2:] == ["execution_success", "executing"]
    assert run.outputs["2"]["images"][0]["type"] == "temp"


def test_a_second_run_of_the_same_prompt_is_taken_from_the_cache(comfy):
    comfy.run(PICTURE)
    assert comfy.run(PICTURE).cached == ["1", "2"]
