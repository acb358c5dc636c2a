"""The render farm of docs/scaling-out: the same graphs dealt out twice, a machine lost, and nothing paid twice.

KLING_FARM_GRAPHS=100 runs it with a hundred graphs.
"""

import hashlib
import json
import os
import subprocess
import time

import httpx
import pytest
from kling.nodes.runware.simulator import Simulator

from host.footage import render
from host.service import KEY
from scaling import farm

GRAPHS = int(os.environ.get("KLING_FARM_GRAPHS", "8"))
SECONDS_TO_RENDER = 0.5
SECONDS_FOR_ONE = 30

pytestmark = [
    pytest.mark.host,
    pytest.mark.timeout(300 + GRAPHS * SECONDS_FOR_ONE),
    pytest.mark.xdist_group("scaling"),
    pytest.mark.skipif(bool(farm.missing()), reason=farm.missing() or "everything is here"),
]


@pytest.fixture
def service():
    simulator = Simulator(key=KEY, render=render, latency=SECONDS_TO_RENDER, threads=True, balance=1000.0)
    with simulator.serve(deliver=True) as served:
        yield served


def bought(service):
    return len(service.simulator.service.jobs)


def lines(folder):
    return [json.loads(line) for line in (folder / "dealt.jsonl").read_text(encoding="utf-8").splitlines()]


def wait_for_the_dead(dealing, queue, service):
    """Wait for the end; when nothing happens any more, let the queue miss the lost worker."""
    seen, since = -1, time.monotonic()
    while dealing.poll() is None:
        now = len(service.simulator.requests)
        if now != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > 20:
            farm.miss_the_dead(queue)
            since = time.monotonic()
        time.sleep(0.5)


def test_graphs_dealt_twice_to_three_machines_one_of_which_is_lost_are_paid_once_and_all_there(tmp_path, service):
    prompts = [f"Clip number {number}: a ship on a calm sea." for number in range(GRAPHS)]
    with farm.redis(tmp_path) as queue:
        seats = [farm.Seat(tmp_path / name, service.base_url, queue) for name in ("one", "two", "three")]
        with seats[0] as first, seats[1], seats[2]:
            dealing = farm.deal(tmp_path, queue, prompts, times=2)
            try:
                farm.wait_until(lambda: bought(service) > GRAPHS // 4 or dealing.poll() is not None, "the start", 300)
                assert dealing.poll() is None, (tmp_path / "dealt.jsonl").read_text()
                first.lose()
                wait_for_the_dead(dealing, queue, service)
            finally:
                farm.kill(dealing)
            assert dealing.returncode == 0, (tmp_path / "deal.log").read_text() + (tmp_path / "dealt.jsonl").read_text()
    told = lines(tmp_path)
    assert sorted(line["prompt"] for line in told) == sorted(prompts * 2)
    assert all(len(line["films"]) == 1 for line in told)
    books = farm.state(service.origin)
    assert sorted(books["billed"].values()) == [1] * GRAPHS
    assert len(books["ledger"]) == GRAPHS
    films = {film["video_uuid"] for seat in seats for film in seat.films()}
    assert len(films) == GRAPHS


def test_films_go_straight_to_an_object_store_and_a_webhook_hears_of_each(tmp_path, service):
    port = farm.free_port()
    hook = f"http://127.0.0.1:{port}/kling?secret=quite-secret"
    receiver = (farm.PYTHON, farm.EXAMPLE / "webhook.py", "--port", str(port))
    prompts = ["A ship on a calm sea.", "A lamp in the rain."]
    with (
        farm.redis(tmp_path) as queue,
        farm.object_store(tmp_path) as store,
        farm.program(*receiver, log=tmp_path / "called.jsonl", cwd=tmp_path, SECRET="quite-secret"),
        farm.Seat(tmp_path / "one", service.base_url, queue, BUCKET="films", WEBHOOK=hook, **store) as seat,
    ):
        dealing = farm.deal(tmp_path, queue, prompts, times=1)
        assert dealing.wait(240) == 0, (tmp_path / "dealt.jsonl").read_text()
        farm.wait_until(lambda: len((tmp_path / "called.jsonl").read_text().splitlines()) == 2, "the calls", 60)
        called = [json.loads(line) for line in (tmp_path / "called.jsonl").read_text().splitlines()]
        made = [httpx.get(row["videoURL"], trust_env=False).content for row in called]
        stored = farm.asked(store, "list_objects_v2(Bucket='films')")["Contents"]
        delivered = seat.films()
        foreign = subprocess.run(
            ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--data", "{}",
             f"http://127.0.0.1:{port}/kling?secret=wrong"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    assert foreign.stdout == "403"
    assert sorted(each["ETag"].strip('"') for each in stored) == sorted(
        hashlib.md5(film, usedforsecurity=False).hexdigest() for film in made
    )
    assert {film["video_uuid"] for film in delivered} == {row["videoUUID"] for row in called}
    assert {row["taskUUID"] for row in called} == set(service.simulator.service.jobs)
    assert "quite-secret" not in seat.comfy.log
