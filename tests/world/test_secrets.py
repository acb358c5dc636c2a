"""Canaries in virtual time: a key and signed addresses go through every fault there is, and turn up in no sink.

tests/host/test_secrets.py and test_every_fault.py do the same in a real ComfyUI, with its own sinks.
"""

from __future__ import annotations

import logging
import threading
import traceback
from dataclasses import replace
from functools import partial

import pytest
from kling.nodes.runware import assemble, draft, identity
from kling.nodes.runware import request as rq
from kling.nodes.runware.client import SECRET_LOGGERS, hide_from_logs

from world.orders import Kind
from world.story import Story
from world.ways import HOOK, KEY, PROMPT, SIGNATURE, WAYS


class Path(Story):
    """A purchase with everything in it that nobody may see."""

    def __init__(self, channel, fault):
        super().__init__(*[(channel, fault)] * 40, key=KEY, signature=f"?signature={SIGNATURE}", latency=40.0)
        self.kind = Kind(clip=channel == "mediaStorage")

    def order(self, kind=None, take=1):
        settings = draft.settings(webhook_url=HOOK, upload_endpoint=HOOK)
        prompt = draft.prompt(positive_prompt=PROMPT, negative_prompt="", shot_seconds=0, shot_type="single")
        request = assemble.assemble(prompt, settings)
        common = super().order(kind or self.kind, take)
        named = {"canonical": identity.canonical(request), "public": rq.public(request)}
        return replace(common, **named, body=partial(rq.body, request))

    def go(self):
        """Press, wait, press again, collect; gives every error."""
        ends = [self.buy(self.kind)]
        self.wait(60)
        ends.append(self.buy(self.kind))
        self.simulator.faults = type(self.simulator.faults)()
        ends.append(self.collect(self.order().uuid(0)))
        return [outcome.error for outcome in ends if outcome.error]


def seen(errors):
    """All that a program, a log or a crash report makes of errors."""
    for error in errors:
        yield from (str(error), repr(error), repr(error.__dict__), repr(error.args))
        yield "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())
        yield from seen([each for each in (error.__cause__, error.__context__) if each is not None])


@pytest.fixture(autouse=True)
def _as_on_the_wires_thread():
    """The purchases of this file live on the test's own thread."""
    before = {name: list(logging.getLogger(name).filters) for name in SECRET_LOGGERS}
    hide_from_logs(threading.current_thread().name)
    yield
    for name, filters in before.items():
        logging.getLogger(name).filters[:] = filters


def test_there_are_more_than_two_hundred_ways():
    assert len({str(way) for way in WAYS}) > 200


@pytest.mark.parametrize("part", range(8))
def test_no_secret_is_said_on_any_way(part, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")
    went_wrong = 0
    for channel, fault in WAYS[part::8]:
        path = Path(channel, fault)
        errors = path.go()
        went_wrong += bool(errors)
        sinks = {
            "errors": "\n".join(seen(errors)),
            "log": caplog.text,
            "terminal": "".join(capfd.readouterr()),
            "words on the node": str([purchase.status.words for purchase, _, _ in path.process.running.values()]),
            "order": repr(path.order()),
            "client": repr(path.process.client),
        }
        for place, node in path.volume.names.items():
            # what is to be sent is kept to be sent again, and addresses until the film is here: 0600, and never the key
            secrets = (KEY,) if place.suffix in {".body", ".urls"} else (KEY, SIGNATURE)
            assert [each for each in secrets if each.encode() in node.data] == [], (channel, fault, place)
        told = [(sink, canary) for sink, text in sinks.items() for canary in (KEY, SIGNATURE) if canary in text]
        assert told == [], (channel, fault)
        assert PROMPT not in sinks["log"] + sinks["terminal"] + sinks["errors"]
        caplog.clear()
    assert went_wrong > len(WAYS) / 20
