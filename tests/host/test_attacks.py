"""What users, programs and accidents do to graphs in a real ComfyUI: nothing is bought twice, lost or left hanging."""

import json
import shutil
import time

import pytest
from kling.nodes.runware.simulator.faults import Faults

from host.films import add_film, film_paths, info_of, text_to_video
from host.graph import Graph
from host.run import PromptRefused, Run
from host.service import purchases, wait_for_requests

FANOUT = 8
"""KLING_MAX_FANOUT when nobody sets it."""


def message(run):
    return run.error.get("exception_message", "").strip()


def film_from_each(object_info, count, take, **generate):
    """A graph that makes one film from each of `count` pictures in a list."""
    graph = Graph(object_info)
    pictures = graph.add("EmptyImage", width=400, height=400, color=take)["IMAGE"]
    for number in range(1, count):
        another = graph.add("EmptyImage", width=400, height=400, color=take + 1000 * number)
        pictures = graph.add("ImageBatch", image1=pictures, image2=another["IMAGE"])["IMAGE"]
    each = graph.add("RebatchImages", images=pictures, batch_size=1)
    frames = graph.add("KlingFrameImages", first_frame=each["IMAGE"])
    prompt = graph.add("KlingPrompt", positive_prompt="a harbour at dawn")
    task = graph.add(
        "KlingGenerate", prompt=prompt["prompt"], frame_images=frames["frame_images"], take=take, **generate
    )
    return graph, graph.add("KlingFetchVideo", task=task["task"], load_frames="none")


@pytest.mark.parametrize(
    ("socket", "maker"),
    [("prompt", "KlingPrompt"), ("frame_images", "KlingFrameImages"), ("elements", "KlingElement")],
)
def test_what_a_program_writes_into_a_socket_is_refused_in_a_sentence(comfy, service, key, take, socket, maker):
    graph, film = text_to_video(comfy.object_info, take=take)
    run = comfy.run(graph.change(film.generate, **{socket: "nonsense"}))
    assert message(run).startswith(
        f"KlingGenerate (node {film.generate.id}), {socket} is 'str': only what {maker} gives"
    )
    assert purchases(service) == []


def test_a_task_that_is_none_is_refused_in_a_sentence(comfy, service, key):
    graph = Graph(comfy.object_info)
    graph.add("KlingFetchVideo", task="236ba4b9-e789-4ff4-8fa9-7ca57ab56210")
    assert "only what KlingGenerate gives can be connected here" in message(comfy.run(graph))


def test_a_task_uuid_beside_a_task_is_refused_before_anything_is_bought(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take)
    with pytest.raises(PromptRefused, match="only one of the two is used"):
        comfy.run(graph.change(film.fetch, task_uuid="236ba4b9-e789-4ff4-8fa9-7ca57ab56210"))
    assert service.requests == []


def test_a_prefix_that_a_link_leads_out_is_refused_before_anything_is_bought(comfy, service, key, take, tmp_path):
    (comfy.output / "shortcut").symlink_to(tmp_path)
    graph, film = text_to_video(comfy.object_info, take=take)
    with pytest.raises(PromptRefused, match="a link in it leads out"):
        comfy.run(graph.change(film.fetch, filename_prefix="shortcut/new/film"))
    (comfy.output / "shortcut").unlink()
    assert service.requests == []
    assert list(tmp_path.iterdir()) == []


def queue(comfy, graph, **more):
    """Queue a prompt with whatever else a program may send along."""
    body = {"prompt": graph, "client_id": comfy.client_id, **more}
    answer = comfy._http.post(f"{comfy.url}/prompt", content=json.dumps(body))
    return Run(comfy, comfy._listener, answer.json()["prompt_id"]).wait()


def test_a_run_of_one_output_is_not_held_up_by_an_unfinished_part_of_the_graph(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take)
    unfinished = add_film(graph, text="", take=take)
    run = queue(comfy, graph, partial_execution_targets=[film.fetch.id])
    assert len(film_paths(comfy, run, film.fetch)) == 1
    assert unfinished.fetch.id not in run.outputs


@pytest.mark.parametrize("extra", ["a text", ["a list"], 5, {"workflow": {"x": [float("nan")]}}], ids=repr)
def test_odd_extra_data_of_a_program_costs_no_film(comfy, service, key, take, extra):
    graph, film = text_to_video(comfy.object_info, take=take)
    run = queue(comfy, graph, extra_data={"extra_pnginfo": extra})
    try:
        assert len(film_paths(comfy, run, film.fetch)) == 1
    finally:
        # ComfyUI hands NaN on in /history, which no page can read from then on.
        comfy._http.post(f"{comfy.url}/history", json={"clear": True})


def test_nodes_of_a_subgraph_are_named_by_their_whole_id(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take)
    inside = {node_id: f"57:{node_id}" for node_id in graph}
    moved = {
        inside[node_id]: {
            **node,
            "inputs": {
                name: [inside[value[0]], value[1]] if isinstance(value, list) else value
                for name, value in node["inputs"].items()
            },
        }
        for node_id, node in graph.items()
    }
    run = comfy.run(moved)
    assert run.status == "success", run.why
    assert any("film" in text for text in run.texts(inside[film.generate.id]))
    moved[inside[film.generate.id]]["inputs"]["sound"] = True
    moved[inside[film.generate.id]]["inputs"]["keep_original_sound"] = True
    assert message(comfy.run(moved)).startswith(f"KlingGenerate (node {inside[film.generate.id]}), keep_original_sound")


def test_a_list_of_too_many_purchases_is_refused_with_the_price_of_all(comfy, service, key, take):
    graph, _ = film_from_each(comfy.object_info, FANOUT + 1, take)
    run = comfy.run(graph)
    assert run.status == "error"
    assert f"makes {FANOUT + 1} purchases for $0.42 each, $3.78 in all" in message(run)
    assert purchases(service) == []


def test_a_list_of_a_few_purchases_gives_a_film_each(comfy, service, key, take):
    graph, fetch = film_from_each(comfy.object_info, 3, take, duration=3)
    run = comfy.run(graph)
    assert len(film_paths(comfy, run, fetch)) == 3
    assert len({task["taskUUID"] for task in purchases(service)}) == 3


def test_a_list_whose_sum_is_above_max_cost_buys_nothing(comfy, service, key, take):
    graph, _ = film_from_each(comfy.object_info, 3, take, max_cost=1.0)
    run = comfy.run(graph)
    assert "max_cost is 1.0: the price of this run is $1.26 (3 purchases of a list)." in message(run)
    assert "Not billed." in message(run)
    assert purchases(service) == []


def test_a_list_tells_its_whole_price_and_what_becomes_of_each_item(comfy, service, key, take):
    graph, fetch = film_from_each(comfy.object_info, 2, take, duration=3)
    said = comfy.run(graph).texts(graph[fetch.id]["inputs"]["task"][0])
    assert any("costs $0.504 in all, 2 purchases" in text for text in said)
    assert said[-1].startswith("1. 1 film, $0.252")
    assert "\n2. 1 film, $0.252" in said[-1]


@pytest.mark.parametrize("prefix", ["../x", "out/x"])
def test_a_film_that_would_come_out_nowhere_is_not_bought(comfy, service, key, take, tmp_path, prefix):
    """ComfyUI leaves out the node that it refuses, and runs what asks for the cost."""
    (comfy.output / "out").unlink(missing_ok=True)
    (comfy.output / "out").symlink_to(tmp_path)
    graph, film = text_to_video(comfy.object_info, take=take)
    graph.add("PreviewAny", source=film.generate["cost"])
    run = queue(comfy, graph.change(film.fetch, filename_prefix=prefix))
    assert run.error["node_type"] == "KlingGenerate"
    assert message(run).startswith(f"KlingFetchVideo (node {film.fetch.id}), filename_prefix is '{prefix}'")
    assert purchases(service) == []


def test_cancel_while_a_long_reference_video_is_encoded_is_obeyed_within_a_second(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take, character_orientation="video")
    frames = graph.add("EmptyImage", width=1280, height=720, batch_size=240)
    clip = graph.add("CreateVideo", images=frames["IMAGE"], fps=24.0)
    picture = graph.add("EmptyImage", width=400, height=400)
    run = comfy.begin(graph.change(film.generate, reference_video=clip["VIDEO"], reference_image=picture["IMAGE"]))
    run.wait_for(lambda event: event.type == "executing" and event.data.get("node") == film.generate.id)
    time.sleep(0.5)
    pressed = time.monotonic()
    comfy.interrupt()
    run.wait()
    assert run.status == "interrupted"
    assert time.monotonic() - pressed < 1.5
    assert purchases(service) == []


def test_cancel_during_an_upload_is_obeyed_within_a_second_and_nothing_is_bought(comfy, service, key, take):
    service.faults = Faults().then([("mediaStorage", {"kind": "slow_answer", "seconds": 10.0})])
    graph, film = text_to_video(comfy.object_info, take=take, character_orientation="video")
    frames = graph.add("EmptyImage", width=320, height=320, batch_size=96, color=take)
    clip = graph.add("CreateVideo", images=frames["IMAGE"], fps=24.0)
    picture = graph.add("EmptyImage", width=400, height=400)
    run = comfy.begin(graph.change(film.generate, reference_video=clip["VIDEO"], reference_image=picture["IMAGE"]))
    wait_for_requests(service, "mediaStorage")
    pressed = time.monotonic()
    comfy.interrupt()
    run.wait()
    assert run.status == "interrupted"
    assert time.monotonic() - pressed < 1.5
    assert run.texts(film.generate.id)[-1] == "cancelled before anything was sent. Not billed."
    assert purchases(service) == []


def test_films_deleted_by_hand_are_fetched_again_and_not_bought_again(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take)
    (path,) = film_paths(comfy, comfy.run(graph), film.fetch)
    shutil.rmtree(comfy.state / "films")
    path.unlink()
    comfy.free()
    (again,) = film_paths(comfy, comfy.run(graph), film.fetch)
    assert again.stat().st_size > 1000
    assert len(purchases(service)) == 1


def test_frames_that_were_not_loaded_are_missed_in_a_sentence(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take)
    graph.add("PreviewImage", images=film.fetch["frames"])
    run = comfy.run(graph.change(film.fetch, load_frames="none"))
    assert "KlingFetchVideo, load_frames is 'none': no frames were loaded." in message(run)


def test_cancel_never_ends_in_an_error_and_never_ends_comfyui(comfy, service, key, take):
    service.service.latency = 3.0
    for number, moment in enumerate([0.0, 0.05, 0.2, 0.5, 1.0, 2.0, 3.2]):
        graph, _ = text_to_video(comfy.object_info, take=take + 100_000 * number)
        add_film(graph, take=take + 100_000 * number + 50_000)
        run = comfy.begin(graph)
        time.sleep(moment)
        comfy.interrupt()
        run.wait()
        assert run.status in {"interrupted", "success"}, run.why
    service.service.latency = 0.5
    graph, film = text_to_video(comfy.object_info, take=take)
    assert film_paths(comfy, comfy.run(graph), film.fetch)
    uuids = [task["taskUUID"] for task in purchases(service)]
    assert all(service.billed(uuid) <= 1 for uuid in uuids)


def test_the_same_purchase_from_three_nodes_survives_the_cancel_of_its_prompt(comfy, service, key, take):
    service.service.latency = 3.0
    graph, film = text_to_video(comfy.object_info, take=take)
    add_film(graph, take=take)
    add_film(graph, take=take)
    run = comfy.begin(graph)
    wait_for_requests(service, "videoInference")
    comfy.interrupt()
    run.wait()
    again = comfy.run(graph)
    assert len(film_paths(comfy, again, film.fetch)) == 1
    assert len(purchases(service)) == 1


def test_a_failed_result_among_several_is_said_in_words(comfy, service, key, take):
    service.faults = Faults().then([("job", {"kind": "partial", "count": 1, "text": "The provider gave up."})])
    graph, film = text_to_video(comfy.object_info, take=take, number_results=2)
    run = comfy.run(graph)
    assert len(info_of(run, film)) == 1
    (line,) = [text for text in run.texts(film.generate.id) if "1 of 2 films" in text]
    assert "; failed: The provider gave up. Task UUID: " in line
    assert "[" not in line
