from __future__ import annotations

from decimal import Decimal

import pytest
from kling.nodes.runware import errors, tell
from kling.nodes.runware.record import Film, Record, State
from kling.nodes.runware.response import Failure

UUID = "24cd5dff-cb81-4db5-8506-b72a9425f9d1"


def record(state=State.ACCEPTED, *, price="0.42", costs=(), failures=()):
    films = [Film(video_uuid=str(number), cost=cost) for number, cost in enumerate(costs)]
    return Record(task_uuid=UUID, state=state, price=price, films=films, failures=list(failures), last_sent_at=1_000.0)


ENDS = {
    "held": tell.held(record(State.HELD), "the connection broke", 3_300.0),
    "held for ever": tell.held(record(State.HELD), "", None),
    "held by another key": tell.held_by_other_key(record(State.HELD)),
    "not sent": tell.not_sent(record(State.INTENT)),
    "unreachable": tell.unreachable("no answer", UUID),
    "never sent": tell.never_sent(record(State.INTENT)),
    "unknown task": tell.unknown_task(UUID, [Failure("taskNotFound", "No such task")]),
    "still running": tell.still_running(UUID),
    "no address": tell.no_address(record()),
    "other key": tell.other_key(record()),
    "key refused": tell.key_refused(Failure("invalidApiKey", "Invalid key."), 401, record()),
    "account refused": tell.key_refused(Failure("insufficientCredits", "Empty."), 402, record(State.INTENT)),
    "not saved": tell.not_saved(record(State.RESULT, costs=(0.42,)), "The film could not be fetched.", ""),
    "rejected": tell.ended(record(State.REJECTED, failures=[{"code": "x", "message": "Bad."}])),
    "failed": tell.ended(record(State.FAILED, failures=[{"code": "x", "message": "It broke."}])),
    "failed in many words": tell.ended(
        record(State.FAILED, failures=[{"code": "x", "message": f"{number} " * 100} for number in range(4)])
    ),
    "gone": tell.ended(record(State.EXPIRED, costs=(0.42,))),
    "never seen": tell.ended(record(State.EXPIRED)),
}


def test_what_another_key_bought_is_called_paid_only_where_a_film_of_it_was_seen():
    assert "It was paid for with that key." in str(tell.other_key(record(State.RESULT, costs=(0.42,))))
    gone = record(State.RESULT, costs=(0.42,))
    gone.films, gone.gone = [], gone.films
    assert "It was paid for with that key." in str(tell.other_key(gone))
    for state in (State.ACCEPTED, State.EXPIRED):  # the render may have failed
        assert "It may have been paid for with that key." in str(tell.other_key(record(state)))


@pytest.mark.parametrize("error", ENDS.values(), ids=ENDS)
def test_every_end_names_the_task_the_money_and_the_next_step_in_few_words(error):
    text = str(error)
    assert isinstance(error, errors.KlingError)
    assert error.billing
    assert UUID in text
    assert error.next_step
    assert len(text) <= 600
    assert ".." not in text
    assert "None" not in text


def test_each_end_says_what_is_true_of_the_money():
    says = {name: str(error) for name, error in ENDS.items()}
    for name in ("held", "held for ever", "held by another key"):
        assert errors.BILLING_UNKNOWN in says[name]
    for name in ("not sent", "never sent", "account refused", "rejected"):
        assert "Not billed." in says[name]
    assert "Billed $0.42." in says["not saved"]
    assert "Billed $0.42." in says["gone"]
    assert "billed when it is ready" in says["key refused"]
    assert "my.runware.ai" in says["never seen"]
    assert "No cost was reported" in says["failed"]


def test_a_held_purchase_says_when_it_sends_itself_again():
    assert "From 55 min on" in str(ENDS["held"])
    assert "sent again" not in str(ENDS["held for ever"])


def test_what_was_billed_is_told_as_reported_as_planned_or_as_unknown():
    assert tell.billed(record(State.RESULT, costs=(0.25, 0.25))) == "Billed $0.50."
    assert tell.billed(record(State.RESULT, costs=(0.25, None))) == "Billed at least $0.25."
    assert tell.billed(record(State.ACCEPTED, costs=(0.25, 0.25))) == "Billed at least $0.50."  # a third may come
    assert tell.billed(record()) == "Billed, by the price list $0.42."
    assert "did not say" in tell.billed(record(price=None))


@pytest.mark.parametrize(("state", "costs", "spent"), [
    (State.INTENT, (), "0"),
    (State.REJECTED, (), "0"),
    (State.HELD, (), "0.42"),
    (State.ACCEPTED, (0.14,), "0.42"),
    (State.COMMITTED, (0.14,), "0.14"),
    (State.COMMITTED, (0.14, None), "0.42"),
    (State.COMMITTED, (0.84, None), "0.84"),
    (State.EXPIRED, (0.14,), "0.14"),
    (State.FAILED, (), "0.42"),
])  # fmt: skip
def test_what_is_spent_is_what_was_billed_of_all_results_else_no_less_than_planned(state, costs, spent):
    assert record(state, costs=costs).spent == Decimal(spent)
    assert record(State.HELD, price=None).spent is None


def test_what_is_called_failed_counts_as_planned_while_it_may_still_become_a_film():
    short = record(State.COMMITTED, price="1.26", costs=(0.42,), failures=[{"code": "top", "message": "It gave up."}])
    short.number_results = 3
    assert (short.spent, short.cost) == (Decimal("1.26"), Decimal("0.42"))
    assert tell.billed(short) == "Billed at least $0.42."
    short.gone = [Film(video_uuid="a", cost=0.42), Film(video_uuid="b", cost=0.42)]
    assert (short.spent, short.cost) == (Decimal("1.26"), Decimal("1.26"))
    assert tell.billed(short) == "Billed $1.26."


@pytest.mark.parametrize("cost", ["much", "-1", "nan", "1e99", ""])
def test_a_cost_of_a_failure_that_is_no_amount_was_not_reported(cost):
    failed = record(State.FAILED, failures=[{"code": "x", "message": "It broke.", "cost": cost}])
    assert failed.billed is None
    assert "No cost was reported" in str(tell.ended(failed))


def test_what_there_is_costs_no_less_than_planned_where_not_every_cost_is_told():
    assert record(State.COMMITTED, costs=(0.14, None)).cost == Decimal("0.42")
    unseen = [{"code": "resultUnseen", "message": ""}]
    assert record(State.RESULT, costs=(0.14,), failures=unseen).cost == Decimal("0.42")


KEY_REFUSED = {
    errors.NOTHING_SENT: [None, State.FAILED, State.EXPIRED],
    errors.NOT_BILLED: [State.INTENT, State.REJECTED],
    errors.BILLING_UNKNOWN: [State.SENDING, State.HELD],
    "The film is billed when it is ready.": [State.ACCEPTED],
    "Billed, by the price list $0.42.": [State.RESULT, State.COMMITTED],
}


@pytest.mark.parametrize(("words", "state"), [(words, state) for words, each in KEY_REFUSED.items() for state in each])
def test_a_refused_key_says_what_it_leaves_of_the_purchase(words, state):
    error = tell.key_refused(Failure("invalidApiKey", "Invalid key."), 401, state and record(state))
    assert error.billing == words
    assert ("collected, not bought anew" in str(error)) == (
        words in {"The film is billed when it is ready.", "Billed, by the price list $0.42."}
    )


def test_runwares_own_account_at_the_maker_is_not_told_as_yours():
    error = tell.key_refused(Failure("providerInsufficientCredits", "Upstream is empty."), 402, record())
    assert "my.runware.ai" not in str(error)
    assert "Runware refused the question: Upstream is empty. The film is billed when it is ready." in str(error)
    assert error.next_step == "Wait a little, then run again: it is collected, not bought anew."


def test_every_state_has_a_word_for_a_refused_key():
    assert {state for each in KEY_REFUSED.values() for state in each if state} == set(State)


UPSTREAM = {
    "providerInsufficientCredits": "Run again later.",
    "thirdPartyInsufficientCredits": "Run again later.",
    "providerError": "Run again later.",
    "insufficientCredits": "Add credits at my.runware.ai, then run again.",
    "providerContentPolicyViolation": "Change the prompt or the picture, then run again.",
}


@pytest.mark.parametrize(("code", "step"), UPSTREAM.items())
def test_what_is_to_be_done_about_a_refusal_depends_on_whose_trouble_it_is(code, step):
    assert tell.refused(Failure(code, "No."), 402, doing="Refused").next_step == step
