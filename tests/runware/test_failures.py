"""What fails while a film is made: which of the service's words end a purchase, what is told of it, what is given."""

from __future__ import annotations

from decimal import Decimal

import pytest
from kling.nodes.runware import errors, tell
from kling.nodes.runware.simulator.refusal import Refusal
from kling.nodes.runware.simulator.service import Answer

from world.cast import ASKED_FIRST, THREE, Told, given, told
from world.orders import Kind
from world.story import Story


def test_a_failure_that_becomes_a_film_within_its_patience_is_a_film():
    story = Story(("job", "turns"), latency=50.0)
    assert story.buy().end == "film"
    assert story.sends == 1


def test_two_answers_that_call_a_task_failed_do_not_end_it():
    """Seed 2032965: the second came after half a minute of silence, and the film when another attempt was paid."""
    script = [("getResponse", kind) for kind in ("error_top", "hang", "error_row")]
    story = Story(*ASKED_FIRST, *script, latency=200.0)
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (1, 1)


def test_moderation_is_told_at_once():
    story = Story(("job", "moderated"), latency=40.0)
    error = story.buy().error
    assert isinstance(error, errors.TaskFailed)
    assert "flagged" in str(error)
    assert story.loop.time() < 70.0


def test_partial_results_are_delivered_and_the_rest_is_named():
    story = Story(("job", {"kind": "partial", "count": 2}))
    outcome = story.buy(Kind(results=3))
    assert outcome.end == "film"
    assert len(outcome.record.films) == 2
    assert outcome.record.failures
    assert outcome.record.billed == pytest.approx(0.84)


WHY = "Upstream says no."
LIMITED, BROKE = "providerRateLimitExceeded", "thirdPartyInsufficientCredits"


def failing(kind, code, shape, **fields):
    return Story(("job", {"kind": kind, "code": code, "text": WHY, "shape": shape, **fields}), latency=60.0)


@pytest.mark.parametrize("shape", ["top", "row"])
@pytest.mark.parametrize("code", [LIMITED, BROKE, "quotaExceeded", "mediaExpired", "taskCancelled", "conflictTaskUUID"])
def test_a_result_that_failed_does_not_withhold_its_sisters_whatever_its_code(code, shape):
    here = failing("partial", code, shape, count=2)
    outcome = here.buy(THREE)
    assert given(outcome) == 2
    assert outcome.record.failures == [{"code": code, "message": WHY}]
    is_odd = code == "conflictTaskUUID" or (code, shape) == ("quotaExceeded", "top")  # may be the question's alone
    assert (here.loop.time() > 600.0) == is_odd
    assert here.loop.time() < 900.0


FAILED_ALONE = {
    (LIMITED, "top"): 660.0, (LIMITED, "bad_request"): 660.0, (BROKE, "top"): 660.0, (LIMITED, "row"): 90.0,
    (BROKE, "row"): 90.0, ("quotaExceeded", "row"): 90.0, ("unauthorized", "row"): 90.0, ("mediaNotFound", "row"): 90.0,
}  # fmt: skip


@pytest.mark.parametrize(("code", "shape", "after"), [(*each, after) for each, after in FAILED_ALONE.items()])
def test_a_render_that_failed_is_told_as_that_though_its_code_could_be_the_questions(code, shape, after):
    here = failing("fail", code, shape)
    error = here.buy().error
    assert isinstance(error, errors.TaskFailed)
    assert WHY in str(error)
    assert after <= here.loop.time() < after + 60.0
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (2, 1)


@pytest.mark.parametrize("code", ["rateLimitExceeded", "quotaExceeded", "unauthorized", "conflictTaskUUID"])
def test_an_error_that_can_be_the_questions_alone_is_no_verdict_on_the_render(code):
    class Refuses(Told):
        def said(self, job, now):
            return Answer([], [job.error("top")]) if now < job.ends + 1_000 else None

    here = told(Refuses, ("job", {"kind": "partial", "count": 1, "code": code}), latency=60.0)
    assert here.buy(patience=2_000.0).end in {"film", "AuthenticationError", "InsufficientCreditsError"}
    here.wait(2_000)
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (1, 1)


def test_an_upstream_limit_that_passes_is_no_failure():
    class Hesitates(Told):
        def said(self, job, now):
            return Answer([], [job.error("top")]) if job.at + 60 < now < job.at + 500 else None

    here = told(Hesitates, ("job", {"kind": "partial", "count": 1, "code": LIMITED}), latency=520.0)
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (1, 1)


@pytest.mark.parametrize("code", ["mediaExpired", "mediaNotFound", "modelNotFound", "taskCancelled"])
def test_a_purchase_that_the_service_calls_unknown_is_told_with_its_words(code):
    error = failing("fail", code, "top").buy().error
    assert isinstance(error, errors.ResultExpired)
    assert f"no longer knows this purchase: {WHY}" in str(error)


def test_what_was_said_of_a_purchase_called_unknown_is_not_said_of_what_is_found_of_it_later():
    class Forgets(Told):
        def said(self, job, now):
            if now < job.ends + 600:
                raise Refusal("taskNotFound", "No task.", status=404)
            return Answer([dict(row) for row in job.films[:2]])

        def archived(self, _job, _now):
            return False

    here = told(Forgets, latency=60.0)
    assert "No task" in str(here.buy(THREE).error)
    here.wait(1_000)
    outcome = here.buy(THREE)
    assert given(outcome) == 2
    assert outcome.record.failures == []


class Costly(Told):
    """Reports a cost for what failed, and tells it twice."""

    def said(self, job, now):
        films = [dict(row) for row in job.films[: job.successes]]
        failed = [{**job.error("row"), "cost": 0.42}], [{**job.error("top"), "cost": 0.42}]
        return Answer([*films, *failed[0]], failed[1]) if now >= job.ends else None


def test_a_cost_that_was_reported_for_a_failure_is_kept_and_told():
    here = told(Costly, ("job", "fail"), latency=60.0)
    assert "Billed $0.42." in str(here.buy().error)
    assert here.record().billed == 0.42
    here = told(Costly, ("job", {"kind": "partial", "count": 2}), latency=60.0)
    record = here.buy(THREE).record
    assert (record.billed, record.cost) == (1.26, Decimal("1.26"))
    assert tell.billed(record) == "Billed at least $1.26."


class TellsFailuresTwice(Told):
    def said(self, job, now):
        rows = [job._success(film, now) for film in job.films[: 1 if now < job.ends else 2]]
        running = [job._row("processing")] if now < job.ends else []
        return Answer([*rows, job.error("row"), *running], [job.error("top")]) if now >= job.at + 50 else None


def test_a_failure_that_is_told_twice_does_not_stand_for_a_result_that_still_runs():
    here = told(TellsFailuresTwice, ("job", {"kind": "partial", "count": 2}), latency=300.0)
    assert given(here.buy(THREE)) == 2


class ArchiveAlone(Told):
    def said(self, job, now):
        return Answer([], [job.error("top")]) if now >= job.at + 40 else None


def test_a_failure_that_became_a_film_by_the_archive_alone_is_given():
    here = told(ArchiveAlone, latency=400.0)
    assert here.buy().end == "TaskFailed"
    here.wait(600)
    assert given(here.buy()) == 1
    assert given(here.collect(here.order().uuid(0))) == 1
    assert (here.sends, here.billed) == (1, 1)


class OneHangs(Told):
    """Shows one film, one failure, and one result that is being made for ever."""

    def said(self, job, now):
        done = now >= job.ends
        return Answer([job._success(job.films[0], now), job.error("row"), job._row("processing")]) if done else None


def test_why_a_result_failed_is_told_though_another_was_never_shown():
    here = told(OneHangs, ("job", {"kind": "partial", "count": 1}), latency=60.0)
    record = here.buy(THREE, patience=9_000.0).record
    assert len(record.films) == 1
    assert [each["code"] for each in record.failures] == ["timeoutProvider", "resultUnseen"]
    assert "never showed a film of 2 of 3 results" in record.failures[1]["message"]  # the failed one was shown
    assert tell.billed(record) == "Billed at least $0.42."


class OneOfEach(Told):
    """Shows one film and one failure; the third result is finished without an address, or made for ever."""

    status = "success"

    def said(self, job, now):
        failed = {"taskUUID": job.task["taskUUID"], "status": "error", "error": {"code": "timeoutProvider"}}
        return Answer([job._success(job.films[0], now), failed, job._row(self.status)]) if now >= job.ends else None


class NoneIsOver(OneOfEach):
    status = "processing"


def test_why_a_result_failed_is_told_though_another_has_no_address():
    here = told(OneOfEach, latency=60.0)
    here.simulator.service.archived = lambda *_: False
    record = here.buy(THREE, patience=9_000.0).record
    assert len(record.films) == 1
    assert "timeoutProvider" in [each["code"] for each in record.failures]


def test_a_failure_that_is_a_film_by_the_archive_is_not_told_when_the_waiting_is_cut_short():
    here = told(NoneIsOver, latency=60.0)
    outcome = here.buy(THREE, patience=9_000.0)
    assert (given(outcome), outcome.record.failures) == (3, [])
