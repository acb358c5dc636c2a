"""What the simulated service does with what it accepts: rows, jobs, uploads, money."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid

import httpx
import pytest
from kling.nodes.runware.simulator import Faults, Simulator

from runware.simulator.asking import (
    API,
    FILM,
    HEADERS,
    PICTURE,
    UUID,
    client_of,
    framed,
    motion,
    poll,
    post,
    refusal_of,
    run,
    settings,
    task,
)


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


def test_other_hosts_do_not_exist_and_the_attempt_is_recorded():
    async def stray(simulator):
        async with client_of(simulator) as client:
            await client.get("http://169.254.169.254/latest")

    simulator = Simulator()
    with pytest.raises(httpx.ConnectError):
        run(stray(simulator))
    assert (simulator.requests[0].channel, simulator.requests[0].authorized) == ("elsewhere", True)


def test_records_are_bounded_when_asked():
    async def ask(simulator):
        for _ in range(9):
            await post(simulator, poll())

    simulator = Simulator(keep=4)
    run(ask(simulator))
    assert len(simulator.requests) == 4
