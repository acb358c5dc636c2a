"""Nobody is there any more: what an error has ended is collected as soon as that works, and nothing is sent."""

from __future__ import annotations

import pytest
from kling.nodes.runware.afterwards import PAUSES, collect_later, is_open
from kling.nodes.runware.errors import StorageError, TaskFailed
from kling.nodes.runware.journal import Journal
from kling.nodes.runware.record import State
from kling.nodes.runware.simulator.exchange import Reply
from kling.nodes.runware.simulator.films import NAME, Films

from world.cast import HOUR, THREE, given
from world.orders import KINDS, Kind
from world.story import Story


def go_on(here, kind=KINDS[0]):
    """Leave it alone with what an error has ended."""
    here.run(collect_later(lambda: here.process.purchase(None), here.order(kind).uuid(0)))


class LivesAnHour(Films):
    async def download(self, request, fault, now):
        job, _ = self.service.film(NAME.fullmatch(request.path)["uuid"])
        return Reply(404) if now > job.ends + HOUR else await super().download(request, fault, now)


TROUBLES = {
    "a host of films that is closed for minutes": [("download", "503")] * 60,
    "a line that is down when the film is fetched": [("download", {"kind": "outage", "seconds": 300.0})],
    "a question that is refused": [("getResponse", None)] * 4 + [("getResponse", {"kind": "status", "status": 401})],
    "an account without credit for a moment": [("getResponse", None)] * 4 + [("getResponse", "402")],
}


@pytest.mark.parametrize("script", TROUBLES.values(), ids=TROUBLES)
def test_a_passing_trouble_after_the_send_does_not_cost_the_film_though_nobody_presses_again(script):
    here = Story(*script)
    here.simulator.films.__class__ = LivesAnHour
    outcome = here.buy()
    assert outcome.error is not None
    assert here.record().state in {State.ACCEPTED, State.RESULT}
    go_on(here)
    assert len(here.films()) == 1
    here.wait(8 * HOUR)
    assert given(here.buy()) == 1
    assert here.sends == 1


def test_a_disk_that_is_full_for_a_moment_does_not_cost_the_film_either():
    here = Story()
    here.simulator.films.__class__ = LivesAnHour
    assert here.buy(patience=30.0).end == "left"
    here.process.disk_fault, here.process.disk_fuse = "full", 0
    here.wait(300.0)
    assert here.record().state in {State.ACCEPTED, State.RESULT}
    here.process.disk_fuse = -1
    go_on(here)
    assert len(here.films()) == 1
    assert here.sends == 1


def test_a_disk_that_is_not_there_for_a_moment_does_not_cost_the_film_either():
    """Of a drive that is away some systems say what they say of a file that never was: that there is none."""
    here = Story(*TROUBLES["a question that is refused"])
    here.simulator.films.__class__ = LivesAnHour
    assert here.buy().error is not None
    there, here.volume.names = here.volume.names, {}
    here.loop.call_later(PAUSES[0] + 1.0, setattr, here.volume, "names", there)
    go_on(here)
    assert len(here.films()) == 1
    assert here.sends == 1


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_what_nobody_foresaw_ends_no_collecting(error):
    """A system without threads for a moment: nobody asked again, and the film was gone when somebody pressed Run."""
    here = Story(*TROUBLES["a question that is refused"])
    here.simulator.films.__class__ = LivesAnHour
    assert here.buy().error is not None
    troubles = iter([error])

    def make():
        for trouble in troubles:
            raise trouble
        return here.process.purchase(None)

    here.run(collect_later(make, here.order().uuid(0)))
    assert len(here.films()) == 1
    assert here.sends == 1


def test_what_no_record_knows_is_waited_for_without_a_question():
    here = Story()
    go_on(here)
    assert not here.simulator.requests


def test_what_is_in_doubt_is_asked_for_and_never_sent_again():
    here = Story(*[("videoInference", "lost_before")] * 9)
    assert here.buy().end == "SubmissionUncertain"
    sends = here.sends
    go_on(here)
    assert here.sends == sends
    assert here.billed == 0


@pytest.mark.parametrize("script", [[("job", "fail")], [("videoInference", {"kind": "status", "status": 402})]])
def test_what_has_ended_is_not_asked_for_any_more(script):
    here = Story(*script)
    here.buy()
    asked = len(here.simulator.requests)
    began = here.loop.time()
    go_on(here)
    assert len(here.simulator.requests) == asked
    assert here.loop.time() - began == PAUSES[0]


def test_it_goes_on_for_a_day_and_no_longer():
    assert 23 * HOUR <= sum(PAUSES) <= 25 * HOUR


def test_what_never_ends_is_not_collected_for_weeks():
    """Each try waits for a day itself."""
    here = Story(*[("getResponse", None)] * 4, ("getResponse", {"kind": "status", "status": 401}), latency=900 * HOUR)
    assert "not bought anew" in str(here.buy().error)
    began = here.loop.time()
    go_on(here)
    assert 24 * HOUR < here.loop.time() - began < 50 * HOUR


def failed_alone():
    """Tell of a render that failed when nobody was there any more."""
    refused = ("getResponse", {"kind": "status", "status": 401})
    here = Story(("job", "fail"), *[("getResponse", None)] * 4, refused, latency=240.0)
    assert "not bought anew" in str(here.buy().error)
    go_on(here)
    assert here.record().state is State.FAILED
    return here


@pytest.mark.parametrize("indexed", [True, False])
def test_a_failure_that_nobody_was_told_of_is_told_before_another_attempt_is_made(indexed):
    here = failed_alone()
    for path in () if indexed else here.volume.below("intents"):
        del here.volume.names[path]
    assert here.buy().end == "TaskFailed"
    assert here.sends == 1
    here.buy()
    assert here.sends == 2


def test_a_failure_that_was_told_to_who_collected_it_is_not_told_again():
    here = failed_alone()
    go_on(here)
    assert here.collect(here.order().uuid(0)).end == "TaskFailed"
    here.buy()
    assert here.sends == 2


def test_a_failure_that_everybody_has_left_is_not_taken_for_told():
    here = failed_alone()
    purchase = here.process.purchase(None)
    purchase.unattended = True
    with pytest.raises(TaskFailed):
        here.run(purchase.collect(here.order().uuid(0)))
    assert here.buy().end == "TaskFailed"
    assert here.sends == 1


def test_a_failure_is_told_though_it_cannot_be_written_down_that_it_was(monkeypatch):
    here = failed_alone()

    def full(*_):
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "put", full)
        assert here.buy().end == "TaskFailed"
    assert here.buy().end == "TaskFailed"
    assert here.sends == 1


def test_a_failure_that_nobody_was_told_of_is_none_any_more_when_it_became_a_film():
    here = failed_alone()
    task_uuid = here.order().uuid(0)
    here.simulator.service.jobs[task_uuid][0].fate = None
    assert given(here.collect(task_uuid)) == 1
    assert given(here.buy()) == 1
    assert here.sends == 1


@pytest.mark.parametrize("place", [None, 2], ids=["all", "one of three"])
def test_what_is_called_gone_is_asked_for_later_too(place):
    here = Story()
    here.simulator.films.__class__ = ShutForMinutes
    here.simulator.films.place = place
    kind = Kind() if place is None else THREE
    here.buy(kind)
    record = here.record(here.order(kind).uuid(0))
    assert is_open(record)
    go_on(here, kind)
    assert len(here.films()) == kind.results
    assert not is_open(here.record(record.task_uuid))


class ShutForMinutes(Films):
    """A host that answers 404 for a quarter of an hour, and gives its films for three hours."""

    place = None

    async def download(self, request, fault, now):
        job, place = self.service.film(NAME.fullmatch(request.path)["uuid"])
        shut = self.place in {None, place} and (now < 900.0 or now > job.ends + 3 * HOUR)
        return Reply(404) if shut else await super().download(request, fault, now)
