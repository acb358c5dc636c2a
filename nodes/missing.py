"""Films that a KlingFetchVideo could not bring yet: asked for whenever ComfyUI would take the node from its cache.

ComfyUI runs no node again that succeeded with the same inputs, so a film that comes late would stay away for as long
as the process lives. Only a film that came makes the node run again: a question alone loads no frames anew.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import host
from .runware.errors import KlingError

if TYPE_CHECKING:
    from .runware.record import Record

SECONDS = 10.0
"""For one question; what comes of it later is brought by the next run."""


@dataclass
class _Node:
    prompt_id: str = ""
    films: dict[str, int] = field(default_factory=dict)
    """How many there were of each purchase that lacks some, by its task UUID."""
    above: dict[str, Any] = field(default_factory=dict)
    """The inputs of the node and of all before it, by which it is told from one of the same id in another graph."""
    came: int = 0


_nodes: dict[str, _Node] = {}


def note(record: Record) -> None:
    """Remember what the node that is being executed has brought of a purchase."""
    prompt_id, node_id = host.execution()
    node = _nodes.setdefault(node_id, _Node())
    if node.prompt_id != prompt_id:  # a list of purchases is one run
        node.prompt_id, node.films, node.above = prompt_id, {}, _above(node_id)
    if len(record.films) < record.number_results:
        node.films[record.task_uuid] = len(record.films)


async def came() -> int:
    """Ask for what the node that is being judged lacks, for free. Gives another number when a film has come.

    Of a list all are asked for at once: while the service is slow, the prompt does not begin.
    """
    _, node_id = host.execution()
    node = _nodes.get(node_id, _Node())
    films = node.films if node.above == _above(node_id) else {}
    news = await asyncio.gather(*(_has_more(*each) for each in films.items()))
    node.came += sum(news)
    return node.came


async def _has_more(task_uuid: str, before: int) -> bool:
    try:
        return await _films(task_uuid) > before
    except (KlingError, type(host.interrupt())):  # Cancel is obeyed by ComfyUI in a moment
        return False


def _above(node_id: str) -> dict[str, Any]:
    prompt, found, waiting = host.prompt(), {}, [node_id]
    while waiting:
        name = waiting.pop()
        if name in prompt and name not in found:
            found[name] = inputs = prompt[name]["inputs"]
            links = (value for value in inputs.values() if isinstance(value, list) and value)
            waiting += [link[0] for link in links if isinstance(link[0], str)]
    return found


async def _films(task_uuid: str) -> int:
    from . import purchase
    from .runware.wire import WIRE

    ticket = WIRE.collect(await purchase.account_of(task_uuid), task_uuid)
    return len((await purchase.attend(ticket, node_id=None, minutes=SECONDS / 60)).films)
