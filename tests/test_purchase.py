"""Where purchases are made, and what is said while they are waited for; without ComfyUI."""

import asyncio
import errno
import time
from concurrent.futures import Future
from decimal import Decimal
from types import SimpleNamespace

import pytest
from kling.nodes import host, purchase
from kling.nodes.runware import wire
from kling.nodes.runware.errors import SAFE, KlingError, MissingKeyError, StorageError
from kling.nodes.runware.files import Disk
from kling.nodes.runware.journal import Journal
from kling.nodes.runware.order import Status
from kling.nodes.runware.record import Film, Record, State
from kling.nodes.runware.settings import Settings
from kling.nodes.runware.wire import REHEARSAL_KEY, Account, Wire

from world.orders import KINDS, order

UUID = "236ba4b9-e789-4ff4-8fa9-7ca57ab56210"


class Interrupted(BaseException):
    """As ComfyUI's own is, from 0.20 on."""


@pytest.fixture(autouse=True)
def comfy(monkeypatch, tmp_path):
    """As much of ComfyUI as is needed: a state folder, Cancel, and what the node shows."""
    shown = SimpleNamespace(lines=[], cancel=False)
    monkeypatch.setattr(host, "state_folder", lambda: tmp_path)
    monkeypatch.setattr(host, "interrupted", lambda: shown.cancel)
    monkeypatch.setattr(host, "interrupt", Interrupted)
    monkeypatch.setattr(host, "status", lambda _, text: shown.lines.append(text))
    monkeypatch.setattr(host, "send", lambda *_: None)
    monkeypatch.setattr(host, "execution", lambda: ("", ""))
    monkeypatch.setattr(purchase, "WIRE", Wire())
    for name in ("RUNWARE_API_KEY", "KLING_DAILY_BUDGET_USD", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return shown


class Waiting:
    """A ticket that is done when it is told to be."""

    def __init__(self, *, buys=True, left="given up", rehearsal=False, error=None):
        self.status, self.buys, self.rehearsal, self.error = Status(), buys, rehearsal, error
        self.done = error is not None
        self.released, self.billing = False, "Billed $0.42."
        self.left = Future()
        if left:
            self.left.set_result(left)

    def result(self):
        raise self.error

    def release(self):
        self.released = True
        return self.left


def finished(folder, *, rehearsal):
    """Put a finished purchase of one film into a state folder, and give its film."""
    journal = purchase.WIRE.journal(Account(folder, "", None, rehearsal=rehearsal))
    journal.open()
    film = journal.films / f"{UUID}.mp4"
    film.write_bytes(b"a film")
    films = [Film(video_uuid=UUID, file=film.name, size=6, sha256="")]
    journal.put(Record(task_uuid=UUID, state=State.COMMITTED, price="0.42", films=films))
    return film


def test_a_rehearsal_spends_nothing_of_the_days_budget(monkeypatch):
    monkeypatch.setenv("KLING_DAILY_BUDGET_USD", "0.10")
    assert asyncio.run(purchase.account(rehearsal=True)).settings.daily_budget is None
    monkeypatch.setenv("RUNWARE_API_KEY", "a-key")
    assert asyncio.run(purchase.account(rehearsal=False)).settings.daily_budget == Decimal("0.10")


def test_a_finished_purchase_needs_no_key_until_its_film_is_deleted(tmp_path):
    film = finished(tmp_path, rehearsal=False)
    assert asyncio.run(purchase.account_of(UUID)).key == ""
    film.unlink()
    with pytest.raises(MissingKeyError):
        asyncio.run(purchase.account_of(UUID))


def test_a_film_that_cannot_be_looked_at_is_told_in_a_sentence_where_there_is_no_key(tmp_path, monkeypatch):
    film, right = finished(tmp_path, rehearsal=False), Disk.stat

    def stale(disk, path):
        if path == film:
            raise OSError(errno.ESTALE, "Stale file handle")
        return right(disk, path)

    monkeypatch.setattr(Disk, "stat", stale)
    with pytest.raises(StorageError, match=rf"cannot be read \(Stale file handle\)\. Billed.* Task UUID: {UUID}"):
        asyncio.run(purchase.account_of(UUID))


def test_a_rehearsal_is_recognised_by_its_uuid_alone(tmp_path):
    finished(tmp_path / "rehearsal", rehearsal=False)
    where = asyncio.run(purchase.account_of(UUID))
    assert where.rehearsal
    assert where.key == REHEARSAL_KEY


@pytest.mark.parametrize("proxy", ["socks9://ada:secret@proxy.example", "::::", "ftp://secret"])
def test_a_proxy_that_the_http_library_cannot_use_is_told_without_its_secrets(monkeypatch, proxy):
    monkeypatch.setenv("RUNWARE_API_KEY", "a-key")
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(KlingError, match=r"cannot be set up .* Nothing was sent now\. Check HTTPS_PROXY") as error:
        asyncio.run(purchase.account(rehearsal=False))
    assert "secret" not in str(error.value)


def test_a_failed_rehearsal_says_that_it_cost_nothing(comfy):
    ticket = Waiting(rehearsal=True, error=KlingError("The film cannot be written.", billing="Billed $0.42."))
    with pytest.raises(KlingError, match=r"A rehearsal costs nothing\.") as error:
        asyncio.run(purchase.attend(ticket, node_id="1", minutes=1))
    assert "Billed" not in str(error.value)
    assert ticket.released


@pytest.mark.parametrize(
    ("ticket", "line"),
    [
        (Waiting(), "cancelled before anything was sent. Not billed."),
        (Waiting(left="sent"), "the purchase goes on"),
        (Waiting(left="shared"), "the other node that waits for this film says what becomes of it."),
        (Waiting(left=None), "the purchase goes on"),  # it waits for its disk, and cannot say
        (Waiting(buys=False), "collecting it again is free"),
    ],
)
def test_cancel_says_what_becomes_of_the_money(comfy, ticket, line):
    comfy.cancel = True
    with pytest.raises(Interrupted):
        asyncio.run(purchase.attend(ticket, node_id="1", minutes=1))
    assert line in comfy.lines[-1]
    assert ticket.released


def test_where_another_node_ends_the_run_the_node_says_what_becomes_of_the_money(comfy):
    async def ended():
        waiting = asyncio.ensure_future(purchase.attend(Waiting(left="sent"), node_id="1", minutes=1))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait({waiting})

    asyncio.run(ended())
    assert comfy.lines[-1].startswith("another node ended the run; the purchase goes on")


def test_a_render_that_failed_while_another_node_kept_the_run_is_not_said_to_go_on(comfy):
    """A node that blocked ComfyUI's loop for a minute ended the run: the next Run would have paid another attempt."""

    async def ended():
        ticket = Waiting(left="sent")
        waiting = asyncio.ensure_future(purchase.attend(ticket, node_id="1", minutes=1))
        await asyncio.sleep(0.01)
        ticket.error, ticket.done = KlingError("The render failed.", billing="Billed $0.42."), True
        waiting.cancel()
        await asyncio.wait({waiting})

    asyncio.run(ended())
    assert comfy.lines[-1] == "The render failed. Billed $0.42."


def test_an_error_stands_on_its_node_for_comfyui_may_tell_of_another_alone(comfy):
    ticket = Waiting(error=KlingError("The render failed.", billing="Billed $0.42."))
    with pytest.raises(KlingError):
        asyncio.run(purchase.attend(ticket, node_id="1", minutes=1))
    assert comfy.lines[-1] == "The render failed. Billed $0.42."


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError(), AssertionError("no move")])
def test_what_nobody_foresaw_is_told_with_what_is_known_of_the_bill(comfy, error):
    """It ended the node with a traceback, and without a word about the money."""
    ticket = Waiting(error=error)
    ticket.status.task_uuid = UUID
    with pytest.raises(KlingError) as caught:
        asyncio.run(purchase.attend(ticket, node_id="1", minutes=1))
    assert type(error).__name__ in str(caught.value)
    assert f"Billed $0.42. Task UUID: {UUID}. Run again" in str(caught.value)
    assert comfy.lines[-1] == str(caught.value)
    assert ticket.released


def test_a_film_that_is_late_is_told_with_what_is_known_of_the_bill(comfy):
    with pytest.raises(KlingError, match=r"Billed \$0\.42\. It is still being waited for\."):
        asyncio.run(purchase.attend(Waiting(left="sent"), node_id="1", minutes=0))


@pytest.mark.parametrize("cancel", [True, False])
def test_what_another_process_may_have_bought_is_never_called_not_billed(comfy, tmp_path, monkeypatch, cancel):
    """Two ComfyUIs share a state folder, and the other one is at it."""
    monkeypatch.setattr(Disk, "lock", lambda *_: False)
    ticket = purchase.WIRE.buy(Account(tmp_path, "a-key", Settings()), order(KINDS[0], "a-key", 1))
    while ticket.status.words == Status().words:
        time.sleep(0.01)
    comfy.cancel = cancel
    with pytest.raises(Interrupted if cancel else KlingError) as error:
        asyncio.run(purchase.attend(ticket, node_id="1", minutes=0))
    told = comfy.lines[-1] if cancel else str(error.value)
    assert "Not billed" not in told
    assert ("another run may have bought this film" if cancel else "not known whether this was billed") in told


def test_a_collected_film_that_is_late_is_never_called_not_billed():
    with pytest.raises(KlingError) as error:
        asyncio.run(purchase.attend(Waiting(buys=False), node_id="1", minutes=0))
    assert "Not billed" not in str(error.value)
    assert "timeout_minutes" not in str(error.value)


def test_a_rehearsal_whose_film_was_deleted_is_forgotten_and_made_anew(tmp_path):
    film = finished(tmp_path / "rehearsal", rehearsal=False)
    account = asyncio.run(purchase.account(rehearsal=True))
    disk = Disk()
    disk.lock = disk.unlock = lambda *_: True  # no other process is there
    journal = Journal(account.folder, disk=disk, clock=time.time)
    wire._forget_lost(journal, UUID)
    assert journal.get(UUID) is not None
    film.unlink()
    wire._forget_lost(journal, UUID)
    assert journal.get(UUID) is None


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("not enough memory: 4 GB"), TypeError("frames")])
def test_whatever_keeps_a_film_from_the_graph_is_told_with_where_it_is(error):
    with pytest.raises(KlingError) as caught, purchase.paid(UUID, "KlingFetchVideo"):
        raise error
    assert type(error).__name__ in str(caught.value)
    assert {UUID, SAFE} <= {caught.value.task_uuid, caught.value.billing}
    assert caught.value.__cause__ is error


def test_an_error_that_says_what_was_billed_keeps_its_words():
    with pytest.raises(StorageError) as caught, purchase.paid(UUID, "KlingFetchVideo"):
        raise StorageError("The disk is full.", billing="Billed $0.42.")
    assert (caught.value.billing, caught.value.task_uuid) == ("Billed $0.42.", UUID)


class InterruptedOnce(Exception):
    """As ComfyUI's own was before that."""


@pytest.mark.parametrize("kind", [Interrupted, InterruptedOnce])
def test_cancel_passes_as_it_is(monkeypatch, kind):
    monkeypatch.setattr(host, "interrupt", kind)
    with pytest.raises(kind), purchase.paid(UUID, "KlingFetchVideo"):
        raise kind


@pytest.mark.parametrize(("durations", "usually"), [([4.1] * 9, "usually 4 s"), ([4.0, 9.0] * 9, "usually 4 to 9 s")])
def test_what_usually_takes_as_long_is_told_as_one_number(durations, usually):
    status = Status(words="accepted", accepted_at=time.time(), durations=durations)
    assert purchase._line(status, 0.0, "") == f"accepted, 0 s so far, {usually}"
