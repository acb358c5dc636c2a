"""A service that is odd, not broken: what it made and was paid for is kept all the same, and within bounds."""

from __future__ import annotations

import itertools
import json

import pytest
from kling.nodes.runware.response import ROWS_MOST, read
from kling.nodes.runware.simulator import tiny_film
from kling.nodes.runware.simulator.films import Films
from kling.nodes.runware.simulator.service import Answer, Service

from world.cast import THREE, Told, elsewhere, given, story, told
from world.orders import Kind


class Odd(Service):
    """Says each finished result in a way of its own."""

    def odd(self, rows):
        raise NotImplementedError

    def _poll(self, task, now):
        answer = super()._poll(task, now)
        finished = any(row.get("videoURL") for row in answer.data)
        return Answer(self.odd(answer.data), answer.errors) if finished else answer


class ErrorBeside(Odd):
    def odd(self, rows):
        return [{**row, "error": {"code": "webhookTimeout", "message": "The webhook did not answer."}} for row in rows]


class Completed(Odd):
    def odd(self, rows):
        return [{**row, "status": "completed"} for row in rows]


class Spaced(Odd):
    def odd(self, rows):
        return [{**row, "status": "SUCCESS "} for row in rows]


class Capitals(Odd):
    def odd(self, rows):
        return [{**row, "taskUUID": row["taskUUID"].upper()} for row in rows]


@pytest.mark.parametrize("kind", [ErrorBeside, Completed, Spaced, Capitals])
def test_a_result_with_an_address_is_a_film_whatever_else_its_row_says(kind):
    odd = story(kind=kind)
    assert given(odd.buy()) == 1
    assert odd.sends == odd.billed == 1


class BadAddressFirst(Odd):
    def odd(self, rows):
        return [{**rows[0], "videoURL": "https://vm.runware.ai/\ud800.mp4"}, *rows[1:]]


def test_an_address_that_cannot_be_sent_does_not_keep_the_other_films_from_being_fetched():
    odd = story(kind=BadAddressFirst)
    error = odd.buy(THREE).error
    assert "address" in str(error)
    assert len(odd.films()) == 2
    assert odd.sends == 1


class Thousand(Odd):
    def odd(self, rows):
        return [{**rows[0], "videoUUID": f"{number:08x}-0000-4000-8000-000000000000"} for number in range(1_000)]


class AnyName(Films):
    async def film(self, path, now):  # noqa: ARG002
        return tiny_film.render({"taskUUID": "x"}, 0)


def test_no_more_films_are_fetched_than_a_purchase_can_have():
    odd = story(kind=Thousand)
    odd.simulator.films.__class__ = AnyName
    odd.buy()
    assert 1 <= len(odd.films()) <= 8
    assert odd.asked("download") <= 8


def test_more_results_than_can_be_ordered_are_not_waited_for_when_a_uuid_is_collected():
    """Eight films were here, and withheld for an hour for the other 992."""
    odd = story(kind=Thousand)
    odd.simulator.films.__class__ = AnyName
    assert odd.buy(patience=20.0).end == "left"
    elsewhere(odd)
    began = odd.loop.time()
    assert given(odd.collect(odd.order().uuid(0))) == 8
    assert odd.loop.time() - began < 600.0


class OtherNames(Odd):
    """Shows its results under other names in every answer, and never gives a file."""

    numbers = itertools.count()

    def odd(self, rows):
        names = [f"{next(self.numbers):08x}-0000-4000-8000-000000000000" for _ in range(100)]
        return [{**rows[0], "videoUUID": name, "videoURL": f"https://vm.runware.ai/{name}.mp4"} for name in names]


def test_names_that_are_new_in_every_answer_fill_neither_memory_nor_disk():
    """Their addresses were all kept, and written anew each time: megabytes an answer."""
    odd = story(kind=OtherNames)
    assert odd.buy().end == "ResultExpired"
    assert odd.asked("getResponse") > 10
    (urls,) = [json.loads(bytes(node.data)) for path, node in odd.volume.names.items() if path.suffix == ".urls"]
    assert 1 <= len(urls) <= 8


def test_of_an_answer_of_a_million_rows_and_errors_no_more_is_read_than_an_honest_one_has():
    answer = read(200, b'{"data":[' + b"{}," * 1_000_000 + b'{}],"errors":[' + b"1," * 1_000_000 + b"1]}")
    assert len(answer.rows) == len(answer.failures) == ROWS_MOST


def no_such_task(task, code):
    wrong = {"code": code, "message": "No such task."}
    return [{"taskType": "videoInference", "taskUUID": task["taskUUID"], "status": "error", "error": wrong}]


class DeniesInARow(Service):
    """Says of a task that it does not know that there is none, in the task's own row."""

    def _poll(self, task, now):
        known = self.running(task["taskUUID"], now)
        return super()._poll(task, now) if known else Answer(no_such_task(task, "taskNotFound"))


def test_a_row_that_denies_the_task_is_no_failed_render():
    """What had never been sent was told as failed at the service, and no press of Run sent it."""
    odd = story(kind=DeniesInARow)
    assert given(odd.buy()) == 1
    assert odd.sends == 1


class ForgetsInARow(Told):
    """Has forgotten a finished task after a minute, and says so in the task's own row."""

    def said(self, job, now):
        return Answer(no_such_task(job.task, "taskExpired")) if now > job.ends + 60 else None

    def archived(self, job, now):
        return False if now > job.ends + 60 else None


def test_what_was_billed_and_forgotten_is_not_bought_again_whatever_the_shape_in_which_it_is_told():
    """It was called a failed render without a cost, and the next press of Run paid another."""
    odd = told(ForgetsInARow, latency=100.0)
    assert odd.buy(patience=50.0).end == "left"
    odd.restart()
    odd.wait(2 * 86_400)
    for _ in range(2):
        assert "Whether it was billed can be seen at my.runware.ai." in str(odd.buy().error)
    assert odd.sends == odd.billed == 1


class OneByOne(Told):
    def said(self, job, now):
        shown = [job._success(film, now) for film in job.films[: 1 if now < job.ends + 60 else 2]]
        for row in shown if now < job.ends + 60 else []:
            row["cost"] = 0.01
        pending = {"taskType": "videoInference", "taskUUID": job.task["taskUUID"], "status": "processing"}
        return Answer([*shown, *([pending] if len(shown) == 1 else [])]) if now >= job.ends else None


def test_a_cost_that_grows_is_the_cost():
    odd = told(OneByOne)
    record = odd.buy(Kind(results=2)).record
    price = odd.simulator.ledger[0].usd
    assert [film.cost for film in record.films] == [price, price]


class BeyondMeasure(Told):
    def said(self, job, now):
        shown = [{**job._success(film, now), "cost": 1e12} for film in job.films[: 1 if now < job.ends + 60 else 2]]
        pending = {"taskType": "videoInference", "taskUUID": job.task["taskUUID"], "status": "processing"}
        return Answer([*shown, *([pending] if len(shown) == 1 else [])]) if now >= job.ends else None


def test_a_cost_that_is_no_amount_of_money_is_not_told_when_it_is_seen_again_either():
    """The record kept none of it, and the run that had seen it twice told a million of millions."""
    odd = told(BeyondMeasure)
    record = odd.buy(Kind(results=2)).record
    assert [film.cost for film in record.films] == [None, None]
    assert record.spent == odd.record(record.task_uuid).spent


class Running(Told):
    """Says "running", and where the film will be."""

    def said(self, job, now):
        return Answer([{**job._success(job.films[0], now), "status": "running"}]) if now < job.ends else None


def test_a_result_that_is_still_running_is_not_fetched_though_its_address_is_known():
    odd = told(Running, latency=600.0)
    assert given(odd.buy()) == 1
    assert odd.asked("download") == odd.sends == 1


class ExpiresMedia(Told):
    code = "mediaExpired"

    def said(self, job, now):
        error = {"code": self.code, "message": "It is not there.", "taskUUID": job.task["taskUUID"]}
        return Answer(errors=[{**error, "taskType": "videoInference"}], status=404) if now > job.ends + 9_000 else None

    def archived(self, job, now):
        return False if now > job.ends + 9_000 else None


class LosesMedia(ExpiresMedia):
    code = "mediaNotFound"


@pytest.mark.parametrize("kind", [ExpiresMedia, LosesMedia])
def test_a_film_that_expired_is_not_bought_again(kind):
    odd = told(kind, latency=240.0)
    assert odd.buy(patience=30.0).end == "left"
    odd.restart()
    odd.wait(72_000.0)
    assert [odd.buy().end for _ in range(3)] == ["ResultExpired"] * 3
    assert odd.billed == odd.sends == 1
