"""Requests to the simulated service, and a loop whose time passes at once."""

from __future__ import annotations

import asyncio
import base64
import io
import selectors

import httpx
from kling.nodes.runware.simulator import Simulator
from PIL import Image

API = "https://api.runware.ai/v1"
UUID = "236ba4b9-e789-4ff4-8fa9-7ca57ab56210"
PICTURE = "aac49721-1964-481a-ae78-8a4e29b91402"
FILM = "3ad204c3-a9de-4963-8a1a-c3911e3afafe"
HEADERS = {"Authorization": "Bearer test-key"}


class VirtualSelector(selectors.DefaultSelector):
    """Does not wait: the loop's time moves on instead."""

    moved = 0.0

    def select(self, timeout=None):
        ready = super().select(0)
        if not ready and timeout:
            self.moved += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.virtual = VirtualSelector()
        super().__init__(self.virtual)

    def time(self):
        return self.virtual.moved


def run(work):
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def task(**changes):
    made = {
        "taskType": "videoInference",
        "taskUUID": UUID,
        "model": "klingai:kling-video@3-standard",
        "positivePrompt": "A lighthouse in a storm",
        "width": 1280,
        "height": 720,
        "duration": 5,
        "deliveryMethod": "async",
        "includeCost": True,
    }
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}


def framed(**changes):
    return task(**{"width": None, "height": None, "inputs": {"frameImages": [PICTURE]}, **changes})


def settings(**klingai):
    return {"providerSettings": {"klingai": klingai}}


def elements(*items):
    return framed(inputs={"frameImages": [PICTURE], "elements": list(items)})


def motion(inputs=(), **klingai):
    given = {"referenceVideos": [FILM], "referenceImages": [PICTURE], **dict(inputs)}
    given = {name: value for name, value in given.items() if value is not None}
    klingai.setdefault("characterOrientation", "video")
    klingai = {name: value for name, value in klingai.items() if value is not None}
    return task(width=None, height=None, duration=None, inputs=given, **settings(**klingai))


def poll(task_uuid=UUID):
    return {"taskType": "getResponse", "taskUUID": task_uuid}


def picture_uri(kind="PNG", side=64):
    held = io.BytesIO()
    Image.effect_noise((side, side), 60).convert("RGB").save(held, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(held.getvalue()).decode()}"


def client_of(simulator, **options):
    return httpx.AsyncClient(transport=simulator.transport, headers=HEADERS, timeout=10, **options)


async def post(simulator, *tasks, headers=None):
    async with client_of(simulator) as client:
        return await client.post(API, json=list(tasks), headers=headers)


def refusal_of(wrong, **options):
    simulator = Simulator(**options)
    answer = run(post(simulator, wrong))
    assert answer.status_code in (400, 404), answer.text
    assert simulator.service.jobs == {}
    return answer.json()["errors"][0]


def accepted(right, **options):
    answer = run(post(Simulator(**options), right))
    return answer.json() == {"data": [{"taskType": "videoInference", "taskUUID": right["taskUUID"]}]}
