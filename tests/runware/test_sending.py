"""From intent to accepted: what is asked, uploaded, looked for and reckoned before bytes leave."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from itertools import chain
from types import SimpleNamespace

import httpx
import pytest
from kling.nodes.runware import errors
from kling.nodes.runware.attempts import Answers
from kling.nodes.runware.journal import BUDGET_LOCK_PLACE, midnight
from kling.nodes.runware.order import Timing
from kling.nodes.runware.record import State
from kling.nodes.runware.simulator.refusal import Refusal
from kling.nodes.runware.simulator.service import Answer, Service

from world.cast import REFUSED, TURNS_THEN_REFUSED, ForgetfulService, Told, at_once, elsewhere, rotate, story
from world.disk import Volume
from world.orders import REFERENCE, REFERENCE_BYTES, Kind
from world.process import Process
from world.story import Story
from world.weather import ShyService


def test_a_prepared_request_that_was_damaged_is_never_sent_but_made_anew():
    story = Story(("videoInference", "lost_before"), window=0.0)
    story.buy()
    body = story.path(story.order().uuid(0), "body")
    story.volume.put(body, b"x" * len(story.volume.names[body].data))
    story.wait(4_000)
    assert story.buy().end == "film"
    assert len(story.posts) == 2
    assert story.posts[0] == story.posts[1]


def test_a_prepared_request_that_is_damaged_before_its_copy_does_not_buy_another_film():
    """As long as before, and readable: the service would take it, and make a film of what nobody asked for."""
    story = Story(("videoInference", "lost_before"))

    async def damage():
        data = story.volume.names[story.path(story.order().uuid(0), "body")].data
        data[:] = bytes(data).replace(b"A red fox", b"A red cat")
        assert b"A red cat" in data
        return await story.process.buy(story.order(), 3_000.0)

    press = partial(story.process.buy, story.order(), 3_000.0)
    assert story.run(at_once((0.0, press), (11.0, damage))) == ["StorageError", "StorageError"]
    assert story.sends == 1
    assert story.record().state is State.HELD
    story.wait(4_000)
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (2, 1)
    assert story.posts[0] == story.posts[1]


def test_a_conflict_on_the_first_send_means_that_it_exists_already():
    story = Story(latency=100.0)
    story.simulator.service.__class__ = ShyService
    story.buy(patience=10.0)
    story.process.end()
    story.volume.names.clear()
    story.volume.durable.clear()
    story.restart()
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (2, 1)


def test_no_connection_is_repeated_and_then_told_as_not_billed():
    story = Story(*[("videoInference", "refused")] * 3)
    assert story.buy().end == "film"
    story = Story(*[("videoInference", "refused")] * 30)
    error = story.buy().error
    assert isinstance(error, errors.NotSent)
    assert "Not billed." in str(error)
    assert story.record().state is State.INTENT


def test_a_reference_film_is_uploaded_once_for_its_content():
    story = Story(("mediaStorage", "lost_before"), ("mediaStorage", "unfinished"))
    assert story.buy(Kind(clip=True)).end == "film"
    assert story.asked("mediaStorage") == 2
    assert story.buy(Kind(clip=True), take=2).end == "film"
    assert story.asked("mediaStorage") == 2


@pytest.mark.parametrize(("status", "uploads"), [(403, 2), (404, 2), (402, 1)])
def test_a_reference_film_is_uploaded_anew_after_the_service_refused_what_names_it(status, uploads):
    story = Story(("videoInference", None), ("videoInference", {"kind": "status", "status": status}))
    assert story.buy(Kind(clip=True)).end == "film"
    assert story.buy(Kind(clip=True), take=2).end != "film"
    assert story.asked("mediaStorage") == 1
    assert story.buy(Kind(clip=True), take=2).end == "film"
    assert story.asked("mediaStorage") == uploads


@pytest.mark.parametrize("take", [2, 3], ids=["next attempt", "next take"])
def test_a_reference_film_is_uploaded_anew_after_a_purchase_with_it_has_failed(take):
    story = Story(("job", None), ("job", "fail"))
    assert story.buy(Kind(clip=True)).end == "film"
    assert story.buy(Kind(clip=True), take=2).end == "TaskFailed"
    assert story.asked("mediaStorage") == 1
    assert story.buy(Kind(clip=True), take=take).end == "film"
    assert story.buy(Kind(clip=True), take=4).end == "film"
    assert story.asked("mediaStorage") == 2


def test_another_keys_upload_is_not_sent():
    story = Story()
    assert story.buy(Kind(clip=True)).end == "film"
    rotate(story)
    assert story.buy(Kind(clip=True), take=2).end == "film"
    assert story.buy(Kind(clip=True), take=3).end == "film"
    assert story.asked("mediaStorage") == 2


def test_nothing_is_sent_by_an_answer_that_grew_old_while_the_archive_was_asked():
    """World 122205: their render ended in the twenty seconds that our question to the archive took."""
    kind = Kind(clip=True)
    story = Story(latency=140.0)
    story.simulator.service.__class__ = ShyService
    assert story.buy(kind, patience=1.0).end == "left"
    story.process.end()
    other = Volume(story.volume.clock, story.loop.time)
    other.put(REFERENCE, REFERENCE_BYTES)
    story.process = Process(story, other, story.key, window=20.0)
    story.script(("getTaskDetails", None), ("getTaskDetails", "lost_before"), ("mediaStorage", "lost_before"))
    assert story.buy(kind).end == "film"
    assert (story.sends, story.billed) == (1, 1)


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


@pytest.mark.parametrize(("seconds", "later"), [(30.0, 5.0), (2.0, 1.0)], ids=["127365", "1762923"])
def test_what_another_machine_bought_during_a_slow_look_is_found_by_the_next(seconds, later):
    """The first question was answered while the last ones hung, and the other machine bought meanwhile."""
    here = story(("videoInference", REFUSED))
    order = here.order()
    assert here.buy().end == "InsufficientCreditsError"
    left = elsewhere(here)
    ask, slow = left.client.ask, []

    async def slowly(task_uuid, *others):
        if task_uuid == order.uuid(2) and not slow:
            slow.append(task_uuid)
            await asyncio.sleep(seconds)
        return await ask(task_uuid, *others)

    left.client.ask = slowly
    ends = here.run(
        at_once((0.0, partial(left.buy, order, 3_000.0)), (later, partial(here.process.buy, order, 3_000.0)))
    )
    assert ends == ["film", "film"]
    assert [len(here.simulator.service.jobs.get(order.uuid(attempt), [])) for attempt in (0, 1)] == [1, 0]


class StateKeptBack(Told):
    """A service whose state shows nothing of a task until it has ended; its archive does."""

    def said(self, job, now):
        return Answer() if now < job.ends else None


def test_an_archives_answer_that_grew_old_is_asked_for_anew():
    """Seed 1439337: asked before the other machine bought; the state was slow, then empty, and the film came."""
    kind = Kind(clip=True)
    slow_upload = ("mediaStorage", {"kind": "unfinished", "seconds": 4.0})
    here = story(("mediaStorage", None), slow_upload, kind=StateKeptBack, latency=59.0, dedupe="running")
    order = here.order(kind)
    left = elsewhere(here)
    here.process.volume.put(REFERENCE, REFERENCE_BYTES)
    ask, slow = here.process.client.ask, []

    async def slowly(task_uuid, *others):
        if task_uuid == order.uuid(0) and not slow:
            slow.append(task_uuid)
            await asyncio.sleep(59.0)
        return await ask(task_uuid, *others)

    here.process.client.ask = slowly
    both = at_once((1.0, partial(left.buy, order, 3_000.0)), (0.0, partial(here.process.buy, order, 3_000.0)))
    assert here.run(both) == ["film", "film"]
    assert (here.sends, here.billed) == (1, 1)


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

    async def slowly(task_uuid, *others):
        await asyncio.sleep(15.0)
        return await details(task_uuid, *others)

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
    left_at = next(each.at for each in here.simulator.requests if each.channel == "videoInference")
    assert left_at < 30.0 + Timing.last_look + 5.0


class Sleepy(Story):
    """A story whose service goes on while a machine sleeps, though the loop's clock, and its timers, stand still."""

    def __init__(self, *script, dedupe="running", **world):
        self.slept = 0.0
        super().__init__(*script, now=lambda: self.loop.time() + self.slept, dedupe=dedupe, latency=40.0, **world)
        self.simulator.service.__class__ = ShyService

    def sleep_at_send(self, nth, process, meanwhile, seconds=60.0):
        """Let a process's machine sleep while the connection for its nth send is made."""
        connect, sent = process.client._submissions._transport.handle_async_request, []

        async def asleep(request):
            sent.append(request)
            if len(sent) == nth:
                await meanwhile()
                self.sleep(process, seconds)
            return await connect(request)

        process.client._submissions._transport = SimpleNamespace(handle_async_request=asleep)

    def sleep(self, process, seconds=60.0):
        """Let a process's machine sleep now."""
        self.slept += seconds
        process.journal.clock = lambda: process.volume.clock() + seconds
        process.journal.uptime = lambda: process.volume.uptime() + seconds


@pytest.mark.parametrize("unclear", [0, 6], ids=["the service answers", "it does not at first"])
def test_a_copy_of_a_machine_that_slept_meanwhile_does_not_leave_whole(unclear):
    """The lid was closed when the copy was about to leave; a minute later the first one's render was over."""
    here = Sleepy(("videoInference", "lost_after"))

    async def meanwhile():
        here.script(*[("getResponse", "503")] * unclear)

    here.sleep_at_send(2, here.process, meanwhile)
    assert here.buy().end == "film"
    assert here.slept
    assert (here.sends, here.billed) == (1, 1)


def test_what_another_machine_bought_while_this_one_slept_is_seen_before_the_last_bytes():
    here = Sleepy()
    left = elsewhere(here)
    here.sleep_at_send(1, left, partial(here.process.buy, here.order(), 1.0))
    assert here.run(left.buy(here.order(), 3_000.0)).end == "film"
    assert here.slept
    assert (here.sends, here.billed) == (1, 1)


@pytest.mark.parametrize("trouble", ["hang", "503"])
def test_without_an_answer_nothing_leaves_when_a_machine_slept_before_the_last_bytes(trouble):
    """Harsh world 1130854: the last look took too long, and went on by what had been asked before the sleep."""
    here = Sleepy()
    left = elsewhere(here)

    async def meanwhile():
        await here.process.buy(here.order(), 1.0)
        here.script(*[("getResponse", trouble)] * 6)

    here.sleep_at_send(1, left, meanwhile)
    assert [here.run(process.buy(here.order(), 3_000.0)).end for process in (left, here.process)] == ["film", "film"]
    assert here.slept
    assert (here.sends, here.billed) == (1, 1)


def test_without_an_answer_nothing_leaves_when_the_disk_held_up_everything_during_the_last_look():
    """Harsh world 1142982: the time for an answer was over at once, and so was the render of another machine."""
    here = Sleepy()
    here.simulator.service.latency = 35.0
    left, order, bought = elsewhere(here), here.order(), []
    question, stall = left.client._question, iter([30.0])

    async def slowly(*of):
        if bought:
            here.loop.stall(next(stall, 0.0))
            await asyncio.sleep(2.0)
        return await question(*of)

    async def meanwhile():
        bought.append(await here.process.buy(order, 1.0))

    left.client._question = slowly
    here.sleep_at_send(1, left, meanwhile, 6.0)
    assert [here.run(process.buy(order, 3_000.0)).end for process in (left, here.process)] == ["film", "film"]
    assert not list(stall)
    assert (here.sends, here.billed) == (1, 1)


def test_what_another_machine_bought_while_this_one_slept_between_its_questions_is_seen():
    """It had asked about the attempts around its own, and slept before it asked about its own, which was not known."""
    here = Sleepy(("videoInference", REFUSED))
    assert here.buy().end == "InsufficientCreditsError"
    left, order, slept = elsewhere(here), here.order(), []
    details = left.client.details

    async def asleep(task_uuid, *others):
        if task_uuid == order.uuid(1) and not others and not slept:
            slept.append(task_uuid)
            await here.process.buy(order, 0.5)
            here.sleep(left)
        return await details(task_uuid, *others)

    left.client.details = asleep
    assert here.run(left.buy(order, 3_000.0)).end == "film"
    assert slept
    assert (here.sends, here.billed) == (2, 1)


def test_answers_grow_old_in_a_sleep():
    here = Sleepy()
    purchase = here.process.purchase(here.order())
    young = []

    async def looks():
        answers = Answers(purchase.inquiry, purchase.inquiry.ask_or_stop, Timing.fresh)
        for _ in range(2):
            await answers(here.order().uuid(0))
            young.append(answers.are_young and purchase.inquiry.just_asked)
            here.sleep(here.process)
            young.append(answers.are_young or purchase.inquiry.just_asked)
            here.process.journal.clock = here.process.volume.clock  # and is set back: it may be anything
        return answers

    here.run(looks())
    assert young == [True, False, True, False]


def test_the_hour_of_a_send_begins_after_the_sleep_before_its_last_bytes():
    """It left, and its answer was lost, when the machine had slept for longer than an hour: it was not old at all."""
    here = Sleepy(("videoInference", "lost_after"), dedupe="none", window=0.0)
    here.sleep_at_send(1, here.process, partial(asyncio.sleep, 0.0), 5_000.0)
    ends = [here.buy().end, here.buy().end]
    assert (here.sends, here.billed) == (1, 1)
    assert ends == ["SubmissionUncertain", "film"]


@pytest.mark.parametrize("stalled", [20.0, 30.0])
def test_a_copy_that_a_slow_disk_kept_back_does_not_leave_whole(stalled):
    """It had been given its time before it was written down that it leaves, and that took a while."""
    here = story(("videoInference", "lost_after"), kind=ShyService, dedupe="running", latency=36.0)
    put_sent, writes = here.process.journal.put_sent, []

    def slowly(*given):
        writes.append(given)
        if len(writes) == 2:
            here.loop._now += stalled
            here.script(*[("getResponse", "503")] * 12)
        put_sent(*given)

    here.process.journal.put_sent = slowly
    assert here.buy().end in {"film", "SubmissionUncertain"}
    assert (here.sends, here.billed) == (1, 1)


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


def test_what_was_sent_in_vain_is_not_sent_again_above_a_limit_that_was_set_since():
    here = Story(("videoInference", "lost_before"), window=0.0)
    assert here.buy().end == "SubmissionUncertain"
    here.wait(4_000)
    limited = replace(here.order(), most=Decimal("0.41"))
    error = here.run(here.process.buy(limited, 3_000.0)).error
    assert isinstance(error, errors.BudgetError)
    assert "max_cost is 0.41: the price of this run is $0.42" in str(error)
    assert (here.sends, here.record().state) == (1, State.HELD)
    assert here.run(here.process.buy(replace(limited, most=Decimal("0.42")), 3_000.0)).end == "film"
    assert (here.sends, here.billed) == (2, 1)


def test_what_arrived_is_given_whatever_limit_was_set_since():
    here = Story(("videoInference", "lost_after"))
    assert here.buy(patience=20.0).end == "left"
    here.restart()
    assert here.run(here.process.buy(replace(here.order(), most=Decimal("0.01")), 3_000.0)).end == "film"
    assert (here.sends, here.billed) == (1, 1)


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


def test_a_copy_is_not_spent_on_another_days_budget():
    """Sent two seconds before midnight and lost; meanwhile the new day's budget was spent on another film."""
    here = story(("videoInference", "lost_before"))
    now = here.volume.clock()
    here.wait((midnight(now) + timedelta(days=1)).timestamp() - now - 2.0)
    budget(here.process, "0.42")
    left = partial(here.process.buy, here.order(), 3_000.0)
    other = partial(here.process.buy, here.order(take=2), 3_000.0)
    assert here.run(at_once((0.0, left), (2.5, other))) == ["SubmissionUncertain", "film"]
    assert (here.sends, here.billed) == (2, 1)
    here.wait(3_700.0)
    assert here.buy().end == "BudgetError"
    budget(here.process, "0.84")
    assert here.buy().end == "film"
    assert here.billed == 2
