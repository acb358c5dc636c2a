"""What goes wrong while a film is bought in a real ComfyUI, and what is said and kept then."""

import time

import pytest
from kling.nodes.runware.simulator.faults import Faults

from host.films import add_film, film_paths, text_to_video
from host.run import PromptRefused
from host.service import purchases, wait_for_requests


def test_a_missing_key_is_told_with_the_two_ways_to_set_it(comfy, service, take):
    graph, _ = text_to_video(comfy.object_info, take=take)
    run = comfy.run(graph)
    assert run.status == "error"
    assert "RUNWARE_API_KEY" in run.error["exception_message"]
    assert "__kling/api_key" in run.error["exception_message"]
    assert service.requests == []


def test_a_bad_filename_prefix_is_refused_before_anything_is_bought(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take)
    with pytest.raises(PromptRefused, match="filename_prefix"):
        comfy.run(graph.change(film.fetch, filename_prefix="../../elsewhere"))
    assert service.requests == []


def test_a_failing_sibling_loses_nothing_of_the_other_purchase(comfy, service, key, take):
    service.service.latency = 2.0
    service.faults = Faults().then([("job", "fail")])
    graph, film = text_to_video(comfy.object_info, take=take)
    sibling = add_film(graph, take=take + 300_000)
    assert comfy.run(graph).status == "error"
    run = comfy.run(graph)
    assert len(film_paths(comfy, run, film.fetch) + film_paths(comfy, run, sibling.fetch)) == 2
    billed = [service.billed(uuid) for uuid in {task["taskUUID"] for task in purchases(service)}]
    assert sorted(billed) == [0, 1, 1]


STAGES = {
    "submit": (["videoInference"], [("videoInference", {"kind": "slow_answer", "seconds": 0.8})]),
    "poll": (["videoInference", "getResponse"], []),
    "download": (["download"], [("download", {"kind": "drip", "count": 1024, "seconds": 0.5})]),
}


@pytest.mark.parametrize("stage", STAGES)
def test_cancel_is_obeyed_within_a_second_and_the_purchase_is_kept(comfy, service, key, take, stage):
    asked, faults = STAGES[stage]
    service.service.latency = 4.0
    service.faults.then(faults)
    graph, film = text_to_video(comfy.object_info, take=take)
    run = comfy.begin(graph)
    wait_for_requests(service, *asked)
    pressed = time.monotonic()
    comfy.interrupt()
    run.wait()
    assert run.status == "interrupted"
    assert time.monotonic() - pressed < 1.5  # a second of ours, and ComfyUI's own
    assert purchases(service)[0]["taskUUID"] in run.texts(film.generate.id)[-1]
    again = comfy.run(graph)
    assert len(film_paths(comfy, again, film.fetch)) == 1
    assert len({task["taskUUID"] for task in purchases(service)}) == 1
