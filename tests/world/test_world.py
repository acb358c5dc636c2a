"""Ten thousand worlds, in parts that test processes can share; `make soak` lives through more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from kling.nodes.runware.simulator.faults import KINDS, Fault

from world import world
from world.run import REPLAY, TESTS, chunk
from world.weather import TABLES

WORLDS = int(os.environ.get("KLING_TEST_WORLDS", "10000"))
PART = 250


@pytest.mark.parametrize("first", range(0, WORLDS, PART))
def test_whatever_happens_a_purchase_is_paid_once_and_never_lost(first):
    lived, seen, failed = chunk(first, min(PART, WORLDS - first))
    told = "\n".join(f"{why}\n  {REPLAY} --seed {seed} --verbose" for seed, why in failed)
    assert not failed, told
    assert lived == min(PART, WORLDS - first)
    assert seen["faults"] > seen["exchanges"] / 10
    assert min(seen["crashes"], seen["posts"], seen["end: film"]) > lived / 4


def test_the_worlds_draw_every_fault_there_is_but_a_task_that_never_ends():
    """By A3 none renders for more than an hour."""
    drawn = {channel: set(names) for channel, (names, _) in TABLES.items()}
    assert KINDS - {Fault.named(name).kind for names in drawn.values() for name in names} == {"never"}
    statuses = ("408", "429", "500", "502", "503", "504")
    assert drawn["videoInference"] >= {f"{status}{when}" for status in statuses for when in ("", " after")}
    assert drawn["videoInference"] & drawn["getResponse"] >= {"error_row", "error_top", "foreign_uuid", "outage"}
    assert drawn["job"] >= {"partial", "turns"}
    assert drawn["download"] >= {"cut", "no_length", "wrong_length", "403", "404", "422", "502", "redirect", "changed"}
    assert "hang" in drawn["mediaStorage"] & drawn["download"]


@pytest.mark.parametrize("first", range(0, WORLDS // 10, PART))
def test_two_machines_that_are_refused_often_pay_once(first):
    lived, seen, failed = chunk(first, PART, harsh=True)
    told = "\n".join(f"{why}\n  {REPLAY} --seed {seed} --harsh --verbose" for seed, why in failed)
    assert not failed, told
    assert lived == PART
    assert seen["end: InsufficientCreditsError"] > PART / 10


def test_two_machines_that_bought_blindly_are_told_apart_from_a_mistake(monkeypatch):
    """One was refused on one of them, and neither could see the other's: docs/money-safety.md, "Not covered"."""
    harsh_seed = 61_270
    assert not chunk(harsh_seed, 1, harsh=True)[2]
    monkeypatch.setattr(world.World, "note_answer", lambda *_: None)
    assert "2 attempts at one purchase" in chunk(harsh_seed, 1, harsh=True)[2][0][1]


def test_two_machines_that_send_the_same_at_once_are_told_apart():
    """One was refused, and what the other's became was counted for the day's budget of the first."""
    assert not chunk(904_506, 1, harsh=True)[2]


@pytest.mark.parametrize("first", [1_199, 4_711])
def test_a_world_is_the_same_in_every_process(first):
    told = {_stories(first, 12, hash_seed) for hash_seed in ("1", "2", "3")}
    assert len(told) == 1
    assert told.pop().count("presses Run") > 12


def _stories(first: int, count: int, hash_seed: str) -> str:
    """Let worlds tell their stories in a process that orders its sets in its own way."""
    work = f"from world.run import stories; print(stories({first}, {count}))"
    where = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(TESTS)}
    return subprocess.run([sys.executable, "-c", work], env=where, check=True, capture_output=True, text=True).stdout
