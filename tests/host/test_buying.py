"""The five nodes in a real ComfyUI, buying from the simulated service over a real socket."""

import json

from kling.nodes.runware.simulator.faults import Faults

from host.films import add_film, film_paths, info_of, text_to_video
from host.graph import Graph
from host.service import channels, purchases


def test_a_film_lies_in_the_output_folder_beside_its_sidecar(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take)
    run = comfy.run(graph)
    assert run.status == "success", run.why
    (path,) = film_paths(comfy, run, film.fetch)
    assert path.stat().st_size > 1000
    assert path.parent == comfy.output / "video"
    assert json.loads(path.with_suffix(".json").read_text())["task_uuid"] == purchases(service)[0]["taskUUID"]


def test_the_cost_is_told_before_and_after_and_in_info(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take, duration=3)
    run = comfy.run(graph)
    said = run.texts(film.generate.id)
    assert said[0].endswith("; costs $0.252")
    assert said[-1].startswith(f"1 film, $0.252. Task UUID: {purchases(service)[0]['taskUUID']}")
    (info,) = info_of(run, film)
    assert (info["planned_usd"], info["billed_usd"], info["cost_usd"]) == (0.252, 0.252, 0.252)
    comfy.free()
    again = comfy.run(graph)
    assert "$" not in again.texts(film.generate.id)[0]


def test_a_rehearsal_tells_what_it_would_cost(comfy, service, take):
    graph, film = text_to_video(comfy.object_info, take=take, mode="rehearse", duration=3, max_cost=0.01)
    run = comfy.run(graph)
    said = run.texts(film.generate.id)
    assert "$" not in said[0]
    assert said[-1].startswith("rehearsal, 1 film, $0.00; the purchase would cost $0.252")
    (info,) = info_of(run, film)
    assert (info["planned_usd"], info["billed_usd"], info["cost_usd"]) == (0.252, 0.0, 0.0)


def test_every_output_of_the_film_flows_on_through_the_graph(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take, duration=3)
    frames = graph.add("PreviewImage", images=film.fetch["frames"])
    last = graph.add("PreviewImage", images=film.fetch["last_frame"])
    graph.add("SaveVideo", video=film.fetch["video"], filename_prefix="copy")
    graph.add("SaveAudio", audio=film.fetch["audio"], filename_prefix="sound")
    count = graph.add("PreviewAny", source=film.fetch["frame_count"])
    path = graph.add("PreviewAny", source=film.fetch["file_path"])
    run = comfy.run(graph)
    assert run.status == "success", run.why
    assert len(run.outputs[frames.id]["images"]) == int(run.outputs[count.id]["text"][0])
    assert len(run.outputs[last.id]["images"]) == 1
    assert run.outputs[path.id]["text"] == [str(file) for file in film_paths(comfy, run, film.fetch)]
    assert list(comfy.output.glob("copy_*"))
    assert list(comfy.output.glob("sound_*"))


def test_a_finished_graph_run_again_asks_the_service_nothing(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take)
    first = comfy.run(graph)
    service.requests.clear()
    comfy.free()
    again = comfy.run(graph)
    assert film.generate.id not in again.cached
    assert film_paths(comfy, again, film.fetch) == film_paths(comfy, first, film.fetch)
    assert service.requests == []


def test_another_take_is_another_purchase_in_the_same_process(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take)
    comfy.run(graph)
    assert comfy.run(graph.change(film.generate, take=take + 100_000)).status == "success"
    assert len({task["taskUUID"] for task in purchases(service)}) == 2


def test_two_nodes_of_one_prompt_run_side_by_side(comfy, service, key, take):
    service.service.latency = 4.0
    graph, _ = text_to_video(comfy.object_info, take=take)
    add_film(graph, take=take + 200_000)
    assert comfy.run(graph).status == "success"
    first, second = (exchange.at for exchange in service.requests if exchange.channel == "videoInference")
    assert second - first < 4.0


def test_two_nodes_that_ask_for_the_same_purchase_share_it(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take)
    other = add_film(graph, take=take)
    run = comfy.run(graph)
    assert film_paths(comfy, run, film.fetch)
    assert film_paths(comfy, run, other.fetch)
    assert len(purchases(service)) == 1


def test_several_results_come_out_as_lists(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take, number_results=2)
    run = comfy.run(graph)
    assert len(film_paths(comfy, run, film.fetch)) == 2
    assert len(info_of(run, film)) == 2


def test_a_film_that_comes_late_is_asked_for_and_brought_by_the_next_run(comfy, service, key, take):
    """A run before it comes, and a run after it was brought, give what there is from ComfyUI's cache."""
    service.faults = Faults().then([("job", {"kind": "partial", "count": 1, "text": "The provider gave up."})])
    graph, film = text_to_video(comfy.object_info, take=take, number_results=2, duration=3)
    early = film_paths(comfy, comfy.run(graph), film.fetch)
    jobs = service.service.jobs[purchases(service)[0]["taskUUID"]]
    service.requests.clear()
    still = comfy.run(graph)
    assert film.fetch.id in still.cached
    assert set(channels(service)) == {"getResponse", "getTaskDetails"}
    for job in jobs:
        job.fate, job.charged = None, False
    come = comfy.run(graph)
    assert film.generate.id in come.cached
    assert film_paths(comfy, come, film.fetch)[:1] == early
    assert [info["cost_usd"] for info in info_of(come, film)] == [0.252, 0.252]
    service.requests.clear()
    whole = comfy.run(graph)
    assert film.fetch.id in whole.cached
    assert len(info_of(whole, film)) == 2
    assert channels(service) == []


def test_an_earlier_purchase_is_collected_by_its_task_uuid(comfy, service, key, take):
    graph, _ = text_to_video(comfy.object_info, take=take)
    comfy.run(graph)
    collecting = Graph(comfy.object_info)
    fetch = collecting.add("KlingFetchVideo", task_uuid=purchases(service)[0]["taskUUID"])
    run = comfy.run(collecting)
    assert len(film_paths(comfy, run, fetch)) == 1
    assert len(purchases(service)) == 1


def test_a_rehearsal_needs_no_key_and_sends_nothing(comfy, service, take):
    graph, film = text_to_video(comfy.object_info, take=take, mode="rehearse", duration=3)
    run = comfy.run(graph)
    assert run.status == "success", run.why
    assert film_paths(comfy, run, film.fetch)
    assert service.requests == []


def test_the_node_says_each_second_what_is_going_on(comfy, service, key, take):
    service.service.latency = 4.0
    graph, film = text_to_video(comfy.object_info, take=take)
    run = comfy.run(graph)
    assert len([text for text in run.texts(film.generate.id) if "so far" in text]) >= 2


def test_a_purchase_above_max_cost_is_refused_before_anything_is_sent(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take, duration=10, max_cost=0.5)
    run = comfy.run(graph)
    assert run.status == "error"
    refused = run.error["exception_message"]
    assert refused.startswith(f"KlingGenerate (node {film.generate.id}), max_cost is ")
    assert "the price of this run is $0.84" in refused
    assert "Not billed" in refused
    assert service.requests == []


def test_what_was_bought_is_not_refused_by_a_max_cost_set_later(comfy, service, key, take):
    graph, film = text_to_video(comfy.object_info, take=take)
    first = comfy.run(graph)
    service.requests.clear()
    again = comfy.run(graph.change(film.generate, max_cost=0.01))
    assert info_of(again, film)[0]["video_uuid"] == info_of(first, film)[0]["video_uuid"]
    assert service.requests == []
