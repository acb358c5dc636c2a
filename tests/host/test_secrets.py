"""Canaries: a key and signed URLs go through a real ComfyUI on every kind of path, and turn up nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kling.nodes.runware.simulator import Simulator
from kling.nodes.runware.simulator.faults import Faults

from host.comfy import Comfy
from host.films import Film, text_to_video
from host.footage import render
from host.graph import Graph
from host.run import PromptRefused, Run
from host.service import purchases, wait_for_requests
from host.traces import Traces, listen
from world.ways import HOOK, KEY, SIGNATURE

PROXY = "canary-proxy-4410"
WRITTEN = "canary-written-58ce07"
"""In an address that stands in the widgets themselves."""
CANARIES = (KEY, SIGNATURE, PROXY)
WORKFLOW = {"nodes": [], "links": [], "version": 0.4}


class Paths:
    """One method for each way a purchase can go; each gives its run."""

    def __init__(self, comfy: Comfy, service: Simulator) -> None:
        self.comfy, self.service = comfy, service
        self.take = 0

    def graph(self, **generate: Any) -> tuple[Graph, Film]:
        self.take += 1
        delivery = {"webhook_url": "$KLING_HOOK", "upload_endpoint": "$KLING_HOOK"}
        return text_to_video(self.comfy.object_info, take=self.take, **{**delivery, **generate})

    def run(self, faults: list[tuple[str, Any]], **generate: Any) -> Run:
        self.service.faults = Faults().then(faults)
        return self.comfy.run(self.graph(**generate)[0], workflow=WORKFLOW)

    def success(self) -> Run:
        return self.run([])

    def refused_key(self) -> Run:
        self.service.key = "another"
        try:
            return self.run([])
        finally:
            self.service.key = KEY

    def refused_request_that_is_repeated_in_the_refusal(self) -> Run:
        text = f"Invalid value for 'webhookURL': {HOOK} (sent with Authorization: Bearer {KEY})."
        fault = {"kind": "status", "status": 400, "code": "invalidWebhookURL", "text": text}
        return self.run([("videoInference", fault)])

    def address_in_the_widgets(self) -> Run:
        address = f"https://hook.example/kling?signature={WRITTEN}"
        return self.run([], webhook_url=address, upload_endpoint=address)

    def refused_address_in_the_widgets(self) -> Run:
        address = f"https://hook.example/kling?signature={WRITTEN}"
        fault = {"kind": "status", "status": 400, "code": "invalidWebhookURL", "text": f"Invalid value: {address}."}
        return self.run([("videoInference", fault)], webhook_url=address, upload_endpoint=address)

    def failed_task(self) -> Run:
        return self.run([("job", {"kind": "fail", "text": f"Upload to {HOOK} failed."})])

    def unreadable_answer(self) -> Run:
        return self.run([("getResponse", "html")] * 30)

    def broken_connection(self) -> Run:
        return self.run([("getResponse", "reset_before")] * 30)

    def hostile_address_of_the_film(self) -> Run:
        host = self.service.service.host
        self.service.service.host = f"https://evil.example/film.mp4?signature={SIGNATURE}&rest="
        try:
            return self.run([])
        finally:
            self.service.service.host = host

    def redirected_film(self) -> Run:
        redirect = {"kind": "redirect", "text": f"https://evil.example/?signature={SIGNATURE}"}
        return self.run([("download", redirect)] * 4)

    def failed_upload(self) -> Run:
        graph, film = self.graph(character_orientation="video")
        frames = graph.add("EmptyImage", width=320, height=320, batch_size=96)
        clip = graph.add("CreateVideo", images=frames["IMAGE"], fps=24.0)
        picture = graph.add("EmptyImage", width=400, height=400)
        graph = graph.change(film.generate, reference_video=clip["VIDEO"], reference_image=picture["IMAGE"])
        fault = {"kind": "status", "status": 400, "code": "invalidMedia", "text": f"Not fetched: {HOOK}"}
        self.service.faults = Faults().then([("mediaStorage", fault)])
        return self.comfy.run(graph, workflow=WORKFLOW)

    def cancelled(self) -> Run:
        self.service.requests.clear()
        self.service.faults = Faults().then([("job", {"kind": "slow", "seconds": 20.0})])
        run = self.comfy.begin(self.graph()[0], workflow=WORKFLOW)
        wait_for_requests(self.service, "getResponse")
        wait_for_requests(self.service, "videoInference")
        self.comfy.interrupt()
        return run.wait()

    def graph_that_is_wrong_elsewhere(self) -> Run:
        graph, film = self.graph()
        graph.add("KlingFetchVideo", task_uuid="236ba4b9-e789-4ff4-8fa9-7ca57ab56210")
        return self.comfy.run(graph.change(film.generate, prompt="no prompt"), workflow=WORKFLOW)


WAYS: dict[str, Callable[[Paths], Run]] = {
    name: way for name, way in vars(Paths).items() if callable(way) and name not in {"__init__", "graph", "run"}
}


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traces]:
    """Go every way in one ComfyUI that logs all it can, and gather what it left."""
    with Simulator(key=KEY, render=render, threads=True, latency=1.0).serve() as served:
        environment = {
            "RUNWARE_BASE_URL": served.base_url,
            "RUNWARE_API_KEY": KEY,
            "KLING_HOOK": HOOK,
            "KLING_WRONG": f"http://hook.example/?signature={SIGNATURE}",
            "HTTPS_PROXY": f"http://ada:{PROXY}@proxy.example:3128",
        }
        base = tmp_path_factory.mktemp("secrets")
        with Comfy(base, env=environment, args=["--verbose", "DEBUG"]) as comfy:
            listen(comfy)
            paths = Paths(comfy, served.simulator)
            runs = {name: way(paths) for name, way in WAYS.items()}
            assert purchases(served.simulator)[-1]["webhookURL"] == HOOK
            with pytest.raises(PromptRefused) as refused:
                paths.run([], webhook_url="$KLING_WRONG")
            found = Traces.of(comfy, runs)
            found.said["refusal"] = str(refused.value)
        yield found


ENDS = {"success": "success", "address_in_the_widgets": "success", "cancelled": "interrupted"}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_ends_as_it_should_and_says_so_in_bounded_words(traces, way):
    run = traces.runs[way]
    assert run.status == ENDS.get(way, "error"), run.why
    message = run.error.get("exception_message", "")
    assert len(message) <= 601
    assert message.count("Not billed.") <= 1
    assert "Traceback" not in message


@pytest.mark.parametrize("canary", CANARIES)
def test_no_secret_is_said_anywhere(traces, canary):
    assert "webhook_url" in traces.said["refusal"]
    assert traces.sinks_with(canary) == []


@pytest.mark.parametrize("canary", CANARIES)
def test_no_secret_lies_in_any_file(traces, canary):
    # the exact bytes to send are spooled for as long as they may have to be sent again; the key is never among them
    assert traces.files_with(canary, apart_from=(".body",) if canary == SIGNATURE else ()) == []


def test_an_address_in_a_widget_stands_in_the_graph_alone(traces):
    """ComfyUI keeps and tells the graph that was queued, and so do the films made from it."""
    assert "history" in traces.sinks_with(WRITTEN)
    assert set(traces.sinks_with(WRITTEN)) <= {"history", "websocket"}
    for run in traces.runs.values():
        assert WRITTEN not in run.why + "".join(run.texts())
    assert traces.files_with(WRITTEN, apart_from=(".body", ".mp4")) == []


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_what_is_recorded_is_its_owners_alone(traces):
    state = [path for path in (traces.base / "user" / "__kling").rglob("*") if not path.is_symlink()]
    assert len(state) > 20
    assert [path for path in state if path.stat().st_mode & 0o077] == []
