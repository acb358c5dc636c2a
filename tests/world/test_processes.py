"""Real processes, real sockets, real files: SIGKILL at every step, and races."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kling.nodes.runware.simulator import Simulator, tiny_film

KEY = "a-key-of-ours"
KILLS = int(os.environ.get("KLING_TEST_KILLS", "50"))
"""How often at each step."""
AT_ONCE = 10
RACES = int(os.environ.get("KLING_TEST_RACES", "4"))
"""How often processes race for one purchase or one budget; a soak run takes 200."""
RUNS_MOST = 8

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL and fork are POSIX's"),
    pytest.mark.xdist_group("processes"),
]

STEPS = {
    "before the record is written": ("create tasks.json", 0),
    "when the record is half written": ("sync", 0),
    "before the record has its name": ("replace tasks.json", 0),
    "when the record is durable": ("durable tasks", 0),
    "when the request is spooled": ("replaced tasks.body", 0),
    "before the record says sending": ("create tasks.json", 1),
    "when the record says sending": ("replaced tasks.json", 1),
    "in the middle of the request": ("half of videoInference", 0),
    "when the request has left": ("all of videoInference", 0),
    "when the answer is here and not recorded": ("answer videoInference", 0),
    "in the middle of a question": ("all of getResponse", 1),
    "when the result is seen and not recorded": ("create tasks.urls", 0),
    "when the address is recorded and the result is not": ("durable tasks", -5),
    "in the middle of the download": ("answer file", 0),
    "before the film is synced": ("create films.mp4", 0),
    "before the film has its name": ("replace films.mp4", 0),
    "when the film has its name": ("replaced films.mp4", 0),
    "before the record is committed": ("create tasks.json", -1),
}


@pytest.fixture(scope="module")
def service():
    with Simulator(key=KEY, latency=0.15, dedupe="running", balance=1e9, keep=100).serve() as served:
        yield served


@pytest.fixture(scope="module")
def zygote():
    command = [sys.executable, "-P", str(Path(__file__).with_name("zygote.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run(*jobs):
            process.stdin.write(json.dumps(jobs) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield run
        process.stdin.close()


takes = itertools.count(1)


def job(folder, service, take, kill_at=None):
    return {"folder": str(folder), "base_url": service.base_url, "key": KEY, "take": take, "kill_at": kill_at}


def in_the_end(service, zygote, *purchases):
    """Run each until its film is here; then one job was billed for each, and the films are whole."""
    left = list(purchases)
    for _ in range(RUNS_MOST):
        told = zygote(*(job(folder, service, take) for folder, take in left))
        for (folder, _), each in zip(left, told, strict=True):
            if "film" in each:
                check(folder, service, each)
        left = [purchase for purchase, each in zip(left, told, strict=True) if "film" not in each]
        if not left:
            return
    raise AssertionError(told)


def in_parts(tmp_path):
    """Give the purchases of a test, a few at a time: their processes run side by side."""
    purchases = [(tmp_path / str(number), next(takes)) for number in range(KILLS)]
    return [purchases[start : start + AT_ONCE] for start in range(0, KILLS, AT_ONCE)]


def check(folder, service, told):
    assert service.simulator.billed(told["task_uuid"]) == 1
    whole = tiny_film.render(service.simulator.service.jobs[told["task_uuid"]][0].task, 0)
    film = (folder / "films" / told["film"]).read_bytes()
    assert film == whole
    assert hashlib.sha256(film).hexdigest() == told["sha256"]
    assert [path.name for path in visible(folder / "films")] == [told["film"]]


def visible(folder):
    """Leave out the parts of downloads that were cut: they are used again for a day, then removed."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


@pytest.fixture(scope="module")
def steps(tmp_path_factory, service, zygote):
    """The names of the steps of a purchase that nothing disturbs."""
    (smooth,) = zygote(job(tmp_path_factory.mktemp("smooth"), service, next(takes)))
    return smooth["steps"]


def number_of(steps, name, occurrence):
    return [number for number, step in enumerate(steps) if step == name][occurrence]


@pytest.mark.parametrize(("name", "occurrence"), STEPS.values(), ids=STEPS)
def test_a_process_killed_at_any_step_has_paid_once_and_finds_its_film(
    tmp_path, service, zygote, steps, name, occurrence
):
    kill_at = number_of(steps, name, occurrence)
    for part in in_parts(tmp_path):
        told = zygote(*(job(folder, service, take, kill_at) for folder, take in part))
        assert told == [{"killed": True}] * len(part)
        in_the_end(service, zygote, *part)


def test_a_process_killed_again_and_again_gets_there_in_the_end(tmp_path, service, zygote):
    for part in in_parts(tmp_path):
        for kill_at in (3, 9, 14, 17, 21, 26, 30):
            zygote(*(job(folder, service, take, kill_at + take % 4) for folder, take in part))
        in_the_end(service, zygote, *part)


@pytest.mark.parametrize("shared", [True, False], ids=["one state folder", "two state folders"])
def test_two_processes_that_buy_the_same_at_once_pay_once_and_both_get_the_film(
    tmp_path, service, zygote, monkeypatch, shared
):
    if not shared:
        # Only the service is between them, and it refuses what is running: no render ends while the other still sends.
        monkeypatch.setattr(service.simulator.service, "latency", 2.0)
    for number in range(RACES):
        take = next(takes)
        folders = [tmp_path / f"{number}", tmp_path / (f"{number}" if shared else f"{number} other")]
        told = zygote(*(job(folder, service, take) for folder in folders))
        for folder, each in zip(folders, told, strict=True):
            assert "film" in each, each
            check(folder, service, each)
        assert told[0]["task_uuid"] == told[1]["task_uuid"]


def test_two_processes_that_buy_at_once_do_not_pass_the_days_budget(tmp_path, service, zygote):
    for number in range(RACES):
        folder = tmp_path / f"{number}"
        jobs = [job(folder, service, next(takes)) | {"daily_budget": "1.00"} for _ in range(4)]
        told = zygote(*jobs)
        assert sorted(each.get("kind", "film") for each in told) == ["BudgetError"] * 2 + ["film"] * 2, told
        for each in told:
            if "film" in each:
                assert service.simulator.billed(each["task_uuid"]) == 1
        assert len(visible(folder / "films")) == 2


def test_a_process_killed_while_another_waits_leaves_it_the_lock(tmp_path, service, zygote):
    for number in range(RACES):
        take, folder = next(takes), tmp_path / str(number)
        told = zygote(job(folder, service, take, 30), job(folder, service, take))
        survivors = [each for each in told if "film" in each]
        for each in survivors:
            check(folder, service, each)
        in_the_end(service, zygote, (folder, take))
