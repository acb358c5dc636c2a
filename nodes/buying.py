"""The film of a KlingGenerate: from what is connected to one order, held against the user's limits, bought or found."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from . import beside, fanout, host, pictures, purchase, tensors
from .runware import assemble, budget
from .runware.identity import canonical
from .runware.order import Order
from .runware.price import price, usd
from .runware.request import VideoInference, body, clips, public
from .runware.wire import WIRE, Account

if TYPE_CHECKING:
    from .runware import draft
    from .runware.record import Record


@dataclass(frozen=True)
class Connected:
    """What is connected to a KlingGenerate, as its sockets bring it."""

    prompt: draft.Prompt
    frame_images: draft.FrameImages | None
    elements: draft.Elements | None
    reference_image: Any
    """IMAGE [1, height, width, channels]."""
    reference_video: Any
    """VIDEO."""


async def buy(
    connected: Connected, settings: draft.Settings, item: fanout.Item, node_id: str | None
) -> tuple[purchase.Task, float]:
    """Turn what is connected into an order, refuse what must not be sent, then buy or find it; wait for its films.

    Gives the purchase and what it cost, USD. Spends the planned price, once for this request and take. Raises
    KlingError, whose message says whether it was billed.
    """
    node, prompt = settings.node, connected.prompt
    image, lines = await _picture(connected.reference_image, node)
    clip = await _clip(connected.reference_video, node)
    request = assemble.assemble(prompt, settings, connected.frame_images, connected.elements, image, clip)
    planned = price(request, settings.profile, assemble.reference_seconds(request))
    where = await purchase.account(rehearsal=settings.mode == "rehearse")
    order = _order(request, settings, planned, where.key)
    cost = ""
    if where.rehearsal or await beside.run(WIRE.was_sent, where, order):
        item.buys_nothing()
    else:
        bid = fanout.Bid(planned, order.most)
        cost = _costs(await item.agree(order.intent, bid, partial(_judge, where=where, node=node)))
    lines += assemble.warnings(request) + _notes(prompt, settings)
    pictures.tell(lines, node=node, node_id=node_id)
    ticket = WIRE.buy(where, order)
    show = partial(item.show, node_id)
    record = await purchase.attend(ticket, node_id=node_id, minutes=settings.timeout_minutes, cost=cost, show=show)
    item.bought(record.task_uuid)
    show("\n".join([_summary(record, rehearsal=where.rehearsal), *lines]))
    task = purchase.Task(record.task_uuid, where.rehearsal)
    return task, 0.0 if where.rehearsal else float(record.cost or 0)


async def _judge(bids: list[fanout.Bid], *, where: Account, node: str) -> None:
    """Hold all that the node is about to buy against the user's limits. Raises BudgetError."""
    total, daily = fanout.price_of(bids), where.settings.daily_budget
    limits_set = [bid.most for bid in bids if bid.most is not None]
    budget.check_cost(total, min(limits_set, default=None), node, purchases=len(bids))
    fanout.check(bids, where.settings.max_fanout, node)
    if len(bids) > 1 and daily is not None:  # one alone is judged when it is sent: it may be there already
        budget.check_day(total, await beside.run(WIRE.spent_today, where), daily, node)


def _costs(bids: list[fanout.Bid]) -> str:
    total = fanout.price_of(bids)
    if total is None:
        return "; the cost is known when the film is there"
    return f"; costs {usd(total)}" + (f" in all, {len(bids)} purchases" if len(bids) > 1 else "")


def _order(request: VideoInference, settings: draft.Settings, planned: Decimal | None, key: str) -> Order:
    return Order(
        canonical=canonical(request),
        take=settings.take,
        key=key,
        node=settings.node,
        price=planned,
        most=None if settings.mode == "rehearse" else Decimal(str(settings.max_cost)) or None,
        number_results=request.number_results,
        seconds=None if request.motion_control else request.duration,
        model=request.model,
        container=request.output_format.lower(),
        public=public(request),
        clips=clips(request),
        body=partial(body, request),
    )


async def _picture(image: Any, node: str) -> tuple[Any, list[str]]:
    if image is None:
        return None, []
    return await pictures.encode(image, node=node, field="reference_image")


async def _clip(video: Any, node: str) -> Any:
    if video is None:
        return None
    return await beside.run(tensors.save_video, video, host.temp_folder(), node=node, field="reference_video")


def _notes(prompt: draft.Prompt, settings: draft.Settings) -> list[str]:
    """What the node does that the user may not expect."""
    if prompt.seconds and prompt.seconds != settings.duration:
        return [f"duration: the shots set the film's length, {prompt.seconds} s; {settings.duration} s is not used."]
    return []


def _summary(record: Record, *, rehearsal: bool) -> str:
    films, ordered = len(record.films), record.number_results
    count = f"{films} of {ordered} films" if films < ordered else f"{films} film{'s' if films > 1 else ''}"
    if rehearsal:
        would = f"; the purchase would cost {usd(Decimal(record.price))}" if record.price else ""
        return f"rehearsal, {count}, $0.00{would}"
    told = f"; failed: {'; '.join(_reasons(record))}" if record.failures else ""
    cost = "cost unknown" if record.cost is None else usd(record.cost)
    return f"{count}, {cost}{told}. Task UUID: {record.task_uuid}"


def _reasons(record: Record) -> list[str]:
    """Say why results failed, each reason once."""
    return list(dict.fromkeys((each.get("message") or each.get("code", "")).rstrip(".") for each in record.failures))
