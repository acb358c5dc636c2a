"""What goes wrong when it is asked to."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from kling.nodes.runware.simulator import MODERATED, Fault, Faults, Simulator

from runware.simulator.asking import API, UUID, client_of, poll, post, run, task


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


def test_what_is_late_arrives_so_long_after_the_client_gave_up_also_where_that_was_before_its_timeout():
    """Seed 40201584: a client with less patience than its socket's got what it had given up 13 s before."""

    async def look(simulator):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(post(simulator, task()), 3)
        await asyncio.sleep(6.9)
        before = len(simulator.service.jobs)
        await asyncio.sleep(0.2)
        await post(simulator, poll())
        return before, len(simulator.service.jobs)

    assert run(look(Simulator(faults=Faults.script([("videoInference", Fault("late", seconds=7))])))) == (0, 1)


@pytest.mark.parametrize(
    ("fault", "status", "jobs"),
    [
        ("408", 408, 0),
        ("429", 429, 0),
        ("429 html", 429, 0),
        ("500", 500, 0),
        ("502 html", 502, 0),
        ("503 empty", 503, 0),
        ("504", 504, 0),
        ("500 after", 500, 1),
        ("504 after html", 504, 1),
        ("html", 200, 0),
        ("empty_data", 200, 1),
        ("empty_body", 200, 1),
        ("truncated", 200, 1),
        ("foreign_uuid", 200, 1),
        ("no_data", 200, 1),
        ("null_data", 200, 1),
    ],
)
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


@pytest.mark.parametrize(("shape", "status"), [("top", 200), ("row", 200), ("bad_request", 400)])
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
