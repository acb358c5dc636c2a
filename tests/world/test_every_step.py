"""The n-th file operation fails, the n-th exchange fails, the process ends at the n-th step: for every n there is."""

from __future__ import annotations

from functools import cache

import pytest

from world.cast import rotate
from world.disk import MemoryDisk
from world.orders import Kind
from world.story import Story

KINDS = {"plain": Kind(), "three results": Kind(results=3), "webm": Kind(ending="webm"), "reference": Kind(clip=True)}
DISK_FAULTS = ("full", "read-only", "broken", "torn", "unreadable")
EXCHANGES = ("refused", "lost_before", "reset_after", "502 after html", "503", "truncated", "empty_body", "hang")
DOWNLOADS = (
    "refused",
    "cut",
    "hang",
    "422",
    "403",
    "gzip",
    "two_lengths",
    "wrong_length",
    "html",
    "changed",
    "no_length",
)


@cache
def _smooth(kind: Kind) -> Story:
    story = Story()
    assert story.buy(kind).end == "film"
    return story


def _in_the_end(story: Story, kind: Kind) -> None:
    """Whatever happened: who keeps pressing has every film, and one job was paid."""
    for _ in range(3):
        if story.buy(kind).end == "film":
            break
        story.wait(3_700)
    assert len(story.films()) == kind.results
    assert story.films() == _smooth(kind).films()
    assert story.billed == 1


def _writes(kind: Kind) -> int:
    story = Story()
    count = []
    step = story.process.disk_step
    story.process.disk._step = lambda operation: count.append(operation) or step(operation)
    story.buy(kind)
    return len(count)


@pytest.mark.parametrize("fault", DISK_FAULTS)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_any_file_operation_may_fail(kind, fault):
    for number in range(_writes(kind)):
        story = Story()
        story.process.disk_fault, story.process.disk_fuse = fault, number
        story.buy(kind)
        story.process.disk_fuse = -1
        story.wait(30)
        _in_the_end(story, kind)


def _on_a_new_machine(*script) -> tuple[Story, str]:
    """Buy a film, and go on where nothing of it is recorded; gives its UUID too."""
    story = Story()
    task_uuid = story.buy(KINDS["three results"]).record.task_uuid
    story.volume.names.clear()
    story.volume.durable.clear()
    story.restart()
    story.script(*script)
    return story, task_uuid


def _collected(story: Story, task_uuid: str) -> None:
    """Whoever collects again has every film, and nothing was sent for it."""
    story.wait(30)
    assert story.collect(task_uuid).end == "film"
    assert story.films() == _smooth(KINDS["three results"]).films()
    assert story.sends == story.billed == 1


@pytest.mark.parametrize("fault", DISK_FAULTS)
def test_any_file_operation_may_fail_while_a_film_of_another_machine_is_collected(fault):
    for number in range(1_000):
        story, task_uuid = _on_a_new_machine()
        story.process.disk_fault, story.process.disk_fuse = fault, number
        story.collect(task_uuid)
        ended = story.process.disk_fuse > 0
        story.process.disk_fuse = -1
        _collected(story, task_uuid)
        if ended:
            break
    assert 10 < number < 999


@pytest.mark.parametrize("fault", DISK_FAULTS)
def test_any_file_operation_may_fail_where_the_records_were_deleted(fault):
    """Seed 16002522: a film lay there without a record, and that it could not be looked at came out as it was."""
    for number in range(1_000):
        story = Story()
        story.buy()
        for path in story.volume.below("tasks"):
            story.volume.drop(path)
        rotate(story)
        story.wait(86_400)
        story.process.disk_fault, story.process.disk_fuse = fault, number
        story.buy()
        ended = story.process.disk_fuse > 0
        story.process.disk_fuse = -1
        _in_the_end(story, KINDS["plain"])
        if ended:
            break
    assert 10 < number < 999


@pytest.mark.parametrize("fault", EXCHANGES)
def test_any_exchange_may_fail_while_a_film_of_another_machine_is_collected(fault):
    smooth, task_uuid = _on_a_new_machine()
    bought = len(smooth.simulator.requests)
    _collected(smooth, task_uuid)
    exchanges = [exchange.channel for exchange in smooth.simulator.requests[bought:]]
    assert len(exchanges) > 3
    for number, channel in enumerate(exchanges):
        before = [(channel, None)] * exchanges[:number].count(channel)
        story, task_uuid = _on_a_new_machine(*before, (channel, "cut" if channel == "download" else fault))
        story.collect(task_uuid)
        _collected(story, task_uuid)


@pytest.mark.parametrize("fault", EXCHANGES)
@pytest.mark.parametrize("kind", [Kind(), Kind(clip=True)], ids=["plain", "reference"])
def test_any_exchange_may_fail(kind, fault):
    exchanges = [exchange.channel for exchange in _smooth(kind).simulator.requests]
    for number, channel in enumerate(exchanges):
        if channel == "download":
            continue
        story = Story(*[(channel, None)] * exchanges[:number].count(channel), (channel, fault), dedupe="running")
        story.buy(kind)
        _in_the_end(story, kind)


@pytest.mark.parametrize("fault", DOWNLOADS)
def test_any_download_may_fail(fault):
    kind = Kind(results=3)
    for number in range(kind.results):
        story = Story(*[("download", None)] * number, ("download", fault))
        story.buy(kind)
        assert len(story.films()) == kind.results
        assert story.billed == 1


@pytest.mark.parametrize("end", ["killed", "power lost", "power lost on a share whose folders cannot be synced"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_process_may_end_at_any_step(kind, end, monkeypatch):
    if "share" in end:
        monkeypatch.setattr(MemoryDisk, "sync_folder", lambda disk, _: disk._do("sync_folder"))  # no name is safe then
    steps = _smooth(kind).process.steps
    for number in range(steps):
        story = Story(dedupe="running")
        story.process.fuse = number
        assert story.buy(kind).end == "killed", number
        if end != "killed":
            story.volume.crash(story.chance)
        story.wait(20)
        story.restart()
        _in_the_end(story, kind)
