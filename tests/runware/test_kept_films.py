"""What is already here of a paid film: its address, its file, or both. It is tried before anything is called gone."""

from __future__ import annotations

import pytest
from kling.nodes.runware.errors import StorageError
from kling.nodes.runware.journal import Journal
from kling.nodes.runware.record import State
from kling.nodes.runware.simulator import tiny_film
from kling.nodes.runware.simulator.exchange import Reply
from kling.nodes.runware.simulator.films import Films

from world.cast import HOUR, Told, given, rotate, story
from world.orders import Kind
from world.story import Story


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


def test_films_of_one_name_do_not_replace_each_other_whatever_their_containers():
    here = story(kind=SameName, render=lambda task, place: tiny_film.render({**task, "outputFormat": "MP4"}, place))
    assert given(here.buy(Kind(ending="mp4"))) == given(here.buy(Kind(ending="webm"))) == 1
    assert len(here.films()) == 2


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
