"""Two machines that want different attempts at one film: what each sees of the other before it sends, and again."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from kling.nodes.runware import client
from kling.nodes.runware.attempts import Answers
from kling.nodes.runware.client import Uncertain
from kling.nodes.runware.order import Timing
from kling.nodes.runware.response import read
from kling.nodes.runware.simulator import Fault, Faults
from kling.nodes.runware.simulator.service import Answer, Service

from world.cast import ASKED_FIRST, REFUSED, AcknowledgingService, Told, at_once, elsewhere, story, told
from world.weather import DENYING, ShyService


@pytest.mark.parametrize("fault", [None, "503"])
def test_a_later_attempt_in_doubt_is_not_sent_again_when_another_machine_made_the_refused_one_true(fault):
    """Seed 4376077: the other machine bought between the send that was lost and its repeat."""
    here = story(("videoInference", REFUSED), ("videoInference", "lost_before"))
    assert here.buy().end == "InsufficientCreditsError"
    left, order = elsewhere(here), here.order()

    async def ask_badly():
        here.script(*[("getResponse", fault)] * 3)
        return await here.process.buy(order, 3_000.0)

    ends = here.run(at_once((0.0, partial(left.buy, order, 3_000.0)), (1.5, ask_badly)))
    assert ends == ["film", "film"]
    assert (here.sends, here.billed) == (3, 1)


def hang(process, task_uuid, seconds, *, times=1, when=lambda: True):
    """Let questions about one attempt wait, the first so many of them; gives those that did."""
    ask, hung = process.client.ask, []

    async def slowly(wanted, *others):
        if wanted == task_uuid and len(hung) < times and when():
            hung.append(wanted)
            await asyncio.sleep(seconds)
        return await ask(wanted, *others)

    process.client.ask = slowly
    return hung


def refused_once(*script, **service):
    """Tell of a purchase that was refused on one machine; gives that one too, ready for the second attempt."""
    here = story(("videoInference", REFUSED), *script, **service)
    assert here.buy().end == "InsufficientCreditsError"
    return here, elsewhere(here), here.order()


@pytest.mark.parametrize("slow", [6.0, 8.0, 12.0])
def test_an_answer_that_grew_old_before_the_repeat_is_asked_for_again(slow):
    """Another machine bought the refused attempt while the question about a later one hung."""
    here, left, order = refused_once(("videoInference", "reset_before"))
    hung = hang(left, order.uuid(2), slow, when=lambda: here.sends == 2)
    ends = here.run(at_once((0.0, partial(left.buy, order, 3_000.0)), (7.0, partial(here.process.buy, order, 3_000.0))))
    assert hung
    assert ends == ["film", "film"]
    assert here.billed == 1


def test_everything_is_asked_anew_before_a_repeat_of_what_surely_did_not_arrive():
    """Another machine bought the refused attempt in the second between two tries."""
    here, left, order = refused_once(("videoInference", "refused"))
    ends = here.run(at_once((0.0, partial(left.buy, order, 3_000.0)), (0.8, partial(here.process.buy, order, 3_000.0))))
    assert ends == ["film", "film"]
    assert (here.sends, here.billed) == (3, 1)


def test_that_nobody_answers_before_a_repeat_is_one_more_try():
    here = story(("videoInference", "refused"), *ASKED_FIRST, *[("getResponse", "refused")] * 3)
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (2, 1)


@pytest.mark.parametrize("late", [5.0, 9.0])
def test_a_late_send_that_arrives_beside_another_machines_attempt_brings_its_film(late):
    """Both were bought before either could be seen; what is paid is given."""
    here, left, order = refused_once(("videoInference", Fault("late", seconds=late)))
    press = (partial(each.buy, order, 3_000.0) for each in (left, here.process))
    assert here.run(at_once(*zip((0.0, 9.0), press, strict=True))) == ["film", "film"]
    assert here.billed == 2
    films = [path.stem for process in (left, here.process) for path in process.volume.below("films")]
    assert len(set(films)) == 2


def test_an_attempt_in_doubt_that_arrived_after_all_brings_its_film_at_the_next_press():
    """The service showed nothing of what it ran; the attempt before came true meanwhile, and was given first."""
    here = story(("job", "turns"), ("videoInference", None), ("videoInference", "reset_after"), latency=400.0)
    assert here.buy().end == "TaskFailed"
    here.wait(398.5 - here.loop.time())
    here.simulator.service.__class__ = ShyService
    assert here.buy().record.task_uuid == here.order().uuid(0)
    here.wait(600)
    assert here.buy().record.task_uuid == here.order().uuid(1)
    assert (here.sends, here.billed, len(here.films())) == (2, 2, 2)


@pytest.mark.parametrize("word", sorted(DENYING))
@pytest.mark.parametrize("asks", ["before the first send", "before the repeat"])
def test_one_word_that_another_machines_attempt_has_failed_is_not_believed(asks, word):
    """Harsh seeds 100654, 301748: it ran, was called failed once, and another one was bought beside it."""
    here, left, order = refused_once(("videoInference", "reset_before" if asks == "before the repeat" else None))
    ask, told = here.process.client.ask, []

    async def told_wrongly(task_uuid, *others):
        is_bought = bool(here.simulator.service.jobs[order.uuid(1)])
        if task_uuid == order.uuid(1) and is_bought and not told:
            told.append(task_uuid)
            here.script(("getResponse", word))
        return await ask(task_uuid, *others)

    here.process.client.ask = told_wrongly
    first = 0.0 if asks == "before the repeat" else 3.0
    both = ((1.5, partial(left.buy, order, 3_000.0)), (first, partial(here.process.buy, order, 3_000.0)))
    assert here.run(at_once(*both)) == ["film", "film"]
    assert told
    assert here.billed == 1


@pytest.mark.parametrize("bought_at", [35.0, 55.0, 75.0])
def test_what_grew_old_is_asked_for_again_whatever_else_hangs(bought_at):
    """Harsh seed 211789: three looks in a row each hung at one question, and the others' answers were 20 s old."""
    here, left, order = refused_once()
    hung = hang(here.process, order.uuid(2), 20.0, times=4)
    both = ((bought_at, partial(left.buy, order, 3_000.0)), (0.0, partial(here.process.buy, order, 3_000.0)))
    assert here.run(at_once(*both)) == ["film", "film"]
    assert hung
    assert here.billed == 1


def test_an_answer_that_was_long_on_its_way_is_as_old_as_its_question():
    """Harsh seed 975439: its body came in for 26 s, and it was taken for young when it was whole."""
    here = story()
    purchase, ask = here.process.purchase(here.order()), here.process.client.ask

    async def slowly(task_uuid, *others):
        answer = await ask(task_uuid, *others)
        await asyncio.sleep(slowly.seconds)
        return answer

    async def looks(seconds):
        slowly.seconds = seconds
        answers = Answers(purchase.inquiry, purchase.inquiry.ask_or_stop, Timing.fresh)
        await answers(here.order().uuid(0))
        return answers.are_young, purchase.inquiry.just_asked

    here.process.client.ask = slowly
    assert here.run(looks(1.0)) == (True, True)
    assert here.run(looks(26.0)) == (False, False)


@pytest.mark.parametrize("times", [1, 99], ids=["once", "always"])
@pytest.mark.parametrize("status", [None, 503, 429])
def test_an_archive_that_fails_in_a_short_look_is_asked_again_and_then_the_state(status, times):
    """Harsh seeds 201393, 808978, 931274: the state showed nothing of what ran, and nor did the archive."""
    here, left, order = refused_once()
    client, hung, hidden, lost = here.process.client, [], [], []
    ask, details = client.ask, client.details

    async def badly(task_uuid, *others):
        if task_uuid == order.uuid(2) and not hung:
            hung.append(task_uuid)
            await asyncio.sleep(10.0)
        if task_uuid == order.uuid(1) and here.sends == 2 and not hidden:
            hidden.append(task_uuid)
            here.script(("getResponse", "empty_data"))
        return await ask(task_uuid, *others)

    async def lose(task_uuid, *others):
        if task_uuid == order.uuid(1) and here.sends == 2 and len(lost) < times:
            lost.append(task_uuid)
            if status is None:
                raise Uncertain("the connection broke")
            return read(status, b'{"errors": [{"code": "serviceUnavailable", "message": "Not now."}]}')
        return await details(task_uuid, *others)

    client.ask, client.details = badly, lose
    both = ((5.0, partial(left.buy, order, 3_000.0)), (0.0, partial(here.process.buy, order, 3_000.0)))
    assert here.run(at_once(*both)) == ["film", "film"]
    assert hidden
    assert lost
    assert here.billed == 1


def test_an_archives_answer_that_grew_old_while_the_state_was_asked_for_is_asked_for_again():
    """Harsh seed 513684: the state could not be reached for 10 s, and then showed nothing of what ran."""
    here, left, order = refused_once()
    client, hung, hidden = here.process.client, [], []
    ask = client.ask

    async def badly(task_uuid, *others):
        if task_uuid == order.uuid(2) and not hung:
            hung.append(task_uuid)
            await asyncio.sleep(2.0)
        elif task_uuid == order.uuid(1) and hung and not others and not hidden:
            hidden.append(task_uuid)
            await asyncio.sleep(10.0)
            here.script(("getResponse", "empty_data"))
        return await ask(task_uuid, *others)

    client.ask = badly
    both = ((6.0, partial(left.buy, order, 3_000.0)), (0.0, partial(here.process.buy, order, 3_000.0)))
    assert here.run(at_once(*both)) == ["film", "film"]
    assert hidden
    assert here.billed == 1


def in_doubt_beside_a_film(**service):
    """Tell of a second attempt in doubt here, and a film of the first, which a failure became."""
    script = (("job", "turns"), ("videoInference", None), ("videoInference", "reset_after"))
    here = story(*script, latency=400.0, window=0.0, **service)
    assert here.buy().end == "TaskFailed"
    here.simulator.service.__class__ = ShyService
    assert here.buy().end == "SubmissionUncertain"
    here.wait(401.0 - here.loop.time())
    assert here.collect(here.order().uuid(0)).end == "film"
    here.restart()
    return here


@pytest.mark.parametrize("fault", ["hang", "connect_timeout", "503", "refused"])
def test_a_film_that_is_here_is_not_waited_for_because_another_attempt_is_in_doubt(fault):
    here = in_doubt_beside_a_film()
    here.script(*[(channel, fault) for channel in ("getResponse", "getTaskDetails") for _ in range(60)])
    began = here.loop.time()
    assert here.buy().end == "film"
    assert here.loop.time() - began < 5.0


def test_one_who_leaves_while_an_attempt_in_doubt_is_asked_about_is_told_that_it_was_sent():
    here = in_doubt_beside_a_film()
    here.script(*[("getResponse", "hang")] * 60)
    assert here.buy(patience=2.0).end == "left"
    assert here.buy().end == "film"


def test_an_attempt_that_only_the_archive_shows_while_it_runs_is_seen_before_a_repeat():
    class ArchiveAlone(Service):
        def _poll(self, task, now):
            jobs = self.jobs.get(str(task.get("taskUUID")), ())
            return Answer() if any(now < job.ends for job in jobs) else super()._poll(task, now)

    here, left, order = refused_once(("videoInference", "lost_before"), kind=ArchiveAlone, latency=60.0)
    ends = here.run(at_once((0.0, partial(left.buy, order, 3_000.0)), (1.5, partial(here.process.buy, order, 3_000.0))))
    assert ends == ["film", "film"]
    assert here.billed == 1


def on_a_slow_line(process, seconds):
    """Let the last bytes of the second send wait; gives what was sent, and tells when that has begun."""
    submit, sent, begun = process.client.submit, [], asyncio.Event()

    async def slowly(disk, path, size, *, last_look=None, **how):
        sent.append(path)
        if len(sent) == 2:
            begun.set()
            await asyncio.sleep(seconds)
            await last_look()
        return await submit(disk, path, size, last_look=last_look, **how)

    process.client.submit = slowly
    return sent, begun


def test_a_repeat_is_as_old_as_the_oldest_of_the_answers_it_goes_by():
    """The youngest was still fresh when the last bytes left, and another machine had bought after the oldest."""
    here, left, order = refused_once(("videoInference", "reset_before"), latency=60.0)
    hung = hang(left, order.uuid(2), 3.0, when=lambda: here.sends == 2)
    on_a_slow_line(left, 4.0)
    ends = here.run(at_once((0.0, partial(left.buy, order, 3_000.0)), (4.2, partial(here.process.buy, order, 3_000.0))))
    assert hung
    assert ends == ["film", "film"]
    assert here.billed == 1


def test_a_late_answer_that_nobody_waits_for_makes_no_other_look_young():
    """One question about the others failed and one hung; its answer came while the repeat's last bytes waited."""
    here, left, order = refused_once(("videoInference", "reset_before"), latency=60.0)
    ask, failing, hanging = left.client.ask, [3], [1]
    sent, begun = on_a_slow_line(left, 8.0)

    async def badly(task_uuid, *others):
        if task_uuid == order.uuid(3) and len(sent) == 1 and failing[0]:
            failing[0] -= 1
            raise Uncertain("the connection broke")
        if task_uuid == order.uuid(2) and len(sent) == 1 and hanging[0]:
            hanging[0] -= 1
            await asyncio.sleep(13.0)
        return await ask(task_uuid, *others)

    async def buy_meanwhile():
        await begun.wait()
        await asyncio.sleep(1.0)
        return await here.process.buy(order, 3_000.0)

    left.client.ask = badly
    assert here.run(at_once((0.0, partial(left.buy, order, 3_000.0)), (0.0, buy_meanwhile))) == ["film", "film"]
    assert here.billed == 1


def test_another_machines_purchase_is_seen_before_the_last_bytes_of_a_repeat_leave():
    here, left, order = refused_once(("videoInference", "reset_before"))
    sent, _ = on_a_slow_line(left, 8.0)
    ends = here.run(at_once((0.0, partial(left.buy, order, 3_000.0)), (6.0, partial(here.process.buy, order, 3_000.0))))
    assert len(sent) == 2
    assert ends == ["film", "film"]
    assert here.billed == 1


class AcknowledgedAlone(AcknowledgingService, Told):
    """A service that shows nothing of what runs but, in its archive, that it was accepted once."""

    def said(self, job, now):
        return Answer() if now < job.ends else None


@pytest.mark.parametrize(
    ("fault", "window", "end"),
    [("refused", 20.0, "NotSent"), ("lost_before", 0.0, "SubmissionUncertain")],
    ids=["did not arrive", "would have ended"],
)
def test_what_another_machine_bought_is_not_taken_to_be_as_old_as_our_send(fault, window, end):
    """It was called expired after a minute, with the advice to buy it again, while it was still being made."""
    here = told(AcknowledgedAlone, *[("videoInference", fault)] * 9, window=window, latency=600.0)
    assert here.buy().end == end
    here.simulator.faults = Faults()
    here.wait(7_200.0)
    left = elsewhere(here)
    assert here.buy(patience=30.0).end == "left"
    here.process = left
    assert here.buy().end == "film"
    assert here.billed == 1


@pytest.mark.parametrize("whose", ["ours", "ours, and the answer is lost", "another's"])
def test_what_a_slow_upload_ends_with_is_not_taken_to_be_as_old_as_the_upload(whose, monkeypatch):
    """The hour was counted from the first byte, and the film was called expired while it was being made."""
    monkeypatch.setattr(client, "SLOWEST_UPLOAD", 0.1)
    here = told(AcknowledgedAlone, *[("videoInference", "lost_after")] * ("lost" in whose), latency=1_200.0)
    left, submit = here.process, here.process.client.submit

    async def slowly(*given, **how):
        await asyncio.sleep(3_000.0)
        return await submit(*given, **how)

    left.client.submit = slowly
    if whose == "another's":
        elsewhere(here)
        assert here.run(left.buy(here.order(), 2_900.0)).end == "left"
        assert here.buy(patience=50.0).end == "left"
        here.process = left
    assert here.buy(patience=9_000.0).end == "film"
    assert here.billed == 1
