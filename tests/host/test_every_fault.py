"""Canaries on more than two hundred ways through one real ComfyUI, whose wire is hurried: none turns up anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kling.nodes.runware.simulator import Simulator
from kling.nodes.runware.simulator.faults import Faults

from host.comfy import PACK_NAME, Comfy
from host.comfyui import ROOT
from host.films import text_to_video
from host.footage import render
from host.graph import Graph
from host.run import Run
from host.service import wait_for_requests
from host.traces import Traces, listen
from world.ways import HOOK, KEY, PROMPT, SIGNATURE, WAYS

pytestmark = pytest.mark.timeout(1_200)

PACKS = {PACK_NAME: ROOT, "hurry": Path(__file__).with_name("hurry")}
SECONDS_TO_RENDER = 0.05
QUICK = {"slow": 0.005, "slow_answer": 0.1, "outage": 0.2, "drip": 0.001, "late": 0.1}
"""Seconds of faults that take their time; the service is not hurried."""
REPEATED = 5
UPLOADS = 12
"""Ways for an upload; each of them encodes a film of its own."""
OTHERS = [way for way in WAYS if way[0] != "mediaStorage"]
CHOSEN = [*OTHERS, *[way for way in WAYS if way[0] == "mediaStorage"][::6][:UPLOADS]]


def graph_of(comfy: Comfy, number: int, channel: str) -> Graph:
    delivery = {"webhook_url": "$KLING_HOOK", "upload_endpoint": "$KLING_HOOK"}
    if channel != "mediaStorage":
        return text_to_video(comfy.object_info, PROMPT, take=number, **delivery)[0]
    graph, film = text_to_video(comfy.object_info, PROMPT, take=number, character_orientation="video", **delivery)
    frames = graph.add("EmptyImage", width=320, height=320, batch_size=96, color=number)
    clip = graph.add("CreateVideo", images=frames["IMAGE"], fps=24.0)
    picture = graph.add("EmptyImage", width=400, height=400)
    return graph.change(film.generate, reference_video=clip["VIDEO"], reference_image=picture["IMAGE"])


def go(comfy: Comfy, service: Simulator, number: int, channel: str, fault: dict[str, Any]) -> Run:
    """Press Run; what would go on for hours is cancelled when it has been asked about."""
    kind = fault["kind"]
    faults = [(channel, {**fault, "count": 4096, "seconds": QUICK.get(kind, 5.0)})] * REPEATED
    asks = channel == "getResponse"
    service.faults = Faults().then([] if asks else faults)
    service.service.latency = SECONDS_TO_RENDER * (10 if asks else 1)
    service.requests.clear()
    run = comfy.begin(graph_of(comfy, number, channel), workflow={"nodes": [], "links": [], "version": 0.4})
    if asks:  # not already when it is asked, before it is bought, whether it exists
        wait_for_requests(service, "videoInference")
        service.faults.then(faults)
    if kind == "never":
        wait_for_requests(service, "videoInference", "getResponse", "getResponse")
        comfy.interrupt()
    return run.wait()


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traces]:
    """Go every way, one after the other."""
    address = f"?signature={SIGNATURE}"
    simulator = Simulator(key=KEY, render=render, threads=True, latency=SECONDS_TO_RENDER, signature=address)
    simulator.service.balance = 1e6
    with simulator.serve() as served:
        environment = {"RUNWARE_BASE_URL": served.base_url, "RUNWARE_API_KEY": KEY, "KLING_HOOK": HOOK}
        base = tmp_path_factory.mktemp("every fault")
        with Comfy(base, packs=PACKS, env=environment, args=["--verbose", "DEBUG"]) as comfy:
            listen(comfy)
            runs = {}
            for number, (channel, fault) in enumerate(CHOSEN, 1):
                runs[f"{number} {channel} {fault}"] = go(comfy, simulator, number, channel, fault)
            found = Traces.of(comfy, runs)
        yield found


def test_more_than_two_hundred_ways_are_gone_and_many_end_badly(traces):
    ends = [run.status for run in traces.runs.values()]
    assert len(ends) > 200
    assert ends.count("error") > 50
    assert ends.count("success") > 50


@pytest.mark.parametrize("canary", [KEY, SIGNATURE])
def test_no_secret_is_said_anywhere(traces, canary):
    assert traces.sinks_with(canary) == []


def test_no_prompt_is_logged(traces):
    assert PROMPT not in traces.said["log"]


def test_no_secret_lies_in_any_file(traces):
    # bodies are kept to be sent again, and addresses until the film is here; the key is never among them
    assert traces.files_with(KEY) == []
    assert traces.files_with(SIGNATURE, apart_from=(".body", ".urls")) == []
