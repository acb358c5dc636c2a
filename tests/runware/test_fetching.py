"""Films that come late, one by one, from one witness alone, or back: what was paid is given to who asks again."""

from __future__ import annotations

import pytest
from kling.nodes.runware import errors
from kling.nodes.runware.record import State
from kling.nodes.runware.simulator.exchange import Reply
from kling.nodes.runware.simulator.faults import Faults
from kling.nodes.runware.simulator.films import NAME, Films
from kling.nodes.runware.simulator.refusal import Refusal
from kling.nodes.runware.simulator.service import Answer, Service

from world.cast import THREE, EarlyFilms, Told, given, told
from world.disk import Volume
from world.orders import Kind
from world.process import Process
from world.story import Story

DAY = 86_400.0


@pytest.mark.parametrize("kind", [Kind(), THREE], ids=["one", "three"])
def test_a_film_that_was_away_for_a_moment_is_given_when_it_is_back(kind):
    here = Story(retention=DAY / 2)
    assert given(here.buy(kind)) == kind.results
    here.wait(DAY)
    path, *_ = here.volume.below("films")
    data = bytes(here.volume.names[path].data)
    here.volume.drop(path)
    assert here.buy(kind).end == ("ResultExpired" if kind.results == 1 else "film")
    here.volume.put(path, data)
    assert given(here.buy(kind)) == kind.results
    assert given(here.collect(here.order(kind).uuid(0))) == kind.results
    assert here.sends == 1


def test_neither_the_request_nor_an_address_is_kept_when_the_film_is_here():
    story = Story()
    kept = [story.path(story.order().uuid(0), kind) for kind in ("json", "body", "urls")]
    assert story.buy().end == "film"
    assert [path in story.volume.names for path in kept] == [True, False, False]


def test_no_address_is_kept_when_the_film_that_was_gone_is_here_again():
    here = Story(retention=DAY)
    assert given(here.buy(THREE)) == 3
    path, *_ = here.volume.below("films")
    data = bytes(here.volume.names[path].data)
    here.volume.drop(path)
    here.script(*[("download", "404")] * 40)
    assert given(here.buy(THREE)) == 2
    kept = here.path(here.order(THREE).uuid(0), "urls")
    assert kept in here.volume.names
    here.volume.put(path, data)
    asked = len(here.simulator.requests)
    assert given(here.buy(THREE)) == 3
    assert kept not in here.volume.names
    assert len(here.simulator.requests) == asked  # all are here: nobody has to be asked


def test_a_film_that_cannot_be_read_is_told_and_not_taken_for_gone(monkeypatch):
    here = Story(retention=DAY / 2)
    here.buy()
    here.wait(DAY)

    def locked(_path):
        raise PermissionError(13, "in use")

    with monkeypatch.context() as patch:
        patch.setattr(here.process.disk, "open", locked)
        error = here.buy().error
    assert isinstance(error, errors.StorageError)
    assert "cannot be read (in use)" in str(error)
    assert "Billed $0.42." in str(error)
    assert given(here.buy()) == 1
    assert here.sends == 1


class FailsTwoFirst(Told):
    def said(self, job, now):
        early = job.ends - 100 <= now < job.ends
        return Answer([job._success(job.films[0], now)], [job.error("top"), job.error("top")]) if early else None


class LosesTwoFirst(Told):
    def said(self, job, now):
        shown = job.at + job.seconds / 4
        if shown <= now < shown + 10:
            return Answer([job._success(job.films[0], now)])
        if shown <= now < job.ends:
            raise Refusal("taskNotFound", "No task.", status=404)
        return None

    def archived(self, job, now):
        return None if now >= job.ends else False


@pytest.mark.parametrize("kind", [FailsTwoFirst, LosesTwoFirst])
def test_what_came_after_the_purchase_was_closed_is_given_to_the_next_run(kind):
    here = told(kind, latency=400.0)
    assert given(here.buy(THREE)) == 1
    here.wait(600)
    assert given(here.buy(THREE)) == 3
    assert not here.record(here.order(THREE).uuid(0)).failures
    questions = len(here.simulator.requests)
    assert given(here.buy(THREE)) == 3
    assert len(here.simulator.requests) == questions
    assert (here.sends, here.billed) == (1, 1)


class OneByOne(Told):
    def said(self, job, now):
        ready = sum(now >= job.at + job.seconds * part / 3 for part in (1, 2, 3))
        return Answer([job._success(film, now) for film in job.films[:ready]])


def test_collecting_where_nobody_knows_how_many_were_ordered_asks_for_more():
    here = told(OneByOne, latency=300.0)
    assert here.buy(THREE, patience=110.0).end == "left"
    task_uuid = here.order(THREE).uuid(0)
    here.process = Process(here, Volume(here.volume.clock, here.loop.time), here.key, window=here.window)
    assert given(here.collect(task_uuid)) == 1
    here.wait(600)
    assert given(here.collect(task_uuid)) == 3
    assert given(here.buy(THREE)) == 3
    assert here.sends == 1


class ForgetsSoon(Told):
    def said(self, job, now):
        return Answer() if now >= job.ends + 600 else None


def test_a_film_that_could_not_be_fetched_is_asked_for_in_the_archive_too():
    here = told(ForgetsSoon, *[("download", None)] * 2, *[("download", "404")] * 40)
    assert given(here.buy(THREE)) == 2
    here.wait(3_000)
    here.simulator.faults = type(here.simulator.faults)()
    assert given(here.buy(THREE)) == 3


def test_an_expired_purchase_is_looked_for_in_the_archive_too():
    here = told(ForgetsSoon, *[("download", "404")] * 200)
    assert here.buy().end == "ResultExpired"
    here.wait(3_000)
    here.simulator.faults = type(here.simulator.faults)()
    assert given(here.buy()) == 1


class LateFilms(EarlyFilms):
    """No film can be fetched before a second that the test sets."""

    until = 0.0

    async def download(self, request, fault, now):
        return Reply(422) if now < self.until else await Films.download(self, request, fault, now)


@pytest.mark.parametrize("kind", [FailsTwoFirst, OneByOne])
def test_what_is_shown_while_another_film_is_waited_for_is_fetched_with_it(kind):
    here = told(kind, latency=300.0)
    here.simulator.films.__class__ = LateFilms
    here.simulator.films.until = 315.0
    outcome = here.buy(THREE)
    assert given(outcome) == 3
    assert all(film.file for film in outcome.record.films)
    assert len(here.films()) == 3


def test_one_film_that_cannot_be_read_does_not_keep_the_others_from_being_fetched():
    here = told(OneByOne, latency=300.0, retention=50_000.0)
    here.buy(THREE, patience=120.0)
    first, *_ = here.volume.below("films")
    disk, right = here.process.disk, here.process.disk.open

    def locked(path):
        if path == first:
            raise PermissionError(13, "in use")
        return right(path)

    disk.open = locked
    here.simulator.films.__class__ = LateFilms
    here.simulator.films.until = 310.0
    assert here.buy(THREE).end == "StorageError"
    assert len(here.films()) == 3
    here.wait(60_000)
    disk.open = right
    assert given(here.buy(THREE)) == 3


def test_what_was_given_up_is_tried_with_what_was_damaged():
    """One film of three was 404 at first; later the others are lost here and gone there, and it is back."""
    here = told(Told, latency=60.0)
    task_uuid, away = here.order(THREE).uuid(0), {1}

    class Moving(EarlyFilms):
        async def download(self, request, fault, now):
            names = [row["videoUUID"] for row in self.service.jobs[task_uuid][-1].films]
            gone = any(names[number] in request.path for number in away)
            return Reply(404) if gone else await super().download(request, fault, now)

    here.simulator.films.__class__ = Moving
    assert given(here.buy(THREE)) == 2
    for path in here.volume.below("films"):
        here.volume.drop(path)
    away ^= {0, 1, 2}
    outcome = here.buy(THREE)
    assert given(outcome) == 1
    assert len(outcome.record.gone) == 2


def test_the_films_that_are_here_are_given_though_the_key_was_changed_and_the_service_forgot():
    class Lost(Told):
        def said(self, job, now):
            if now > job.ends + DAY / 2:
                raise Refusal("taskNotFound", "No task.", status=404)
            half = job.at + 50 <= now < job.ends
            return Answer([job._success(job.films[0], now)] + [job._row("processing")] * 2) if half else None

        def archived(self, job, now):
            return False if now > job.ends + DAY / 2 else None

    here = told(Lost, latency=300.0)
    here.buy(THREE, patience=120.0)
    here.process.end()
    here.wait(DAY)
    here.simulator.key = "next"
    here.restart(key="next")
    assert given(here.buy(THREE)) == 1


class OneBad(Films):
    """The first of several films gives something else; `gone` takes the others away."""

    bad = Reply(302, [("location", "https://elsewhere.example/")], b"")
    gone = False

    async def download(self, request, fault, now):
        if self.gone:
            return Reply(404, [], b"")
        found = NAME.fullmatch(request.path)
        place = self.service.film(found["uuid"]) if found else None
        return self.bad if place and place[1] == 0 else await super().download(request, fault, now)


@pytest.mark.parametrize("forgotten", [False, True], ids=["known", "forgotten"])
@pytest.mark.parametrize(
    "bad",
    [
        Reply(302, [("location", "https://elsewhere.example/")], b""),
        Reply(200, [("content-type", "video/mp4"), ("content-length", str(600 * 2**20))], b"x"),
        Reply(200, [("content-type", "video/mp4"), ("content-length", "500")], bytes(500)),
        Reply(503, [], b""),
    ],
    ids=["redirect", "too large", "no film", "not ready"],
)
def test_one_film_that_cannot_be_fetched_does_not_keep_the_others_from_it(bad, forgotten):
    here = Story(retention=DAY / 2)
    here.simulator.films.__class__ = OneBad
    here.simulator.films.bad = bad
    stuck = here.buy(THREE)
    assert stuck.end == "DownloadError"
    assert "Billed $1.26. Not saved yet." in str(stuck.error)
    assert len(here.films()) == 2
    here.wait(700)
    record = here.buy(THREE).record
    assert (len(record.films), len(record.gone), record.billed) == (2, 1, 1.26)
    here.simulator.films.__class__ = Films
    if forgotten:
        here.simulator.service._poll = here.simulator.service._details = lambda *_: Answer()
    here.restart()
    assert given(here.buy(THREE)) == 3
    assert here.path(here.order(THREE).uuid(0), "urls") not in here.volume.names


def test_one_film_that_cannot_be_fetched_withholds_the_others_no_longer_when_the_clock_was_ahead():
    here = Story()
    here.simulator.films.__class__ = OneBad
    here.skew = 30 * DAY
    assert here.buy(THREE).end == "DownloadError"
    here.skew = 0.0
    assert here.buy(THREE).end == "DownloadError"
    here.wait(700)
    assert given(here.buy(THREE)) == 2


def test_a_film_that_cannot_be_fetched_a_day_later_is_worth_more_than_one_try():
    here = Story()
    here.simulator.films.__class__ = OneBad
    assert here.buy(THREE, patience=10.0).end == "left"
    here.process.end()
    here.wait(DAY)
    here.restart()
    assert here.buy(THREE).end == "DownloadError"
    here.simulator.films.__class__ = Films
    assert given(here.buy(THREE)) == 3
    assert here.record(here.order(THREE).uuid(0)).stuck_since is None


def test_a_film_whose_host_is_refused_by_a_firewall_is_not_called_gone():
    here = Story(*[("download", "403 html")] * 400)
    refused = here.buy()
    assert refused.end == "DownloadError"
    assert "refuses its file (HTTP 403), though the service still names it" in str(refused.error)
    assert "Check whether a firewall" in str(refused.error)
    here.simulator.faults = Faults.script([])
    assert given(here.buy()) == 1
    assert here.billed == 1


UNREACHABLE = [
    *[("download", "403 html")] * 400,
    *[("getResponse", "403 html")] * 400,
    *[("getTaskDetails", "403 html")] * 400,
]


def test_a_film_is_not_called_gone_by_a_proxy():
    """It refuses the address and every question alike; told as gone, the film would be bought again."""
    here = Story(*[("download", "hang")] * 9)
    assert here.buy(patience=100).end == "left"
    assert here.record().state is State.RESULT
    here.restart()
    here.simulator.faults = Faults.script(UNREACHABLE)
    stuck = here.buy()
    assert stuck.end == "DownloadError"
    assert "fetching is free" in str(stuck.error)
    assert here.record().state is State.RESULT
    here.simulator.faults = Faults.script([])
    assert given(here.buy()) == 1


def test_what_was_gone_and_cannot_be_asked_about_is_told_so():
    here = Story(*[("download", "404")] * 400)
    assert here.buy().end == "ResultExpired"
    here.simulator.faults = Faults.script(UNREACHABLE)
    unclear = here.buy()
    assert unclear.end == "NotSent"
    assert "whether it still has the film is not known" in str(unclear.error)
    here.simulator.faults = Faults.script([])
    assert given(here.buy()) == 1
    assert here.billed == 1


class Unnamed(Service):
    """A service that gives no video UUID, and signs its addresses anew in each answer."""

    answers = 0

    def _poll(self, task, now):
        answer = super()._poll(task, now)
        for row in answer.data:
            Unnamed.answers += 1
            row.pop("videoUUID", None)
            if "videoURL" in row:
                row["videoURL"] += f"?signature={Unnamed.answers}"
        return answer


def test_a_film_without_a_name_is_one_film_whatever_signs_its_address():
    here = Story(("download", "404"), ("download", "404"))
    here.simulator.service.__class__ = Unnamed
    assert given(here.buy()) == 1


def test_a_damaged_film_is_fetched_again_never_bought_again():
    story = Story()
    record = story.buy().record
    path = story.volume.below("films")[0]
    for damage in (b"", b"\0" * record.films[0].size):
        story.volume.put(path, damage)
        assert story.buy().end == "film"
        assert len(story.films()[0]) == record.films[0].size
    story.volume.drop(path)
    assert story.buy().end == "film"
    assert story.billed == 1


def test_a_film_damaged_before_the_others_were_here_is_fetched_again_with_them():
    """World 34443: three films, of which the first was fetched and then damaged while the second was waited for."""
    kind = Kind(results=3)
    story = Story(("download", None), *[("download", "redirect")] * 4)
    assert story.buy(kind).end == "DownloadError"
    (first,) = story.volume.below("films")
    story.volume.put(first, b"damaged")
    assert story.buy(kind).end == "film"
    assert b"damaged" not in story.films()
    assert (len(story.films()), story.billed) == (3, 1)


def test_a_film_whose_address_no_longer_works_is_fetched_from_a_fresh_one():
    story = Story(("download", "403"), ("download", "404"), ("download", "422"), ("download", "502"))
    assert story.buy().end == "film"


def test_a_film_that_is_gone_for_good_is_told_as_expired():
    story = Story(*[("download", "404")] * 200)
    error = story.buy().error
    assert isinstance(error, errors.ResultExpired)
    assert "Billed" in str(error)
    assert story.record().state is State.EXPIRED


def test_one_film_of_three_that_was_not_there_is_fetched_by_a_later_run():
    """World 4227: it answered 404 for two minutes, was dropped, and never asked for again."""
    story = Story(*[("download", None)] * 2, *[("download", "404")] * 40)
    outcome = story.buy(Kind(results=3))
    assert outcome.end == "film"
    assert [len(outcome.record.films), len(outcome.record.gone)] == [2, 1]
    assert outcome.record.billed == pytest.approx(1.26)
    story.simulator.faults = type(story.simulator.faults)()
    outcome = story.buy(Kind(results=3))
    assert [len(outcome.record.films), len(outcome.record.gone)] == [3, 0]
    assert not outcome.record.failures
    assert len(story.films()) == 3
    assert (story.sends, story.billed) == (1, 1)
