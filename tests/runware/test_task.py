"""The state machine by stories: each is one way a purchase can go, over the real client, journal and download code."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kling.nodes.runware import errors
from kling.nodes.runware.record import State
from kling.nodes.runware.simulator import Fault, Faults

from world.disk import Volume
from world.orders import REFERENCE, REFERENCE_BYTES, Kind
from world.process import Process
from world.story import KEY, Story
from world.weather import ShyService

LOST_AFTER = ("lost_after", "reset_after", "504 after", "502 after html", "503 after", "500 after empty", "408 after",
              "429 after", "429 after html", "truncated", "empty_body", "empty_data", "null_data", "no_data",
              "foreign_uuid", "html", "error_row", "error_top")  # fmt: skip
LOST_BEFORE = (
    "lost_before",
    "reset_before",
    "504",
    "502 html",
    "503",
    "500 empty",
    "408",
    "429",
    "503 foreign",
    "html",
)

REFUSED = {"kind": "status", "status": 402}
ASKED_FIRST = (*[("getResponse", None)] * 3, *[("getTaskDetails", None)] * 3)
"""The free questions before a first send: this attempt, and two later ones that another machine may have made."""


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


@pytest.mark.parametrize("fault", LOST_AFTER)
def test_an_acknowledgement_that_is_lost_costs_no_second_job(fault):
    story = Story(("videoInference", fault))
    assert story.buy().end == "film"
    assert story.billed == 1
    assert story.sends <= 2


@pytest.mark.parametrize("dedupe", ["running", "forever"])
@pytest.mark.parametrize("fault", LOST_BEFORE)
def test_a_send_that_was_lost_is_repeated_inside_the_window_with_the_same_bytes(fault, dedupe):
    story = Story(("videoInference", fault), dedupe=dedupe)
    assert story.buy().end == "film"
    assert story.billed == 1
    assert story.sends == 2
    assert story.posts[0] == story.posts[1]


@pytest.mark.parametrize("fault", LOST_AFTER + LOST_BEFORE)
def test_with_no_window_a_doubtful_send_is_never_repeated_at_once(fault):
    story = Story(("videoInference", fault), window=0.0, dedupe="none")
    outcome = story.buy()
    assert outcome.end in {"film", "SubmissionUncertain"}
    assert story.sends == 1
    assert story.billed <= 1


def test_after_the_settle_window_a_send_that_nobody_saw_is_repeated():
    story = Story(("videoInference", "lost_before"), window=0.0, dedupe="none")
    assert story.buy().end == "SubmissionUncertain"
    story.wait(600)
    assert story.buy().end == "SubmissionUncertain"
    assert story.sends == 1
    story.wait(3_600)
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (2, 1)


def test_a_prepared_request_that_was_damaged_is_never_sent_but_made_anew():
    story = Story(("videoInference", "lost_before"), window=0.0)
    story.buy()
    body = story.path(story.order().uuid(0), "body")
    story.volume.put(body, b"x" * len(story.volume.names[body].data))
    story.wait(4_000)
    assert story.buy().end == "film"
    assert len(story.posts) == 2
    assert story.posts[0] == story.posts[1]


def test_after_half_a_day_seeing_nothing_proves_nothing():
    story = Story(("videoInference", "lost_before"), window=0.0)
    story.buy()
    story.wait(50_000)
    error = story.buy().error
    assert isinstance(error, errors.SubmissionUncertain)
    assert "sent again" not in str(error)
    assert "my.runware.ai" in str(error)
    assert story.sends == 1


def in_doubt_though_it_arrived():
    before_and_after = [None] * 3 + ["503"] * 9
    questions = [(channel, fault) for channel in ("getResponse", "getTaskDetails") for fault in before_and_after]
    story = Story(("videoInference", "lost_after"), *questions, window=0.0)
    assert story.buy().end == "SubmissionUncertain"
    return story


def test_what_is_in_doubt_is_sent_again_by_the_key_that_sent_it_alone():
    story = in_doubt_though_it_arrived()
    story.simulator.key, story.simulator.faults = None, Faults()
    service = story.simulator.service
    mine, (service.jobs, service.last) = (service.jobs, service.last), ({}, {})  # as another account sees it
    story.restart(key="a-key-of-another-account")
    story.wait(4_000)
    error = story.buy().error
    assert isinstance(error, errors.SubmissionUncertain)
    assert "another API key" in str(error)
    assert story.sends == 1
    service.jobs, service.last = mine
    story.restart(key=KEY)
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (1, 1)


def test_what_is_in_doubt_is_seen_with_the_next_key_of_the_account():
    story = in_doubt_though_it_arrived()
    story.simulator.key, story.simulator.faults = "the-next-key-of-this-account", Faults()
    story.restart(key="the-next-key-of-this-account")
    story.wait(4_000)
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (1, 1)


def test_a_silent_archive_is_needed_beside_silent_polls_before_a_repeat():
    story = Story(("videoInference", "lost_before"), window=0.0)
    story.buy()
    story.wait(4_000)
    story.script(*[("getTaskDetails", "503")] * 9)
    assert story.buy().end == "SubmissionUncertain"
    assert story.sends == 1


def test_a_conflict_on_the_first_send_means_that_it_exists_already():
    story = Story()
    story.buy()
    story.volume.names.clear()
    story.volume.durable.clear()
    story.script(*[("getResponse", "empty_data")] * 1, ("getTaskDetails", "503"))
    story.restart()
    assert story.buy().end == "film"
    assert story.billed == 1


def test_what_a_lost_journal_forgot_is_found_before_it_is_bought():
    story = Story()
    story.buy()
    story.volume.names.clear()
    story.volume.durable.clear()
    story.restart()
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (1, 1)


def test_no_connection_is_repeated_and_then_told_as_not_billed():
    story = Story(*[("videoInference", "refused")] * 3)
    assert story.buy().end == "film"
    story = Story(*[("videoInference", "refused")] * 30)
    error = story.buy().error
    assert isinstance(error, errors.NotSent)
    assert "Not billed." in str(error)
    assert story.record().state is State.INTENT


def test_a_connection_that_fails_after_a_doubtful_send_is_still_doubt():
    story = Story(("videoInference", "lost_after"), *[("videoInference", "refused")] * 9,
                  *ASKED_FIRST,
                  *[("getResponse", "503")] * 40, *[("getTaskDetails", "503")] * 9)  # fmt: skip
    outcome = story.buy()
    assert outcome.end == "SubmissionUncertain"
    assert story.record().state is State.HELD
    story.simulator.faults = type(story.simulator.faults)()
    assert story.buy().end == "film"
    assert story.billed == 1


def test_a_copy_is_given_up_in_time_to_arrive_while_the_first_job_must_still_run():
    """The re-send that this forbids was billed under a service that refuses copies only while the first one runs."""
    late = Fault("late", seconds=10.0)
    story = Story(("videoInference", "lost_after"), *[("videoInference", late)] * 3,
                  *ASKED_FIRST,
                  *[("getResponse", "503")] * 60, *[("getTaskDetails", "503")] * 20,
                  dedupe="running", latency=35.0)  # fmt: skip
    story.buy()
    assert story.sends > 1
    assert story.billed == 1


def test_the_wish_to_wait_is_heard_when_it_fits_into_the_window():
    story = Story(("videoInference", {"kind": "status", "status": 429, "retry_after": "7"}))
    assert story.buy().end == "film"
    posts = [exchange.at for exchange in story.simulator.requests if exchange.channel == "videoInference"]
    assert 7.0 <= posts[1] - posts[0] < 12.0


@pytest.mark.parametrize("restarted", [False, True], ids=["same process", "another process"])
def test_a_clock_set_forward_does_not_make_an_hour_of_a_minute(restarted):
    """World 20768: a send that nobody saw was repeated after 76 s, as the clock said that two hours had gone by."""
    story = Story(("videoInference", "lost_before"), window=0.0)
    assert story.buy().end == "SubmissionUncertain"
    story.skew = 7_200.0
    if restarted:
        story.restart()
    assert story.buy().end == "SubmissionUncertain"
    assert story.sends == 1
    story.wait(3_700.0)
    assert story.buy().end == "film"
    assert story.billed == 1


def test_after_a_restart_of_the_machine_the_clock_alone_counts():
    story = Story(("videoInference", "lost_before"), window=0.0)
    story.wait(9_000.0)
    assert story.buy().end == "SubmissionUncertain"
    story.wait(3_700.0)
    story.volume.crash(story.chance)
    story.restart()
    assert story.buy().end == "film"
    assert story.billed == 1


def test_a_clock_that_was_moved_closes_the_window():
    story = Story(("videoInference", "lost_before"), *ASKED_FIRST, ("getResponse", "hang"))

    async def meddle():
        import asyncio

        press = asyncio.ensure_future(story.process.buy(story.order(), 2_700.0))
        await asyncio.sleep(12.0)
        story.skew = -7_200.0
        return await press

    assert story.run(meddle()).end == "SubmissionUncertain"
    assert story.sends == 1


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


def test_a_failure_that_becomes_a_film_within_its_patience_is_a_film():
    story = Story(("job", "turns"), latency=50.0)
    assert story.buy().end == "film"
    assert story.sends == 1


def test_a_failure_that_becomes_a_film_later_is_found_by_the_next_run():
    story = Story(("job", "turns"), latency=400.0)
    assert story.buy().end == "TaskFailed"
    story.wait(300)
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (1, 1)


def test_moderation_is_told_at_once():
    story = Story(("job", "moderated"), latency=40.0)
    error = story.buy().error
    assert isinstance(error, errors.TaskFailed)
    assert "flagged" in str(error)
    assert story.loop.time() < 70.0


def test_partial_results_are_delivered_and_the_rest_is_named():
    story = Story(("job", {"kind": "partial", "count": 2}))
    outcome = story.buy(Kind(results=3))
    assert outcome.end == "film"
    assert len(outcome.record.films) == 2
    assert outcome.record.failures
    assert outcome.record.billed == pytest.approx(0.84)


def test_a_poll_that_fails_for_minutes_loses_nothing():
    story = Story(*ASKED_FIRST, ("getResponse", {"kind": "outage", "seconds": 600.0}))
    assert story.buy().end == "film"
    assert story.billed == 1


def test_a_key_refused_while_polling_is_no_verdict():
    story = Story()
    story.buy(patience=10.0)
    story.simulator.key = "another"
    error = story.buy().error
    assert isinstance(error, errors.AuthenticationError)
    assert "safe" in str(error)
    story.simulator.key = story.key
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


def test_a_finished_film_without_an_address_is_waited_for_and_then_told():
    story = Story(("job", {"kind": "no_url", "seconds": 20.0}))
    assert story.buy().end == "film"
    story = Story(("job", {"kind": "no_url", "seconds": 5_000.0}))
    assert "names no file" in str(story.buy().error)
    story.wait(5_000)
    assert story.buy().end == "film"
    assert story.billed == 1


def test_a_render_that_never_ends_is_given_back_at_the_deadline_and_stays_collectable():
    story = Story(("job", "never"))
    assert story.buy().end == "left"
    assert story.record().state is State.ACCEPTED


def test_who_goes_before_anything_was_sent_buys_nothing():
    story = Story(("getResponse", "hang"))
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


def test_a_lost_record_is_as_old_as_the_last_send_not_as_the_first():
    """World 128723: sent again after an hour, its record deleted, and a minute later sent once more."""
    lost = (("videoInference", "lost_before"), ("videoInference", "null_data"))
    story = Story(*lost, window=0.0, dedupe="none", latency=300.0)
    story.simulator.service.__class__ = ShyService
    assert story.buy().end == "SubmissionUncertain"
    story.wait(4_000.0)
    assert story.buy().end == "SubmissionUncertain"
    story.volume.drop(story.path(story.order().uuid(0)))
    story.restart()
    assert story.buy().end in {"film", "SubmissionUncertain"}
    assert (story.sends, story.billed) == (2, 1)


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
    story = Story(("download", None), *[("download", "redirect")] * 2)
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


def test_a_reference_film_is_uploaded_once_for_its_content():
    story = Story(("mediaStorage", "lost_before"), ("mediaStorage", "unfinished"))
    assert story.buy(Kind(clip=True)).end == "film"
    assert story.asked("mediaStorage") == 2
    assert story.buy(Kind(clip=True), take=2).end == "film"
    assert story.asked("mediaStorage") == 2


def test_a_reference_film_is_uploaded_anew_after_the_service_refused_what_names_it():
    story = Story(("videoInference", None), ("videoInference", {"kind": "status", "status": 404}))
    assert story.buy(Kind(clip=True)).end == "film"
    story.buy(Kind(clip=True), take=2)
    assert story.asked("mediaStorage") == 1
    assert story.buy(Kind(clip=True), take=2).end == "film"
    assert story.asked("mediaStorage") == 2


def test_the_hour_begins_when_the_last_byte_of_a_slow_send_can_have_arrived():
    """20 MB on the slowest line are under way for forty minutes; then it renders for fifty, and nobody shows it."""
    story = Story(("videoInference", "lost_after"), window=0.0, dedupe="none", latency=3_000.0)
    story.simulator.service.__class__ = ShyService
    order = story.order()

    def body(task_uuid, uploads):
        yield from order.body(task_uuid, uploads)
        yield b" " * 20_000_000

    slow = replace(order, body=body)
    assert story.run(story.process.buy(slow, 2_700.0)).end == "SubmissionUncertain"
    story.wait(4_000)
    error = story.run(story.process.buy(slow, 2_700.0)).error
    assert isinstance(error, errors.SubmissionUncertain) or error is None
    assert story.sends == 1


def test_a_render_that_hangs_gives_its_place_to_others():
    story = Story(("job", "never"), *[("job", None)])
    story.process.places = type(story.process.places)(1)
    assert story.buy(take=1, patience=2_000.0).end == "left"
    assert story.buy(take=2).end == "film"


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
