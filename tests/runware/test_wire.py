"""The wire's thread, with the simulator in the network's place and renders of a few hundredths of a second."""

from __future__ import annotations

import gc
import threading
import time
from dataclasses import replace

import pytest
from kling.nodes.runware import afterwards
from kling.nodes.runware import wire as module
from kling.nodes.runware.client import Client
from kling.nodes.runware.errors import KlingError, StorageError, TaskFailed
from kling.nodes.runware.journal import Journal, lock_place
from kling.nodes.runware.order import Timing
from kling.nodes.runware.record import UNSEEN, Record, State
from kling.nodes.runware.settings import Settings
from kling.nodes.runware.simulator import Faults, Simulator
from kling.nodes.runware.wire import Account, Wire

from world.orders import KINDS, order

KEY = "a-key-of-ours"


class Stage:
    def __init__(self, folder, monkeypatch, *script, latency=0.05, **service):
        self.simulator = Simulator(
            key=KEY, latency=latency, faults=Faults.script(script), now=time.monotonic, **service
        )
        monkeypatch.setattr(module, "Client", lambda key, **_: Client(key, transport=self.simulator.transport))
        monkeypatch.setattr(module, "REHEARSAL_TIMING", Timing())
        self.account = Account(folder, KEY, Settings())
        self.wire = Wire()

    def buy(self, take=1):
        return self.wire.buy(self.account, order(KINDS[0], KEY, take))

    def end(self):
        loop = self.wire._loop
        if loop is not None:
            for task in list(self.wire._later.values()):
                loop.call_soon_threadsafe(task.cancel)
            loop.call_soon_threadsafe(loop.call_soon, loop.stop)  # when they have ended
            for _ in range(500):
                if not loop.is_running():
                    break
                time.sleep(0.01)
            loop.close()
        for file in self.wire._disk._lock_files.values():
            file.close()
        gc.collect()


@pytest.fixture
def stage(tmp_path, monkeypatch):
    made = []

    def make(*script, **service):
        made.append(Stage(tmp_path / "__kling", monkeypatch, *script, **service))
        return made[-1]

    yield make
    for each in made:
        each.end()


def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.01)


def finish(ticket):
    until(lambda: ticket.done)
    return ticket.result()


def test_a_purchase_runs_in_the_wires_own_thread_and_its_film_is_kept(stage):
    here = stage()
    record = finish(here.buy())
    assert record.state is State.COMMITTED
    assert (here.account.folder / "films" / record.films[0].file).is_file()
    assert any(thread.name == module.THREAD_NAME and thread.daemon for thread in threading.enumerate())


def test_who_asks_for_the_same_purchase_shares_it(stage):
    here = stage(latency=0.5)
    tickets = [here.buy() for _ in range(5)]
    records = [finish(ticket) for ticket in tickets]
    assert len({record.task_uuid for record in records}) == 1
    assert sum(exchange.channel == "videoInference" for exchange in here.simulator.requests) == 1


def test_a_purchase_that_was_sent_goes_on_when_everybody_has_left(stage):
    here = stage(latency=0.5)
    ticket = here.buy()
    until(lambda: ticket._running.sent)
    ticket.release()
    ticket.release()
    until(lambda: ticket.done)
    assert ticket.result().state is State.COMMITTED


def test_a_purchase_that_was_not_sent_is_given_up_with_its_last_waiter(stage):
    here = stage(*[("getResponse", "503")] * 50)
    first, second = here.buy(), here.buy()
    first.release()
    time.sleep(0.05)
    assert not second.done
    second.release()
    until(lambda: second.done)
    assert not any(exchange.channel == "videoInference" for exchange in here.simulator.requests)


def test_who_leaves_is_told_whether_the_purchase_ends_with_that(stage):
    here = stage(*[("getResponse", "503")] * 50)
    first, second = here.buy(), here.buy()
    assert first.release().result(5) == "shared"
    assert second.release().result(5) == "given up"
    here = stage(latency=0.5)
    ticket = here.buy()
    until(lambda: ticket._running.sent)
    assert ticket.release().result(5) == "sent"
    until(lambda: ticket.done)


def test_who_leaves_while_the_send_is_being_written_down_is_told_that_it_goes_on(stage, monkeypatch):
    here, seen, put_intent = stage(latency=0.2), [], Journal.put_intent

    def slowly(self, intent, task_uuid, *, anew=False):
        if anew:
            seen.append(task_uuid)
            until(lambda: len(seen) > 1)
        put_intent(self, intent, task_uuid, anew=anew)

    monkeypatch.setattr(Journal, "put_intent", slowly)
    ticket = here.buy()
    until(lambda: seen)
    left = ticket.release()
    seen.append("the disk is done")
    assert left.result(5) == "sent"
    until(lambda: ticket.done)
    assert ticket.result().state is State.COMMITTED


def test_one_who_only_collects_does_not_keep_an_unsent_purchase_alive(stage):
    here = stage(*[("getResponse", "503")] * 50)
    buyer = here.buy()
    until(lambda: buyer.status.task_uuid)
    collector = here.wire.collect(here.account, buyer.status.task_uuid)
    buyer.release()
    until(lambda: buyer.done)
    collector.release()
    until(lambda: collector.done)
    assert not any(exchange.channel == "videoInference" for exchange in here.simulator.requests)


def test_one_who_collects_a_running_purchase_shares_it(stage):
    here = stage(latency=0.5)
    buyer = here.buy()
    until(lambda: buyer._running.sent)
    collector = here.wire.collect(here.account, buyer.status.task_uuid)
    assert finish(collector).task_uuid == finish(buyer).task_uuid


def test_an_error_reaches_every_waiter_and_the_next_run_begins_anew(stage):
    here = stage(("job", "moderated"))
    tickets = [here.buy(), here.buy()]
    for ticket in tickets:
        until(lambda ticket=ticket: ticket.done)
        with pytest.raises(TaskFailed):
            ticket.result()
    assert finish(here.buy()).state is State.COMMITTED


def test_what_an_error_has_ended_is_collected_later_though_nobody_presses_again(stage, monkeypatch):
    monkeypatch.setattr(afterwards, "PAUSES", (0.1, 0.1, 0.1))
    here = stage(*[("getResponse", None)] * 4, ("getResponse", {"kind": "status", "status": 401}), latency=0.5)
    ticket = here.buy()
    with pytest.raises(KlingError):
        finish(ticket)
    journal = here.wire.journal(here.account)
    task_uuid = order(KINDS[0], KEY, 1).uuid(0)
    until(lambda: journal.get(task_uuid).state is State.COMMITTED)
    until(lambda: not here.wire._later)
    assert sum(exchange.channel == "videoInference" for exchange in here.simulator.requests) == 1


def test_what_is_collected_later_goes_on_after_a_run_that_ended_before_it_came_to_it(stage, monkeypatch):
    """Run ends it, for nobody may work at a purchase beside it; but a disk may be away, or Cancel pressed at once."""
    monkeypatch.setattr(afterwards, "PAUSES", (0.5,) * 20)
    here = stage(*[("getResponse", None)] * 4, *[("getResponse", {"kind": "status", "status": 401})] * 3, latency=0.1)
    with pytest.raises(KlingError):
        finish(here.buy())
    journal, task_uuid = here.wire.journal(here.account), order(KINDS[0], KEY, 1).uuid(0)
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "open", away)
        with pytest.raises(StorageError):
            finish(here.buy())
    assert here.wire._later
    until(lambda: journal.get(task_uuid).state is State.COMMITTED)


def away(_journal):
    raise StorageError("The disk is away.")


@pytest.mark.parametrize("buys", [True, False])
def test_who_comes_back_and_goes_at_once_does_not_end_what_is_collected_later(stage, monkeypatch, buys):
    """Cancel came while the lock was waited for that the collecting had held, and nobody collected any more."""
    monkeypatch.setattr(afterwards, "PAUSES", (1.0, 0.1, 0.1, 0.1))
    refused = ("getResponse", {"kind": "status", "status": 401})
    here = stage(*[("getResponse", None)] * 4, refused, latency=3.0)
    with pytest.raises(KlingError):
        finish(here.buy())
    journal, wanted = here.wire.journal(here.account), order(KINDS[0], KEY)
    place = lock_place(wanted.intent if buys else wanted.uuid(0))
    until(lambda: here.wire._later)
    assert journal.lock(place)
    ticket = here.buy() if buys else here.wire.collect(here.account, wanted.uuid(0))
    until(lambda: "another run" in ticket.status.words)
    assert ticket.release().result(5) == "given up"
    journal.unlock(place)
    until(lambda: journal.get(wanted.uuid(0)).state is State.COMMITTED)
    assert sum(exchange.channel == "videoInference" for exchange in here.simulator.requests) == 1


def test_a_record_that_cannot_be_read_for_a_moment_does_not_end_what_is_collected_later(stage, monkeypatch):
    monkeypatch.setattr(afterwards, "PAUSES", (0.1, 0.1, 0.1))
    refused = ("getResponse", {"kind": "status", "status": 401})
    here = stage(*[("getResponse", None)] * 4, refused, latency=1.0)
    with pytest.raises(KlingError):
        finish(here.buy())

    def unreadable(*_):
        raise StorageError("It cannot be read.")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "newest_attempt", unreadable)
        with pytest.raises(StorageError):
            finish(here.buy())
    journal = here.wire.journal(here.account)
    until(lambda: journal.get(order(KINDS[0], KEY).uuid(0)).state is State.COMMITTED)


def test_what_is_collected_later_is_collected_with_the_key_that_bought_it(stage, monkeypatch):
    """Run with another key ended the collecting, and what began anew could not see the purchase."""
    monkeypatch.setattr(afterwards, "PAUSES", (1.0, 0.1, 0.1, 0.1))
    refused = ("getResponse", {"kind": "status", "status": 401})
    here = stage(*[("getResponse", None)] * 4, refused, latency=0.1)
    with pytest.raises(KlingError):
        finish(here.buy())
    until(lambda: here.wire._later)
    with pytest.raises(KlingError):
        finish(here.wire.buy(replace(here.account, key="another-key"), order(KINDS[0], "another-key")))
    journal = here.wire.journal(here.account)
    until(lambda: journal.get(order(KINDS[0], KEY).uuid(0)).state is State.COMMITTED)
    assert sum(exchange.channel == "videoInference" for exchange in here.simulator.requests) == 1


def test_what_is_in_doubt_beside_a_film_that_is_given_is_looked_for_later(stage):
    """Run ended the looking for the newest attempt, and gave the film of the one before."""
    here = stage()
    paid, wanted, journal = finish(here.buy()), order(KINDS[0], KEY, 1), here.wire.journal(here.account)
    doubt = {"state": State.HELD, "attempt": 1, "earlier": [paid.task_uuid], "last_sent_at": time.time(), "posts": 1}
    journal.put(Record(task_uuid=wanted.uuid(1), intent=wanted.intent, **doubt))
    journal.put_intent(wanted.intent, wanted.uuid(1))
    assert finish(here.buy()).task_uuid == paid.task_uuid
    until(lambda: here.wire._later)
    assert [name for _, name in here.wire._later] == [wanted.uuid(1)]


def test_what_is_still_missing_of_films_that_are_given_is_looked_for_later(stage):
    here = stage()
    record = finish(here.buy())
    assert not here.wire._later
    record.failures = [{"code": UNSEEN, "message": "One result was never shown."}]
    here.wire.journal(here.account).put(record)
    finish(here.buy())
    until(lambda: [name for _, name in here.wire._later] == [record.task_uuid])


def test_nobody_collects_beside_a_run_and_only_one_after_it(stage):
    here = stage(*[("getResponse", None)] * 4, ("getResponse", {"kind": "status", "status": 401}), latency=1.0)
    with pytest.raises(KlingError):
        finish(here.buy())
    task_uuid = order(KINDS[0], KEY).uuid(0)
    until(lambda: here.wire._later)
    (first,) = here.wire._later.values()
    here.wire._loop.call_soon_threadsafe(here.wire._go_on, here.account, task_uuid)
    until(first.cancelled)
    (second,) = here.wire._later.values()
    ticket = here.buy()
    until(second.cancelled)
    assert finish(ticket).state is State.COMMITTED
    assert not here.wire._later


def test_a_rehearsal_that_failed_is_not_collected_later(stage):
    here = stage(("videoInference", {"kind": "status", "status": 402}))
    rehearsal = Account(here.account.state_folder, KEY, Settings(), rehearsal=True)
    here.wire._clients[KEY, rehearsal.settings.base_url, True] = Client(KEY, transport=here.simulator.transport)
    ticket = here.wire.buy(rehearsal, order(KINDS[0], KEY))
    with pytest.raises(KlingError):
        finish(ticket)
    until(lambda: not here.wire._running)
    assert not here.wire._later


def test_a_folder_that_cannot_be_used_is_told_to_who_waits(stage, tmp_path):
    here = stage()
    (tmp_path / "__kling").write_text("a file")
    ticket = here.buy()
    until(lambda: ticket.done)
    with pytest.raises(KlingError, match="cannot be recorded"):
        ticket.result()


def test_no_more_purchases_run_at_once_than_are_allowed(stage):
    here = stage(latency=0.3)
    here.account = Account(here.account.state_folder, KEY, Settings(max_concurrency=1))
    tickets = [here.buy(take) for take in (1, 2)]
    until(lambda: any("free place" in ticket.status.words for ticket in tickets) or all(t.done for t in tickets))
    assert [finish(ticket).state for ticket in tickets] == [State.COMMITTED] * 2
    ends = [(job.at, job.ends) for jobs in here.simulator.service.jobs.values() for job in jobs]
    (_, first_end), (second_start, _) = sorted(ends)
    assert second_start >= first_end


def test_an_unfinished_rehearsal_is_forgotten_by_the_next_process(stage):
    here = stage()
    rehearsal = Account(here.account.state_folder, KEY, Settings(), rehearsal=True)
    here.wire._clients[KEY, rehearsal.settings.base_url, True] = Client(KEY, transport=here.simulator.transport)
    journal = here.wire.journal(rehearsal)
    journal.open()
    wanted = order(KINDS[0], KEY)
    from kling.nodes.runware.record import Record

    journal.put(Record(task_uuid=wanted.uuid(0), intent=wanted.intent, state=State.ACCEPTED))
    journal.put_intent(wanted.intent, wanted.uuid(0))
    assert finish(here.wire.buy(rehearsal, wanted)).state is State.COMMITTED


def test_making_a_wire_starts_nothing():
    before = threading.active_count()
    assert Wire()._loop is None
    assert threading.active_count() == before


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize(
    ("first", "sent"), [(State.COMMITTED, True), (State.HELD, True), (State.FAILED, False), (State.REJECTED, False)]
)
def test_an_earlier_attempt_that_became_a_film_or_is_in_doubt_counts_as_sent(stage, first, sent, indexed):
    here = stage()
    wanted, journal = order(KINDS[0], KEY), here.wire.journal(here.account)
    journal.open()
    assert not here.wire.was_sent(here.account, wanted)
    journal.put(Record(task_uuid=wanted.uuid(0), intent=wanted.intent, state=first))
    journal.put(Record(task_uuid=wanted.uuid(1), intent=wanted.intent, attempt=1, earlier=[wanted.uuid(0)]))
    if indexed:
        journal.put_intent(wanted.intent, wanted.uuid(1))
    assert here.wire.was_sent(here.account, wanted) is sent
