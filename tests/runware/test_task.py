"""A purchase by stories, over the real client, journal and download code; its steps have files of their own."""

from __future__ import annotations

import asyncio

import pytest
from kling.nodes.runware import errors
from kling.nodes.runware.record import Record, State

from world.clockwork import EPOCH
from world.orders import Kind
from world.process import Process
from world.story import Story


def test_a_purchase_is_sent_once_billed_once_and_its_film_lies_in_the_state_folder():
    story = Story()
    outcome = story.buy()
    assert outcome.end == "film"
    assert outcome.record.state is State.COMMITTED
    assert (story.sends, story.billed, len(story.films())) == (1, 1, 1)


def test_the_same_order_again_costs_no_exchange():
    story = Story()
    story.buy()
    before = len(story.simulator.requests)
    story.restart()
    assert story.buy().end == "film"
    assert len(story.simulator.requests) == before


def test_another_take_is_another_purchase():
    story = Story()
    first, second = story.buy(take=1).record, story.buy(take=2).record
    assert first.task_uuid != second.task_uuid
    assert story.billed == 2


def test_what_a_lost_journal_forgot_is_found_before_it_is_bought():
    story = Story()
    story.buy()
    story.volume.names.clear()
    story.volume.durable.clear()
    story.restart()
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (1, 1)


def test_a_refusal_is_told_and_the_next_run_is_a_new_attempt():
    story = Story(("videoInference", {"kind": "status", "status": 402}))
    error = story.buy().error
    assert isinstance(error, errors.InsufficientCreditsError)
    assert "Not billed." in str(error)
    assert story.buy().end == "film"
    assert [story.order().uuid(attempt) in post for attempt, post in enumerate(story.posts)] == [True, True]
    assert story.billed == 1


def test_a_failed_render_is_told_and_only_the_next_run_pays_again():
    story = Story(("job", "fail"))
    error = story.buy().error
    assert isinstance(error, errors.TaskFailed)
    assert story.sends == 1
    assert story.buy().end == "film"
    assert story.sends == 2


def test_a_failure_that_becomes_a_film_later_is_found_by_the_next_run():
    story = Story(("job", "turns"), latency=400.0)
    assert story.buy().end == "TaskFailed"
    story.wait(300)
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (1, 1)


def test_a_purchase_is_found_again_with_another_key_of_the_account():
    story = Story()
    story.buy(patience=10.0)
    story.simulator.key = "the-next-key-of-this-account"
    story.restart(key="the-next-key-of-this-account")
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (1, 1)


def test_a_purchase_that_another_account_made_is_told_and_not_bought_again():
    story = Story(dedupe="forever")
    story.buy(patience=10.0)
    story.restart(key="a-key-of-another-account")
    story.simulator.key = None
    story.simulator.service.jobs.clear()
    story.simulator.service.last.clear()
    error = story.buy().error
    assert isinstance(error, errors.AuthenticationError)
    assert "another API key" in str(error)
    assert story.sends == 1


def test_a_record_that_is_torn_is_put_aside_and_asked_about_not_bought_anew():
    story = Story()
    story.buy(patience=10.0)
    story.process.end()
    path = story.path(story.order().uuid(0))
    story.volume.put(path, bytes(story.volume.names[path].data)[:40])
    story.restart()
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (1, 1)
    assert story.path(story.order().uuid(0), "bad") in story.volume.names


def test_an_index_without_its_record_is_asked_about_not_bought_anew():
    story = Story()
    story.buy(patience=10.0)
    story.process.end()
    story.volume.drop(story.path(story.order().uuid(0)))
    story.simulator.key = "the-next-key-of-this-account"
    story.restart(key="the-next-key-of-this-account")
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (1, 1)


def test_the_index_never_names_a_purchase_before_its_record_is_there():
    """Else a process that ends between the two leaves a purchase that was never sent and looks as if it was."""
    for number in range(30):
        story = Story()
        story.process.fuse = number
        story.buy()
        story.volume.crash(story.chance)
        named = [bytes(story.volume.names[path].data).decode() for path in story.volume.below("intents")]
        assert all(story.path(each) in story.volume.names for each in named if len(each) == 36)


def test_an_index_that_was_lost_is_written_again_by_the_next_run():
    """World 2265: found by its key's UUID, then the key was changed, then bought again."""
    story = Story()
    story.buy()
    for path in story.volume.below("intents"):
        story.volume.drop(path)
    story.buy()
    story.simulator.key = "the-next-key-of-this-account"
    story.restart(key="the-next-key-of-this-account")
    assert story.buy().end == "film"
    assert story.sends == 1


def test_a_result_the_service_forgot_is_told_as_expired():
    story = Story(retention=600.0)
    story.buy(patience=10.0)
    story.process.end()
    story.wait(90_000)
    story.restart()
    error = story.buy().error
    assert isinstance(error, errors.ResultExpired)
    assert story.sends == 1


def test_who_goes_before_anything_was_sent_buys_nothing():
    story = Story(*[("getResponse", "hang")] * 2)
    assert story.buy(patience=5.0).end == "given up unsent"
    story.wait(100)
    assert story.sends == 0


def test_who_goes_after_the_send_finds_the_film_later():
    story = Story()
    assert story.buy(patience=5.0).end == "left"
    story.wait(200)
    assert len(story.films()) == 1
    before = len(story.simulator.requests)
    assert story.buy().end == "film"
    assert len(story.simulator.requests) == before


def test_a_uuid_collects_what_another_machine_bought():
    story = Story()
    story.buy(patience=10.0)
    task_uuid = story.order().uuid(0)
    story.volume.names.clear()
    story.volume.durable.clear()
    story.restart()
    outcome = story.collect(task_uuid)
    assert outcome.end == "film"
    assert outcome.record.task_uuid == task_uuid
    assert story.sends == 1


def test_collecting_three_results_of_another_machine_waits_for_all_of_them():
    story = Story()
    kind = Kind(results=3)
    story.buy(kind, patience=10.0)
    task_uuid = story.order(kind).uuid(0)
    story.volume.names.clear()
    story.volume.durable.clear()
    story.restart()
    assert len(story.collect(task_uuid).record.films) == 3


def test_a_uuid_that_nobody_knows_is_told():
    story = Story()
    error = story.collect("3ee86c78-426a-47dc-a5b0-c68946ec5f7c").error
    assert isinstance(error, errors.ResultExpired)
    assert story.sends == 0


def test_collecting_never_sends():
    story = Story(("videoInference", "lost_before"), window=0.0)
    story.buy()
    story.wait(4_000)
    assert story.collect(story.order().uuid(0)).end == "SubmissionUncertain"
    assert story.sends == 1


def test_collecting_what_was_only_prepared_is_told():
    story = Story(*[("videoInference", "refused")] * 30)
    story.buy()
    assert "never sent" in str(story.collect(story.order().uuid(0)).error)


def test_two_who_want_the_same_share_one_purchase():
    story = Story()

    async def both():
        import asyncio

        return await asyncio.gather(story.process.buy(story.order(), 900.0), story.process.buy(story.order(), 900.0))

    assert [outcome.end for outcome in story.run(both())] == ["film", "film"]
    assert (story.sends, story.billed) == (1, 1)


def test_two_processes_with_one_state_folder_share_one_purchase():
    story = Story(("videoInference", "lost_after"))
    other = Process(story, story.volume, story.key, window=20.0)

    async def both():
        import asyncio

        return await asyncio.gather(story.process.buy(story.order(), 900.0), other.buy(story.order(), 900.0))

    assert [outcome.end for outcome in story.run(both())] == ["film", "film"]
    assert story.billed == 1


def test_every_end_names_the_task_the_bill_and_the_next_step():
    ways = {
        "doubt": Story(("videoInference", "lost_before"), window=0.0),
        "refused": Story(("videoInference", {"kind": "status", "status": 402})),
        "failed": Story(("job", "fail")),
        "expired": Story(*[("download", "404")] * 200),
        "unsent": Story(*[("videoInference", "refused")] * 30),
        "redirected": Story(*[("download", "redirect")] * 30),
    }
    for story in ways.values():
        error = story.buy().error
        assert isinstance(error, errors.KlingError)
        assert error.billing
        assert error.next_step
        assert story.order().uuid(0) in str(error)
        assert len(str(error)) <= 600


UNANSWERED = (("videoInference", "refused"), *[("getResponse", None)] * 4, *[("getResponse", "refused")] * 12)


@pytest.mark.parametrize(
    ("script", "requests"),
    [
        ((), range(1, 11)),
        (
            (("videoInference", "refused"), *[("getResponse", None)] * 4, *[("getResponse", "refused")] * 12),
            range(10, 19),
        ),
    ],
    ids=["all is well", "nobody answers before a repeat"],
)
def test_no_cancellation_is_lost_before_anything_was_sent(script, requests):
    """`asyncio.wait_for` and `gather` can swallow one that comes as their work is done; the film was bought then."""

    async def cancel_after(story, request, turns):
        def count(what):
            left[0] -= what == "request"
            if what == "request" and not left[0]:
                asyncio.get_running_loop().call_soon(turn, turns)
            step(what)

        def turn(more):
            if more:
                asyncio.get_running_loop().call_soon(turn, more - 1)
                return
            ((purchase, task, _),) = story.process.running.values()
            if not purchase.sent and not task.done():
                cancelled.append(story.sends)
                task.cancel()

        left, step = [request], story.process.step
        story.process.step = count
        return (await story.process.buy(story.order(), 3_000.0)).end

    times = 0
    for request in requests:
        for turns in range(12):
            story, cancelled = Story(*script), []
            end = story.run(cancel_after(story, request, turns))
            if cancelled:
                assert (story.sends, end) == (cancelled[0], "killed")
            times += len(cancelled)
    assert times > 50


def test_what_failed_and_is_shown_again_counts_from_now():
    """It may have been made just now: by the time of the first attempt it was called expired after a minute."""
    here = Story()
    purchase = here.process.purchase(here.order())
    here.wait(7_200.0)
    task_uuid = here.order().uuid(0)
    purchase.record = Record(task_uuid=task_uuid, state=State.FAILED, accepted_at=EPOCH, last_sent_uptime=0.0)
    purchase._revive()
    assert min(purchase.ages(purchase.record.accepted_at)) == max(purchase.ages(purchase.record.accepted_at)) == 0.0
