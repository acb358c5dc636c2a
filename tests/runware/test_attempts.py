"""More than one attempt at a purchase: after refusals, on two machines, under a new key, in the archive alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import ClassVar

import httpx
import pytest
from kling.nodes.runware import sending
from kling.nodes.runware.journal import BUDGET_LOCK_PLACE
from kling.nodes.runware.record import State
from kling.nodes.runware.simulator.refusal import Refusal
from kling.nodes.runware.simulator.service import Answer, Service

from world.disk import Volume
from world.orders import REFERENCE, REFERENCE_BYTES, Kind
from world.process import Process
from world.story import Story
from world.weather import ShyService

REFUSED = {"kind": "status", "status": 402}
TURNS_THEN_REFUSED = (("job", "turns"), ("videoInference", None), ("videoInference", REFUSED))
"""A failure that will become a film, and a second attempt that is refused."""


class ForgetfulService(Service):
    """A service that shows a finished task in its archive alone, after ten minutes: A2 allows it."""

    def _poll(self, task, now):
        jobs = self.jobs.get(str(task.get("taskUUID")), ())
        gone = jobs and all(now >= job.ends + 600.0 for job in jobs)
        return Answer() if gone else super()._poll(task, now)


def story(*script, kind=Service, **service):
    made = Story(*script, **service)
    made.simulator.service.__class__ = kind
    return made


def elsewhere(here):
    """Go to another machine, with a disk of its own; gives the one that was left."""
    left = here.process
    here.process = Process(here, Volume(here.volume.clock, here.loop.time), here.key, window=here.window)
    return left


def rotate(here):
    here.simulator.key = "next"
    here.restart(key="next")


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
    here.script(*[("getTaskDetails", None)] * 2, ("getTaskDetails", "503"))
    here.buy()
    assert (here.sends, here.billed) == (1, 1)


@pytest.mark.parametrize("answered", [0, 1, 2])
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


def test_a_failed_attempt_of_which_the_archive_keeps_the_acknowledgement_is_followed_by_another(monkeypatch):
    here = story(("job", "fail"), latency=40.0)

    ask = Service._details

    def acknowledged(service, task, now):
        (row,) = ask(service, task, now).data
        accepted = {"taskType": "videoInference", "taskUUID": task["taskUUID"]}
        return Answer([{**row, "response": {"data": [accepted]}}])

    assert here.buy().end == "TaskFailed"
    monkeypatch.setattr(Service, "_details", acknowledged)
    sends = here.sends
    here.buy(patience=30.0)
    assert here.sends == sends + 1


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


def at_once(*purchases):
    """Run purchases of several processes, each after a number of seconds; give how they ended."""

    async def after(seconds, press):
        await asyncio.sleep(seconds)
        return await press()

    async def together():
        return [each.end for each in await asyncio.gather(*(after(*each) for each in purchases))]

    return together()


@pytest.mark.parametrize("kind", [Kind(), Kind(clip=True)], ids=["place", "upload"])
def test_what_another_machine_bought_during_a_wait_is_found_after_it(kind):
    """For a free place, or for an upload: both can take longer than another machine's refusal and purchase."""
    slow = [("mediaStorage", {"kind": "unfinished", "seconds": 180.0})] if kind.clip else [("videoInference", None)]
    here = story(*slow, ("videoInference", REFUSED), latency=60.0)
    here.process.places = asyncio.Semaphore(1)
    left = elsewhere(here)
    here.process.volume.put(REFERENCE, REFERENCE_BYTES)
    order = here.order(kind)
    other = [(0.0, partial(left.buy, here.order(take=2), 3_000.0))] if not kind.clip else []
    ends = here.run(
        at_once(
            *other,
            (5.0, partial(left.buy, order, 3_000.0)),
            (10.0, partial(here.process.buy, order, 3_000.0)),
            (20.0, partial(here.process.buy, order, 3_000.0)),
        )
    )
    assert sorted(ends) == ["InsufficientCreditsError", *["film"] * (len(ends) - 1)]
    assert [len(here.simulator.service.jobs.get(order.uuid(attempt), [])) for attempt in (0, 1)] == [0, 1]


def test_what_another_machine_bought_during_a_slow_look_is_found_by_the_next():
    """Seed 127365: the first question was answered while the last ones hung, and the other machine bought meanwhile."""
    here = story(("videoInference", REFUSED))
    order = here.order()
    assert here.buy().end == "InsufficientCreditsError"
    left = elsewhere(here)
    ask, later = left.client.ask, []

    async def slowly(task_uuid):
        if task_uuid == order.uuid(2) and not later:
            later.append(task_uuid)
            await asyncio.sleep(30.0)
        return await ask(task_uuid)

    left.client.ask = slowly
    ends = here.run(at_once((0.0, partial(left.buy, order, 3_000.0)), (5.0, partial(here.process.buy, order, 3_000.0))))
    assert ends == ["film", "film"]
    assert [len(here.simulator.service.jobs.get(order.uuid(attempt), [])) for attempt in (0, 1)] == [1, 0]


class NoArchive(Service):
    """An account that may not ask the archive."""

    def _details(self, task, now):  # noqa: ARG002
        raise Refusal("unsupportedTaskType", "getTaskDetails is not available.", status=400)


@pytest.mark.parametrize(("kind", "seconds"), [(Service, 5.0), (NoArchive, 0.5)], ids=["line", "archive"])
def test_a_slow_line_and_an_archive_that_says_nothing_do_not_keep_from_buying(kind, seconds):
    here = story(kind=kind, round_trip=seconds)
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (1, 1)


@pytest.mark.parametrize("seconds", [2.0, 4.0, 6.0, 8.0, 10.0, 12.0])
def test_a_short_look_comes_after_a_long_one(seconds):
    """The archive took minutes to say nothing; what another machine bought meanwhile is seen by the state."""
    here = story(("videoInference", REFUSED), round_trip=0.2)
    order = here.order()
    assert here.buy().end == "InsufficientCreditsError"
    left = elsewhere(here)
    details = left.client.details

    async def slowly(task_uuid):
        await asyncio.sleep(15.0)
        return await details(task_uuid)

    left.client.details = slowly
    both = at_once((0.0, partial(left.buy, order, 3_000.0)), (seconds, partial(here.process.buy, order, 3_000.0)))
    assert here.run(both) == ["film", "film"]
    assert here.billed == 1


def large(order):
    """Make an order whose bytes do not leave at once; the blanks mean nothing."""
    return replace(order, body=lambda *of: chain(order.body(*of), [b" " * 2**22]))


def drip(process, seconds, meanwhile=lambda: None):
    """Put a process on a line that stands still for so long before the last bytes of a purchase."""
    network = process.client._submissions._transport
    send = network.handle_async_request

    async def slowly(request):
        whole, size = b"", int(request.headers.get("content-length", 0))
        async for piece in request.stream:
            is_first, whole = not whole, whole + piece
            if is_first and len(whole) < size:
                meanwhile()
                await asyncio.sleep(seconds)
        return await send(httpx.Request(request.method, request.url, headers=request.headers, content=whole))

    network.handle_async_request = slowly


@pytest.mark.parametrize("refused", [[], [("videoInference", REFUSED)]], ids=["the same", "an earlier attempt"])
def test_what_another_machine_bought_during_a_slow_upload_is_seen_before_the_last_bytes(refused):
    """The service refuses a copy only while it renders, and that was over when ours would have arrived."""
    here = story(*refused, latency=120.0)
    order = large(here.order())
    left = elsewhere(here)
    if refused:
        assert here.run(left.buy(order, 3_000.0)).end == "InsufficientCreditsError"
    drip(left, 400.0)
    both = at_once((0.0, partial(left.buy, order, 3_000.0)), (60.0, partial(here.process.buy, order, 3_000.0)))
    assert here.run(both) == ["film", "film"]
    assert here.sends == 1 + len(refused)
    assert here.billed == 1


@pytest.mark.parametrize(("trouble", "times"), [("hang", 9), ("503", 9), ("401", 2)])
def test_a_last_look_without_an_answer_does_not_keep_a_slow_upload_from_its_end(trouble, times):
    here = story()
    asked = []

    def meanwhile():
        asked.append(here.asked("getResponse"))
        here.script(*[("getResponse", trouble)] * times)

    drip(here.process, 30.0, meanwhile)
    assert here.run(here.process.buy(large(here.order()), 3_000.0)).end == "film"
    assert here.asked("getResponse") > asked[0]
    assert (here.sends, here.billed) == (1, 1)


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


def budget(process, usd):
    process.settings = replace(process.settings, daily_budget=Decimal(usd))


def test_an_attempt_that_was_revived_while_the_budget_was_locked_is_waited_for():
    here = story(*TURNS_THEN_REFUSED, latency=400.0)
    assert [here.buy().end for _ in range(2)] == ["TaskFailed", "InsufficientCreditsError"]
    budget(here.process, "100")
    other = Process(here, here.volume, here.key, window=here.window)
    here.wait(397 - here.loop.time())
    assert other.journal.lock(BUDGET_LOCK_PLACE)

    async def collect():
        outcome = await other.collect(here.order().uuid(0), 3_000.0)
        other.journal.unlock(BUDGET_LOCK_PLACE)
        return outcome

    ends = here.run(at_once((0.0, partial(here.process.buy, here.order(), 3_000.0)), (8.0, collect)))
    assert ends == ["film", "film"]
    assert here.billed == 1


def test_nothing_is_sent_by_an_answer_that_grew_old_while_the_budget_was_locked():
    here = story(dedupe="running", latency=40.0)
    budget(here.process, "100")
    holder = Process(here, here.volume, here.key, window=here.window)
    left = elsewhere(here)
    assert holder.journal.lock(BUDGET_LOCK_PLACE)

    async def buy_there():
        outcome = await here.process.buy(here.order(), 3_000.0)
        holder.journal.unlock(BUDGET_LOCK_PLACE)
        return outcome

    ends = here.run(at_once((0.0, partial(left.buy, here.order(), 3_000.0)), (2.0, buy_there)))
    assert ends == ["film", "film"]
    assert here.billed == 1


def test_a_budget_that_stays_locked_is_told():
    here = story()
    budget(here.process, "100")
    holder = Process(here, here.volume, here.key, window=here.window)
    assert holder.journal.lock(BUDGET_LOCK_PLACE)
    error = here.buy().error
    assert "KLING_DAILY_BUDGET_USD" in str(error)
    assert "Not billed." in str(error)
    assert here.sends == 0


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


@pytest.mark.parametrize("fault", ["reset_before", "hang", "refused"])
def test_nothing_is_bought_while_the_archive_is_out_of_reach(fault):
    here = story(kind=ForgetfulService)
    here.buy()
    here.wait(3_600)
    elsewhere(here)
    here.script(*[("getTaskDetails", fault)] * 20)
    error = here.buy().error
    assert "archive" in str(error)
    assert "Nothing was sent now." in str(error)
    here.simulator.faults = type(here.simulator.faults)()
    assert here.buy(patience=60.0).end == "left"
    here.wait(3_700)
    assert here.buy().end == "film"
    assert here.sends == 1


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


def test_a_days_sum_that_takes_long_does_not_keep_a_purchase_from_being_sent():
    here = story()
    budget(here.process, "100")
    disk = here.process.disk
    offload = disk.offload

    async def slowly(work, *arguments):
        await asyncio.sleep(8.0)
        return await offload(work, *arguments)

    disk.offload = slowly
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (1, 1)
