"""Films that a KlingFetchVideo could not bring yet: asked for whenever ComfyUI would take the node from its cache.

ComfyUI runs no node again that succeeded with the same inputs, so a film that comes late would stay away for as long
as the process lives. Only a film that came makes the node run again: a question alone loads no frames anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import host
from .runware.errors import KlingError

if TYPE_CHECKING:
    from .runware.record import Record

MINUTES = 0.5
"""For one question; what comes of it later is brought by the next run."""


@dataclass
class _Node:
    prompt_id: str = ""
    films: dict[str, int] = field(default_factory=dict)
    """How many there were of each purchase that lacks some, by its task UUID."""
    came: int = 0


_nodes: dict[str, _Node] = {}


def note(record: Record) -> None:
    """Remember what the node that is being executed has brought of a purchase."""
    prompt_id, node_id = host.execution()
    node = _nodes.setdefault(node_id, _Node())
    if node.prompt_id != prompt_id:  # a list of purchases is one run
        node.prompt_id, node.films = prompt_id, {}
    if len(record.films) < record.number_results:
        node.films[record.task_uuid] = len(record.films)


async def came() -> int:
    """Ask for what the node that is being judged lacks, for free. Gives another number when a film has come."""
    node = _nodes.get(host.execution()[1], _Node())
    for task_uuid, before in node.films.items():
        try:
            node.came += await _films(task_uuid) > before
        except (KlingError, type(host.interrupt())):  # Cancel is obeyed by ComfyUI in a moment
            continue
    return node.came


async def _films(task_uuid: str) -> int:
    from . import purchase
    from .runware.wire import WIRE

    ticket = WIRE.collect(await purchase.account_of(task_uuid), task_uuid)
    return len((await purchase.attend(ticket, node_id=None, minutes=MINUTES)).films)
