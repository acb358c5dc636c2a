"""Edges of the state machine that stories pass without touching: each was shown by a mutation that no story noticed."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from kling.nodes.runware import attempts, client, errors
from kling.nodes.runware.journal import UUID_PATTERN, lock_place
from kling.nodes.runware.record import Record, State
from kling.nodes.runware.response import Row
from kling.nodes.runware.results import film_name

from world.cast import given
from world.disk import Volume
from world.process import Process
from world.story import Story

REFUSED = ("videoInference", {"kind": "status", "status": 402})


def purchase_of(story, *, order=True, **timing):
    return story.process.purchase(story.order() if order else None, **timing)


@pytest.mark.parametrize(
    ("later", "chosen"),
    [
        ([], (1, State.INTENT)),
        ([State.FAILED, State.REJECTED], (3, State.INTENT)),
        ([State.FAILED, State.HELD], (2, State.HELD)),
        ([State.INTENT], (1, State.INTENT)),
    ],
)
def test_the_next_attempt_is_the_first_that_has_not_ended_badly_here(later, chosen):
    """Some may have been collected by their UUID; names of the last key stay the names of what was made by it."""
    story = Story()
    journal, order = story.process.journal, story.order()
    journal.open()
    names = ["11111111-1111-4111-8111-111111111111", *(order.uuid(attempt) for attempt in (1, 2, 3))]
    journal.put(Record(task_uuid=names[0], state=State.REJECTED, intent=order.intent))
    journal.put_intent(order.intent, names[0])
    for attempt, state in enumerate(later, 1):
        journal.put(Record(task_uuid=names[attempt], state=state))
    record, _ = story.run(attempts.choose(purchase_of(story)))
    assert (record.attempt, record.state) == chosen
    assert [*record.earlier, record.task_uuid] == names[: record.attempt + 1]


def test_a_second_attempt_looks_for_later_ones_as_the_first_does():
    story = Story(REFUSED, REFUSED, REFUSED)
    assert story.buy().end == "InsufficientCreditsError"
    here, there = story.process, Volume(story.volume.clock)
    story.process = Process(story, there, story.key, window=20.0)
    for end in ("InsufficientCreditsError", "InsufficientCreditsError", "film"):
        assert story.buy().end == end
    story.process = here
    outcome = story.buy()
    assert outcome.record.attempt == 2
    assert story.billed == 1


def test_who_waits_for_another_run_gives_up_in_the_end_and_names_the_task():
    story = Story()
    story.wait(100.0)
    task_uuid = story.order().uuid(0)
    assert story.buy(patience=10.0).end == "left"
    story.restart()
    other = Process(story, story.volume, story.key, window=20.0)
    other.journal.open()
    assert other.journal.lock(lock_place(task_uuid))
    waiting = purchase_of(story, order=False, watch=150.0)
    began = story.loop.time()
    with pytest.raises(errors.KlingError) as caught:
        story.run(waiting.collect(task_uuid))
    assert 150.0 <= story.loop.time() - began < 160.0
    assert task_uuid in str(caught.value)


def test_a_purchase_in_any_state_after_the_first_is_waited_for_whoever_leaves():
    story = Story(*[("download", "503")] * 400)
    story.buy(patience=10.0)
    for state, seconds in ((State.ACCEPTED, 0.0), (State.RESULT, 600.0)):
        story.wait(seconds)
        story.restart()
        assert story.record().state is state
        assert story.collect(story.order().uuid(0), patience=0.3).end == "left"
        ((purchase, _, _),) = story.process.running.values()
        assert purchase.sent


def test_a_purchase_that_was_sent_is_told_as_sent_while_it_waits_for_a_place():
    """Cancel said that nothing was sent, and that it was not billed."""
    story = Story(*[("videoInference", "lost_before")] * 9, *[("getResponse", "empty_data")] * 99)
    assert story.buy().end == "SubmissionUncertain"
    story.restart().places = asyncio.Semaphore(0)
    assert story.buy(patience=10.0).end == "left"
    ((purchase, _, _),) = story.process.running.values()
    assert purchase.status.words == "waiting for a free place (KLING_MAX_CONCURRENCY)"
    assert purchase.sent


def test_what_the_service_has_does_not_wait_for_a_place_while_its_film_may_go():
    story = Story()
    assert story.buy(patience=10.0).end == "left"
    story.restart().places = asyncio.Semaphore(0)
    assert given(story.buy()) == 1
    assert story.process.places._value == 0
    assert story.sends == 1


def test_a_place_is_given_back_once_though_it_was_left_early():
    story = Story(("job", "never"))
    story.process.places = asyncio.Semaphore(1)
    purchase = purchase_of(story, overlong=60.0)
    with pytest.raises((errors.KlingError, asyncio.TimeoutError)):
        story.run(asyncio.wait_for(purchase.run(), 5_000.0))
    assert purchase.places._value == 1


def test_what_was_in_doubt_is_accepted_as_of_its_send_and_no_longer_maybe_sent():
    story = Story(("videoInference", "lost_after"))
    record = story.buy().record
    assert record.accepted_at == record.last_sent_at + client.longest_way(record.body_size)
    assert record.finished_at > record.accepted_at
    assert not record.maybe_sent


def test_a_result_is_named_by_its_own_uuid_or_by_one_made_of_what_it_says():
    def name(**fields):
        return film_name(Row("task", "videoInference", "success", **fields))

    uuid = "b7db282d-2943-4f12-992f-77df3ad3ec71"
    assert name(video_uuid=uuid.upper()) == uuid
    odd = [name(video_uuid=text) for text in ("../../etc/passwd", uuid + "0", uuid[:-1] + "g")]
    addressed = [name(video_url=f"https://im.runware.ai/{letter}.mp4") for letter in "ab"]
    made = [*odd, *addressed]
    assert all(UUID_PATTERN.fullmatch(each) for each in made)
    assert len(set(made)) == len(made)
    assert made[0].replace("-", "") == hashlib.sha256(b"../../etc/passwd").hexdigest()[:32]


@pytest.mark.parametrize("later", [0.0, 1_000.0])
def test_an_answer_of_a_moment_ago_is_not_asked_for_again_before_the_send(later):
    story = Story(REFUSED)
    story.wait(later)
    story.buy()
    before = len(story.simulator.requests)
    task_uuid = story.buy().record.task_uuid
    asked = [
        each.channel
        for each in story.simulator.requests[before:]
        if each.tasks[:1] and each.tasks[0]["taskUUID"] == task_uuid
    ]
    assert asked[: asked.index("videoInference")].count("getTaskDetails") == 1
