from __future__ import annotations

from decimal import Decimal

import pytest
from kling.nodes.runware import budget
from kling.nodes.runware.errors import BudgetError

NODE = "KlingGenerate (node 7)"


@pytest.mark.parametrize("most", ["1E-9", "0.2519999", "0.25"])
def test_a_limit_that_is_too_low_is_shown_as_it_stands(most):
    with pytest.raises(BudgetError) as caught:
        budget.check_cost(Decimal("0.252"), Decimal(most), NODE)
    assert str(caught.value).startswith(
        f"KlingGenerate (node 7), max_cost is {most}: the price of this run is $0.252. Raise"
    )


def test_a_budget_refuses_what_would_pass_it_and_nothing_else():
    price, daily = Decimal("0.42"), Decimal(10)
    budget.check_day(price, Decimal("9.58"), daily, NODE)
    with pytest.raises(BudgetError, match=r"costs \$0.42, today's purchases \$9.59.*\$10.00") as caught:
        budget.check_day(price, Decimal("9.59"), daily, NODE)
    assert str(caught.value).startswith("KlingGenerate (node 7), duration")
    assert "Not billed." in str(caught.value)
    with pytest.raises(BudgetError, match="not known in advance"):
        budget.check_day(None, Decimal(0), daily, NODE)
