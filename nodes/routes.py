"""Two questions the page may ask, both free: what was bought, and what things cost. Nothing here spends or writes.

Answers hold no key, no URL and no path but those of films below ComfyUI's output folder. ComfyUI has no users and no
passwords, so each question is refused to pages of another origin, and under a foreign name to a ComfyUI that listens
on this machine alone (a page can point a name of its own at 127.0.0.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import host
from .runware import limits
from .runware.errors import KlingError
from .runware.profiles import PROFILES
from .runware.settings import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from .runware.ledger import Ledger
    from .runware.record import Record

PROMPT_SHOWN = 160
"""Characters of a prompt that a list shows."""
PAGE = 50
DIGITS_READ = 20
"""Of a number in a question; more than those of the largest that is taken, and Python refuses to read 4301."""
REFUSED = 403
UNREADABLE = 500
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

logger = logging.getLogger("kling")

_ledgers: dict[Path, Ledger] = {}


def register() -> None:
    """Add the routes to ComfyUI's server, if there is one: not in tools that only read the nodes."""
    routes = host.routes()
    if routes is not None:
        routes.get("/kling/prices")(_answering(prices))
        routes.get("/kling/purchases")(_answering(purchases))


def prices(query: dict[str, str]) -> dict[str, Any]:
    """Give the table from which the page says what a film will cost, and the limits of a storyboard.

    `query` may hold `page`, the server's name for the page that asks: it hears of purchases from then on.
    """
    if query.get("page"):
        host.listen(query["page"])
    return {
        "models": {
            title: {"price": str(profile.price), "price_with_sound": str(profile.price_with_sound)}
            for title, profile in PROFILES.items()
        },
        "limits": {
            "duration": [limits.DURATION_MIN, limits.DURATION_MAX],
            "shots": limits.SHOTS_MAX,
            "elements": limits.ELEMENTS_MAX,
        },
        "largest_take": limits.INTEGER_MAX,
    }


def purchases(query: dict[str, str]) -> dict[str, Any]:
    """List purchases, last changed first; `query` may hold offset, limit and rehearsals=1."""
    from .runware import settings

    rehearsals = query.get("rehearsals") == "1"
    offset = _number(query, "offset", 0)
    page = _ledger(rehearsals=rehearsals).page(offset, _number(query, "limit", PAGE))
    budget = None if rehearsals else settings.read().daily_budget
    return {
        "offset": offset,
        "total": page.total,
        "waiting": page.waiting,
        "unreadable": page.unreadable,
        "today": "0" if rehearsals else str(page.today),
        "month": "0" if rehearsals else str(page.month),
        "budget": None if budget is None else str(budget),
        "now": time.time(),
        "purchases": [_shown(record, rehearsals=rehearsals) for record in page.records],
    }


def _ledger(*, rehearsals: bool) -> Ledger:
    from .runware.ledger import Ledger
    from .runware.settings import Settings
    from .runware.wire import WIRE, Account

    journal = WIRE.journal(Account(host.state_folder(), "", Settings(), rehearsal=rehearsals))
    return _ledgers.setdefault(journal.folder, Ledger(journal))


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")[:DIGITS_READ]
    return min(int(text), limits.INTEGER_MAX) if text.isascii() and text.isdigit() else default


def _shown(record: Record, *, rehearsals: bool) -> dict[str, Any]:
    """Give what a list shows of a purchase."""
    from .runware.record import NEVER_BILLED

    known = record.billed if record.is_billed_whole else None
    billed = 0.0 if rehearsals or record.state in NEVER_BILLED else known
    return {
        "task_uuid": record.task_uuid,
        "state": record.state.value,
        "rehearsal": rehearsals,
        "prompt": str(record.request.get("positivePrompt") or "")[:PROMPT_SHOWN],
        "seconds": record.seconds,
        "results": record.number_results,
        "take": record.take,
        "planned": record.price,
        "billed": billed,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "accepted_at": record.accepted_at,
        "films": _films(record),
        "fault": str(record.failures[-1].get("message", ""))[:PROMPT_SHOWN] if record.failures else "",
    }


def _films(record: Record) -> list[dict[str, str]]:
    """List the films of a purchase that lie in the output folder, each once, as `/view` names them.

    One that cannot be looked at (its share is away, a link leads in a circle) is left out: it hides no purchase.
    """
    found: dict[str, dict[str, str]] = {}
    for place in record.deliveries.values():
        path = Path(str(place.get("path", "")))
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            root, real = host.output_folder().resolve(), path.resolve()
            if root in real.parents and real.is_file():
                folder = real.parent.relative_to(root).as_posix()
                film = str(place.get("video_uuid", path.name))
                found[film] = {"filename": real.name, "subfolder": "" if folder == "." else folder}
    return list(found.values())


def _answering(question: Callable[[dict[str, str]], dict[str, Any]]) -> Any:
    """Make the handler of a question: refused to foreigners, asked in a thread, told as JSON."""
    from aiohttp import web

    async def answer(request: web.Request) -> Any:
        refused = foreign(dict(request.headers), local=host.listens_locally())
        if refused:
            return _told(web, {"error": refused}, REFUSED)
        try:
            return _told(web, await asyncio.to_thread(question, dict(request.query)))
        except KlingError as error:
            return _told(web, {"error": str(error)}, UNREADABLE)
        except OSError as error:
            logger.warning("The purchases cannot be listed: %s", error.strerror)
            return _told(web, {"error": "ComfyUI's folder user/__kling cannot be read."}, UNREADABLE)

    return answer


def _told(web: Any, content: dict[str, Any], status: int = 200) -> Any:
    return web.Response(
        text=json.dumps(content, ensure_ascii=False), content_type="application/json", status=status, headers=HEADERS
    )


def foreign(headers: dict[str, str], *, local: bool) -> str:
    """Say why a request is refused; empty for ComfyUI's own page and for programs, which send none of these headers.

    `local`: whether ComfyUI listens on this machine alone.
    """
    from urllib.parse import urlsplit

    given = {name.lower(): text for name, text in headers.items()}
    name = given.get("host", "")
    if given.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        return "Only ComfyUI's own page may ask."
    origin = given.get("origin")
    try:
        asking, asked = urlsplit(origin or "").netloc, urlsplit(f"//{name}").hostname
    except ValueError:
        return "The Host or the Origin of the question cannot be read."
    if origin is not None and asking.lower() != name.lower():
        return "Only ComfyUI's own page may ask."
    if local and not is_loopback(asked):
        return "This ComfyUI listens on this machine alone; open it as 127.0.0.1 or localhost."
    return ""
