"""The simulated service: what it accepts, refuses, bills and breaks."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import selectors
import subprocess
import sys
import uuid
from pathlib import Path

import httpx
import pytest
from kling.nodes.runware.simulator import MODERATED, Fault, Faults, Simulator

API = "https://api.runware.ai/v1"
UUID = "236ba4b9-e789-4ff4-8fa9-7ca57ab56210"
PICTURE = "aac49721-1964-481a-ae78-8a4e29b91402"
FILM = "3ad204c3-a9de-4963-8a1a-c3911e3afafe"
HEADERS = {"Authorization": "Bearer test-key"}
ROOT = Path(__file__).resolve().parents[2]


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


def picture_uri(kind="PNG"):
    from PIL import Image

    held = io.BytesIO()
    Image.new("RGB", (320, 320), "teal").save(held, kind)
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


def test_a_task_runs_from_acknowledgement_to_a_billed_film():
    async def life(simulator):
        async with client_of(simulator) as client:
            assert (await client.post(API, json=[task()])).json() == {
                "data": [{"taskType": "videoInference", "taskUUID": UUID}]
            }
            await asyncio.sleep(59)
            assert (await client.post(API, json=[poll()])).json()["data"][0]["status"] == "processing"
            assert simulator.ledger == []
            await asyncio.sleep(2)
            row = (await client.post(API, json=[poll()])).json()["data"][0]
            assert (row["taskType"], row["status"], row["cost"]) == ("videoInference", "success", 0.42)
            film = await client.get(row["videoURL"])
        return film, row

    simulator = Simulator()
    film, row = run(life(simulator))
    assert film.headers["content-type"] == "video/mp4"
    assert uuid.UUID(row["videoUUID"]).version == 4
    assert [(charge.task_uuid, charge.usd, charge.at) for charge in simulator.ledger] == [(UUID, 0.42, 60.0)]
    assert simulator.billed(UUID) == 1
    assert simulator.balance == pytest.approx(99.58)


@pytest.mark.parametrize("output_format", ["MP4", "MOV"])
def test_the_default_film_is_whole_boxes_of_the_right_size_and_seconds(output_format):
    import av
    from kling.nodes.runware.simulator import tiny_film

    film = tiny_film.render(task(outputFormat=output_format, duration=7), 0)
    found, at = [], 0
    while at < len(film):
        size = int.from_bytes(film[at : at + 4], "big")
        found.append(film[at + 4 : at + 8])
        at += size
    assert (found, at) == ([b"ftyp", b"moov", b"mdat"], len(film))
    with av.open(io.BytesIO(film)) as opened:
        stream = opened.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (1280, 720, 168)
        assert float(stream.duration * stream.time_base) == 7


def test_results_of_one_task_differ():
    from kling.nodes.runware.simulator import tiny_film

    for output_format in ("MP4", "WEBM"):
        wanted = task(outputFormat=output_format)
        assert tiny_film.render(wanted, 0) == tiny_film.render(wanted, 0)
        assert tiny_film.render(wanted, 0) != tiny_film.render(wanted, 1)


@pytest.mark.parametrize(
    "right",
    [
        task(),
        task(duration=None),
        task(width=960, height=960),
        task(width=720, height=1280, **settings(sound=True)),
        task(duration=8, positivePrompt=None, **settings(multiPrompt=[{"prompt": "ab", "duration": 8}])),
        task(**settings(multiPrompt=[{"prompt": "ab", "duration": 2}, {"prompt": "cd", "duration": 3}])),
        task(**settings(shotType="intelligence")),
        task(negativePrompt="no", outputType="URL", outputFormat="WEBM", outputQuality=20, ttl=60, numberResults=4),
        task(safety={"checkContent": True, "mode": "full"}, webhookURL="https://a.example/x?y=1"),
        task(uploadEndpoint="https://a.example/film.mp4?X-Amz-Signature=abc"),
        task(positivePrompt="\U0001f3ac" * 2500),
        task(taskUUID=UUID.upper()),
        task(model="klingai:kling-video@3-pro", width=1920, height=1080),
        task(model="klingai:kling-video@3-4k", width=3840, height=2160),
        framed(),
        framed(**settings()),
        framed(inputs={"frameImages": [{"image": "https://a.example/b.jpg"}]}),
        framed(inputs={"frameImages": [PICTURE, {"image": FILM, "frame": "last"}]}),
        framed(inputs={"frameImages": [{"image": PICTURE, "frame": -1}, {"image": FILM, "frame": 0}]}),
        framed(inputs={"frameImages": [{"image": PICTURE, "frame": "last"}]}),
        framed(inputs={"frameImages": [picture_uri("PNG"), picture_uri("WEBP")]}),
        framed(inputs={"frameImages": [picture_uri("JPEG").partition(",")[2]]}),
        elements({"id": "x" * 20, "frontalImage": PICTURE, "images": [FILM], "voices": [PICTURE], "tags": ["Animal"]}),
        elements({"id": "a"}, {"id": "b", "videos": ["https://a.example/b.mp4"]}, {"id": "c"}),
        {**elements({"id": "a"}), "positivePrompt": "<<<element_1>>> walks"},
        motion(),
        motion(keepOriginalSound=True, sound=False),
        {**motion(), "width": 1280, "height": 720},
        motion({"frameImages": [PICTURE], "referenceImages": None}),
    ],
)
def test_a_documented_request_is_accepted(right):
    assert accepted(right)


@pytest.mark.parametrize(
    ("wrong", "code", "parameter"),
    [
        (task(seed=1), "unsupportedParameter", "seed"),
        (task(safety={"level": 1}), "unsupportedParameter", "safety.level"),
        (task(providerSettings={"kling": {}}), "unsupportedParameter", "providerSettings.kling"),
        (task(**settings(cfg=1)), "unsupportedParameter", "providerSettings.klingai.cfg"),
        (elements({"id": "a", "voice": "x"}), "unsupportedParameter", "inputs.elements.voice"),
        (framed(inputs={"frames": []}), "unsupportedParameter", "inputs.frames"),
        (task(inputs=[]), "invalidInputs", "inputs"),
        (task(taskUUID=None), "missingTaskUUID", "taskUUID"),
        (task(model=None), "missingModel", "model"),
        (task(model="klingai:9@9"), "invalidModel", "model"),
        (task(positivePrompt=None), "missingPositivePrompt", "positivePrompt"),
        (task(width=None, height=None), "missingWidth", ["width", "height"]),
        (task(height=None), "missingHeight", "height"),
        (task(positivePrompt="x"), "invalidPositivePromptLength", "positivePrompt"),
        (task(positivePrompt="x" * 2501), "invalidPositivePromptLength", "positivePrompt"),
        (task(positivePrompt=5), "invalidPositivePrompt", "positivePrompt"),
        (task(negativePrompt=""), "invalidNegativePromptLength", "negativePrompt"),
        (task(taskUUID="236ba4b9-e789-1ff4-8fa9-7ca57ab56210"), "invalidTaskUUID", "taskUUID"),
        (task(width=1280, height=960), "unsupportedDimensions", ["width", "height"]),
        (task(width=1280.0), "invalidWidth", "width"),
        (task(duration=2), "valueTooSmall", "duration"),
        (task(duration=16), "valueTooLarge", "duration"),
        (task(duration=True), "invalidDuration", "duration"),
        (task(duration=5.0), "invalidDuration", "duration"),
        (task(duration="5"), "invalidDuration", "duration"),
        (task(outputType=["URL"]), "invalidOutputType", "outputType"),
        (task(outputFormat="mp4"), "invalidOutputFormat", "outputFormat"),
        (task(outputQuality=19), "valueTooSmall", "outputQuality"),
        (task(outputQuality=100), "valueTooLarge", "outputQuality"),
        (task(numberResults=5), "valueTooLarge", "numberResults"),
        (task(numberResults=0), "valueTooSmall", "numberResults"),
        (task(ttl=59), "valueTooSmall", "ttl"),
        (task(deliveryMethod="sync"), "invalidDeliveryMethod", "deliveryMethod"),
        (task(includeCost=1), "invalidIncludeCost", "includeCost"),
        (task(safety={"mode": "on"}), "invalidSafetyMode", "safety.mode"),
        (task(safety={"checkContent": "yes"}), "invalidSafetyCheckContent", "safety.checkContent"),
        (task(webhookURL="ftp://a.example"), "invalidWebhookURL", "webhookURL"),
        (task(uploadEndpoint="here"), "invalidUploadEndpoint", "uploadEndpoint"),
        (task(**settings(sound=1)), "invalidSound", "providerSettings.klingai.sound"),
        (task(**settings(shotType="single")), "invalidShotType", "providerSettings.klingai.shotType"),
        (task(**settings(multiPrompt=[]), positivePrompt="ab"), "arrayTooSmall", "providerSettings.klingai.multiPrompt"),
        (
            task(duration=7, **settings(multiPrompt=[{"prompt": "ab", "duration": 1}] * 7)),
            "arrayTooLarge",
            "providerSettings.klingai.multiPrompt",
        ),
        (
            task(**settings(multiPrompt=[{"prompt": "ab", "duration": 4}])),
            "invalidMultiPrompt",
            "providerSettings.klingai.multiPrompt",
        ),
        (
            task(duration=None, **settings(multiPrompt=[{"prompt": "ab", "duration": 6}])),
            "invalidMultiPrompt",
            "providerSettings.klingai.multiPrompt",
        ),
        (
            task(**settings(multiPrompt=[{"prompt": "a", "duration": 5}])),
            "invalidMultiPromptPromptLength",
            "providerSettings.klingai.multiPrompt.prompt",
        ),
        (
            task(**settings(multiPrompt=[{"prompt": "ab"}])),
            "missingMultiPromptDuration",
            "providerSettings.klingai.multiPrompt.duration",
        ),
        (framed(width=1280, height=720), "incompatibleParameters", ["inputs.frameImages", "width", "height"]),
        (framed(inputs={"frameImages": []}), "arrayTooSmall", "inputs.frameImages"),
        (framed(inputs={"frameImages": [PICTURE] * 3}), "arrayTooLarge", "inputs.frameImages"),
        (framed(inputs={"frameImages": [{"frame": "first"}]}), "missingFrameImagesImage", "inputs.frameImages.image"),
        (
            framed(inputs={"frameImages": [{"image": PICTURE, "frame": "middle"}]}),
            "invalidFrameImagesFrame",
            "inputs.frameImages.frame",
        ),
        (
            framed(inputs={"frameImages": [{"image": PICTURE, "frame": False}]}),
            "invalidFrameImagesFrame",
            "inputs.frameImages.frame",
        ),
        (
            framed(inputs={"frameImages": [{"image": PICTURE, "frame": "last"}, FILM]}),
            "invalidFrameImagesFrame",
            "inputs.frameImages.frame",
        ),
        (framed(inputs={"frameImages": ["c:/a.png"]}), "invalidFrameImagesImage", "inputs.frameImages.image"),
        (
            framed(inputs={"frameImages": ["data:image/png;base64,bm90IGEgcGljdHVyZQ=="]}),
            "invalidFrameImagesImage",
            "inputs.frameImages.image",
        ),
        (
            framed(inputs={"frameImages": [picture_uri()[:200]]}),
            "invalidFrameImagesImage",
            "inputs.frameImages.image",
        ),
        (task(inputs={"elements": [{"id": "a"}]}), "missingFrameImages", "inputs.frameImages"),
        (elements(), "arrayTooSmall", "inputs.elements"),
        (elements(*({"id": name} for name in "abcd")), "arrayTooLarge", "inputs.elements"),
        (elements({"id": "a"}, {"id": "a"}), "duplicateElementsId", "inputs.elements.id"),
        (elements({"description": "x"}), "missingElementsId", "inputs.elements.id"),
        (elements({"id": "x" * 21}), "invalidElementsId", "inputs.elements.id"),
        (elements({"id": "a", "images": [PICTURE]}), "missingElementsFrontalImage", "inputs.elements.frontalImage"),
        (
            elements({"id": "a", "frontalImage": PICTURE, "images": [PICTURE] * 4}),
            "arrayTooLarge",
            "inputs.elements.images",
        ),
        (
            elements({"id": "a", "frontalImage": PICTURE, "videos": [FILM]}),
            "incompatibleParameters",
            "inputs.elements.videos",
        ),
        (elements({"id": "a", "voices": [FILM]}), "incompatibleParameters", "inputs.elements.voices"),
        (elements({"id": "a", "tags": ["character"]}), "invalidElementsTags", "inputs.elements.tags"),
        (
            {**elements({"id": "a"}), "positivePrompt": "<<<element_2>>> walks"},
            "invalidPositivePrompt",
            "positivePrompt",
        ),
        (
            framed(inputs={"frameImages": [PICTURE], "referenceImages": [PICTURE]}),
            "missingReferenceVideos",
            "inputs.referenceVideos",
        ),
        (motion({"referenceVideos": [FILM, FILM]}), "arrayTooLarge", "inputs.referenceVideos"),
        (motion({"referenceVideos": ["data:video/mp4;base64,AAAA"]}), "invalidReferenceVideos", "inputs.referenceVideos"),
        (
            motion(characterOrientation=None),
            "missingCharacterOrientation",
            "providerSettings.klingai.characterOrientation",
        ),
        (motion(sound=True), "incompatibleParameters", "providerSettings.klingai.sound"),
        (task(**settings(keepOriginalSound=True)), "missingReferenceVideos", "inputs.referenceVideos"),
        ({**motion(), "model": "klingai:kling-video@3-4k"}, "unsupportedParameter", "inputs.referenceVideos"),
    ],
)
def test_a_request_against_the_documentation_is_refused(wrong, code, parameter):
    error = refusal_of(wrong)
    assert (error["code"], error["parameter"]) == (code, parameter)
    assert error["documentation"].startswith("https://runware.ai/docs/models/klingai-video-3-0-standard")


@pytest.mark.parametrize(
    "likely",
    [
        task(**settings(shotType="intelligence", multiPrompt=[{"prompt": "ab", "duration": 5}])),
        task(**settings(characterOrientation="image")),
        motion({"referenceImages": None}),
        motion(multiPrompt=[{"prompt": "ab", "duration": 5}]),
    ],
)
def test_rules_that_are_only_likely_hold_when_asked_for(likely):
    assert accepted(likely)
    assert refusal_of(likely, refuse_doubtful=True)["taskUUID"] == UUID


def test_refusals_come_in_the_order_of_the_real_service():
    wrong = task(seed=1, positivePrompt="x", duration=99, width=None)
    order = []
    for repair in ({"seed": None}, {"width": 1280}, {"positivePrompt": "xy"}, {"duration": 5}):
        order.append(refusal_of(wrong)["code"])
        wrong.update(repair)
        wrong = {name: value for name, value in wrong.items() if value is not None}
    assert order == ["unsupportedParameter", "missingWidth", "invalidPositivePromptLength", "valueTooLarge"]
    assert accepted(wrong)


def test_an_error_reads_as_the_real_ones_do():
    error = refusal_of(task(model="klingai:kling-video@3-4k", width=1, height=1))
    assert error["message"] == (
        "Unsupported use of width/height parameters. The specified dimensions are not supported for the "
        "kling video 3.0 4k model. Supported values are: '3840x2160', '2880x2880', '2160x3840'."
    )
    assert error["allowedValues"] == ["3840x2160", "2880x2880", "2160x3840"]
    missing = refusal_of(task(width=None, height=None))
    assert missing["message"] == "Missing required parameter: 'width/height'."
    assert (missing["taskType"], missing["taskUUID"]) == ("videoInference", UUID)


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"Authorization": "Bearer other"}, "[]", 400, "invalidRequest"),
        ({"Authorization": "Bearer other"}, json.dumps([poll()]), 401, "invalidApiKey"),
        ({"Authorization": "test-key"}, json.dumps([poll()]), 401, "invalidApiKey"),
        ({}, json.dumps([poll()]), 401, "missingApiKey"),
        (HEADERS, json.dumps(poll()), 400, "invalidRequest"),
        (HEADERS, '[{"taskType": "ping", "x": NaN}]', 400, "invalidJSON"),
        (HEADERS, "[", 400, "invalidJSON"),
        (
            HEADERS,
            json.dumps([{"taskType": "authentication", "apiKey": "test-key"}, poll()]),
            400,
            "conflictAuthentication",
        ),
        ({**HEADERS, "Content-Type": "text/plain"}, json.dumps([poll()]), 400, "invalidContentType"),
        (HEADERS, json.dumps([{"taskType": "mediaUpload"}]), 400, "unsupportedTaskType"),
        (HEADERS, json.dumps([{"taskUUID": UUID}]), 400, "missingTaskType"),
    ],
)
def test_a_request_refused_as_a_whole(headers, body, status, code):
    async def send():
        async with httpx.AsyncClient(transport=Simulator().transport) as client:
            return await client.post(API, content=body, headers={"Content-Type": "application/json", **headers})

    answer = run(send())
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)


def test_the_key_may_come_as_a_task_and_is_never_recorded():
    async def send(simulator):
        async with httpx.AsyncClient(transport=simulator.transport) as client:
            await client.post(API, json=[{"taskType": "authentication", "apiKey": "test-key"}, poll()])
        await post(simulator, poll())

    simulator = Simulator()
    run(send(simulator))
    assert [exchange.status for exchange in simulator.requests] == [200, 200]
    assert "test-key" not in repr(simulator.requests)


def test_tasks_of_one_request_are_judged_apart():
    async def send(simulator):
        return await post(simulator, task(duration=99), task(taskUUID=PICTURE), poll(FILM))

    answer = run(send(Simulator()))
    assert answer.status_code == 200
    assert [row["taskUUID"] for row in answer.json()["data"]] == [PICTURE]
    assert [row["taskUUID"] for row in answer.json()["errors"]] == [UUID]


@pytest.mark.parametrize(
    ("dedupe", "wait", "again"),
    [("forever", 1, 400), ("forever", 99, 400), ("running", 1, 400), ("running", 99, 200), ("none", 1, 200)],
)
def test_a_task_uuid_is_refused_again_as_long_as_the_service_remembers(dedupe, wait, again):
    async def twice(simulator):
        await post(simulator, task())
        await asyncio.sleep(wait)
        return await post(simulator, task())

    simulator = Simulator(dedupe=dedupe)
    answer = run(twice(simulator))
    simulator.run_out()
    assert answer.status_code == again
    assert simulator.billed(UUID) == (1 if again == 400 else 2)
    if again == 400:
        assert answer.json()["data"] == []
        assert answer.json()["errors"][0]["code"] == "conflictTaskUUID"
        assert answer.json()["errors"][0]["taskUUID"] == UUID


def test_the_archive_shows_the_last_answer_which_may_be_a_refusal():
    async def look(simulator):
        details = {"taskType": "getTaskDetails", "taskUUID": UUID}
        unknown = await post(simulator, details)
        await post(simulator, task())
        await asyncio.sleep(61)
        found = await post(simulator, details)
        await post(simulator, task())
        return unknown, found, await post(simulator, details)

    unknown, found, after = run(look(Simulator()))
    assert unknown.status_code == 404
    assert found.json()["data"][0]["request"] == [task()]
    assert found.json()["data"][0]["response"]["data"][0]["status"] == "success"
    assert after.json()["data"][0]["response"]["errors"][0]["code"] == "conflictTaskUUID"


def test_a_task_is_forgotten_after_its_retention():
    async def look(simulator):
        await post(simulator, task())
        await asyncio.sleep(75)
        kept = (await post(simulator, poll())).json()
        await asyncio.sleep(10)
        return kept, (await post(simulator, poll())).json()

    kept, gone = run(look(Simulator(retention=20)))
    assert kept["data"][0]["status"] == "success"
    assert gone == {"data": []}


def test_an_unknown_uuid_and_a_fresh_one_look_alike():
    assert run(post(Simulator(), poll())).json() == {"data": []}


@pytest.mark.parametrize(
    ("request_", "usd"),
    [
        (task(duration=10, numberResults=2), [0.84, 0.84]),
        (task(**settings(sound=True)), [0.63]),
        (task(model="klingai:kling-video@3-pro", width=1920, height=1080), [0.56]),
        (framed(duration=None), [0.42]),
    ],
)
def test_every_result_is_billed_at_its_rate(request_, usd):
    simulator = Simulator()
    run(post(simulator, request_))
    simulator.run_out()
    assert [charge.usd for charge in simulator.ledger] == usd


def test_an_empty_account_buys_nothing():
    async def buy(simulator):
        first = await post(simulator, task())
        return first, await post(simulator, task(taskUUID=PICTURE))

    simulator = Simulator(balance=0.5)
    first, second = run(buy(simulator))
    assert (first.status_code, second.status_code) == (200, 402)
    assert second.json()["errors"][0]["code"] == "insufficientCredits"


def test_billing_may_happen_at_acceptance():
    simulator = Simulator(bill_at="acceptance", faults=Faults.script([("job", "fail")]))
    run(post(simulator, task(numberResults=2)))
    assert [charge.at for charge in simulator.ledger] == [0.0, 0.0]
    assert simulator.billed(UUID) == 1


def test_a_dry_run_tells_the_price_and_makes_no_job():
    simulator = Simulator()
    answer = run(post(simulator, task(numberResults=3), headers={"X-Runware-Dry-Run": "1"}))
    assert answer.json()["data"][0]["cost"] == pytest.approx(1.26)
    assert simulator.service.jobs == {}


def test_account_and_ping_answer():
    async def ask(simulator):
        account = {"taskType": "accountManagement", "taskUUID": UUID, "operation": "getDetails"}
        return await post(simulator, account, {"taskType": "ping", "taskUUID": UUID})

    account, ping = run(ask(Simulator(balance=7))).json()["data"]
    assert account["balance"] == {"amount": 7, "currency": "USD"}
    assert ping["pong"] is True


def upload(media, task_uuid=UUID):
    return {"taskType": "mediaStorage", "taskUUID": task_uuid, "operation": "upload", "media": media}


MP4 = base64.b64encode(b"\0\0\0\x10ftypisom\0\0\0\0").decode()


def test_uploaded_media_are_known_by_kind_until_deleted():
    async def store(simulator):
        video = (await post(simulator, upload(MP4))).json()["data"][0]["mediaUUID"]
        as_video = await post(simulator, motion({"referenceVideos": [video]}))
        as_picture = await post(simulator, framed(taskUUID=PICTURE, inputs={"frameImages": [video]}))
        delete = {"taskType": "mediaStorage", "taskUUID": FILM, "operation": "delete", "media": video}
        await post(simulator, delete)
        gone = await post(simulator, {**motion({"referenceVideos": [video]}), "taskUUID": FILM})
        return as_video.status_code, as_picture.status_code, gone.status_code

    assert run(store(Simulator())) == (200, 400, 404)


def test_a_distrustful_service_knows_only_its_own_uploads():
    assert refusal_of(framed(), trusting=False)["code"] == "mediaNotFound"


def test_an_upload_that_is_no_medium_is_refused():
    assert refusal_of(upload("aGVsbG8gd29ybGQsIG5v"))["code"] == "invalidMedia"


def test_an_unfinished_upload_is_told_by_its_uuid_and_finishes_later():
    async def store(simulator):
        first = (await post(simulator, upload(MP4))).json()["data"][0]["mediaUUID"]
        await asyncio.sleep(3)
        second = (await post(simulator, poll())).json()["data"][0]["mediaUUID"]
        await asyncio.sleep(3)
        return first, second, (await post(simulator, poll())).json()["data"][0]["mediaUUID"]

    first, second, third = run(store(Simulator(faults=Faults.script([("mediaStorage", "unfinished")]))))
    assert (first, second) == ("1", "1")
    assert uuid.UUID(third).version == 4


@pytest.mark.parametrize(
    ("fault", "error", "jobs"),
    [
        ("refused", httpx.ConnectError, 0),
        ("connect_timeout", httpx.ConnectTimeout, 0),
        ("lost_before", httpx.ReadTimeout, 0),
        ("hang", httpx.ReadTimeout, 0),
        ("reset_before", httpx.ReadError, 0),
        ("lost_after", httpx.ReadTimeout, 1),
        ("reset_after", httpx.ReadError, 1),
        ("late", httpx.ReadTimeout, 1),
    ],
)
def test_a_submit_without_an_answer(fault, error, jobs):
    simulator = Simulator(faults=Faults.script([("videoInference", fault)]))
    with pytest.raises(error):
        run(post(simulator, task()))
    simulator.run_out()
    assert simulator.billed(UUID) == jobs
    assert (simulator.requests[0].fault, simulator.requests[0].status) == (fault, None)


def test_a_late_task_arrives_after_the_client_gave_up():
    async def look(simulator):
        with pytest.raises(httpx.ReadTimeout):
            await post(simulator, task())
        await asyncio.sleep(6)
        before = (await post(simulator, poll())).json()["data"]
        await asyncio.sleep(2)
        return before, (await post(simulator, poll())).json()["data"]

    before, after = run(look(Simulator(faults=Faults.script([("videoInference", Fault("late", seconds=7))]))))
    assert before == []
    assert after[0]["status"] == "processing"


@pytest.mark.parametrize(
    ("fault", "status", "jobs"),
    [("408", 408, 0), ("429", 429, 0), ("429 html", 429, 0), ("500", 500, 0), ("502 html", 502, 0), ("503 empty", 503, 0),
     ("504", 504, 0), ("500 after", 500, 1), ("504 after html", 504, 1), ("html", 200, 0), ("empty_data", 200, 1),
     ("empty_body", 200, 1), ("truncated", 200, 1), ("foreign_uuid", 200, 1), ("no_data", 200, 1), ("null_data", 200, 1)],
)  # fmt: skip
def test_a_submit_with_a_spoilt_answer(fault, status, jobs):
    simulator = Simulator(faults=Faults.script([("videoInference", fault)]))
    answer = run(post(simulator, task()))
    assert answer.status_code == status
    assert UUID not in answer.text or fault in ("408", "429", "500", "504", "500 after")
    simulator.run_out()
    assert simulator.billed(UUID) == jobs


def test_retry_after_is_said_as_scripted():
    fault = Fault("status", status=429, retry_after="soon", body="foreign")
    answer = run(post(Simulator(faults=Faults.script([("getResponse", fault)])), poll()))
    assert answer.headers["retry-after"] == "soon"
    assert answer.json()["errors"][0]["taskUUID"] != UUID


def polled(fault, *, fate=None, after=61.0, **changes):
    async def look(simulator):
        await post(simulator, task(**changes))
        await asyncio.sleep(after)
        return await post(simulator, poll())

    script = [("getResponse", fault), ("job", fate)]
    return run(look(Simulator(faults=Faults.script(script))))


@pytest.mark.parametrize(
    ("fault", "fact"),
    [
        ("unknown_status", lambda body: body["data"][0]["status"] == "polishing"),
        ("extra_fields", lambda body: body["data"][0]["new"] == {"deep": [1, None]}),
        ("error_row", lambda body: body["data"][0]["error"]["code"] == "providerError"),
        ("error_row_text", lambda body: isinstance(body["data"][0]["error"], str)),
        ("error_top", lambda body: body["errors"][0]["taskUUID"] == UUID),
        ("errors_object", lambda body: body["errors"]["taskUUID"] == UUID),
        ("foreign_error", lambda body: body["errors"][0]["taskUUID"] != UUID and body["data"]),
        ("foreign_row", lambda body: body["data"][0]["taskUUID"] != UUID and body["data"][1]["taskUUID"] == UUID),
        ("duplicate_rows", lambda body: body["data"][0] == body["data"][1]),
        ("backwards", lambda body: body["data"][0]["status"] == "processing"),
        ("huge_numbers", lambda body: body["data"][0]["cost"] == float("inf")),
    ],
)
def test_a_poll_with_a_spoilt_answer(fault, fact):
    assert fact(polled(fault).json())


@pytest.mark.parametrize(
    ("shape", "status"), [("top", 200), ("row", 200), ("bad_request", 400)]
)
def test_a_task_may_fail_in_three_shapes_and_is_not_billed(shape, status):
    answer = polled(None, fate=Fault("fail", shape=shape, code="timeoutProvider"))
    body = answer.json()
    error = body["data"][0]["error"] if shape == "row" else body["errors"][0]
    assert (answer.status_code, error["code"]) == (status, "timeoutProvider")


def test_some_results_may_fail():
    body = polled(None, fate=Fault("partial", count=3), numberResults=4).json()
    assert [row["status"] for row in body["data"]] == ["success"] * 3
    assert len(body["errors"]) == 1


def test_a_result_may_move_from_error_to_success():
    early = polled(None, fate="turns", after=40).json()
    late = polled(None, fate="turns", after=61).json()
    assert early["errors"][0]["taskUUID"] == UUID
    assert late["data"][0]["status"] == "success"


def test_a_success_may_come_without_its_address_for_a_while():
    assert "videoURL" not in polled(None, fate=Fault("no_url", seconds=5)).json()["data"][0]
    assert "videoURL" in polled(None, fate=Fault("no_url", seconds=5), after=70).json()["data"][0]


def test_a_task_may_never_end_and_is_never_billed():
    simulator = Simulator(faults=Faults.script([("job", "never")]))
    run(post(simulator, task()))
    simulator.run_out()
    assert simulator.ledger == []


def test_moderation_refuses_on_the_poll_with_the_providers_words():
    answer = polled(None, positivePrompt=f"A duel {MODERATED}")
    error = answer.json()["errors"][0]
    assert (answer.status_code, error["code"]) == (400, "invalidProviderContent")
    assert error["responseContent"]


def test_an_outage_lasts_for_its_seconds():
    async def look(simulator):
        statuses = []
        for _ in range(5):
            statuses.append((await post(simulator, poll())).status_code)
            await asyncio.sleep(60)
        return statuses

    script = [("getResponse", None), ("getResponse", Fault("outage", seconds=150))]
    assert run(look(Simulator(faults=Faults.script(script)))) == [200, 503, 503, 503, 200]


def downloaded(fault, *, headers=None, use=None, times=1):
    async def fetch(simulator):
        async with client_of(simulator) as client:
            await client.post(API, json=[task()])
            await asyncio.sleep(61)
            url = (await client.post(API, json=[poll()])).json()["data"][0]["videoURL"]
            for _ in range(times):
                answer = await client.get(url, headers=headers)
            return answer if use is None else use(answer)

    simulator = Simulator(faults=Faults.script([("download", fault)]))
    return run(fetch(simulator))


FILM_SIZE = len(downloaded(None).content)


@pytest.mark.parametrize("at", [0, 1, 7, 0.5, FILM_SIZE - 1])
def test_a_download_cut_short_is_noticed_by_its_length(at):
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        downloaded(Fault("cut", at=at))


def test_a_download_cut_without_a_length_ends_like_a_whole_one():
    answer = downloaded(Fault("cut", at=100, length="none"))
    assert (answer.status_code, len(answer.content)) == (200, 100)
    assert "content-length" not in answer.headers


@pytest.mark.parametrize("fault", ["two_lengths", "garbage_length", Fault("wrong_length", count=5)])
def test_a_download_with_a_bad_length_fails(fault):
    with pytest.raises(httpx.RemoteProtocolError):
        downloaded(fault)


def test_a_download_with_a_length_too_small_looks_whole_but_is_not():
    assert len(downloaded(Fault("wrong_length", count=-5)).content) == FILM_SIZE - 5


@pytest.mark.parametrize(("fault", "status"), [("403", 403), ("404", 404), ("422", 422), ("502", 502), ("redirect", 302)])
def test_a_download_refused(fault, status):
    assert downloaded(fault).status_code == status


def test_a_download_may_change_between_two_tries():
    first, second = downloaded(None), downloaded("changed")
    assert first.headers["etag"] != second.headers["etag"]
    assert second.content.startswith(first.content)


def test_a_download_may_be_gzipped_or_mislabelled_or_slow():
    assert downloaded("gzip").headers["content-encoding"] == "gzip"
    assert downloaded("content_type").headers["content-type"].startswith("text/html")
    assert len(downloaded(Fault("drip", seconds=0.5, count=64)).content) == FILM_SIZE
    with pytest.raises(httpx.ReadTimeout):
        downloaded(Fault("drip", seconds=11))


def test_a_download_resumes_by_range():
    whole = downloaded(None).content
    rest = downloaded(None, headers={"Range": "bytes=100-"})
    assert (rest.status_code, rest.content) == (206, whole[100:])
    assert rest.headers["content-range"] == f"bytes 100-{FILM_SIZE - 1}/{FILM_SIZE}"
    assert downloaded(None, headers={"Range": f"bytes={FILM_SIZE}-"}).status_code == 416
    assert downloaded(None, headers={"Range": "bytes=1-", "If-Range": '"old"'}).status_code == 200
    assert downloaded("range_ignored", headers={"Range": "bytes=1-"}).status_code == 200


def test_a_film_is_gone_after_its_ttl():
    async def fetch(simulator):
        async with client_of(simulator) as client:
            await client.post(API, json=[task(ttl=60)])
            await asyncio.sleep(100)
            url = (await client.post(API, json=[poll()])).json()["data"][0]["videoURL"]
            soon = await client.get(url)
            await asyncio.sleep(30)
            return soon.status_code, (await client.get(url)).status_code

    assert run(fetch(Simulator())) == (200, 404)


@pytest.mark.parametrize("threads", [False, True])
def test_a_film_is_rendered_once_when_first_fetched(threads):
    rendered = []

    def render(request, index):
        rendered.append((request["taskUUID"], index))
        return b"\0\0\0\x0cftypisom"

    async def fetch(simulator):
        async with client_of(simulator) as client:
            await client.post(API, json=[task(numberResults=2)])
            row = (await client.post(API, json=[poll()])).json()["data"][1]
            assert rendered == []
            return [(await client.get(row["videoURL"])).content for _ in range(2)]

    simulator = Simulator(render=render, latency=0, threads=threads)
    assert asyncio.run(fetch(simulator)) == [b"\0\0\0\x0cftypisom"] * 2
    assert rendered == [(UUID, 1)]


def test_other_hosts_do_not_exist_and_the_attempt_is_recorded():
    async def stray(simulator):
        async with client_of(simulator) as client:
            await client.get("http://169.254.169.254/latest")

    simulator = Simulator()
    with pytest.raises(httpx.ConnectError):
        run(stray(simulator))
    assert (simulator.requests[0].channel, simulator.requests[0].authorized) == ("elsewhere", True)


def world(seed):
    async def life(simulator):
        async with client_of(simulator) as client:
            for number in range(40):
                wanted = task() if number % 4 == 0 else poll()
                try:
                    await client.post(API, json=[wanted])
                except httpx.HTTPError:
                    await asyncio.sleep(1)
                await asyncio.sleep(3)

    simulator = Simulator(seed=seed, faults=Faults.seeded(seed), dedupe="running")
    run(life(simulator))
    simulator.run_out()
    return [(each.at, each.channel, each.fault, each.status) for each in simulator.requests], simulator.ledger


def test_one_seed_is_one_world():
    assert world(7) == world(7)
    assert world(7) != world(8)
    faults = {fault for seed in range(20) for _, _, fault, _ in world(seed)[0]}
    assert {"lost_before", "lost_after", "late", "status", "refused", "empty_data", None} <= faults


def test_an_unknown_fault_is_named():
    with pytest.raises(ValueError, match="No such fault: 'gremlin'"):
        Faults.script([("videoInference", "gremlin")])


def test_records_are_bounded_when_asked():
    async def ask(simulator):
        for _ in range(9):
            await post(simulator, poll())

    simulator = Simulator(keep=4)
    run(ask(simulator))
    assert len(simulator.requests) == 4


def test_a_served_simulator_bills_and_serves_on_a_socket():
    with Simulator(latency=0).serve() as served:
        with httpx.Client(headers=HEADERS, trust_env=False) as client:
            client.post(served.base_url, json=[task()])
            row = client.post(served.base_url, json=[poll()]).json()["data"][0]
            assert row["videoURL"].startswith(served.origin)
            film = client.get(row["videoURL"])
            state = client.get(f"{served.origin}/_simulator/state").json()
    assert len(film.content) == FILM_SIZE
    assert state["billed"] == {UUID: 1}
    assert [each["channel"] for each in state["requests"]] == ["videoInference", "getResponse", "download"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("lost_after", httpx.ReadTimeout),
        ("reset_after", httpx.ReadError),
        ("refused", httpx.ReadError),
        ("empty_body", None),
        ("503", None),
    ],
)
def test_a_served_fault_is_a_fault_of_the_socket(fault, error):
    with Simulator().serve() as served, httpx.Client(headers=HEADERS, timeout=0.3, trust_env=False) as client:
        client.post(f"{served.origin}/_simulator/set", json={"faults": [["videoInference", fault]]})
        if error:
            with pytest.raises(error):
                client.post(served.base_url, json=[task()])
        else:
            assert client.post(served.base_url, json=[task()]).status_code in (200, 503)
        assert served.simulator.requests[0].fault == Fault.named(fault).kind


def test_a_served_download_is_cut_on_the_socket():
    script = Faults.script([("download", Fault("cut", at=100)), ("download", "two_lengths")])
    with Simulator(latency=0, faults=script).serve() as served, httpx.Client(headers=HEADERS, trust_env=False) as client:
        client.post(served.base_url, json=[task()])
        url = client.post(served.base_url, json=[poll()]).json()["data"][0]["videoURL"]
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                client.get(url)
        assert len(client.get(url).content) == FILM_SIZE


def test_it_listens_on_loopback_only():
    with pytest.raises(ValueError, match="loopback addresses only"):
        Simulator().serve("0.0.0.0")  # noqa: S104  the refusal is the fact


def test_it_can_be_started_as_a_program():
    program = (
        "import sys, types; pack = types.ModuleType('kling'); "
        f"pack.__path__ = [{str(ROOT)!r}]; sys.modules['kling'] = pack; sys.argv = ['simulator', '--latency', '0']; "
        "from kling.nodes.runware.simulator.__main__ import main; main()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        try:
            base_url = process.stdout.readline().strip()
            answer = httpx.post(base_url, json=[task()], headers=HEADERS, trust_env=False)
        finally:
            process.terminate()
    assert answer.json()["data"][0]["taskUUID"] == UUID
