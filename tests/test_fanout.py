import asyncio
from decimal import Decimal

import pytest
from kling.nodes import fanout, host
from kling.nodes.fanout import Bid
from kling.nodes.runware.errors import BudgetError, InputError, KlingError

PRICE = Decimal("0.42")
NODE = "KlingGenerate (node 7)"


@pytest.fixture(autouse=True)
def prompt(monkeypatch):
    monkeypatch.setattr(host, "execution", lambda: ("a prompt", "7"))


@pytest.fixture
def lines(monkeypatch):
    """What is shown on the node, line for line."""
    shown = []
    monkeypatch.setattr(host, "status", lambda _, text: shown.append(text))
    return shown


def outcomes(items, work, most=8):
    """Run a node for each item of a list as ComfyUI does, and give what became of each: None, or its error."""

    async def judge(bids):
        fanout.check(bids, most, NODE)

    async def prompt():
        tasks = []
        for number in range(items):
            tasks.append(asyncio.create_task(work(number, judge)))
            await asyncio.sleep(0)
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(prompt())


def buying(spent, *, rounds_before=lambda _: 0, purchase=str, price=lambda _: PRICE):
    """Make the work of a node that buys for each item; `spent` gets the items that went through."""

    async def work(number, judge):
        async with fanout.item() as item:
            for _ in range(rounds_before(number)):
                await asyncio.sleep(0)
            await item.agree(purchase(number), Bid(price(number), None), judge)
            spent.append(number)

    return work


@pytest.mark.parametrize("rounds_before", [lambda _: 0, lambda n: n, lambda n: 9 - n, lambda n: 20 * (n % 3)])
def test_of_a_list_that_is_too_long_not_one_item_goes_through(rounds_before):
    spent = []
    found = outcomes(9, buying(spent, rounds_before=rounds_before))
    assert [type(each) for each in found] == [BudgetError] * 9
    assert {str(each) for each in found} == {str(found[0])}
    assert "makes 9 purchases for $0.42 each, $3.78 in all; KLING_MAX_FANOUT allows 8" in str(found[0])
    assert not spent


def test_the_sum_of_different_prices_is_told():
    found = outcomes(9, buying([], price=lambda n: PRICE if n else Decimal("1.26")))
    assert "makes 9 purchases for $4.62 in all" in str(found[0])


@pytest.mark.parametrize("items", [1, 2, 8])
def test_a_list_that_is_short_enough_goes_through(items):
    spent = []
    assert outcomes(items, buying(spent)) == [None] * items
    assert sorted(spent) == list(range(items))


def test_items_that_want_the_same_purchase_count_once():
    assert outcomes(9, buying([], purchase=lambda _: "the same"), most=1) == [None] * 9


@pytest.mark.parametrize("limits", [(1, 5), (5, 1), (None, 1), (1, None)])
def test_the_lowest_limit_of_items_that_want_the_same_purchase_holds(limits):
    """The last one's did, whichever came last."""
    judged = []

    async def judge(bids):
        judged.extend(bids)

    async def work(number, _):
        async with fanout.item() as item:
            await item.agree("the same", Bid(PRICE, limits[number]), judge)

    assert outcomes(2, work) == [None, None]
    assert judged == [Bid(PRICE, 1)]


def test_the_next_run_of_the_node_is_counted_anew():
    for _ in range(3):
        assert outcomes(4, buying([]), most=4) == [None] * 4
    assert fanout._lists == {}


def test_a_price_that_nobody_knows_is_said_so():
    with pytest.raises(BudgetError, match="at a price that cannot be known before"):
        fanout.check([Bid(None, None)] * 9, 8, NODE)


@pytest.mark.parametrize("rounds", [0, 1, 30])
@pytest.mark.parametrize("wrong", [0, 2])
def test_where_one_item_is_refused_none_is_bought(wrong, rounds):
    spent = []
    buys = buying(spent)

    async def work(number, judge):
        if number != wrong:
            return await buys(number, judge)
        async with fanout.item():
            for _ in range(rounds):
                await asyncio.sleep(0)
            raise InputError(node=NODE, field="duration", value=40, rule="at most 15")

    found = outcomes(4, work)
    assert not spent
    assert fanout._lists == {}
    assert {str(each) for each in found} == {
        f"{NODE}, duration is 40: at most 15 (item {wrong + 1} of 4 of the list). Not billed."
    }


def test_what_was_bought_before_is_not_counted_and_waits_for_nobody():
    collected = []
    buys = buying([])

    async def work(number, judge):
        if number < 6:
            async with fanout.item() as item:
                item.buys_nothing()
                collected.append(number)
        else:
            assert collected
            await buys(number, judge)

    assert outcomes(9, work, most=3) == [None] * 9
    assert collected == list(range(6))


def test_an_error_of_one_item_names_what_was_paid_for_the_others(lines):
    async def work(number, judge):
        async with fanout.item() as item:
            await item.agree(str(number), Bid(PRICE, None), judge)
            if number == 1:
                raise KlingError("Moderated.", task_uuid="uuid 1", next_step="Change the prompt.")
            await asyncio.sleep(0.01)
            item.bought(f"uuid {number}")

    found = outcomes(3, work)
    assert [found[0], found[2]] == [None, None]
    assert "Moderated (item 2 of 3 of the list). Task UUID: uuid 1." in str(found[1])
    assert "safe: collect it by task_uuid, uuid 0, uuid 2." in str(found[1])
    assert lines == ["2. Moderated. Task UUID: uuid 1. Change the prompt."]


def test_an_error_of_one_item_is_told_while_the_others_are_waited_for(lines):
    """Another node may end the run before they have ended; then nobody was told, and the next Run paid once more."""

    async def work(number):
        async with fanout.item() as item:
            item.buys_nothing()
            if number == 1:
                raise KlingError("Moderated.")
            await asyncio.sleep(60)

    async def prompt():
        items = [asyncio.create_task(work(number)) for number in range(3)]
        await asyncio.sleep(0.01)
        for each in items:
            each.cancel()
        await asyncio.wait(items)

    asyncio.run(prompt())
    assert lines == ["2. Moderated."]


def test_an_error_of_items_that_want_the_same_purchase_names_one_of_them():
    shared = KlingError("Moderated.")

    async def work(number, judge):
        async with fanout.item() as item:
            await item.agree("the same", Bid(PRICE, None), judge)
            raise shared

    assert [str(each) for each in outcomes(2, work)] == ["Moderated (item 1 of 2 of the list)."] * 2


def test_a_refused_list_names_what_was_paid_before_once():
    async def work(number, judge):
        async with fanout.item() as item:
            if number < 2:
                item.buys_nothing()
                await asyncio.sleep(0.01)
                item.bought(f"uuid {number}")
            else:
                await item.agree(str(number), Bid(PRICE, None), judge)

    found = outcomes(4, work, most=1)
    assert found[:2] == [None, None]
    assert str(found[2]) == str(found[3])
    assert str(found[2]).count("safe: collect it by task_uuid, uuid 0, uuid 1.") == 1


def test_a_film_that_several_items_want_is_told_once(lines):
    async def work(number, _):
        async with fanout.item() as item:
            await asyncio.sleep(0.01)
            item.bought(f"uuid {number % 2}")
            item.show("7", f"film {number % 2}, $0.42")

    outcomes(3, work)
    assert lines[-1] == "1. film 0, $0.42\n2. film 1, $0.42\n3. the same purchase as 1"


def test_the_lines_of_all_items_stand_on_the_node(lines):
    async def work(number, judge):
        async with fanout.item() as item:
            await item.agree(str(number), Bid(PRICE, None), judge)
            item.show("7", f"film {number}")

    outcomes(3, work)
    assert lines[-1] == "1. film 0\n2. film 1\n3. film 2"
    lines.clear()
    outcomes(1, work)
    assert lines == ["film 0"]
