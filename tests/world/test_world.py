"""Ten thousand worlds, in parts that test processes can share; `make soak` lives through more."""

from __future__ import annotations

import os

import pytest

from world import world
from world.run import REPLAY, chunk

WORLDS = int(os.environ.get("KLING_TEST_WORLDS", "10000"))
PART = 250


@pytest.mark.parametrize("first", range(0, WORLDS, PART))
def test_whatever_happens_a_purchase_is_paid_once_and_never_lost(first):
    lived, _, failed = chunk(first, min(PART, WORLDS - first))
    told = "\n".join(f"{why}\n  {REPLAY} --seed {seed} --verbose" for seed, why in failed)
    assert not failed, told
    assert lived == min(PART, WORLDS - first)


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


def test_a_world_is_the_same_every_time():
    first, second = chunk(4_711, 3), chunk(4_711, 3)
    assert first == second
    assert first[1]["exchanges"] > 10
