"""What another machine bought after many refusals, further ahead than is asked about attempt by attempt."""

from __future__ import annotations

from functools import partial

import pytest
from kling.nodes.runware.attempts import AHEAD, FAR
from kling.nodes.runware.order import Timing
from kling.nodes.runware.record import State
from kling.nodes.runware.simulator import exchange
from kling.nodes.runware.simulator.service import Answer, Service

from world.cast import REFUSED, AcknowledgingService, ForgetfulService, at_once, elsewhere, story


def refused_before_it_bought(times, *, kind=Service, **service):
    """Tell of a machine that was refused so often and then bought; gives the story at another, without a history."""
    here = story(*[("videoInference", REFUSED)] * times, kind=kind, **service)
    assert [here.buy().end for _ in range(times)] == ["InsufficientCreditsError"] * times
    assert here.buy().end == "film"
    elsewhere(here)
    return here


@pytest.mark.parametrize("refusals", [AHEAD, AHEAD + 1, FAR])
@pytest.mark.parametrize("kind", [Service, ForgetfulService])
def test_what_a_machine_bought_after_many_refusals_is_found_without_a_history(refusals, kind):
    """Who runs without credits again and again is ahead by more attempts than are asked about one by one."""
    here = refused_before_it_bought(refusals, kind=kind)
    here.wait(1_200.0)
    outcome = here.buy()
    assert outcome.end == "film", outcome.error
    assert (outcome.record.attempt, outcome.record.task_uuid) == (refusals, here.order().uuid(refusals))
    assert (here.sends, here.billed) == (refusals + 1, 1)
    assert here.buy().record.task_uuid == outcome.record.task_uuid


def test_what_another_machine_still_renders_after_many_refusals_is_waited_for():
    here = story(*[("videoInference", REFUSED)] * 5, latency=100.0)
    assert [here.buy().end for _ in range(5)] == ["InsufficientCreditsError"] * 5
    left, order = elsewhere(here), here.order()
    both = ((0.0, partial(left.buy, order, 3_000.0)), (30.0, partial(here.process.buy, order, 3_000.0)))
    assert here.run(at_once(*both)) == ["film", "film"]
    assert (here.sends, here.billed) == (6, 1)


def test_the_attempts_far_ahead_are_asked_about_in_one_request_before_a_purchase():
    here = story()
    assert here.buy().end == "film"
    batches = [each for each in here.simulator.requests if len(each.tasks) > 1]
    assert sorted(each.channel for each in batches) == ["getResponse", "getTaskDetails"]
    names = [here.order().uuid(attempt) for attempt in range(AHEAD + 1, FAR + 1)]
    assert [[task["taskUUID"] for task in each.tasks] for each in batches] == [names] * 2
    assert len(names) == FAR - AHEAD
    assert here.buy().end == "film"
    assert len([each for each in here.simulator.requests if len(each.tasks) > 1]) == 2


@pytest.mark.parametrize("channel", ["getResponse", "getTaskDetails"])
@pytest.mark.parametrize("fault", ["503", "hang", "html", "truncated", "refused", "429", "402", "null_data"])
def test_a_service_that_takes_no_batch_of_questions_stops_no_purchase(fault, channel):
    here, plain = story((channel, fault)), story()
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (1, 1)
    plain.buy()
    assert here.loop.time() <= plain.loop.time() + Timing().question


def test_a_refusal_of_several_questions_is_not_taken_for_a_purchase(monkeypatch):
    """It names each UUID, and a code of conflict; nothing of the kind was ever sent."""

    def answer_tasks(service, request, tasks, now):
        if len(tasks) > 1:
            rows = [{**task, "code": "conflictTaskUUID", "message": "One question in a request."} for task in tasks]
            return exchange.json_reply(400, {"errors": rows})
        return one_by_one(service, request, tasks, now)

    one_by_one = exchange.answer_tasks
    monkeypatch.setattr(exchange, "answer_tasks", answer_tasks)
    here = story()
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (1, 1)


def test_a_busy_service_is_not_asked_for_its_archive_of_attempts_far_ahead():
    here = story(("getResponse", "429"))
    here.buy()
    assert [each.channel for each in here.simulator.requests if len(each.tasks) > 1] == ["getResponse"]


@pytest.mark.parametrize("fault", [None, "empty_data", "503"])
def test_what_the_state_or_the_archive_alone_shows_far_ahead_is_found(fault):
    here = refused_before_it_bought(5)
    here.script(("getResponse", fault), ("getTaskDetails", None if fault else "503"))
    assert here.buy().record.attempt == 5
    assert (here.sends, here.billed) == (6, 1)


@pytest.mark.parametrize("fault", ["hang", "refused", "reset_after"])
def test_without_an_answer_what_is_far_ahead_is_asked_about_once_more(fault):
    """Harsh seed 1312261: a machine that slept in the question bought what another had bought after three refusals."""
    here = refused_before_it_bought(5)
    here.script(("getResponse", fault))
    assert here.buy().record.attempt == 5
    assert (here.sends, here.billed) == (6, 1)


@pytest.mark.parametrize("fault", [None, "503"])
@pytest.mark.parametrize("kind", [Service, AcknowledgingService])
def test_a_failed_attempt_far_ahead_is_not_waited_for(kind, fault):
    here = story(*[("videoInference", REFUSED)] * 4, ("job", "moderated"), kind=kind)
    assert [here.buy().end for _ in range(5)] == ["InsufficientCreditsError"] * 4 + ["TaskFailed"]
    elsewhere(here)
    here.script(("getResponse", fault))
    outcome = here.buy()
    assert (outcome.end, outcome.record.attempt) == ("film", 0)
    assert (here.sends, here.billed) == (6, 1)


@pytest.mark.parametrize(("failed", "gap"), [(1, 5.0), (10, 0.5), (10, 2.0), (10, 5.0)])
def test_questions_about_attempts_far_ahead_make_no_others_look_young(failed, gap):
    """Each was called failed, and asked about three times; another machine bought nearby meanwhile."""
    script = (*[("videoInference", REFUSED)] * 4, *[("job", "fail")] * failed)
    here = story(*script, kind=AcknowledgingService, latency=100.0)
    here.buy()
    left = elsewhere(here)
    assert [here.buy().end for _ in range(3 + failed)][-1] == "TaskFailed"
    here.wait(1_000.0)
    elsewhere(here)
    order = here.order()
    both = ((0.0, partial(left.buy, order, 3_000.0)), (gap, partial(here.process.buy, order, 3_000.0)))
    assert here.run(at_once(*both)) == ["film", "film"]
    assert here.billed == 1


@pytest.mark.parametrize("fate", ["never", "fail"])
def test_a_film_nearby_is_given_rather_than_what_is_still_rendered_far_ahead(fate):
    fates = [("job", "turns"), ("job", fate)]
    sends = [("videoInference", None), *[("videoInference", REFUSED)] * 3, ("videoInference", None)]
    here = story(*fates, *sends, latency=300.0)
    assert [here.buy().end for _ in range(4)] == ["TaskFailed", *["InsufficientCreditsError"] * 3]
    assert here.buy(patience=20.0).end == "left"
    here.wait(320.0 - here.loop.time())
    elsewhere(here)
    outcome = here.buy()
    assert (outcome.end, outcome.record.attempt) == ("film", 0)
    assert here.sends == 5


def test_of_two_films_far_ahead_the_first_is_given():
    fates = [("job", "turns"), ("job", None)]
    here = story(*fates, *[("videoInference", REFUSED)] * 3, latency=100.0)
    ends = ["InsufficientCreditsError"] * 3 + ["TaskFailed", "film"]
    assert [here.buy().end for _ in range(5)] == ends
    here.wait(200.0)
    elsewhere(here)
    assert here.buy().record.attempt == 3
    assert here.sends == 5


def test_what_was_found_far_ahead_is_found_again_without_its_index():
    here = refused_before_it_bought(FAR, retention=50_000.0)
    assert here.buy().record.attempt == FAR
    here.wait(100_000.0)
    for path in here.process.volume.below("intents"):
        here.process.volume.drop(path)
    outcome = here.buy()
    assert (outcome.end, outcome.record.attempt) == ("film", FAR)
    assert (here.sends, here.billed) == (FAR + 1, 1)


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("fate", [None, "fail"])
@pytest.mark.parametrize("ahead", [AHEAD, 6])
def test_what_is_in_doubt_here_is_not_hidden_by_what_was_collected_from_far_ahead(ahead, fate, rotated):
    """The first attempt arrived and nobody showed it; another machine's later one is known by its UUID alone."""

    class Blind(Service):
        def _poll(self, task, now):
            return Answer() if blind else super()._poll(task, now)

        def _details(self, task, now):
            return Answer() if blind else super()._details(task, now)

    def go_to(process, key):
        here.key = here.simulator.key = key
        here.process = process

    blind = True
    here = story(*[("videoInference", REFUSED)] * ahead, kind=Blind, latency=300.0, window=0.0)
    left, key, next_key = here.process, here.key, "next" if rotated else here.key
    first = here.order().uuid(0)
    here.key = here.simulator.key = next_key
    elsewhere(here)
    assert [here.buy().end for _ in range(ahead)] == ["InsufficientCreditsError"] * ahead
    other = here.process
    go_to(left, key)
    here.script(("videoInference", "lost_after"), ("job", None), ("job", fate))
    assert here.buy().end == "SubmissionUncertain"
    go_to(other, next_key)
    assert here.buy(patience=30.0).end == "left"
    blind = False
    go_to(left, next_key)
    here.restart(key=next_key)
    assert here.collect(here.order().uuid(ahead)).end == ("film" if fate is None else "TaskFailed")
    here.wait(400.0)
    sends = here.sends
    assert here.buy().end == "film"
    assert here.sends == sends
    if fate or ahead > AHEAD:
        assert here.record(first).state is State.COMMITTED


@pytest.mark.parametrize("here_it_was", [REFUSED, "lost_before"], ids=["refused", "in doubt"])
@pytest.mark.parametrize(
    ("ahead", "rotated"), [(0, True), (1, False), (1, True), (AHEAD + 1, False), (AHEAD + 1, True), (FAR, False)]
)
def test_a_film_that_was_collected_from_ahead_is_given_when_the_service_has_forgotten_it(ahead, rotated, here_it_was):
    here = story(("videoInference", here_it_was), retention=50_000.0, window=0.0)
    assert here.buy().end in {"InsufficientCreditsError", "SubmissionUncertain"}
    left = here.process
    here.simulator.key = here.key = "next" if rotated else here.key
    elsewhere(here)
    here.script(*[("videoInference", REFUSED)] * ahead)
    assert [here.buy().end for _ in range(ahead + 1)][-1] == "film"
    here.process = left
    here.restart(key=here.key)
    film = here.order().uuid(ahead)
    assert here.collect(film).end == "film"
    here.wait(100_000.0)
    sends = here.sends
    outcome = here.buy()
    assert (outcome.end, outcome.record.task_uuid) == ("film", film)
    assert (here.sends, here.billed) == (sends, 1)


@pytest.mark.parametrize("later", [600.0, 4_000.0, 50_000.0], ids=["before the hour", "after it", "too late to settle"])
@pytest.mark.parametrize(
    ("refusals", "rotated"), [(AHEAD, False), (AHEAD + 1, False), (FAR, False), (0, True), (1, True), (AHEAD + 1, True)]
)
def test_what_is_in_doubt_here_gives_way_to_what_another_machine_bought_far_ahead(refusals, rotated, later):
    """It never arrived, and was sent again after the hour, or called in doubt for ever beside a film that is shown."""
    here = story(("videoInference", "lost_before"), window=0.0)
    assert here.buy().end == "SubmissionUncertain"
    left = here.process
    here.simulator.key = here.key = "next" if rotated else here.key
    elsewhere(here)
    here.script(*[("videoInference", REFUSED)] * refusals)
    assert [here.buy().end for _ in range(refusals + 1)][-1] == "film"
    film, sends = here.order().uuid(refusals), here.sends
    here.process = left
    here.restart(key=here.key)
    here.wait(later)
    for _ in range(2):
        outcome = here.buy()
        assert (outcome.end, outcome.record.task_uuid) == ("film", film)
    assert (here.sends, here.billed) == (sends, 1)
