"""From "maybe sent" to certainty: when the same bytes are sent again, and when they never are."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest
from kling.nodes.runware import errors
from kling.nodes.runware.order import Timing
from kling.nodes.runware.record import State
from kling.nodes.runware.simulator import Fault, Faults
from kling.nodes.runware.simulator.refusal import Refusal
from kling.nodes.runware.simulator.service import Answer

from world import cast
from world.cast import ASKED_FIRST, REFUSED
from world.orders import REFERENCE, REFERENCE_BYTES, Kind
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


def test_the_questions_after_a_copy_are_not_called_sending():
    story, said = Story(*[("videoInference", "lost_before")] * 2), []
    press = partial(story.process.buy, story.order(), 3_000.0)

    async def look():
        ((purchase, _, _),) = story.process.running.values()
        said.append(purchase.status.words)
        return await press()

    story.run(cast.at_once((0.0, press), (20.0, look), (30.0, look)))
    assert said == ["sending", "checking whether the request arrived"]


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
    before_and_after = [None] * 4 + ["503"] * 9
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


class Evasive(cast.Told):
    """A service whose archive knows no task, and whose state says what stands in `answers`, then the truth."""

    answers = ()

    def said(self, _job, _now):
        self.answers, answer = self.answers[1:], next(iter(self.answers), None)
        if answer == "busy":
            raise Refusal("serviceUnavailable", "Try again.", status=503)
        return Answer() if answer == "empty" else None

    def archived(self, _job, _now):
        return False


@pytest.mark.parametrize("busy", [6, 4])
def test_some_silent_polls_are_needed_beside_a_silent_archive_before_a_repeat(busy):
    """The archive is the second witness: where the first was busy, one word of it more is not enough to pay by."""
    polls, few = len(Timing().last_probes), Timing().clean_probes - 1
    assert polls - busy <= few
    here = cast.story(("videoInference", "lost_after"), kind=Evasive, window=0.0)
    service = here.simulator.service
    service.answers = ["empty"] * polls
    assert here.buy().end == "SubmissionUncertain"
    here.wait(4_000)
    service.answers = ["busy"] * busy + ["empty"] * (polls - busy + few)
    assert here.buy().end == "SubmissionUncertain"
    service.answers = []
    assert here.buy().end == "film"
    assert (here.sends, here.billed) == (1, 1)


def test_what_another_machine_bought_during_an_upload_is_seen_before_a_repeat():
    """Nobody had seen our send, so an hour later it is sent again: but not by answers from before the upload."""
    kind = Kind(clip=True)
    here = cast.story(("videoInference", "lost_before"), window=0.0, dedupe="running", latency=40.0)
    assert here.buy(kind).end == "SubmissionUncertain"
    here.wait(4_000)
    for path in here.volume.below("media"):
        here.volume.drop(path)
    here.script(("mediaStorage", {"kind": "unfinished", "seconds": 180.0}))
    left = cast.elsewhere(here)
    here.process.volume.put(REFERENCE, REFERENCE_BYTES)
    order = here.order(kind)
    both = ((0.0, partial(left.buy, order, 3_000.0)), (60.0, partial(here.process.buy, order, 3_000.0)))
    assert here.run(cast.at_once(*both)) == ["film", "film"]
    assert here.asked("mediaStorage") == 3
    assert (here.sends, here.billed) == (2, 1)


@pytest.mark.parametrize("copy", [REFUSED, "refused"], ids=["refused", "no connection"])
def test_what_becomes_of_a_copy_says_nothing_of_the_send_before_it(copy):
    """The first send arrived, and nobody shows what runs: that the copy was not taken does not make it unbilled."""
    here = cast.story(("videoInference", "lost_after"), ("videoInference", copy), kind=ShyService, latency=400.0)
    outcome = here.buy()
    assert outcome.end == "SubmissionUncertain"
    assert "It is not known whether this was billed" in str(outcome.error)
    assert "Not billed" not in str(outcome.error)
    assert here.asked("videoInference") == 2
    assert (here.record().state, here.record().maybe_sent) == (State.HELD, True)
    assert here.process.journal.spent_today() == Decimal(here.record().price)
    assert here.buy().end == "SubmissionUncertain"
    here.wait(400.0)
    assert here.buy().end == "film"
    assert here.asked("videoInference") == 2
    assert here.billed == 1


def test_a_connection_that_fails_after_a_doubtful_send_is_still_doubt():
    """No copy gets through, and then nobody answers; the service refuses no UUID, so another send would be paid."""
    here = cast.story(
        ("videoInference", "lost_after"), *[("videoInference", "refused")] * 9, kind=ShyService, dedupe="none"
    )
    here.script(*ASKED_FIRST, *[("getResponse", None)] * 5, *[("getResponse", "503")] * 40)
    assert here.buy().end == "SubmissionUncertain"
    assert here.asked("videoInference") > 1
    assert here.record().state is State.HELD
    here.simulator.faults = Faults()
    here.wait(60.0)
    assert here.buy().end == "film"
    assert here.billed == 1


def test_nothing_is_sent_again_before_it_is_clear_that_no_other_attempt_was_made():
    """Another machine may have made one meanwhile; it costs an hour at worst, and no second film."""
    story = Story(("videoInference", "lost_before"), *ASKED_FIRST, *[("getResponse", "503")] * 60)
    outcome = story.buy()
    assert outcome.end == "SubmissionUncertain"
    assert story.sends == 1
    story.wait(3_700)
    story.simulator.faults = type(story.simulator.faults)()
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (2, 1)


def test_a_copy_is_given_up_in_time_to_arrive_while_the_first_job_must_still_run():
    """The re-send that this forbids was billed under a service that refuses copies only while the first one runs."""
    late = Fault("late", seconds=10.0)
    script = [("videoInference", "lost_after"), *[("videoInference", late)] * 3]
    story = cast.story(*script, kind=ShyService, dedupe="running", latency=35.0)
    story.buy()
    assert story.sends > 1
    assert story.billed == 1


def test_a_copy_that_waited_as_it_was_asked_to_is_given_up_in_time_as_well():
    """Taken, told to come back in 16 s: a copy that had ten more for its answer came when the first job was over."""
    busy = {"kind": "status", "status": 429, "accepted": True, "retry_after": "16"}
    late = Fault("late", seconds=9.5)
    script = [("videoInference", busy), ("videoInference", late)]
    here = cast.story(*script, kind=ShyService, dedupe="running", latency=35.0)
    here.buy()
    assert here.sends == 2
    assert here.billed == 1


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


@pytest.mark.parametrize("refused", ["key", "account"])
def test_a_purchase_in_doubt_is_not_called_unbilled_when_the_key_is_refused(refused):
    silent = [*[("getResponse", "503")] * 30, *[("getTaskDetails", "503")] * 5]
    here = Story(("videoInference", "lost_after"), *ASKED_FIRST, *silent, window=0.0)
    assert here.buy().end == "SubmissionUncertain"
    here.restart()
    here.wait(100.0)
    here.simulator.faults = Faults.script([("getResponse", "402")] * 9 if refused == "account" else [])
    here.simulator.key = "another" if refused == "key" else KEY
    ended = here.buy()
    assert ended.end == ("AuthenticationError" if refused == "key" else "InsufficientCreditsError")
    assert "Not billed" not in str(ended.error)
    assert here.billed == 1


def tear(story, *, name="json"):
    node = story.volume.names[story.path(story.order().uuid(0), name)]
    node.data[:] = node.data[: len(node.data) // 2]
    node.changed = story.volume.clock()


def take_for_newer(story):
    """Let a later version have written the record: its state is one that this version does not know."""
    node = story.volume.names[story.path(story.order().uuid(0))]
    node.data[:] = bytes(node.data).replace(b'"committed"', b'"delivered"')
    node.changed = story.volume.clock()


@pytest.mark.parametrize("collected", [False, True], ids=["run", "collected first"])
@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "index lost"])
@pytest.mark.parametrize("harm", [tear, take_for_newer])
def test_a_record_that_cannot_be_read_days_after_its_film_came_is_not_sent_again(harm, indexed, collected):
    """Seed 910329: the age of its file was taken for its send's, and so seeing nothing seemed to prove something."""
    story = Story(latency=60.0, retention=13 * 3_600.0)
    assert story.buy().end == "film"
    story.wait(2 * 86_400)
    harm(story)
    for path in [] if indexed else story.volume.below("intents"):
        story.volume.drop(path)
    if collected:
        assert story.collect(story.order().uuid(0)).end == "SubmissionUncertain"
    assert story.buy().end == "SubmissionUncertain"
    story.wait(3_700)
    stuck = story.buy()
    assert stuck.end == "SubmissionUncertain"
    assert "raise take" in str(stuck.error)
    assert story.sends == 1


@pytest.mark.parametrize("collected", [False, True], ids=["run", "collected first"])
def test_a_record_that_cannot_be_read_is_sent_again_when_the_hour_after_its_send_is_over(collected):
    story = Story(("videoInference", "lost_before"), window=0.0)
    assert story.buy().end == "SubmissionUncertain"
    tear(story)
    if collected:
        assert story.collect(story.order().uuid(0)).end == "SubmissionUncertain"
        assert story.process.journal.spent_today() is None  # nobody can say what it cost
    story.wait(3_300)
    assert story.buy().end == "SubmissionUncertain"
    story.wait(400)
    assert story.buy().end == "film"
    assert (story.sends, story.billed) == (2, 1)


def test_a_purchase_in_doubt_is_not_called_unbilled_because_its_copy_found_no_connection():
    story = Story(("videoInference", "lost_after"), *[("videoInference", "refused")] * 9, latency=3_000.0)
    story.simulator.service.__class__ = ShyService
    error = story.buy(patience=1_000.0).error
    assert story.sends >= 2
    assert "no connection" in str(error)
    assert "Not billed" not in str(error)
    assert "not known whether this was billed" in str(error)
