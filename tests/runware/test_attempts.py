"""More than one attempt at a purchase: after refusals, on two machines, under a new key, in the archive alone."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import pytest
from kling.nodes.runware import sending
from kling.nodes.runware.record import State
from kling.nodes.runware.simulator.refusal import Refusal
from kling.nodes.runware.simulator.service import Answer, Service

from world.cast import (
    REFUSED,
    TURNS_THEN_REFUSED,
    AcknowledgingService,
    ForgetfulService,
    at_once,
    elsewhere,
    rotate,
    story,
)
from world.process import Process
from world.weather import ShyService


@pytest.mark.parametrize("several", [None, "503"], ids=["asked about in one request", "asked about one by one"])
def test_what_the_next_key_bought_elsewhere_is_found_where_it_was_only_prepared_under_the_last(several):
    """Seed 3331179: this machine had prepared the purchase under the old key, and sent nothing."""
    here = story(*[("videoInference", "refused")] * 5)
    assert here.buy().end == "NotSent"
    here.simulator.key = here.key = "next"
    left = elsewhere(here)
    assert here.buy().end == "film"
    here.process = Process(here, left.volume, here.key, window=here.window)
    here.script(("getResponse", several), ("getTaskDetails", several))
    assert here.buy().end == "film"
    assert here.billed == 1


def test_every_earlier_attempt_is_asked_about_before_another_is_sent():
    here = story(("job", "turns"), ("videoInference", None), *[("videoInference", REFUSED)] * 5, latency=400.0)
    assert [here.buy().end for _ in range(6)] == ["TaskFailed", *["InsufficientCreditsError"] * 5]
    here.wait(400)
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (6, 1)


def test_what_is_recorded_and_unsent_is_found_when_another_machine_bought_it():
    here = story(*[("videoInference", "refused")] * 5)
    assert here.buy().end == "NotSent"
    left = elsewhere(here)
    assert here.buy().end == "film"
    here.process = left
    assert here.collect(here.order().uuid(0)).end == "film"
    assert here.billed == 1


def test_a_lost_record_keeps_its_place_among_the_attempts():
    script = [*[("videoInference", REFUSED)] * 2, ("videoInference", "null_data")]
    here = story(*script, kind=ShyService, window=0.0, dedupe="none", latency=300.0)
    assert [here.buy().end for _ in range(3)][-1] == "SubmissionUncertain"
    here.process.end()
    here.volume.drop(here.path(here.order().uuid(2)))
    here.restart()
    sends = here.sends
    assert here.buy().end in {"film", "SubmissionUncertain"}
    assert (here.sends, here.billed) == (sends, 1)


def test_two_earlier_attempts_that_came_true_are_found_one_after_the_other():
    latencies = iter([6000.0, 1000.0, 60.0, 60.0, 60.0])
    script = [("job", "turns"), ("videoInference", None), *[("videoInference", "refused")] * 5]
    here = story(*script, latency=lambda _task: next(latencies))
    assert here.buy(patience=9_000.0).end == "TaskFailed"
    assert here.buy().end == "NotSent"
    left = elsewhere(here)
    here.script(("job", "turns"), ("job", "fail"))
    here.buy()
    here.buy()
    here.buy(patience=10.0)
    here.process.end()
    here.process = left
    here.collect(here.order().uuid(2))
    here.wait(5_000)
    sends = here.sends
    assert here.buy().end == "film"
    assert here.sends == sends


@pytest.mark.parametrize("fault", [None, "503"])
def test_a_later_attempt_that_only_the_archive_shows_is_found(fault):
    script = [*[("videoInference", "lost_before")] * 2, ("videoInference", REFUSED)]
    here = story(*script, kind=ForgetfulService)
    assert here.buy().end == "SubmissionUncertain"
    left = elsewhere(here)
    assert here.buy().end == "InsufficientCreditsError"
    assert here.buy().end == "film"
    here.process = left
    here.wait(4_000)
    here.script(("getTaskDetails", fault))
    sends = here.sends
    here.buy()
    assert (here.sends, here.billed) == (sends, 1)


def test_an_archive_that_fails_once_is_asked_again_before_another_machine_buys():
    here = story(kind=ForgetfulService)
    assert here.buy().end == "film"
    here.wait(3_600)
    elsewhere(here)
    here.script(*[("getTaskDetails", None)] * 3, ("getTaskDetails", "503"))
    here.buy()
    assert (here.sends, here.billed) == (1, 1)
    faulty = [each for each in here.simulator.requests if each.fault]
    assert [each.tasks[0]["taskUUID"] for each in faulty] == [here.order().uuid(0)]


@pytest.mark.parametrize("answered", [0, 1, 2, 3])
def test_an_archive_that_fails_once_is_asked_again_about_an_earlier_attempt(answered):
    here = story(*TURNS_THEN_REFUSED, kind=ForgetfulService, latency=400.0)
    assert [here.buy().end for _ in range(2)] == ["TaskFailed", "InsufficientCreditsError"]
    here.wait(3_000)
    here.script(*[("getTaskDetails", None)] * answered, ("getTaskDetails", "503"))
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (2, 1)


def test_a_failure_that_became_a_film_in_the_archive_alone_is_collected():
    here = story(("job", "turns"), kind=ForgetfulService, latency=400.0)
    assert here.buy().end == "TaskFailed"
    here.wait(3_600)
    assert here.collect(here.order().uuid(0)).end == "film"


def test_a_failed_attempt_of_which_the_archive_keeps_the_acknowledgement_is_followed_by_another():
    here = story(("job", "fail"), kind=AcknowledgingService, latency=40.0)
    assert here.buy().end == "TaskFailed"
    sends = here.sends
    here.buy(patience=30.0)
    assert here.sends == sends + 1


@pytest.mark.parametrize("later", [False, True], ids=["alone", "beside a later one that failed"])
def test_a_film_that_was_collected_under_the_next_key_is_given_where_the_last_one_was_refused(later):
    here = story(("videoInference", REFUSED), ("job", "turns" if later else None), latency=300.0, retention=50_000.0)
    here.script(*[("job", "fail")] * later)
    assert here.buy().end == "InsufficientCreditsError"
    left = here.process
    here.simulator.key = here.key = "next"
    elsewhere(here)
    assert [here.buy().end for _ in range(1 + later)][-1] == ("TaskFailed" if later else "film")
    here.process = left
    here.restart(key="next")
    here.wait(1_000.0)
    ends = [here.collect(here.order().uuid(attempt)).end for attempt in range(1 + later)]
    assert ends[0] == "film"
    here.wait(100_000.0)
    sends = here.sends
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (sends, 1)


@pytest.mark.parametrize("collected", [False, True])
def test_an_earlier_attempt_is_found_under_the_key_that_made_it(collected):
    here = story(*TURNS_THEN_REFUSED, latency=400.0)
    assert [here.buy().end for _ in range(2)] == ["TaskFailed", "InsufficientCreditsError"]
    here.wait(300)
    if collected:
        assert here.collect(here.order().uuid(0)).end == "film"
    rotate(here)
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (2, 1)


def test_what_was_found_under_a_later_attempt_is_found_again_with_another_key():
    here = story(*[("videoInference", "lost_before")] * 2, ("videoInference", REFUSED))
    assert here.buy().end == "SubmissionUncertain"
    left = elsewhere(here)
    here.buy()
    assert here.buy().end == "film"
    here.process = left
    assert here.buy().end == "film"
    rotate(here)
    asked = len(here.simulator.requests)
    assert here.buy().end == "film"
    assert (len(here.simulator.requests), here.billed) == (asked, 1)


def test_an_expired_attempt_does_not_hide_the_film_of_an_earlier_one():
    here = story(("job", "turns"), latency=400.0, retention=2_000.0)
    assert here.buy().end == "TaskFailed"
    assert here.buy(patience=20.0).end == "left"
    here.restart()
    here.wait(200)
    assert here.collect(here.order().uuid(0)).end == "film"
    here.wait(90_000)
    assert "film" in {here.buy().end for _ in range(2)}


def test_a_purchase_is_known_by_the_key_that_sent_it_not_by_the_one_that_wrote_it_down():
    here = story(*[("videoInference", "refused")] * 5)
    assert here.buy().end == "NotSent"
    first = here.record().key_fingerprint
    rotate(here)
    record = here.buy().record
    assert record.key_fingerprint == here.process.client.fingerprint(record.task_uuid)
    assert record.key_fingerprint != first
    assert here.record(record.task_uuid).state is State.COMMITTED


def test_a_purchase_in_doubt_is_not_sent_again_when_another_machine_made_a_later_attempt():
    """World 11554: ours never arrived, theirs was refused and then bought; an hour later ours was sent once more."""
    here = story(*[("videoInference", "lost_before")] * 2, ("videoInference", REFUSED))
    assert here.buy().end == "SubmissionUncertain"
    left = elsewhere(here)
    assert here.buy().end == "InsufficientCreditsError"
    assert here.buy().end == "film"
    here.process = left
    here.wait(4_000.0)
    sends, outcome = here.sends, here.buy()
    assert outcome.end == "film"
    assert outcome.record.evidence == "found"
    assert here.sends == sends
    assert here.billed == 1
    assert len(here.films()) == 1


def test_what_is_in_doubt_here_is_settled_before_another_attempt_is_sent():
    """World 400675: a later attempt, found from another machine, had failed; the first one here was still in doubt."""
    here = story(
        *[("videoInference", "lost_before")] * 2,
        ("videoInference", REFUSED),
        ("job", "fail"),
        ("videoInference", None),
        latency=60.0,
    )
    assert here.buy().end == "SubmissionUncertain"
    left = elsewhere(here)
    assert here.buy().end == "InsufficientCreditsError"
    other, order, found = here.process, here.order(), here.order().uuid(1)
    ends = here.run(at_once((0.0, partial(other.buy, order, 3_000.0)), (20.0, partial(left.buy, order, 3_000.0))))
    assert ends == ["TaskFailed", "TaskFailed"]
    here.process, here.volume = left, left.volume
    assert here.record(found).state is State.FAILED
    sends = here.sends
    assert here.buy().end == "SubmissionUncertain"
    assert here.sends == sends
    here.wait(3_700)
    assert here.buy().end == "film"
    assert here.record().state is State.COMMITTED
    assert (here.sends, here.billed) == (sends + 1, 1)


def in_doubt_after_three_refusals():
    """Three attempts refused, the fourth arrived, and the process ended before it was told so."""
    here = story(*[("videoInference", REFUSED)] * 3, ("videoInference", "lost_after"), latency=60.0, window=0.0)
    assert [here.buy().end for _ in range(3)] == ["InsufficientCreditsError"] * 3
    assert here.buy(patience=6.0).end == "left"
    here.restart()
    return here


@pytest.mark.parametrize("state", [State.HELD, None], ids=["in doubt", "torn"])
def test_of_two_attempts_in_doubt_the_newest_is_settled_first(state):
    here = in_doubt_after_three_refusals()
    first = here.order().uuid(0)
    record = here.record(first)
    record.state, record.failures = state or record.state, []
    here.volume.put(here.path(first), record.model_dump_json(exclude_none=True).encode() if state else b"{torn")
    here.wait(600)
    assert here.buy().end == "film"
    here.wait(4_000)
    assert here.buy().end == "film"
    assert here.billed == 1


def test_of_two_attempts_in_doubt_that_never_arrived_one_is_sent():
    here = story(("videoInference", REFUSED), *[("videoInference", "lost_before")] * 2)
    assert [here.buy().end for _ in range(2)] == ["InsufficientCreditsError", "SubmissionUncertain"]
    record = here.record()
    record.state, record.failures, record.maybe_sent = State.HELD, [], True
    here.volume.put(here.path(record.task_uuid), record.model_dump_json(exclude_none=True).encode())
    sends = here.sends
    here.wait(4_000)
    assert here.buy().end == "film"
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (sends + 1, 1)


def test_a_later_attempt_is_not_sent_when_another_machine_made_the_refused_one_true():
    """World 76608: ours was refused and then in doubt, theirs was bought; hours later ours was sent once more."""
    here = story(("videoInference", REFUSED), *[("videoInference", "lost_before")] * 2)
    assert here.buy().end == "InsufficientCreditsError"
    assert here.buy().end == "SubmissionUncertain"
    left = elsewhere(here)
    assert here.buy().end == "film"
    here.process = left
    here.wait(4_000.0)
    sends = here.sends
    assert here.buy().end == "film"
    asked = len(here.simulator.requests)
    assert here.buy().end == "film"
    assert {each.channel for each in here.simulator.requests[asked:]} == {"getResponse", "getTaskDetails"}
    here.wait(43_200.0)  # what was in doubt could no longer be seen
    asked = len(here.simulator.requests)
    assert here.buy().end == "film"
    assert len(here.simulator.requests) == asked
    assert (here.sends, here.billed, len(here.films())) == (sends, 1, 1)


def test_what_was_never_sent_is_not_when_another_machine_made_a_later_attempt():
    """World 221536: ours was recorded and not sent, theirs was refused and then bought; an hour later ours was sent."""
    unsent = [("videoInference", "refused")] * 5
    here = story(*unsent, ("videoInference", REFUSED))
    assert here.buy().end == "NotSent"
    left = elsewhere(here)
    assert here.buy().end == "InsufficientCreditsError"
    assert here.buy().end == "film"
    here.process = left
    sends = here.sends
    assert here.buy().end == "film"
    assert (here.sends, here.billed, len(here.films())) == (sends, 1, 1)


def test_an_attempt_that_somebody_collects_meanwhile_is_waited_for_not_followed_by_another(monkeypatch):
    """World 213456: KlingFetchVideo heard that the failed render runs, just before the next attempt was sent."""
    here = story(("videoInference", REFUSED))
    assert here.buy().end == "InsufficientCreditsError"
    sends, ask = here.sends, sending.exists

    async def collected_meanwhile(purchase):
        found = await ask(purchase)
        earlier = here.record()
        earlier.move(State.ACCEPTED)
        purchase.journal.put(earlier)
        return found

    monkeypatch.setattr(sending, "exists", collected_meanwhile)
    here.buy(patience=60.0)
    assert here.sends == sends
    assert here.record(here.order().uuid(1)).state is State.INTENT


def test_a_film_that_a_failure_became_is_given_in_place_of_another_attempt():
    here = story(("job", "turns"), ("videoInference", None), ("videoInference", REFUSED), latency=400.0)
    assert here.buy().end == "TaskFailed"
    assert here.buy().end == "InsufficientCreditsError"
    here.wait(300)
    assert here.buy().end == "film"
    assert (here.sends, here.billed, len(here.films())) == (2, 1, 1)


def test_what_another_machine_bought_after_a_refusal_is_found_under_its_later_attempt():
    """World 200328: refused there and bought again; here the first attempt's UUID was free, and was bought as well."""
    here = story(("videoInference", REFUSED))
    here.buy()
    here.buy()
    here.volume.names.clear()
    here.volume.durable.clear()
    here.restart()
    outcome = here.buy()
    assert outcome.end == "film"
    assert outcome.record.attempt == 1
    assert here.billed == 1


def test_a_later_attempt_that_was_collected_here_is_known_without_its_forerunners():
    here = story(("videoInference", REFUSED), retention=50_000.0)
    assert [here.buy().end for _ in range(2)] == ["InsufficientCreditsError", "film"]
    elsewhere(here)
    assert here.collect(here.order().uuid(1)).end == "film"
    here.wait(60_000)
    assert here.buy().end == "film"
    assert here.sends == 2


def test_an_attempt_whose_index_and_forerunner_are_lost_is_known():
    here = story(("videoInference", REFUSED), retention=50_000.0)
    assert [here.buy().end for _ in range(2)] == ["InsufficientCreditsError", "film"]
    here.wait(60_000)
    for path in here.volume.below("intents"):
        here.volume.drop(path)
    here.volume.drop(here.path(here.order().uuid(0)))
    assert here.buy().end == "film"
    assert here.sends == 2


class HidesService(ForgetfulService):
    """A service that shows nothing of a task while it runs, nor in its archive for a moment."""

    def _poll(self, task, now):
        jobs = self.jobs.get(str(task.get("taskUUID")), ())
        return Answer() if any(now < job.ends for job in jobs) else super()._poll(task, now)

    def _details(self, task, now):
        if any(now < job.at + 16 for job in self.jobs.get(str(task.get("taskUUID")), ())):
            raise Refusal("taskNotFound", "No task.", status=404)
        return super()._details(task, now)


def test_a_refused_copy_in_the_archive_proves_a_later_attempt():
    here = story(
        *[("videoInference", "refused")] * 5,
        ("videoInference", REFUSED),
        ("videoInference", "lost_after"),
        kind=HidesService,
        latency=900.0,
    )
    assert here.buy().end == "NotSent"
    left = elsewhere(here)
    assert [here.buy(patience=60.0).end for _ in range(2)] == ["InsufficientCreditsError", "left"]
    there, here.process = here.process, left
    here.buy(patience=60.0)
    here.process = there
    assert here.buy().end == "film"
    assert here.billed == 1


@pytest.mark.parametrize("rotated", [True, False])
def test_an_attempt_that_was_found_knows_the_names_of_those_before_it(rotated):
    seconds = iter([3_000.0, 60.0, 60.0, 60.0])
    here = story(("job", "turns"), ("job", "fail"), latency=lambda _task: next(seconds))
    assert here.buy().end == "TaskFailed"
    left = elsewhere(here)
    ends = here.run(
        at_once(
            (0.0, partial(left.buy, here.order(), 3_000.0)), (20.0, partial(here.process.buy, here.order(), 3_000.0))
        )
    )
    assert ends == ["TaskFailed", "TaskFailed"]
    here.wait(3_000)
    here.volume = here.process.volume
    if rotated:
        rotate(here)
    assert here.buy().end == "film"
    assert here.billed == 1


def test_the_index_does_not_go_back_past_an_attempt_in_doubt():
    """An earlier attempt seemed to run again, then failed; with another key the later one must still be known."""

    class Mind(ShyService):
        shown = (0.0, 30.0)

        def _hides(self, task, now):
            return str(task.get("taskUUID")) != first and super()._hides(task, now)

        def _poll(self, task, now):
            if str(task.get("taskUUID")) != first or first not in self.jobs:
                return super()._poll(task, now)
            job = self.jobs[first][-1]
            runs = self.shown[0] <= now < self.shown[1]
            return Answer([job._row("processing")]) if runs else Answer([], [job.error("top")])

    here = story(
        ("job", "fail"),
        ("videoInference", None),
        ("videoInference", "lost_after"),
        kind=Mind,
        latency=600.0,
        window=0.0,
    )
    first = here.order().uuid(0)
    assert [here.buy().end for _ in range(2)] == ["TaskFailed", "SubmissionUncertain"]
    here.simulator.service.shown = (here.loop.time(), here.loop.time() + 40.0)
    here.collect(first, patience=10.0)
    here.restart()
    assert here.buy().end == "TaskFailed"
    rotate(here)
    here.wait(30)
    here.buy()
    here.wait(3_700)
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (2, 1)


def test_many_refused_attempts_are_asked_about_a_few_at_a_time():
    class Limited(Service):
        asked: ClassVar[list[float]] = []

        def _limit(self, now):
            self.asked[:] = [*(each for each in self.asked if each > now - 1.0), now]
            if len(self.asked) > 20:
                raise Refusal("rateLimitExceeded", "Too many requests.", status=429)

        def _poll(self, task, now):
            self._limit(now)
            return super()._poll(task, now)

        def _details(self, task, now):
            self._limit(now)
            return super()._details(task, now)

    here = story(*[("videoInference", REFUSED)] * 50, kind=Limited)
    for _ in range(50):
        assert here.buy().end == "InsufficientCreditsError"
        here.wait(60)
    assert here.buy().end == "film"


@pytest.mark.parametrize("script", [[REFUSED], ["refused"] * 5], ids=["refused", "unsent"])
def test_an_earlier_attempt_that_was_paid_and_expired_is_bought_again_by_another_take_alone(script):
    here = story(
        ("job", "turns"),
        ("videoInference", None),
        *[("videoInference", fault) for fault in script],
        latency=400.0,
        retention=50_000.0,
    )
    for _ in range(2):
        here.buy()
    here.wait(300)
    here.script(*[("download", "404")] * 400)
    sends = here.sends
    for _ in range(2):
        assert here.buy().end == "ResultExpired"
        here.wait(60_000)
    assert (here.sends, here.billed) == (sends, 1)
