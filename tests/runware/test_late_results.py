"""Results that come late, one by one, or never: what is here is given, and what may still come is waited for."""

from __future__ import annotations

import pytest
from kling.nodes.runware.afterwards import is_open
from kling.nodes.runware.record import State
from kling.nodes.runware.simulator.exchange import Reply
from kling.nodes.runware.simulator.films import NAME, Films
from kling.nodes.runware.simulator.refusal import Refusal
from kling.nodes.runware.simulator.service import Answer

from world.cast import HOUR, THREE, EarlyFilms, RefusedEarly, Told, given, pending, story, told
from world.story import Story


class TwoOfThree(Told):
    """Shows two of three results, and of the third nothing, or that it is being made for ever."""

    hangs: bool

    def said(self, job, now):
        if now < job.ends:
            return None
        pending = [{"taskType": "videoInference", "taskUUID": job.task["taskUUID"], "status": "processing"}]
        return Answer([*(job._success(film, now) for film in job.films[:2]), *(pending if self.hangs else [])])

    def archived(self, job, now):  # noqa: ARG002
        return False


class ThirdHangs(TwoOfThree):
    hangs = True


class ThirdIsMissing(TwoOfThree):
    hangs = False


@pytest.mark.parametrize("kind", [ThirdHangs, ThirdIsMissing])
def test_a_result_that_never_comes_does_not_withhold_the_others_once_it_could_have_come(kind):
    here = told(kind)
    assert here.buy(THREE, patience=1_800.0).end == "left"
    here.wait(2 * HOUR)
    outcome = here.buy(THREE)
    assert given(outcome) == 2
    assert outcome.record.state is State.COMMITTED
    assert "1 of 3" in str(outcome.record.failures)
    here.simulator.service.__class__ = Told
    assert given(here.buy(THREE)) == 3
    assert here.sends == 1


def one_never_shown_and_one_lost():
    """Tell of three films of which one is not shown for hours and one is deleted; then the service shows them all."""
    here = told(ThirdIsMissing)
    assert here.buy(THREE, patience=1_800.0).end == "left"
    here.wait(2 * HOUR)
    assert given(here.buy(THREE)) == 2
    here.volume.drop(here.volume.below("films")[0])
    here.simulator.service.__class__ = Told
    return here


def test_a_result_that_is_shown_while_a_damaged_film_is_fetched_again_is_no_longer_told_as_never_shown():
    """All three films were here; yet the third was told as never shown, its cost as unknown, and it was looked for."""
    here = one_never_shown_and_one_lost()
    outcome = here.buy(THREE)
    assert given(outcome) == 3
    assert outcome.record.failures == []
    assert not is_open(outcome.record)


class ThirdIsClosed(Films):
    async def download(self, request, fault, now):
        job, place = self.service.film(NAME.fullmatch(request.path)["uuid"])
        is_closed = place == 2 and now < job.ends + 20 * HOUR
        return Reply(404) if is_closed else await super().download(request, fault, now)


def test_a_result_that_is_shown_then_and_cannot_be_fetched_is_told_as_that_alone():
    here = one_never_shown_and_one_lost()
    here.simulator.films.__class__ = ThirdIsClosed
    outcome = here.buy(THREE)
    assert given(outcome) == 2
    assert [each["code"] for each in outcome.record.failures] == ["resultGone"]


class ThirdIsLate(TwoOfThree):
    """Shows the third result after five hours, and forgets all of them after ten."""

    hangs = False

    def said(self, job, now):
        if now >= job.ends + 10 * HOUR:
            raise Refusal("taskNotFound", "No task.", status=404)
        return super().said(job, now) if now < job.ends + 5 * HOUR else None


def test_the_address_of_a_late_result_is_kept_when_its_film_cannot_be_fetched_yet():
    here = story(kind=ThirdIsLate)
    here.simulator.films.__class__ = ThirdIsClosed
    assert given(here.buy(THREE, patience=3 * HOUR)) == 2
    here.wait(7 * HOUR)
    assert given(here.buy(THREE)) == 2
    here.wait(15 * HOUR)
    assert given(here.buy(THREE)) == 3
    assert here.sends == 1


class Shown(Told):
    """Shows the first of three results after a minute, all when they are there, and nothing in an outage between."""

    outage = (90.0, 4_500.0)

    def said(self, job, now):
        since = now - job.at
        if self.outage[0] <= since < self.outage[1]:
            raise Refusal("serviceUnavailable", "Down.", status=503)
        return Answer([job._success(job.films[0], now), *[pending(job)] * 2]) if 60.0 <= since < 90.0 else None

    def archived(self, job, now):
        return False if now - job.at < self.outage[1] else None


def test_what_cannot_be_asked_about_is_not_closed_by_the_hour():
    here = told(Shown, latency=240.0)
    assert given(here.buy(THREE, patience=3 * HOUR)) == 3


class OnlyTheFirst(Told):
    def said(self, job, now):
        return Answer([job._success(job.films[0], now)]) if now >= job.ends else None


def test_a_late_purchase_is_closed_with_what_the_archive_has_too():
    here = told(OnlyTheFirst, latency=240.0)
    assert given(here.buy(THREE, patience=3 * HOUR)) == 3


class TurnsAfterHours(Told):
    """Calls three results failed for two hours; then shows the first, and ten minutes later all."""

    def said(self, job, now):
        since = now - job.at
        if since < 2 * HOUR:
            return Answer(errors=[job.error("top")])
        return Answer([job._success(job.films[0], now), *[pending(job)] * 2]) if since < 2 * HOUR + 600 else None

    def archived(self, job, now):
        return False if now - job.at < 2 * HOUR + 600 else None


def test_what_is_said_to_be_in_the_making_after_hours_is_waited_for():
    here = told(TurnsAfterHours, latency=240.0)
    assert here.buy(THREE).end == "TaskFailed"
    here.wait(2 * HOUR)
    assert given(here.buy(THREE)) == 3
    assert here.sends == 1


@pytest.mark.parametrize("status", [401, 402], ids=["key", "credits"])
def test_an_account_that_is_refused_for_good_does_not_withhold_the_films_that_are_here(status):
    here = Story()
    assert given(here.buy(THREE)) == 3
    lost, *_ = here.volume.below("films")
    here.volume.drop(lost)
    refused = {"kind": "status", "status": status}
    here.script(*[(question, refused) for question in ("getResponse", "getTaskDetails")] * 200)
    for _ in range(2):  # what is damaged is asked about first, then fetched
        assert "Runware refused the" in str(here.buy(THREE).error)
    here.wait(700)
    outcome = here.buy(THREE)
    assert (given(outcome), len(outcome.record.gone)) == (2, 1)
    here.simulator.faults = type(here.simulator.faults)()
    assert given(here.buy(THREE)) == 3
    assert here.sends == 1


@pytest.mark.parametrize("status", [401, 402], ids=["key", "credits"])
def test_an_account_that_is_refused_for_good_before_all_is_made_gives_what_is_here_after_the_hour(status):
    here = story(kind=RefusedEarly, latency=300.0)
    here.simulator.films.__class__ = EarlyFilms
    assert here.buy(THREE).end == "InsufficientCreditsError"
    assert len(here.films()) == 1
    here.script(
        *[(question, {"kind": "status", "status": status}) for question in ("getResponse", "getTaskDetails")] * 99
    )
    assert "Runware refused the" in str(here.buy(THREE).error)
    here.wait(HOUR)
    outcome = here.buy(THREE)
    assert given(outcome) == 1
    assert "2 of 3 results (Runware refused the" in str(outcome.record.failures)
    here.simulator.faults = type(here.simulator.faults)()
    assert given(here.buy(THREE)) == 3
    assert here.sends == 1


class OneForADay(Told):
    """Shows the first of three results at once, and the others as being made, for a day."""

    def said(self, job, now):
        return Answer([job._success(job.films[0], now), *[pending(job)] * 2]) if now - job.at < 24 * HOUR else None


def test_an_account_that_is_refused_for_a_moment_withholds_nothing_that_is_still_to_come():
    """A wrong key gave one film of three and called the others never shown; ComfyUI kept that and asked no more."""
    here = told(OneForADay)
    assert here.buy(THREE, patience=100.0).end == "left"
    for _ in range(2):
        here.restart()
        here.wait(9 * HOUR)
        here.script(("getResponse", {"kind": "status", "status": 401}))
        assert here.buy(THREE).end == "AuthenticationError"
        assert here.buy(THREE, patience=100.0).end == "left"
    here.restart()
    here.wait(9 * HOUR)
    assert given(here.buy(THREE)) == 3
    assert here.sends == 1


class MadeForEver(Told):
    def said(self, job, now):  # noqa: ARG002
        return Answer([pending(job)])


@pytest.mark.parametrize("shown", [1, 0], ids=["a film", "nothing"])
def test_an_account_that_is_refused_ends_no_waiting_within_the_hour_nor_without_a_film(shown):
    here = told(OneForADay if shown else MadeForEver)
    assert here.buy(THREE, patience=100.0).end == "left"
    for _ in range(2):
        here.restart()
        here.wait(700.0 if shown else 2 * HOUR)
        here.script(("getResponse", {"kind": "status", "status": 401}))
        assert here.buy(THREE).end == "AuthenticationError"
    assert here.record(here.order(THREE).uuid(0)).state is State.ACCEPTED
