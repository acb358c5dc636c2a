"""A day's purchases never pass KLING_DAILY_BUDGET_USD: not after a restart, not by two processes at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from kling.nodes.runware.errors import BudgetError
from kling.nodes.runware.settings import Settings
from kling.nodes.runware.simulator.service import Answer

from world.cast import THREE, Told, given, told
from world.orders import Kind, order
from world.process import Process
from world.story import KEY, Story

DAY = 86_400.0


def limited(story, budget, process=None):
    process = process or story.process
    process.settings = Settings(resubmit_window=story.window, daily_budget=Decimal(budget))
    return process


def spent(story):
    story.simulator.run_out()
    return sum(Decimal(str(charge.usd)) for charge in story.simulator.ledger)


def test_the_purchase_that_would_pass_the_budget_is_refused_before_anything_is_sent():
    story = Story()
    limited(story, "1.00")
    assert [story.buy(take=take).end for take in (1, 2, 3)] == ["film", "film", "BudgetError"]
    assert story.sends == 2
    error = story.buy(take=3).error
    assert isinstance(error, BudgetError)
    assert "$0.84" in str(error)
    assert "Not billed." in str(error)


def test_what_is_bought_already_costs_no_budget():
    story = Story()
    limited(story, "0.42")
    assert story.buy().end == "film"
    assert story.buy().end == "film"


def test_a_restart_forgets_nothing_of_the_day():
    story = Story()
    limited(story, "0.50")
    story.buy(take=1, patience=10.0)
    limited(story, "0.50", story.restart())
    assert story.buy(take=2).end == "BudgetError"
    assert story.buy(take=1).end == "film"


def test_the_next_day_has_its_own_budget():
    story = Story()
    limited(story, "0.50")
    assert story.buy(take=1).end == "film"
    story.wait(DAY)
    assert story.buy(take=2).end == "film"


def test_what_was_bought_while_the_clock_was_a_day_ahead_counts_on_the_day_it_is_put_right():
    story = Story(latency=300.0)
    limited(story, "0.42")
    story.skew = DAY
    assert story.buy(take=1, patience=60.0).end == "left"
    story.skew = 0.0
    assert story.buy(take=1).end == "film"
    assert story.buy(take=2).end == "BudgetError"


def test_what_was_prepared_before_the_prices_rose_counts_with_the_price_of_its_send():
    story = Story(*[("videoInference", "refused")] * 5)
    limited(story, "0.50")
    assert story.buy().end == "NotSent"
    dearer = replace(story.order(), price=Decimal("0.56"))
    assert story.run(story.process.buy(dearer, 600.0)).end == "BudgetError"
    limited(story, "0.56")
    assert story.run(story.process.buy(dearer, 600.0)).end == "film"
    assert story.record().price == "0.56"
    assert story.buy(take=2).end == "BudgetError"


def test_a_doubtful_purchase_counts_as_spent():
    story = Story(("videoInference", "lost_before"), window=0.0)
    limited(story, "0.50")
    assert story.buy(take=1).end == "SubmissionUncertain"
    assert story.buy(take=2).end == "BudgetError"


def test_a_copy_of_a_doubtful_purchase_is_not_counted_twice():
    story = Story(("videoInference", "lost_before"))
    limited(story, "0.42")
    assert story.buy().end == "film"


def test_three_results_count_three_times_while_only_one_is_known():
    story = Story()
    limited(story, "1.60")
    story.buy(Kind(results=3), patience=10.0)
    assert story.buy(take=2).end == "BudgetError"


class TurnsPartly(Told):
    """A service that shows one film of three and calls the others failed, until they are films after all."""

    def said(self, job, now):
        if len(job.films) < 3 or not job.at + job.seconds / 2 <= now < job.ends:
            return None
        return Answer([dict(job.films[0])], [job.error("providerError") for _ in range(2)])

    def archived(self, job, now):
        return False if self.said(job, now) else None


def test_what_failed_of_a_purchase_is_not_given_away_for_it_may_become_a_film():
    seconds = iter([1_200.0, 60.0])
    story = told(TurnsPartly, latency=lambda _task: next(seconds))
    limited(story, "1.26")
    outcome = story.buy(THREE)
    assert (given(outcome), len(outcome.record.failures), outcome.record.billed) == (1, 2, 0.42)
    assert story.buy(take=2).end == "BudgetError"
    story.wait(1_200.0)
    assert given(story.buy(THREE)) == 3
    assert spent(story) == Decimal("1.26")


def test_an_unreadable_purchase_of_the_day_stops_spending():
    story = Story()
    limited(story, "5.00")
    story.buy(take=1)
    path = story.path(story.order(take=1).uuid(0))
    story.volume.put(path, b"torn")
    for _ in range(2):
        error = story.buy(take=2).error
        assert isinstance(error, BudgetError)
        assert "cannot be read" in str(error)


@pytest.mark.parametrize("purchases", [2, 4, 8])
def test_two_processes_at_once_never_pass_it_together(purchases):
    story = Story(latency=60.0)
    first = limited(story, "1.30")
    second = limited(story, "1.30", Process(story, story.volume, KEY, window=20.0))

    async def press():
        takes = range(1, purchases + 1)
        return await asyncio.gather(
            *(process.buy(order(Kind(), KEY, take * 2 + number), 2_000.0)
              for take in takes for number, process in enumerate((first, second)))
        )  # fmt: skip

    ends = [outcome.end for outcome in story.run(press())]
    assert ends.count("film") == 3
    assert ends.count("BudgetError") == 2 * purchases - 3
    assert spent(story) <= Decimal("1.30")
