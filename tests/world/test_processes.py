"""Real processes, real sockets, real files: SIGKILL at every step, and races."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import pytest
from kling.nodes.runware.record import State
from kling.nodes.runware.simulator import Simulator, tiny_film

from world.orders import KINDS, order

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


@dataclass
class Kill:
    """Where a process dies: at the n-th step of a name after one of another (`zygote.py`), and what is so by then."""

    step: str | None
    after: str | None = None
    nth: int = 0
    once_locked_out: bool = False
    """Whether another process must have met the lock by then."""
    _: KW_ONLY
    state: State | None
    """On the disk."""
    arrived: bool
    """Whether the service has accepted a job."""
    here: str | None = None
    """What lies below tasks/ or films/, by its ending."""
    film: str = "none"
    """How much of the film is here: none, half, whole (without its name), named, or any."""
    fault: tuple[str, str] | None = None
    """What goes wrong at the service until then: (channel, fault)."""


STEPS = {
    "before the record is written": Kill("create tasks.json", state=None, arrived=False),
    "when the record is half written": Kill("sync tasks.json", state=None, arrived=False, here="part"),
    "before the record has its name": Kill("replace tasks.json intent", state=None, arrived=False, here="part"),
    "when the record is durable": Kill("durable tasks", state=State.INTENT, arrived=False),
    "in the middle of a question before the purchase": Kill("all of getResponse", state=State.INTENT, arrived=False),
    "when the request is spooled": Kill("replaced tasks.body", state=State.INTENT, arrived=False, here="body"),
    "before the record says sending": Kill(
        "create tasks.json", "replaced tasks.sent", state=State.INTENT, arrived=False, here="sent"
    ),
    "when the record says sending": Kill("replaced tasks.json sending", state=State.SENDING, arrived=False),
    "in the middle of the request": Kill("half of videoInference", state=State.SENDING, arrived=False),
    "when the request has left": Kill("all of videoInference", state=State.SENDING, arrived=True),
    "when the record says held": Kill(
        "replaced tasks.json held", state=State.HELD, arrived=True, fault=("videoInference", "reset_after")
    ),
    "when the record says rejected": Kill(
        "replaced tasks.json rejected", state=State.REJECTED, arrived=False, fault=("videoInference", "402")
    ),
    "when the record says failed": Kill(
        "replaced tasks.json failed", state=State.FAILED, arrived=True, fault=("job", "fail")
    ),
    "when the answer is here and not recorded": Kill("answer videoInference", state=State.SENDING, arrived=True),
    "when the acknowledgement is recorded": Kill("replaced tasks.json accepted", state=State.ACCEPTED, arrived=True),
    "in the middle of a question about what was bought": Kill(
        "all of getResponse", "replaced tasks.json accepted", state=State.ACCEPTED, arrived=True
    ),
    "when the result is seen and not recorded": Kill("create tasks.urls", state=State.ACCEPTED, arrived=True),
    "when the address is recorded and the result is not": Kill(
        "durable tasks", "replaced tasks.urls", state=State.ACCEPTED, arrived=True, here="urls"
    ),
    "in the middle of the download": Kill("half of file", state=State.RESULT, arrived=True, film="half"),
    "before the film is synced": Kill("sync films.mp4", state=State.RESULT, arrived=True, film="whole"),
    "before the film has its name": Kill("replace films.mp4", state=State.RESULT, arrived=True, film="whole"),
    "when the film has its name": Kill("replaced films.mp4", state=State.RESULT, arrived=True, film="named"),
    "before the record is committed": Kill(
        "replace tasks.json committed", state=State.RESULT, arrived=True, film="named"
    ),
}
AGAIN_AND_AGAIN = (
    ("durable tasks", 12, State.INTENT, False, None),
    ("replaced tasks.body", 4, State.INTENT, False, "body"),
    ("replaced tasks.json sending", 3, State.SENDING, False, "sent"),
    ("all of videoInference", 4, State.SENDING, True, "sent"),
    ("replaced tasks.json accepted", 4, State.ACCEPTED, True, None),
    ("replaced tasks.urls", 3, State.ACCEPTED, True, "urls"),
    ("half of file", 4, State.RESULT, True, "part"),
    ("replaced films.mp4", 4, State.RESULT, True, "mp4"),
)
"""One life each: after which step it ends, within how many more, and what is so by then."""
ARRIVES = 5.0
"""Seconds within which the service has read what has left."""


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


def job(folder, service, take, kill=None):
    kill_at = kill and {name: getattr(kill, name) for name in ("after", "step", "nth", "once_locked_out")}
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


def check_moment(folder, service, take, kill):
    """See that a process has died when it should have: otherwise the test would say nothing of what it is named for."""
    task_uuid = order(KINDS[0], KEY, take).uuid(0)
    record = folder / "tasks" / f"{task_uuid}.json"
    assert (State(json.loads(record.read_bytes())["state"]) if record.exists() else None) is kill.state
    until = time.monotonic() + ARRIVES
    while kill.arrived and not jobs(service, task_uuid) and time.monotonic() < until:
        time.sleep(0.01)
    assert jobs(service, task_uuid) == kill.arrived
    files = [path for path in folder.rglob("*") if path.parent.name in {"tasks", "films"}]
    endings = {path.name.rpartition(".")[2] for path in files}
    assert kill.here is None or kill.here in endings
    assert ("urls" in endings) == (kill.here == "urls" or kill.state is State.RESULT)  # else it died too late
    sizes = {path.suffix: path.stat().st_size for path in files if path.parent.name == "films"}
    if kill.film in {"any", "none"}:
        assert kill.film == "any" or not sizes
        return
    size = len(tiny_film.render(service.simulator.service.jobs[task_uuid][0].task, 0))
    assert set(sizes) == {".mp4" if kill.film == "named" else ".part"}
    assert (0 < max(sizes.values()) < size) if kill.film == "half" else set(sizes.values()) == {size}


def jobs(service, task_uuid):
    return len(service.simulator.service.jobs.get(task_uuid, ()))


@pytest.mark.parametrize("kill", STEPS.values(), ids=STEPS)
def test_a_process_killed_at_any_step_has_paid_once_and_finds_its_film(tmp_path, service, zygote, kill):
    for part in in_parts(tmp_path):
        service.simulator.faults.then([kill.fault] * len(part) if kill.fault else [])
        told = zygote(*(job(folder, service, take, kill) for folder, take in part))
        assert told == [{"killed": True}] * len(part)
        for folder, take in part:
            check_moment(folder, service, take, kill)
        in_the_end(service, zygote, *part)


def test_a_process_killed_again_and_again_gets_there_in_the_end(tmp_path, service, zygote):
    """Through a whole purchase, a life for each part of it; one that had not sent whole takes some to send again."""
    for part in in_parts(tmp_path):
        for after, within, state, arrived, here in AGAIN_AND_AGAIN:
            moment = {"state": state, "arrived": arrived, "here": here, "film": "any"}
            kills = [Kill(None, after, take % within, **moment) for _, take in part]
            left = list(zip(part, kills, strict=True))
            for _ in range(RUNS_MOST):
                told = zygote(*(job(folder, service, take, kill) for (folder, take), kill in left))
                assert all(each["killed"] or each.get("kind") == "SubmissionUncertain" for each in told), told
                left = [each for each, ended in zip(left, told, strict=True) if not ended["killed"]]
                if not left:
                    break
            assert not left
            for (folder, take), kill in zip(part, kills, strict=True):
                check_moment(folder, service, take, kill)
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
    """What the dead one sent is found by the one that waited, which sends nothing."""
    kill = Kill("all of videoInference", once_locked_out=True, state=State.SENDING, arrived=True)
    for number in range(RACES):
        take, folder = next(takes), tmp_path / str(number)
        dead, survivor = zygote(job(folder, service, take, kill), job(folder, service, take) | {"begin_after": "sent"})
        assert dead == {"killed": True}
        assert "locked out" in survivor["steps"]
        assert "before videoInference" not in survivor["steps"]
        check(folder, service, survivor)
