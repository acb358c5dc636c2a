import asyncio
from decimal import Decimal

import pytest
from kling.nodes import fanout, host
from kling.nodes.runware.errors import BudgetError


@pytest.fixture(autouse=True)
def prompt(monkeypatch):
    monkeypatch.setattr(host, "execution", lambda: ("a prompt", "7"))


def outcomes(items, *, rounds_before=lambda _: 0, most=8):
    """Run a node for each item of a list as ComfyUI does, and give what became of each: None, or its error."""

    async def item(number):
        with fanout.siblings() as group:
            for _ in range(rounds_before(number)):
                await asyncio.sleep(0)
            fanout.check(await group.count(), most, Decimal("0.42"), "KlingGenerate (node 7)")

    async def prompt():
        tasks = []
        for number in range(items):
            tasks.append(asyncio.create_task(item(number)))
            await asyncio.sleep(0)
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(prompt())


@pytest.mark.parametrize("rounds_before", [lambda _: 0, lambda n: n, lambda n: 9 - n, lambda n: 20 * (n % 3)])
def test_of_a_list_that_is_too_long_not_one_item_goes_through(rounds_before):
    found = outcomes(9, rounds_before=rounds_before)
    assert [type(each) for each in found] == [BudgetError] * 9
    assert {str(each) for each in found} == {str(found[0])}
    assert "makes 9 purchases for $0.42 each, $3.78 in all; KLING_MAX_FANOUT allows 8" in str(found[0])


@pytest.mark.parametrize("items", [1, 2, 8])
def test_a_list_that_is_short_enough_goes_through(items):
    assert outcomes(items) == [None] * items


def test_the_next_run_of_the_node_is_counted_anew():
    for _ in range(3):
        assert outcomes(4, most=4) == [None] * 4
    assert fanout._siblings == {}


def test_a_price_that_nobody_knows_is_said_so():
    with pytest.raises(BudgetError, match="at a price that cannot be known before"):
        fanout.check(9, 8, None, "KlingGenerate")
