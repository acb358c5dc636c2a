"""The table of wrong inputs through a real ComfyUI, with a key: each is refused on its field, and nobody is asked."""

from __future__ import annotations

import contextlib
import json

import pytest
from kling.nodes import graph

from host.graph import Graph
from host.run import Run
from host.widgets import widget_values
from test_bad_inputs import ALONE, LINK, TOGETHER, alone, made

pytestmark = pytest.mark.timeout(600)

READS = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
"""What ComfyUI makes of a widget's value before any node sees it: of 5.5 it makes 5, of nothing 'None'."""


def as_comfyui_reads(nodes, object_info):
    """Give a graph as its nodes get it."""
    read = {name: {**node, "inputs": dict(node["inputs"])} for name, node in nodes.items()}
    for node in read.values():
        described = object_info[node["class_type"]]["input"]
        kinds = {name: spec[0] for group in described.values() for name, spec in group.items()}
        for name, value in node["inputs"].items():
            if kinds.get(name) in READS and not isinstance(value, list):
                with contextlib.suppress(TypeError, ValueError, OverflowError):  # it refuses that by itself
                    node["inputs"][name] = READS[kinds[name]](value)
    return read


def rows(object_info):
    """Each wrong graph of the table that ComfyUI does not turn into a right one: (graph, node, field)."""
    together = [(made(**changes), node, field) for changes, node, field, _ in TOGETHER]
    single = [(*alone(kind, field, value), field) for kind, field, value, _ in ALONE]
    return [row for row in together + single if graph.faults(as_comfyui_reads(row[0], object_info))]


def runnable(nodes, object_info):
    """Give a graph as the page would send it: every widget is there, and what is linked comes from a node."""
    media = Graph(object_info)
    picture = media.add("EmptyImage", width=400, height=400)["IMAGE"]
    frames = media.add("EmptyImage", width=400, height=400, batch_size=96)["IMAGE"]
    film = media.add("CreateVideo", images=frames, fps=24.0)["VIDEO"]
    sound = media.add("EmptyAudio")["AUDIO"]
    brings = {"video": film, "reference_video": film, "voice": sound}
    for name, node in nodes.items():
        if name != LINK[0]:
            widgets = widget_values(object_info[node["class_type"]])
            links = {each: brings.get(each, picture) for each, value in node["inputs"].items() if value == LINK}
            media[name] = {**node, "inputs": {**widgets, **node["inputs"], **links}}
    return media


def refusal(comfy, nodes, node):
    """Queue a graph, and give what is said of a node: before the run by ComfyUI, or in it by the error."""
    body = json.dumps({"prompt": nodes, "client_id": comfy.client_id})  # NaN too, which httpx would not take
    answer = comfy._http.post(f"{comfy.url}/prompt", content=body)
    if answer.status_code == 400:
        return json.dumps(answer.json()["node_errors"].get(node, {}).get("errors"))
    message = Run(comfy, comfy._listener, answer.json()["prompt_id"]).wait().error.get("exception_message", "")
    return message if f"(node {node})" in message and "Not billed." in message else ""


@pytest.fixture
def forgotten(comfy):
    """ComfyUI hands NaN on in /history, which no page can read from then on."""
    yield
    comfy._http.post(f"{comfy.url}/history", json={"clear": True})


def test_each_is_refused_on_its_node_and_field_and_nobody_is_asked(comfy, service, key, forgotten):
    wrong = rows(comfy.object_info)
    assert len(wrong) >= 234
    odd = {}
    for number, (nodes, node, field) in enumerate(wrong):
        told = refusal(comfy, runnable(nodes, comfy.object_info), node)
        if field not in told or service.requests:
            odd[number, node, field] = told
            service.requests.clear()
    assert odd == {}
