"""The worlds are no proof if they notice nothing: each of these mistakes, made on purpose, must break some of them."""

from __future__ import annotations

import asyncio
import secrets
from decimal import Decimal
from math import inf

import pytest
from kling.nodes.runware import doubt, download, fetching, identity, sending, waiting
from kling.nodes.runware.inquiry import Inquiry
from kling.nodes.runware.journal import Journal
from kling.nodes.runware.order import Order
from kling.nodes.runware.record import State
from kling.nodes.runware.task import Purchase

from world.disk import MemoryDisk
from world.run import chunk

PART = 50
PARTS_MOST = 20
RARE = {
    "limited is not sent": 2_540,
    "window without end": 1_450,
    "first failure is final": 850,
    "sleeps are not noticed": 5_100,
}
"""Worlds before the first that notices a mistake which few of them can."""


def _new_uuid_on_doubt(patch):
    patch.setattr(Order, "uuid", lambda *_: identity.task_uuid(secrets.token_hex(8), b"", 1, 0))
    patch.setattr(Journal, "newest_attempt", lambda *_: None)


def _window_without_end(patch):
    def seconds(purchase):
        return 30.0 if purchase.order and purchase.settings.resubmit_window and sending.is_spooled(purchase) else None

    patch.setattr(doubt, "_seconds_to_repeat", seconds)
    patch.setattr(sending, "seconds_left", lambda _: 30.0)


def _sleeps_are_not_noticed(patch):
    def in_doubt_for(purchase):
        return inf if purchase.first_sent is None else asyncio.get_running_loop().time() - purchase.first_sent

    patch.setattr(Purchase, "in_doubt_for", property(in_doubt_for))
    patch.setattr(Inquiry, "now", lambda _: (asyncio.get_running_loop().time(),) * 2)


def _no_settling(patch):
    patch.setattr(doubt, "_has_settled", lambda purchase: purchase.order is not None)


def _limited_is_not_sent(patch):
    right = sending.hold

    def hold(purchase, why):
        if "429" in why and purchase.record.posts == 1:
            sending._unsent(purchase, why, earlier=False)
        else:
            right(purchase, why)

    patch.setattr(sending, "hold", hold)


def _nothing_is_synced(patch):
    patch.setattr(MemoryDisk, "sync_folder", lambda *_: None)


def _record_after_sending(patch):
    right = Journal.put
    patch.setattr(Journal, "put", lambda self, record: record.state is State.SENDING or right(self, record))


def _any_container_will_do(patch):
    patch.setattr(download, "container_fault", lambda *_, **__: "")


def _lengths_do_not_matter(patch):
    patch.setattr(download, "container_fault", lambda *_, **__: "")
    patch.setattr(download, "_length", lambda _: None)


def _films_are_never_looked_at_again(patch):
    async def whole(_purchase):
        return True

    patch.setattr(fetching, "is_whole", whole)


def _nothing_was_spent_today(patch):
    patch.setattr(Journal, "spent_today", lambda *_: Decimal(0))


def _first_failure_is_final(patch):
    patch.setattr(waiting, "_all_known", lambda purchase, sighting, _watch: bool(
        len(purchase.record.films) >= purchase.record.number_results or sighting.failures))  # fmt: skip


def _gone_for_ever(patch):
    async def patiently(purchase, film):
        try:
            await fetching._fetch_film(purchase, film)
        except (fetching.Gone, fetching.NotReady):
            return False
        return True

    async def never(_purchase):
        pass

    patch.setattr(fetching, "_fetch_patiently", patiently)
    patch.setattr(fetching, "_look_for_more", never)


MISTAKES = {
    name.strip("_").replace("_", " "): made
    for name, made in list(globals().items())
    if name.startswith("_") and name[1] != "_"
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_worlds_notice_a_mistake(monkeypatch, mistake):
    MISTAKES[mistake](monkeypatch)
    for part in range(PARTS_MOST):
        failed = chunk(RARE.get(mistake, 0) + part * PART, PART)[2]
        if failed:
            break
    assert failed, "nobody noticed"
