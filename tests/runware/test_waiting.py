"""From accepted to result: how often is asked, how long is waited, and what ends it where answers disagree."""

from __future__ import annotations

from decimal import Decimal

import pytest
from kling.nodes.runware import errors, tell, waiting
from kling.nodes.runware.record import State
from kling.nodes.runware.simulator.refusal import Refusal
from kling.nodes.runware.simulator.service import Answer, Service
from kling.nodes.runware.verdict import Sighting

from world.cast import (
    ASKED_FIRST,
    THREE,
    AcknowledgingService,
    ForgetfulService,
    Told,
    elsewhere,
    given,
    rotate,
    story,
    told,
)
from world.disk import Volume
from world.process import Process
from world.story import KEY, Story
from world.weather import ShyService


def test_a_poll_that_fails_for_minutes_loses_nothing():
    story = Story(*ASKED_FIRST, ("getResponse", {"kind": "outage", "seconds": 600.0}))
    assert story.buy().end == "film"
    assert story.billed == 1


LIMITS = {
    "a wish": ({"kind": "status", "status": 429, "retry_after": "60"}, 60.0),
    "a wish without measure": ({"kind": "status", "status": 429, "retry_after": "3600"}, 120.0),
    "no wish": ({"kind": "status", "status": 429}, 10.0),
    "a page": ({"kind": "status", "status": 429, "body": "html"}, 10.0),
    "by its code alone": ({"kind": "error_top", "code": "rateLimitExceeded"}, 10.0),
    "a service that is away": ({"kind": "status", "status": 503, "retry_after": "60"}, 60.0),
}


@pytest.mark.parametrize(("fault", "pause"), LIMITS.values(), ids=LIMITS)
def test_a_service_that_has_too_many_questions_is_asked_no_sooner_than_it_wishes(fault, pause):
    here = Story(latency=900.0)
    assert here.buy(patience=10.0).end == "left"
    here.script(*[("getResponse", fault)] * 3)
    assert here.buy().end == "film"
    asked = [each for each in here.simulator.requests if each.channel == "getResponse"]
    limited = [number for number, each in enumerate(asked) if each.fault]
    pauses = [asked[number + 1].at - asked[number].at for number in limited]
    assert len(pauses) == 3
    assert pauses == pytest.approx([pause] * 3, abs=1.0)


def test_a_film_is_tried_again_while_the_service_wants_no_question():
    class OneIsThere(Told):
        def said(self, job, now):
            return Answer([dict(job.films[0]), *[job._row("processing")] * 2]) if now > job.at + 30 else None

    here = told(OneIsThere, *[("download", "422")] * 10, latency=900.0)
    here.buy(THREE, patience=10.0)
    here.script(*[("getResponse", None)] * 4, ("getResponse", {"kind": "status", "status": 429, "retry_after": "120"}))
    here.buy(THREE, patience=90.0)
    assert len(here.films()) == 1


def test_a_pause_that_the_service_asked_for_is_no_gap_in_its_answers():
    """Each would begin anew what has to last until the films that are here are given."""
    now = 0.0
    watch = waiting.Watch(lambda: now)
    for _ in range(4):
        watch.note(Sighting(pending=1, pause=120.0))
        now += 125.0
    assert watch.lasted(watch.unchanged_since, 500.0)


def test_a_key_refused_while_polling_is_no_verdict():
    story = Story()
    story.buy(patience=10.0)
    story.simulator.key = "another"
    error = story.buy().error
    assert isinstance(error, errors.AuthenticationError)
    assert "The film is billed when it is ready." in str(error)
    story.simulator.key = story.key
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (1, 1)


def test_a_finished_film_without_an_address_is_waited_for_and_then_told():
    story = Story(("job", {"kind": "no_url", "seconds": 20.0}))
    assert story.buy().end == "film"
    story = Story(("job", {"kind": "no_url", "seconds": 5_000.0}))
    assert "names no file" in str(story.buy().error)
    story.wait(5_000)
    assert story.buy().end == "film"
    assert story.billed == 1


def test_a_render_that_never_ends_is_given_back_at_the_deadline_and_stays_collectable():
    story = Story(("job", "never"))
    assert story.buy().end == "left"
    assert story.record().state is State.ACCEPTED


def test_a_render_that_hangs_gives_its_place_to_others():
    story = Story(("job", "never"), *[("job", None)])
    story.process.places = type(story.process.places)(1)
    assert story.buy(take=1, patience=2_000.0).end == "left"
    assert story.buy(take=2).end == "film"


def test_a_film_that_the_archive_alone_shows_is_not_waited_for_like_a_render():
    """It was bought by another machine; the state shows nothing of it any more, and an hour went by."""
    here = story(kind=ForgetfulService)
    assert here.buy().end == "film"
    here.wait(1_200.0)
    elsewhere(here)
    began = here.loop.time()
    assert here.buy().end == "film"
    assert here.loop.time() - began < 120.0
    assert (here.sends, here.billed) == (1, 1)


class OneByOne(Told):
    """Shows nothing of what it has, and in its archive each result when it is ready."""

    def said(self, job, _now):
        return Answer() if job else None

    def _details(self, task, now):
        answer, job = super()._details(task, now), self._job(task)
        ready = [dict(row) for row in job.films[: int((now - job.at) // 200)]] if job else []
        accepted = [{"taskType": "videoInference", "taskUUID": task["taskUUID"]}]
        return Answer([{**row, "response": {"data": ready or accepted}} for row in answer.data])


@pytest.mark.parametrize("ordered", [True, False], ids=["bought", "collected by its UUID alone"])
def test_all_films_come_though_the_archive_alone_shows_one_after_the_other(ordered):
    """How many were ordered is not known of what is collected elsewhere."""
    here = told(OneByOne, latency=200.0)
    assert here.buy(THREE, patience=100.0).end == "left"
    task_uuid = here.order(THREE).uuid(0)
    if not ordered:
        elsewhere(here)
    here.wait(150.0)
    outcome = here.buy(THREE) if ordered else here.collect(task_uuid, patience=10_000.0)
    assert given(outcome) == 3
    assert outcome.record.billed == pytest.approx(1.26)


def test_a_film_that_the_archive_names_in_another_way_does_not_stand_for_two():
    class Unnamed(OneByOne):
        def said(self, job, now):
            return Answer([dict(job.films[0])] if now < job.at + 150 else [])

        def _details(self, task, now):
            answer, job = super()._details(task, now), self._job(task)
            unnamed = {"videoUUID", "mediaUUID"}
            ready = [{name: row[name] for name in {*row} - unnamed} for row in job.films[: int((now - job.at) // 100)]]
            return Answer([{**row, "response": {"data": ready}} for row in answer.data])

    here = told(Unnamed, latency=100.0)
    assert given(here.buy(THREE, patience=10_000.0)) >= 3
    assert len(set(here.films())) == 3


def test_an_archive_is_asked_once_a_minute_while_the_state_shows_nothing():
    here = Story(latency=1_000.0)
    here.simulator.service.__class__ = ShyService
    assert here.buy().end == "film"
    assert 10 <= here.asked("getTaskDetails") <= 25


def test_an_answer_that_goes_backwards_does_not_add_to_what_was_ordered():
    class Backwards(Told):
        def said(self, job, now):
            first = [job._success(job.films[0], now)] if 100 <= now - job.at < 160 else []
            return Answer(first + [job._row("processing")] * (3 - len(first))) if now - job.at < 180 else None

    here = told(Backwards, latency=300.0)
    here.buy(THREE, patience=110.0)
    here.process = Process(here, Volume(here.volume.clock, here.loop.time), here.key, window=here.window)
    assert given(here.collect(here.order(THREE).uuid(0))) == 3


class OfTwoAccounts(Told):
    other = False

    def said(self, job, now):
        if self.other:
            raise Refusal("taskNotFound", "No task.", status=404)
        half = job.at + 50 <= now < job.ends
        return Answer([job._success(job.films[0], now)] + [job._row("processing")] * 2) if half else None

    def archived(self, _job, _now):
        return False if self.other else None


def test_another_accounts_key_does_not_close_a_purchase_that_has_a_part_of_its_films():
    here = told(OfTwoAccounts, latency=300.0)
    here.buy(THREE, patience=120.0)
    here.simulator.key, here.simulator.service.other = None, True
    here.restart(key="a-key-of-another-account")
    error = here.buy(THREE).error
    assert isinstance(error, errors.AuthenticationError)
    assert "another API key" in str(error)
    here.simulator.service.other = False
    here.restart(key=KEY)
    assert given(here.buy(THREE)) == 3
    assert here.sends == 1


def test_a_clock_set_forward_does_not_end_a_render_that_the_service_hides():
    class Hidden(Told):
        def said(self, job, now):
            return Answer() if now < job.ends else None

        def archived(self, job, now):
            return None if now >= job.ends else False

    here = told(Hidden, latency=900.0)
    here.buy(patience=100.0)
    here.skew = 7_200.0
    assert given(here.buy()) == 1
    assert here.record().state is State.COMMITTED


class NoAddress(Service):
    """A service that calls the first result a success for ever, and never names its file."""

    def _poll(self, task, now):
        answer = super()._poll(task, now)
        for row in answer.data[:1]:
            row.pop("videoURL", None)
        return answer

    def _details(self, task, now):
        answer = super()._details(task, now)
        for each in answer.data:
            for row in each.get("response", {}).get("data", [])[:1]:
                row.pop("videoURL", None)
        return answer


def test_a_result_without_an_address_does_not_withhold_the_others():
    here = Story()
    here.simulator.service.__class__ = NoAddress
    assert given(here.buy(THREE)) == 2
    record = here.buy(THREE).record
    assert [each["code"] for each in record.failures] == ["resultGone"]
    assert record.billed == 1.26
    here.simulator.service.__class__ = Service
    assert given(here.buy(THREE)) == 3
    assert not here.buy(THREE).record.failures
    assert here.billed == 1


class FirstCost(Service):
    """A service that does not know what all but the first result cost."""

    def _poll(self, task, now):
        answer = super()._poll(task, now)
        for row in answer.data[1:]:
            row["cost"] = 0
        return answer


def test_a_cost_that_is_told_of_some_results_does_not_stand_for_all():
    here = Story()
    here.simulator.service.__class__ = FirstCost
    record = here.buy(THREE).record
    assert (record.billed, record.spent) == (0.42, Decimal("1.26"))
    assert tell.billed(record) == "Billed at least $0.42."


@pytest.mark.parametrize("quiet", [True, False], ids=["hidden while it runs", "forgotten later"])
def test_a_film_that_the_archive_shows_to_the_accounts_next_key_is_not_taken_for_another_accounts(quiet):
    class Archived(Told):
        def said(self, job, now):
            hidden = now < job.ends if quiet else now >= job.ends + 600
            return Answer() if hidden else None

    here = told(Archived, latency=300.0)
    assert here.buy(patience=20.0).end == "left"
    here.process.end()
    here.wait(0 if quiet else 3_000)
    rotate(here)
    assert given(here.buy()) == 1
    assert (here.sends, here.billed) == (1, 1)


class ForgetsTwo(Told):
    """A service that shows the first result, then forgets the task before it has shown the others."""

    def said(self, job, now):
        if now > job.ends + 5:
            return Answer()
        done = now >= job.ends
        return Answer([job._success(job.films[0], now)] + [job._row("processing")] * 2) if done else None

    def archived(self, job, now):
        return False if now >= job.ends else None


def test_what_the_service_forgot_before_it_showed_it_counts_as_billed():
    here = told(ForgetsTwo, latency=60.0)
    record = here.buy(THREE, patience=9_000.0).record
    assert (len(record.films), record.billed, record.spent) == (1, 0.42, Decimal("1.26"))
    assert [each["code"] for each in record.failures] == ["resultUnseen"]
    assert tell.billed(record) == "Billed at least $0.42."
    assert here.process.journal.spent_today() == Decimal("1.26")
    here.simulator.service.__class__ = Told
    record = here.buy(THREE).record
    assert (len(record.films), record.failures, record.spent) == (3, [], Decimal("1.26"))


def test_why_the_service_forgot_what_it_never_showed_is_told():
    class DeniesTwo(ForgetsTwo):
        def said(self, job, now):
            if now > job.ends + 5:
                raise Refusal("taskExpired", "It has expired.", status=404)
            return super().said(job, now)

    record = told(DeniesTwo, latency=60.0).buy(THREE).record
    assert [each["message"] for each in record.failures] == [
        "the service never showed a film of 2 of 3 results (It has expired)"
    ]


def test_what_is_known_by_its_acknowledgement_alone_is_waited_for_an_hour_not_a_day():
    class Acknowledged(AcknowledgingService, Told):
        def said(self, job, now):
            return Answer() if now > job.ends + 600 else None

    here = told(Acknowledged, ("job", "fail"), latency=40.0)
    assert here.buy().end == "TaskFailed"
    here.wait(2_000)
    here.volume.names.clear()
    here.volume.durable.clear()
    here.restart()
    began = here.loop.time()
    lost = here.buy(patience=90_000.0)
    assert lost.end == "ResultExpired"
    assert "Whether it was billed can be seen at my.runware.ai." in str(lost.error)
    assert here.loop.time() - began < 4_000
    assert here.sends == 1


class WithoutArchive(Told):
    """Shows one film of three and says nothing of the others; its archive is closed to this account."""

    def said(self, job, now):
        return Answer([job._success(job.films[0], now)]) if now >= job.ends else None

    def _details(self, task, now):
        if self._job(task):
            raise Refusal("forbidden", "Task details are off for this organization.", status=403)
        return super()._details(task, now)


def test_an_archive_that_never_gives_a_clear_answer_does_not_withhold_the_films_for_ever():
    here = told(WithoutArchive, latency=60.0)
    outcome = here.buy(THREE, patience=90_000.0)
    assert given(outcome) == 1
    assert 3_600.0 < here.loop.time() < 9_000.0
    assert [each["code"] for each in outcome.record.failures] == ["resultUnseen"]
    here.simulator.service.__class__ = Told
    assert given(here.buy(THREE)) == 3
    assert here.sends == 1


class ArchiveAway(WithoutArchive):
    """Shows the others, too, after five hours; its archive is away until then."""

    def said(self, job, now):
        return super().said(job, now) if now < job.at + 5 * 3_600.0 else None


def test_an_archive_that_gives_no_clear_answer_for_a_moment_is_waited_for_the_next_day_too():
    here = told(ArchiveAway, latency=60.0)
    assert here.buy(THREE, patience=100.0).end == "left"
    here.restart()
    here.wait(5 * 3_600.0 - 1_000.0)
    assert given(here.buy(THREE)) == 3
