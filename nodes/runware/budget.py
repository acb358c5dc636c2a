"""What a user allows to be spent: max_cost for one run of a node, KLING_DAILY_BUDGET_USD for a day; all in USD.

How many purchases a list may make is judged in `fanout`, beside the list.
"""

from __future__ import annotations

from decimal import Decimal

from .errors import NOT_BILLED, BudgetError, StorageError
from .price import usd
from .record import Record


def check_cost(price: Decimal | None, most: Decimal | None, node: str, *, purchases: int = 1) -> None:
    """Refuse a price above max_cost, or one that nobody knows before. Raises BudgetError."""
    if most is not None and (price is None or price > most):
        what = "cannot be known before (motion control)" if price is None else f"is {usd(price)}"
        what += f" ({purchases} purchases of a list)" if purchases > 1 else ""
        raise BudgetError(
            node=node,
            field="max_cost",
            value=most,
            rule=f"the price of this run {what}.",
            next_step="Raise max_cost, or take fewer seconds or results, or no sound.",
        )


def check_day(price: Decimal | None, spent: Decimal | None, budget: Decimal, node: str) -> None:
    """Refuse what could lift the day's total over KLING_DAILY_BUDGET_USD. Raises BudgetError."""
    if price is None:
        raise BudgetError(
            node=node,
            field="reference_video",
            rule=f"the price of motion control is not known in advance, and KLING_DAILY_BUDGET_USD is {usd(budget)}.",
            next_step="Unset the budget to buy it.",
        )
    if spent is None:
        raise BudgetError(
            node=node,
            field="duration",
            rule="one of today's purchases has no known price or cannot be read, and KLING_DAILY_BUDGET_USD is "
            f"{usd(budget)}.",
            next_step="Unset the budget to buy it, or go on tomorrow.",
        )
    if spent + price > budget:
        raise BudgetError(
            node=node,
            field="duration",
            rule=f"this run costs {usd(price)}, today's purchases {usd(spent)}, and KLING_DAILY_BUDGET_USD is "
            f"{usd(budget)}.",
            next_step="Raise the budget, or go on tomorrow.",
        )


def locked(record: Record) -> StorageError:
    """Another run is adding up the day's spending, and does not end."""
    return StorageError(
        "Another run has been adding up the day's spending for minutes, so KLING_DAILY_BUDGET_USD cannot be checked.",
        billing=NOT_BILLED,
        task_uuid=record.task_uuid,
        next_step="Run again; if that does not help, close the other ComfyUI that uses this folder.",
    )
