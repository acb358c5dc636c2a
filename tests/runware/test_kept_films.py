"""What is already here of a paid film: its address, its file, or both. It is tried before anything is called gone."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace

import pytest
from kling.nodes.runware import download
from kling.nodes.runware.afterwards import is_open
from kling.nodes.runware.errors import StorageError
from kling.nodes.runware.journal import Journal
from kling.nodes.runware.record import State
from kling.nodes.runware.simulator import tiny_film
from kling.nodes.runware.simulator.exchange import Reply
from kling.nodes.runware.simulator.films import NAME, Films
from kling.nodes.runware.simulator.refusal import Refusal
from kling.nodes.runware.simulator.service import Answer, Service

from world.cast import THREE, EarlyFilms, Told, given, rotate, story, told
from world.clockwork import EPOCH
from world.orders import Kind
from world.story import Story

HOUR = 3_600.0


class ClosedForHours(Films):
    """A host of films that answers 404 for the first hours, though the files are there."""

    async def download(self, request, fault, now):
        if now < 20 * HOUR:
            return Reply(404)
        return await super().download(request, fault, now)


class GoneAfterHours(Films):
    async def download(self, request, fault, now):
        return Reply(404) if now > 10 * HOUR else await super().download(request, fault, now)


@pytest.mark.parametrize("again", ["run", "collect"])
def test_an_address_that_works_again_gives_the_film_that_the_service_no_longer_names(again):
    here = Story(retention=2 * HOUR)
    here.simulator.films.__class__ = ClosedForHours
    press = here.buy if again == "run" else lambda: here.collect(here.order().uuid(0))
    here.buy()
    here.wait(14 * HOUR)
    assert here.buy().end == "ResultExpired"
    assert press().end == "ResultExpired"
    here.wait(8 * HOUR)
    assert given(press()) == 1
    assert here.sends == 1


def test_a_film_that_lies_here_whole_is_given_though_its_record_could_not_be_written(monkeypatch):
    here = Story(retention=2 * HOUR)
    here.simulator.films.__class__ = GoneAfterHours
    put = Journal.put

    def full(journal, record):
        if any(film.file for film in record.films):
            raise StorageError("no room")
        put(journal, record)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "put", full)
        assert here.buy().end == "StorageError"
    assert len(here.films()) == 1
    here.wait(20 * HOUR)
    assert given(here.buy()) == 1
    assert here.sends == 1


def test_a_file_that_is_no_whole_film_is_not_taken_for_one(monkeypatch):
    here = Story()
    assert given(here.buy()) == 1
    (path,) = here.volume.below("films")
    record = here.record()
    record.films[0].file = record.films[0].sha256 = record.films[0].size = None
    record.state = State.RESULT
    here.process.journal.put(record)
    here.volume.put(path, b"half a film")
    assert given(here.buy()) == 1
    assert here.asked("download") == 2
    assert here.films() == [tiny_film.render({"taskUUID": here.record().task_uuid, "duration": 5}, 0)]


class SameName(Told):
    """Calls the film of every purchase by the same UUID."""

    def _job(self, _task):
        return None

    def _poll(self, task, now):
        answer = super()._poll(task, now)
        for row in answer.data:
            if "videoUUID" in row:
                row["videoUUID"] = "1"
        return answer


def test_films_that_the_service_calls_by_one_name_do_not_replace_each_other():
    here = story(kind=SameName)
    assert given(here.buy(take=1)) == given(here.buy(take=2)) == 1
    assert len(here.films()) == len(set(here.films())) == 2
    first = here.buy(take=1).record.films[0]
    second = here.buy(take=2).record.films[0]
    assert first.file != second.file
    assert first.sha256 != second.sha256
    assert here.asked("download") == 2


@pytest.mark.parametrize(("ordered", "sent"), [("mp4", "WEBM"), ("webm", "MP4"), ("mov", "WEBM")])
def test_a_whole_film_in_another_container_than_ordered_is_kept_by_its_own(ordered, sent):
    here = Story(render=lambda task, place: tiny_film.render({**task, "outputFormat": sent}, place))
    outcome = here.buy(Kind(ending=ordered))
    assert given(outcome) == 1
    assert outcome.record.films[0].file.endswith("." + sent.lower())
    assert here.asked("download") == here.sends == 1


def test_a_film_that_another_key_bought_is_not_called_lost_by_the_present_one():
    here = Story(retention=2 * HOUR)
    assert given(here.buy()) == 1
    for path in here.volume.below("films"):
        here.volume.drop(path)
    bought = here.record().task_uuid
    rotate(here)
    here.simulator.service.jobs.clear()  # the other account's tasks are not shown to this one
    for press in (here.buy, lambda: here.collect(bought)):
        error = press().error
        assert "another API key" in str(error)
        assert "earlier key" in str(error)
    assert here.sends == 1


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


class ThirdIsClosed(Films):
    async def download(self, request, fault, now):
        job, place = self.service.film(NAME.fullmatch(request.path)["uuid"])
        is_closed = place == 2 and now < job.ends + 20 * HOUR
        return Reply(404) if is_closed else await super().download(request, fault, now)


def test_the_address_of_a_late_result_is_kept_when_its_film_cannot_be_fetched_yet():
    here = story(kind=ThirdIsLate)
    here.simulator.films.__class__ = ThirdIsClosed
    assert given(here.buy(THREE, patience=3 * HOUR)) == 2
    here.wait(7 * HOUR)
    assert given(here.buy(THREE)) == 2
    here.wait(15 * HOUR)
    assert given(here.buy(THREE)) == 3
    assert here.sends == 1


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


def pending(job):
    return {"taskType": "videoInference", "taskUUID": job.task["taskUUID"], "status": "processing"}


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


class RefusedEarly(Told):
    """Shows the first result after a minute, and then refuses the account until a quarter of an hour has passed."""

    def said(self, job, now):
        since = now - job.at
        if 62.0 < since < 900.0:
            raise Refusal("insufficientCredits", "No credits.", status=402)
        return Answer([job._success(job.films[0], now), *[pending(job)] * 2]) if 60.0 <= since <= 62.0 else None


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


def test_a_film_that_cannot_be_had_for_a_day_is_tried_until_the_waiting_ends():
    """After a thousand tries the next pause was too large a number, and a bare OverflowError ended the waiting."""
    here = story(kind=DownSoon, latency=1_800.0)
    here.simulator.films.__class__ = ClosedForADay
    assert here.buy(Kind(results=2), patience=25 * HOUR).end == "TaskTimeout"
    assert here.asked("download") > 1_200


class ClosedForADay(Films):
    async def download(self, request, fault, now):  # noqa: ARG002
        return Reply(404)


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


class MadeForEver(Told):
    def said(self, job, now):  # noqa: ARG002
        return Answer([pending(job)])


def test_a_film_that_was_damaged_here_is_not_taken_for_one_without_a_record():
    here = Story(retention=2 * HOUR)
    assert given(here.buy()) == 1
    (path,) = here.volume.below("films")
    damaged, before = bytearray(here.volume.names[path].data), here.record().films[0].sha256
    damaged[-50:] = bytes(50)
    here.wait(20 * HOUR)
    here.volume.put(path, bytes(damaged))
    assert here.buy().end == "ResultExpired"
    assert here.record().films[0].sha256 == before


def test_films_of_one_name_do_not_replace_each_other_whatever_their_containers():
    here = story(kind=SameName, render=lambda task, place: tiny_film.render({**task, "outputFormat": "MP4"}, place))
    assert given(here.buy(Kind(ending="mp4"))) == given(here.buy(Kind(ending="webm"))) == 1
    assert len(here.films()) == 2


def test_a_full_disk_is_told_with_what_was_paid_when_a_kept_address_works_again(monkeypatch):
    here = Story(retention=2 * HOUR)
    here.simulator.films.__class__ = ClosedForHours
    here.buy()
    here.wait(14 * HOUR)
    assert here.buy().end == "ResultExpired"
    here.wait(8 * HOUR)
    monkeypatch.setattr(here.process.disk, "free", lambda _folder: 0)
    error = str(here.buy().error)
    assert "MiB are needed" in error
    assert "Billed $0.42" in error
    assert here.record().task_uuid in error


def test_a_download_that_failed_beside_a_refused_question_leaves_no_error_that_nobody_asks_for():
    here = story(kind=RefusedEarly, latency=300.0)
    here.simulator.films.__class__ = NoFilms
    unasked = []
    here.loop.set_exception_handler(lambda _loop, context: unasked.append(context))
    assert here.buy(THREE).end == "InsufficientCreditsError"
    here.process.running.clear()
    gc.collect()
    assert unasked == []


class NoFilms(Films):
    async def download(self, request, fault, now):  # noqa: ARG002
        return Reply(404)
