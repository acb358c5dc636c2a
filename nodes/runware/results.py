"""What the service shows as results, written down before anything is fetched."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from .limits import RESULTS_MAX
from .record import Film

if TYPE_CHECKING:
    from .response import Row
    from .task import Purchase

FILMS_MOST = 2 * RESULTS_MAX
"""Results of one purchase that are fetched; a service that shows more does not fill the disk."""


def keep(purchase: Purchase, rows: list[Row], *, gone: bool = False) -> None:
    """Write new results down, addresses first: a paid result must not be lost before its download.

    `gone` keeps them apart from the films that are here, until they have been fetched.
    """
    known = {film.video_uuid: film for film in (*purchase.record.films, *purchase.record.gone)}
    named = {film_name(row): row for row in rows}
    fresh = [
        Film(video_uuid=name, seed=row.seed, cost=row.cost, nsfw=row.nsfw)
        for name, row in named.items()
        if name not in known
    ][: max(FILMS_MOST - len(known), 0)]
    kept = {*known, *(film.video_uuid for film in fresh)}  # other names may be new in every answer, without an end
    urls = {name: url for name, url in addresses(rows).items() if name in kept}
    if any(purchase.urls.get(name) != url for name, url in urls.items()):
        purchase.urls = {**purchase.journal.urls(purchase.record.task_uuid), **purchase.urls, **urls}
        purchase.journal.put_urls(purchase.record.task_uuid, purchase.urls)
    dearer = [(known[name], row.cost) for name, row in named.items() if name in known and row.cost is not None]
    dearer = [(film, cost) for film, cost in dearer if cost > (film.cost or 0.0)]
    for film, cost in dearer:  # the first answer may not know the whole cost yet
        film.cost = cost
    if fresh or dearer:
        (purchase.record.gone if gone else purchase.record.films).extend(fresh)
        purchase.journal.put(purchase.record)


def addresses(rows: list[Row]) -> dict[str, str]:
    """Give where each result lies that has an address, by the name of its film."""
    return {film_name(row): row.video_url for row in rows if row.video_url}


def film_name(row: Row) -> str:
    """Give a result a name fit for a file: its video UUID, or one made from what it says."""
    text = row.video_uuid.lower()
    if len(text) == 36 and all(letter in "0123456789abcdef-" for letter in text):  # noqa: PLR2004
        return text
    address = row.video_url.partition("?")[0]  # the signature is another one in each answer
    digest = hashlib.sha256((row.video_uuid or address).encode("utf-8", "replace")).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
