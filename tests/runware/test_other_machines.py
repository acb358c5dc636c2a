"""Two machines that want different attempts at one film: what each sees of the other before it sends, and again."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from kling.nodes.runware.attempts import AHEAD, FAR
from kling.nodes.runware.client import Uncertain
from kling.nodes.runware.order import Timing
from kling.nodes.runware.record import State
from kling.nodes.runware.simulator import Fault, exchange
from kling.nodes.runware.simulator.service import Answer, Service

from world.cast import ASKED_FIRST, REFUSED, ForgetfulService, at_once, elsewhere, story
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


def test_an_archive_that_fails_once_in_a_short_look_is_asked_again():
    """Harsh seed 201393: the state showed nothing of what ran, and the archive's answer was lost."""
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
        if task_uuid == order.uuid(1) and here.sends == 2 and not lost:
            lost.append(task_uuid)
            raise Uncertain("the connection broke")
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


def refused_before_it_bought(times, *, kind=Service, **service):
    """Tell of a machine that was refused so often and then bought; gives the story at another, without a history."""
    here = story(*[("videoInference", REFUSED)] * times, kind=kind, **service)
    assert [here.buy().end for _ in range(times)] == ["InsufficientCreditsError"] * times
    assert here.buy().end == "film"
    elsewhere(here)
    return here


@pytest.mark.parametrize("refusals", [AHEAD, AHEAD + 1, FAR])
@pytest.mark.parametrize("kind", [Service, ForgetfulService])
def test_what_a_machine_bought_after_many_refusals_is_found_without_a_history(refusals, kind):
    """Who runs without credits again and again is ahead by more attempts than are asked about one by one."""
    here = refused_before_it_bought(refusals, kind=kind)
    here.wait(1_200.0)
    outcome = here.buy()
    assert outcome.end == "film", outcome.error
    assert (outcome.record.attempt, outcome.record.task_uuid) == (refusals, here.order().uuid(refusals))
    assert (here.sends, here.billed) == (refusals + 1, 1)
    assert here.buy().record.task_uuid == outcome.record.task_uuid


def test_what_another_machine_still_renders_after_many_refusals_is_waited_for():
    here = story(*[("videoInference", REFUSED)] * 5, latency=100.0)
    assert [here.buy().end for _ in range(5)] == ["InsufficientCreditsError"] * 5
    left, order = elsewhere(here), here.order()
    both = ((0.0, partial(left.buy, order, 3_000.0)), (30.0, partial(here.process.buy, order, 3_000.0)))
    assert here.run(at_once(*both)) == ["film", "film"]
    assert (here.sends, here.billed) == (6, 1)


def test_the_attempts_far_ahead_are_asked_about_in_one_request_before_a_purchase():
    here = story()
    assert here.buy().end == "film"
    batches = [each for each in here.simulator.requests if len(each.tasks) > 1]
    assert sorted(each.channel for each in batches) == ["getResponse", "getTaskDetails"]
    names = [here.order().uuid(attempt) for attempt in range(AHEAD + 1, FAR + 1)]
    assert [[task["taskUUID"] for task in each.tasks] for each in batches] == [names] * 2
    assert len(names) == FAR - AHEAD
    assert here.buy().end == "film"
    assert len([each for each in here.simulator.requests if len(each.tasks) > 1]) == 2


@pytest.mark.parametrize("channel", ["getResponse", "getTaskDetails"])
@pytest.mark.parametrize("fault", ["503", "hang", "html", "truncated", "refused", "429", "402", "null_data"])
def test_a_service_that_takes_no_batch_of_questions_stops_no_purchase(fault, channel):
    here, plain = story((channel, fault)), story()
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (1, 1)
    plain.buy()
    assert here.loop.time() <= plain.loop.time() + Timing().question


def test_a_refusal_of_several_questions_is_not_taken_for_a_purchase(monkeypatch):
    """It names each UUID, and a code of conflict; nothing of the kind was ever sent."""

    def answer_tasks(service, request, tasks, now):
        if len(tasks) > 1:
            rows = [{**task, "code": "conflictTaskUUID", "message": "One question in a request."} for task in tasks]
            return exchange.json_reply(400, {"errors": rows})
        return one_by_one(service, request, tasks, now)

    one_by_one = exchange.answer_tasks
    monkeypatch.setattr(exchange, "answer_tasks", answer_tasks)
    here = story()
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (1, 1)


def test_a_busy_service_is_not_asked_for_its_archive_of_attempts_far_ahead():
    here = story(("getResponse", "429"))
    here.buy()
    assert [each.channel for each in here.simulator.requests if len(each.tasks) > 1] == ["getResponse"]


@pytest.mark.parametrize("fault", [None, "empty_data", "503"])
def test_what_the_state_or_the_archive_alone_shows_far_ahead_is_found(fault):
    here = refused_before_it_bought(5)
    here.script(("getResponse", fault), ("getTaskDetails", None if fault else "503"))
    assert here.buy().record.attempt == 5
    assert (here.sends, here.billed) == (6, 1)


def acknowledged_for_ever(service, task, now):
    """Answer as an archive that keeps of each task that it was accepted once."""
    answer = Service._details(service, task, now)
    accepted = {"taskType": "videoInference", "taskUUID": task["taskUUID"]}
    return Answer([{**row, "response": {"data": [accepted]}} for row in answer.data], answer.errors, answer.status)


@pytest.mark.parametrize("fault", [None, "503"])
@pytest.mark.parametrize("kept", [False, True])
def test_a_failed_attempt_far_ahead_is_not_waited_for(kept, fault):
    class Keeping(Service):
        _details = acknowledged_for_ever if kept else Service._details

    here = story(*[("videoInference", REFUSED)] * 4, ("job", "moderated"), kind=Keeping)
    assert [here.buy().end for _ in range(5)] == ["InsufficientCreditsError"] * 4 + ["TaskFailed"]
    elsewhere(here)
    here.script(("getResponse", fault))
    outcome = here.buy()
    assert (outcome.end, outcome.record.attempt) == ("film", 0)
    assert (here.sends, here.billed) == (6, 1)


@pytest.mark.parametrize(("failed", "gap"), [(1, 5.0), (10, 0.5), (10, 2.0), (10, 5.0)])
def test_questions_about_attempts_far_ahead_make_no_others_look_young(failed, gap):
    """Each was called failed, and asked about three times; another machine bought nearby meanwhile."""

    class Keeping(Service):
        _details = acknowledged_for_ever

    script = (*[("videoInference", REFUSED)] * 4, *[("job", "fail")] * failed)
    here = story(*script, kind=Keeping, latency=100.0)
    here.buy()
    left = elsewhere(here)
    assert [here.buy().end for _ in range(3 + failed)][-1] == "TaskFailed"
    here.wait(1_000.0)
    elsewhere(here)
    order = here.order()
    both = ((0.0, partial(left.buy, order, 3_000.0)), (gap, partial(here.process.buy, order, 3_000.0)))
    assert here.run(at_once(*both)) == ["film", "film"]
    assert here.billed == 1


@pytest.mark.parametrize("fate", ["never", "fail"])
def test_a_film_nearby_is_given_rather_than_what_is_still_rendered_far_ahead(fate):
    fates = [("job", "turns"), ("job", fate)]
    sends = [("videoInference", None), *[("videoInference", REFUSED)] * 3, ("videoInference", None)]
    here = story(*fates, *sends, latency=300.0)
    assert [here.buy().end for _ in range(4)] == ["TaskFailed", *["InsufficientCreditsError"] * 3]
    assert here.buy(patience=20.0).end == "left"
    here.wait(320.0 - here.loop.time())
    elsewhere(here)
    outcome = here.buy()
    assert (outcome.end, outcome.record.attempt) == ("film", 0)
    assert here.sends == 5


def test_of_two_films_far_ahead_the_first_is_given():
    fates = [("job", "turns"), ("job", None)]
    here = story(*fates, *[("videoInference", REFUSED)] * 3, latency=100.0)
    ends = ["InsufficientCreditsError"] * 3 + ["TaskFailed", "film"]
    assert [here.buy().end for _ in range(5)] == ends
    here.wait(200.0)
    elsewhere(here)
    assert here.buy().record.attempt == 3
    assert here.sends == 5


def test_what_was_found_far_ahead_is_found_again_without_its_index():
    here = refused_before_it_bought(FAR, retention=50_000.0)
    assert here.buy().record.attempt == FAR
    here.wait(100_000.0)
    for path in here.process.volume.below("intents"):
        here.process.volume.drop(path)
    outcome = here.buy()
    assert (outcome.end, outcome.record.attempt) == ("film", FAR)
    assert (here.sends, here.billed) == (FAR + 1, 1)


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("fate", [None, "fail"])
@pytest.mark.parametrize("ahead", [AHEAD, 6])
def test_what_is_in_doubt_here_is_not_hidden_by_what_was_collected_from_far_ahead(ahead, fate, rotated):
    """The first attempt arrived and nobody showed it; another machine's later one is known by its UUID alone."""

    class Blind(Service):
        def _poll(self, task, now):
            return Answer() if blind else super()._poll(task, now)

        def _details(self, task, now):
            return Answer() if blind else super()._details(task, now)

    def go_to(process, key):
        here.key = here.simulator.key = key
        here.process = process

    blind = True
    here = story(*[("videoInference", REFUSED)] * ahead, kind=Blind, latency=300.0, window=0.0)
    left, key, next_key = here.process, here.key, "next" if rotated else here.key
    first = here.order().uuid(0)
    here.key = here.simulator.key = next_key
    elsewhere(here)
    assert [here.buy().end for _ in range(ahead)] == ["InsufficientCreditsError"] * ahead
    other = here.process
    go_to(left, key)
    here.script(("videoInference", "lost_after"), ("job", None), ("job", fate))
    assert here.buy().end == "SubmissionUncertain"
    go_to(other, next_key)
    assert here.buy(patience=30.0).end == "left"
    blind = False
    go_to(left, next_key)
    here.restart(key=next_key)
    assert here.collect(here.order().uuid(ahead)).end == ("film" if fate is None else "TaskFailed")
    here.wait(400.0)
    sends = here.sends
    assert here.buy().end == "film"
    assert here.sends == sends
    if fate or ahead > AHEAD:
        assert here.record(first).state is State.COMMITTED


@pytest.mark.parametrize("here_it_was", [REFUSED, "lost_before"], ids=["refused", "in doubt"])
@pytest.mark.parametrize(
    ("ahead", "rotated"), [(0, True), (1, False), (1, True), (AHEAD + 1, False), (AHEAD + 1, True), (FAR, False)]
)
def test_a_film_that_was_collected_from_ahead_is_given_when_the_service_has_forgotten_it(ahead, rotated, here_it_was):
    here = story(("videoInference", here_it_was), retention=50_000.0, window=0.0)
    assert here.buy().end in {"InsufficientCreditsError", "SubmissionUncertain"}
    left = here.process
    here.simulator.key = here.key = "next" if rotated else here.key
    elsewhere(here)
    here.script(*[("videoInference", REFUSED)] * ahead)
    assert [here.buy().end for _ in range(ahead + 1)][-1] == "film"
    here.process = left
    here.restart(key=here.key)
    film = here.order().uuid(ahead)
    assert here.collect(film).end == "film"
    here.wait(100_000.0)
    sends = here.sends
    outcome = here.buy()
    assert (outcome.end, outcome.record.task_uuid) == ("film", film)
    assert (here.sends, here.billed) == (sends, 1)


@pytest.mark.parametrize("later", [600.0, 4_000.0, 50_000.0], ids=["before the hour", "after it", "too late to settle"])
@pytest.mark.parametrize(
    ("refusals", "rotated"), [(AHEAD, False), (AHEAD + 1, False), (FAR, False), (0, True), (1, True), (AHEAD + 1, True)]
)
def test_what_is_in_doubt_here_gives_way_to_what_another_machine_bought_far_ahead(refusals, rotated, later):
    """It never arrived, and was sent again after the hour, or called in doubt for ever beside a film that is shown."""
    here = story(("videoInference", "lost_before"), window=0.0)
    assert here.buy().end == "SubmissionUncertain"
    left = here.process
    here.simulator.key = here.key = "next" if rotated else here.key
    elsewhere(here)
    here.script(*[("videoInference", REFUSED)] * refusals)
    assert [here.buy().end for _ in range(refusals + 1)][-1] == "film"
    film, sends = here.order().uuid(refusals), here.sends
    here.process = left
    here.restart(key=here.key)
    here.wait(later)
    for _ in range(2):
        outcome = here.buy()
        assert (outcome.end, outcome.record.task_uuid) == ("film", film)
    assert (here.sends, here.billed) == (sends, 1)
