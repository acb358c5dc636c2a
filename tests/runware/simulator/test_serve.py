"""The simulated service on a socket."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from kling.nodes.runware.simulator import Fault, Faults, Simulator, tiny_film

from runware.simulator.asking import HEADERS, UUID, poll, task

ROOT = Path(__file__).resolve().parents[3]


def test_a_served_simulator_bills_and_serves_on_a_socket():
    with Simulator(latency=0).serve() as served, httpx.Client(headers=HEADERS, trust_env=False) as client:
        client.post(served.base_url, json=[task()])
        row = client.post(served.base_url, json=[poll()]).json()["data"][0]
        assert row["videoURL"].startswith(served.origin)
        film = client.get(row["videoURL"])
        state = client.get(f"{served.origin}/_simulator/state").json()
    assert film.content == tiny_film.render(task(), 0)
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


@pytest.mark.parametrize("status", [520, 529])
def test_a_status_that_only_proxies_use_is_served(status):
    with Simulator().serve() as served, httpx.Client(headers=HEADERS, trust_env=False) as client:
        fault = {"kind": "status", "status": status}
        client.post(f"{served.origin}/_simulator/set", json={"faults": [["videoInference", fault]]})
        assert client.post(served.base_url, json=[task()]).status_code == status


def test_a_served_download_is_cut_on_the_socket():
    script = Faults.script([("download", Fault("cut", at=100)), ("download", "two_lengths")])
    simulator = Simulator(latency=0, faults=script)
    with simulator.serve() as served, httpx.Client(headers=HEADERS, trust_env=False) as client:
        client.post(served.base_url, json=[task()])
        url = client.post(served.base_url, json=[poll()]).json()["data"][0]["videoURL"]
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                client.get(url)
        assert client.get(url).content == tiny_film.render(task(), 0)


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
