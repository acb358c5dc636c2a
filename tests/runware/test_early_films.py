"""Films that are fetched beside the asking: none waits for a slow sister, and none is left behind."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace

import pytest
from kling.nodes.runware import download
from kling.nodes.runware.simulator.exchange import Reply
from kling.nodes.runware.simulator.films import NAME, Films
from kling.nodes.runware.simulator.refusal import Refusal
from kling.nodes.runware.simulator.service import Answer, Service

from world.cast import HOUR, THREE, EarlyFilms, RefusedEarly, Told, given, pending, story, told
from world.clockwork import EPOCH
from world.orders import Kind
from world.story import Story

FOUR = Kind(results=4)


class OneHangs(Films):
    """Gives each file for a minute after the result; the first one only drips."""

    async def download(self, request, fault, now):
        job, place = self.service.film(NAME.fullmatch(request.path)["uuid"])
        if now > job.ends + 60.0:
            return Reply(404)
        reply = await super().download(request, fault, now)
        return replace(reply, pause=50.0, piece=100) if place == 0 else reply


@pytest.mark.parametrize("early", [False, True], ids=["all at once", "one after the other"])
def test_one_film_that_hangs_does_not_cost_the_others(early):
    here = story(kind=OneByOne if early else Service)
    here.simulator.films.__class__ = OneHangs
    here.simulator.service.retention = 120.0
    here.buy(FOUR)
    assert len(here.films()) == 3
    assert here.sends == 1


class OneByOne(Told):
    """Shows the first result a minute early, and the third one only from half a minute to a quarter before the end."""

    def said(self, job, now):
        shown = [job._success(film, now) for film in job.films[:2]]
        return Answer(shown) if job.at + 20 <= now < job.ends else None


def test_while_a_slow_film_is_fetched_the_others_are_asked_for():
    here = told(OneByOne)

    class Slow(type(here.simulator.films)):
        async def download(self, request, fault, now):
            reply = await super().download(request, fault, now)
            return replace(reply, pause=10.0, piece=700)

    here.simulator.films.__class__ = Slow
    asked = []
    poll = here.simulator.service._poll
    here.simulator.service._poll = lambda task, now: (asked.append(now), poll(task, now))[1]
    assert given(here.buy(THREE)) == 3
    during = [moment for moment in asked if 25.0 <= moment < 55.0]
    assert len(during) >= 3


class StopsOnce(Films):
    """Stops for a day in the middle of the first transfer."""

    stopped = False

    async def download(self, request, fault, now):
        reply = await super().download(request, fault, now)
        once, self.stopped = not self.stopped, True
        return replace(reply, pause=86_400.0, piece=500) if once else reply


def test_a_transfer_that_stops_in_the_middle_is_begun_again_within_a_minute():
    here = Story()
    here.simulator.films.__class__ = StopsOnce
    record = here.buy().record
    assert here.asked("download") == 2
    assert here.loop.time() - (record.finished_at - EPOCH) < 60.0


class SlowLine(EarlyFilms):
    async def download(self, request, fault, now):
        reply = await super().download(request, fault, now)
        return replace(reply, pause=2.0, piece=250)


def test_a_question_that_is_refused_leaves_a_download_alone():
    here = story(kind=RefusedEarly, latency=300.0)
    here.simulator.films.__class__ = SlowLine
    assert here.buy(THREE).end == "InsufficientCreditsError"
    assert len(here.films()) == 1


class SecondLater(Told):
    def said(self, job, now):
        return Answer([job._success(job.films[0], now), pending(job)]) if job.ends - 30 <= now < job.ends else None


class FirstIsSlow(EarlyFilms):
    """The first film takes two minutes on a steady line; the second one lives for one."""

    async def download(self, request, fault, now):
        job, place = self.service.film(NAME.fullmatch(request.path)["uuid"])
        if place == 1 and now > job.ends + 60.0:
            return Reply(404)
        reply = await super().download(request, fault, now)
        return replace(reply, pause=10.0, piece=len(reply.body) // 10) if place == 0 else reply


def test_the_last_result_is_fetched_while_an_earlier_one_is_still_on_its_way(monkeypatch):
    monkeypatch.setattr(download, "SLOW_BYTES_PER_SECOND", 0)  # the films are tiny
    here = story(kind=SecondLater)
    here.simulator.films.__class__ = FirstIsSlow
    assert given(here.buy(Kind(results=2))) == 2


class SecondIsLate(Films):
    """The first film takes two minutes on a steady line; the second one comes after 20 s, and lives for a minute."""

    async def download(self, request, fault, now):
        job, place = self.service.film(NAME.fullmatch(request.path)["uuid"])
        if place == 1 and not job.ends + 20.0 <= now <= job.ends + 60.0:
            return Reply(422 if now < job.ends + 20.0 else 404)
        reply = await super().download(request, fault, now)
        return replace(reply, pause=10.0, piece=len(reply.body) // 12) if place == 0 else reply


def test_a_film_that_was_not_there_yet_is_tried_again_while_another_is_still_on_its_way(monkeypatch):
    monkeypatch.setattr(download, "SLOW_BYTES_PER_SECOND", 0)  # the films are tiny
    here = Story()
    here.simulator.films.__class__ = SecondIsLate
    assert given(here.buy(Kind(results=2))) == 2


def test_a_download_that_is_under_way_when_the_last_result_is_shown_goes_on(monkeypatch):
    monkeypatch.setattr(download, "SLOW_BYTES_PER_SECOND", 0)
    here = story(kind=SecondLater)
    here.simulator.films.__class__ = FirstIsSlow
    assert given(here.buy(Kind(results=2))) == 2
    assert here.asked("download") == 2


class FirstIsEarly(Told):
    def said(self, job, now):
        return Answer([job._success(job.films[0], now), pending(job)]) if now - job.at > 60.0 else None


class FirstIsNone(EarlyFilms):
    """The first film is none, whenever it is loaded."""

    async def download(self, request, fault, now):
        place = self.service.film(NAME.fullmatch(request.path)["uuid"])[1]
        return Reply(body=b"no film") if place == 0 else await super().download(request, fault, now)


def test_a_film_that_cannot_be_had_is_tried_ever_more_seldom_while_others_are_made():
    here = story(kind=FirstIsEarly, latency=1_800.0)
    here.simulator.films.__class__ = FirstIsNone
    here.buy(Kind(results=2), patience=1_790.0)
    assert 5 <= here.asked("download") <= 40


class DownSoon(Told):
    """Shows the first of two results after a minute, and is down from then on."""

    def said(self, job, now):
        if now - job.at > 90.0:
            raise Refusal("serviceUnavailable", "Down.", status=503)
        return Answer([job._success(job.films[0], now), pending(job)]) if now - job.at > 60.0 else None


class NoFilms(Films):
    async def download(self, request, fault, now):  # noqa: ARG002
        return Reply(404)


def test_a_film_that_cannot_be_had_for_a_day_is_tried_until_the_waiting_ends():
    """After a thousand tries the next pause was too large a number, and a bare OverflowError ended the waiting."""
    here = story(kind=DownSoon, latency=1_800.0)
    here.simulator.films.__class__ = NoFilms
    assert here.buy(Kind(results=2), patience=25 * HOUR).end == "TaskTimeout"
    assert here.asked("download") > 1_200


class Pondering(EarlyFilms):
    async def download(self, request, fault, now):
        await asyncio.sleep(0.5)
        return await super().download(request, fault, now)


def test_an_end_leaves_no_download_behind_and_a_new_beginning_fetches_early_again():
    """Whoever is next may be at the same film, and an error that nobody asks for is told on the terminal."""
    here, said = story(kind=FirstIsEarly, latency=600.0), []
    here.simulator.films.__class__ = Pondering
    here.loop.set_exception_handler(lambda _, context: said.append(context))
    purchase = here.process.purchase(here.order(Kind(results=2)))

    async def run_until(seconds):
        task = asyncio.ensure_future(purchase.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait({task})
        await asyncio.sleep(0.1)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert purchase.early.under_way() == {}

    here.script(("download", {"kind": "hang"}), ("download", "404"))
    here.run(run_until(70.0))
    here.run(run_until(1.0))
    assert (here.asked("download"), len(here.films())) == (2, 0)
    here.run(run_until(10.0))
    assert len(here.films()) == 1
    gc.collect()
    assert said == []


def test_a_film_that_was_lost_while_another_was_made_is_fetched_again():
    here = told(SecondLater, latency=600.0)
    assert here.buy(Kind(results=2), patience=595.0).end == "left"
    (path,) = here.volume.below("films")
    here.volume.drop(path)
    assert given(here.buy(Kind(results=2))) == len(here.films()) == 2


def test_a_download_that_failed_beside_a_refused_question_leaves_no_error_that_nobody_asks_for():
    here = story(kind=RefusedEarly, latency=300.0)
    here.simulator.films.__class__ = NoFilms
    unasked = []
    here.loop.set_exception_handler(lambda _loop, context: unasked.append(context))
    assert here.buy(THREE).end == "InsufficientCreditsError"
    here.process.running.clear()
    gc.collect()
    assert unasked == []
