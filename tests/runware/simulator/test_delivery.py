"""A served simulator brings results to where the request asked for, on this machine."""

import http.server
import json
import threading
import time

import httpx
import pytest
from kling.nodes.runware.simulator import Simulator, tiny_film
from kling.nodes.runware.simulator.values import is_loopback

from runware.simulator.asking import HEADERS, UUID, task


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent; answers with the statuses it was given, then with 200."""

    def receive(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((self.command, self.path, self.headers["content-type"], body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    do_PUT = do_POST = receive  # noqa: N815  the names that the library calls

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def receiver():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.received, server.statuses = [], []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def address(receiver, path):
    return f"http://127.0.0.1:{receiver.server_port}/{path}"


def wait_for(served, count):
    deadline = time.monotonic() + 30
    while len(served.deliveries.log) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    return [(each.kind, each.status) for each in served.deliveries.log]


def submit(served, **fields):
    wanted = task(**fields)
    httpx.post(served.base_url, json=[wanted], headers=HEADERS, trust_env=False).raise_for_status()
    return wanted


def test_a_finished_film_is_put_to_the_upload_endpoint_and_then_told_to_the_webhook(receiver):
    with Simulator(latency=0).serve(deliver=True) as served:
        asked = submit(
            served, uploadEndpoint=address(receiver, "film?signature=1"), webhookURL=address(receiver, "hook?key=1")
        )
        assert wait_for(served, 2) == [("upload", 200), ("webhook", 200)]
    (put, post) = receiver.received
    assert put == ("PUT", "/film?signature=1", "video/mp4", tiny_film.render(asked, 0))
    assert post[:3] == ("POST", "/hook?key=1", "application/json")
    row = json.loads(post[3])
    assert (row["taskUUID"], row["status"]) == (UUID, "success")
    assert row["videoURL"].startswith("http://127.0.0.1")


def test_every_result_has_a_call_of_its_own(receiver):
    with Simulator(latency=0).serve(deliver=True) as served:
        submit(served, numberResults=3, webhookURL=address(receiver, "hook"))
        wait_for(served, 3)
    assert len({json.loads(body)["videoUUID"] for *_, body in receiver.received}) == 3


def test_a_webhook_is_repeated_until_somebody_says_yes(receiver):
    receiver.statuses = [500, 404]
    with Simulator(latency=0).serve(deliver=True) as served:
        submit(served, webhookURL=address(receiver, "hook"))
        assert wait_for(served, 3) == [("webhook", 500), ("webhook", 404), ("webhook", 200)]
    assert len({body for *_, body in receiver.received}) == 1


def test_a_failure_is_told_to_the_webhook_and_no_film_is_put_anywhere(receiver):
    with Simulator(latency=0).serve(deliver=True) as served:
        submit(
            served, positivePrompt="[simulate moderation] a film", webhookURL=address(receiver, "hook"),
            uploadEndpoint=address(receiver, "film"),
        )  # fmt: skip
        assert wait_for(served, 1) == [("webhook", 200)]
    assert json.loads(receiver.received[0][3])["code"] == "invalidProviderContent"


def test_nothing_is_delivered_unless_asked_for(receiver):
    with Simulator(latency=0).serve() as served, httpx.Client(trust_env=False) as client:
        submit(served, webhookURL=address(receiver, "hook"))
        assert client.get(f"{served.origin}/_simulator/state").json()["deliveries"] == []
    assert receiver.received == []


def test_an_upload_that_nobody_takes_is_noted_and_does_not_stop_the_webhook(receiver):
    with Simulator(latency=0).serve(deliver=True) as served:
        submit(served, uploadEndpoint="http://127.0.0.1:1/film", webhookURL=address(receiver, "hook"))
        assert wait_for(served, 2) == [("upload", None), ("webhook", 200)]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:80/a", True),
        ("http://127.9.9.9/a", True),
        ("https://localhost/a", True),
        ("http://[::1]:8/a", True),
        ("https://example.com/a", False),
        ("http://10.0.0.1/a", False),
        ("https://localhost.example/a", False),
    ],
)
def test_only_this_machine_is_delivered_to(url, expected):
    assert is_loopback(url) is expected
