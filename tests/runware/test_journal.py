from __future__ import annotations

import json
import os
import time
from datetime import datetime
from decimal import Decimal

import pytest
from kling.nodes.runware.errors import StorageError
from kling.nodes.runware.files import Disk
from kling.nodes.runware.journal import Journal, lock_place, uptime
from kling.nodes.runware.record import MOVES, Film, Record, State

UUIDS = [f"24cd5dff-cb81-4db5-8506-b72a9425f9{number:02x}" for number in range(20)]
UUID = UUIDS[0]
NOON = datetime(2026, 11, 22, 12).astimezone().timestamp()


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path / "__kling", clock=lambda: NOON)
    made.open()
    yield made
    for file in made.disk._lock_files.values():
        file.close()


def test_a_record_is_read_as_it_was_written(journal):
    record = Record(task_uuid=UUID, price="0.42", films=[Film(video_uuid="x", cost=0.42)], request={"a": [1]})
    journal.put(record)
    assert journal.get(UUID) == record
    assert record.updated_at == NOON
    assert json.loads(journal.path(UUID).read_text())["version"] == 1


def test_what_a_later_version_added_is_kept(journal):
    journal.put(Record(task_uuid=UUID, later={"kept": True}))
    record = journal.get(UUID)
    record.move(State.SENDING)
    journal.put(record)
    assert json.loads(journal.path(UUID).read_text())["later"] == {"kept": True}


def test_a_record_of_the_first_format_is_read(journal):
    first = {
        "version": 1, "task_uuid": UUID, "state": "committed", "intent": "ab" * 32, "take": 2, "attempt": 1,
        "model": "klingai:kling-video@3-standard", "key_fingerprint": "0123456789abcdef", "price": "0.42",
        "request": {"positivePrompt": "A red fox runs"}, "number_results": 1, "seconds": 5,
        "created_at": 1.0, "updated_at": 2.0, "posts": 1, "body_sha256": "cd" * 32, "body_size": 239,
        "maybe_sent": False, "last_sent_at": 1.5, "accepted_at": 1.5, "evidence": "acknowledged", "finished_at": 60.0,
        "films": [{"video_uuid": "x", "seed": 7, "cost": 0.42, "file": "x.mp4", "size": 9, "sha256": "ef"}],
        "failures": [], "deliveries": {},
    }  # fmt: skip
    journal.path(UUID).write_text(json.dumps(first))
    record = journal.get(UUID)
    assert (record.state, record.take, record.billed, record.films[0].file) == (State.COMMITTED, 2, 0.42, "x.mp4")


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"{}", b"null", b"[]", b"\xff\xfe", b'{"task_uuid": "%s"}' % UUIDS[1].encode(),
     b'{"task_uuid": "%s", "state": "sold"}' % UUID.encode(), b"\0" * 900],
)  # fmt: skip
def test_a_record_that_cannot_be_read_is_put_aside_and_stands_for_maybe_sent(journal, data, caplog):
    journal.path(UUID).write_bytes(data)
    os.utime(journal.path(UUID), (NOON - 50, NOON - 50))
    for _ in range(2):
        record = journal.get(UUID)
        assert (record.state, record.maybe_sent, record.paid_at) == (State.HELD, True, NOON - 50)
        assert record.posts > 1
    assert [record.getMessage().count(f"{UUID}.bad") for record in caplog.records] == [1]
    assert journal.path(UUID, "bad").read_bytes() == data
    assert not journal.path(UUID).exists()


def test_every_cut_of_a_record_is_noticed(journal):
    journal.put(Record(task_uuid=UUID, request={"text": "x" * 50}))
    whole = journal.path(UUID).read_bytes()
    for length in range(len(whole)):
        journal.path(UUID).write_bytes(whole[:length])
        assert journal.get(UUID).state is State.HELD


@pytest.mark.parametrize(
    "name", ["", "..", "../../etc/passwd", UUID.upper(), UUID + "x", UUID + "\n", "C:\\x", "\0", UUID[:-1]]
)
def test_nothing_but_a_uuid_becomes_a_path(journal, name):
    with pytest.raises(ValueError, match="UUID"):
        journal.path(name)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="modes do not bind root")
def test_a_folder_that_cannot_be_written_is_told(journal):
    journal.tasks.chmod(0o500)
    with pytest.raises(StorageError, match="cannot be recorded"):
        journal.put(Record(task_uuid=UUID))


def test_a_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "__kling").write_text("")
    with pytest.raises(StorageError, match="cannot be recorded"):
        Journal(tmp_path / "__kling", clock=time.time).open()


def test_moves_that_the_protocol_does_not_know_stop_everything():
    for state in State:
        for target in State:
            record = Record(task_uuid=UUID, state=state)
            if target is state or target in MOVES[state]:
                record.move(target)
                assert record.state is target
            else:
                with pytest.raises(AssertionError, match="no move"):
                    record.move(target)


def test_from_every_state_a_film_or_an_end_can_be_reached():
    ends = {State.COMMITTED, State.REJECTED, State.FAILED, State.EXPIRED}
    for state in State:
        reached, todo = set(), [state]
        while todo:
            at = todo.pop()
            if at not in reached:
                reached.add(at)
                todo += MOVES[at]
        assert reached & ends
        assert State.COMMITTED in reached


def test_an_intent_leads_to_its_newest_attempt(journal):
    assert journal.newest_attempt("ab" * 32) is None
    journal.put(Record(task_uuid=UUID, attempt=3))
    journal.put_intent("ab" * 32, UUID)
    assert journal.newest_attempt("ab" * 32).attempt == 3
    journal.path(UUID).unlink()
    assert journal.newest_attempt("ab" * 32).state is State.HELD
    written = journal.intents / ("ab" * 32)
    os.utime(written, (NOON, NOON))
    journal.put_intent("ab" * 32, UUID)
    assert written.stat().st_mtime == NOON
    written.write_bytes(b"\xff rubbish")
    assert journal.newest_attempt("ab" * 32) is None


def test_a_record_that_cannot_be_read_is_as_old_as_its_last_send_where_that_is_known(journal):
    journal.path(UUID).write_text("half a record")
    assert journal.get(UUID).last_sent_at is None  # the file's age says nothing of it
    assert journal.get(UUID).paid_at == pytest.approx(time.time(), abs=60)
    journal.put_sent(UUID, NOON - 0.1)
    assert journal.get(UUID).last_sent_at == NOON - 0.1
    journal.path(UUID, "sent").write_text("rubbish")
    assert journal.get(UUID).last_sent_at is None


def test_where_all_of_a_record_is_lost_the_index_says_when_it_was_sent_last(journal):
    written = journal.intents / ("ab" * 32)
    journal.put_intent("ab" * 32, UUID)
    os.utime(written, (NOON - 60, NOON - 60))
    assert journal.newest_attempt("ab" * 32).last_sent_at == NOON - 60
    journal.put_intent("ab" * 32, UUID)
    assert journal.newest_attempt("ab" * 32).last_sent_at == NOON - 60
    journal.put_intent("ab" * 32, UUID, anew=True)
    assert journal.newest_attempt("ab" * 32).last_sent_at != NOON - 60


@pytest.mark.parametrize("before", ["", "half a record"])
def test_a_record_that_is_written_while_it_is_read_is_not_put_aside(journal, before):
    path = journal.path(UUID)
    if before:
        path.write_text(before)

    class Late(Disk):
        def read(self, path):
            journal.disk, late = Disk(), self
            try:
                return super().read(path)
            finally:
                journal.put(Record(task_uuid=UUID, state=State.ACCEPTED))
                assert journal.disk is not late

    journal.disk = Late()
    assert journal.get(UUID) is None if not before else journal.get(UUID).state is State.ACCEPTED
    assert not journal.path(UUID, "bad").exists()
    assert journal.get(UUID).state is State.ACCEPTED


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone of a running process cannot be set on Windows")
@pytest.mark.parametrize("day", ["2026-10-25", "2026-03-29", "2026-11-22"])
def test_a_day_begins_at_midnight_also_when_the_clocks_change(tmp_path, monkeypatch, day):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        hours = [datetime.fromisoformat(f"{day}T{hour}").timestamp() for hour in ("00:00:00", "00:30:00", "23:59:59")]
        before, now = hours[0] - 1, [hours[2]]
        journal = Journal(tmp_path / "__kling", clock=lambda: now[0])
        journal.open()
        for number, sent in enumerate([before, *hours]):
            journal.put(bought(number, sent=sent))
        assert journal.spent_today() == Decimal("3.00")
        now[0] += 1
        assert journal.spent_today() == Decimal(0)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone of a running process cannot be set on Windows")
@pytest.mark.parametrize(("zone", "day"), [("America/Havana", "2025-11-02"), ("Atlantic/Azores", "2025-10-26")])
def test_a_day_whose_midnight_comes_twice_has_one_budget(tmp_path, monkeypatch, zone, day):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        first = datetime.fromisoformat(f"{day}T00:00:00").timestamp()
        now = [first + 5_400]  # half past midnight, for the second time
        journal = Journal(tmp_path / "__kling", clock=lambda: now[0])
        journal.open()
        for number, sent in enumerate([first - 1, first, first + 1_800, first + 5_400]):
            journal.put(bought(number, sent=sent))
        assert journal.spent_today() == Decimal("3.00")
        now[0] = first + 25 * 3_600 - 1
        assert journal.spent_today() == Decimal("3.00")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_addresses_lie_beside_the_record_and_are_forgotten(journal):
    journal.put_urls(UUID, {"x": "https://vm.runware.ai/x.mp4?signature=1"})
    journal.put(Record(task_uuid=UUID))
    assert b"signature" not in journal.path(UUID).read_bytes()
    assert journal.urls(UUID) == {"x": "https://vm.runware.ai/x.mp4?signature=1"}
    journal.forget(UUID, "urls")
    assert journal.urls(UUID) == {}
    journal.path(UUID, "urls").write_bytes(b"[1")
    assert journal.urls(UUID) == {}


def bought(number, *, price="1.00", state=State.ACCEPTED, sent=NOON - 60, costs=()):
    films = [Film(video_uuid=str(each), cost=each) for each in costs]
    return Record(task_uuid=UUIDS[number], price=price, state=state, last_sent_at=sent, films=films)


def test_the_days_sum_counts_what_was_or_may_have_been_spent(journal):
    for record in (
        bought(0),
        bought(1, state=State.HELD),
        bought(2, state=State.COMMITTED, costs=(0.25, 0.25)),
        bought(3, state=State.ACCEPTED, costs=(0.25,)),  # more may come: the planned price counts
        bought(4, state=State.FAILED),
        bought(5, state=State.EXPIRED),
        bought(6, state=State.INTENT),
        bought(7, state=State.REJECTED),
        bought(8, sent=NOON - 13 * 3_600),
        bought(9, state=State.RESULT, costs=(1.5,)),
        bought(11, sent=NOON + 365 * 86_400),  # the clock was a year ahead
    ):
        journal.put(record)
    assert journal.spent_today() == Decimal("7.00")
    assert journal.spent_today(UUIDS[0]) == Decimal("6.00")
    journal.put(bought(10, price=None))
    assert journal.spent_today() is None


@pytest.mark.parametrize("behind", [300, 86_400])
def test_the_days_sum_goes_by_when_it_was_paid_not_by_the_files_times(journal, behind):
    for number, sent in enumerate([NOON, NOON - 86_400]):
        journal.put(bought(number, sent=sent))
        os.utime(journal.path(UUIDS[number]), (NOON - 12 * 3_600 - behind,) * 2)
    assert journal.spent_today() == Decimal("1.00")


@pytest.mark.parametrize("ahead", [13 * 3_600, 86_400, 2 * 86_400])
def test_what_was_paid_while_the_clock_was_ahead_counts_as_todays(journal, ahead):
    journal.put(bought(0, sent=NOON + ahead))
    assert journal.spent_today() == Decimal("1.00")


def test_what_has_not_changed_for_days_is_not_read_for_the_days_sum(journal):
    journal.put(bought(0))
    os.utime(journal.path(UUID), (NOON - 3 * 86_400,) * 2)
    journal.get = None
    assert journal.spent_today() == Decimal(0)


@pytest.mark.parametrize("price", ["", "a lot", "0,42", "NaN", "-Infinity", "Infinity", "-1", "1e999"])
def test_a_price_that_is_no_amount_of_money_is_unknown(journal, price):
    journal.put(bought(0))
    path = journal.path(UUID)
    path.write_text(path.read_text().replace('"price":"1.00"', f'"price":"{price}"'))
    record = journal.get(UUID)
    assert (record.state, record.price, record.spent) == (State.ACCEPTED, None, None)
    assert journal.spent_today() is None


@pytest.mark.parametrize("cost", ["NaN", "Infinity", "-1.0", "1e300"])
def test_a_cost_that_is_no_amount_of_money_is_not_told(journal, cost):
    journal.put(bought(0, state=State.COMMITTED, costs=(0.25,)))
    path = journal.path(UUID)
    path.write_text(path.read_text().replace('"cost":0.25', f'"cost":{cost}'))
    record = journal.get(UUID)
    assert (record.state, record.billed, record.spent) == (State.COMMITTED, None, Decimal("1.00"))


def test_records_are_listed_last_changed_first(journal):
    for number, age in ((0, 30), (1, 10), (2, 20)):
        journal.put(bought(number))
        os.utime(journal.path(UUIDS[number]), (NOON - age, NOON - age))
    journal.path(UUIDS[3]).write_bytes(b"torn")
    os.utime(journal.path(UUIDS[3]), (NOON, NOON))
    (journal.tasks / "notes.json").write_text("no record")
    assert [record.task_uuid for record in journal.newest()] == [UUIDS[3], UUIDS[1], UUIDS[2], UUIDS[0]]
    assert [record.task_uuid for record in journal.newest(1)] == [UUIDS[3]]


def test_where_copies_lie_is_added_to_what_the_record_says_by_then(journal):
    old = bought(0)
    old.deliveries["prefix"] = {"path": "a.mp4"}
    newer = bought(0, state=State.COMMITTED, costs=(0.25, 0.25))
    newer.deliveries["other"] = {"path": "b.mp4"}
    journal.put(newer)
    journal.remember_deliveries(old)
    kept = journal.get(UUIDS[0])
    assert kept.deliveries == {"other": {"path": "b.mp4"}, "prefix": {"path": "a.mp4"}}
    assert (kept.state, len(kept.films)) == (State.COMMITTED, 2)
    journal.erase(kept)
    journal.remember_deliveries(old)
    assert journal.get(UUIDS[0]) is None


def test_what_is_erased_leaves_the_index_to_the_attempt_before_it(journal):
    first, second = bought(0), bought(1)
    first.intent = second.intent = "ab" * 32
    second.earlier = [first.task_uuid]
    for record in (first, second):
        journal.put(record)
    journal.put_intent(second.intent, second.task_uuid)
    journal.erase(second)
    assert journal.of_intent(first.intent) == first.task_uuid
    journal.erase(first)
    assert journal.of_intent(first.intent) is None


def test_durations_are_kept_by_kind_and_a_torn_list_is_begun_anew(journal):
    for number in range(70):
        journal.remember_duration("standard 5", 60.0 + number)
    assert journal.durations("standard 5") == [60.0 + number for number in range(6, 70)]
    assert journal.durations("standard 10") == []
    journal.remember_duration("standard 10", 120.0)
    assert journal.durations("standard 10") == [120.0]
    assert len(journal.durations("standard 5")) == 64
    (journal.folder / "usual.json").write_text("[")
    assert journal.durations("standard 5") == []
    journal.remember_duration("standard 5", 9.0)
    assert journal.durations("standard 5") == [9.0]


def test_what_killed_processes_left_is_cleared_away_after_a_day(journal):
    old, young = journal.films / ".a.mp4.1.part", journal.tasks / ".b.json.2.part"
    for path, age in ((old, 90_000), (young, 60)):
        path.write_bytes(b"half")
        os.utime(path, (NOON - age, NOON - age))
    journal.tidy()
    assert not old.exists()
    assert young.exists()


def test_an_erased_purchase_leaves_nothing(journal):
    record = Record(task_uuid=UUID, intent="ab" * 32)
    journal.put(record)
    journal.put_intent(record.intent, UUID)
    journal.put_urls(UUID, {"x": "y"})
    journal.erase(record)
    assert not any(path.is_file() for path in journal.folder.rglob("*"))


def test_a_lock_that_cannot_be_made_is_told(journal):
    class Broken(Disk):
        def lock(self, *_):
            raise OSError(28, "No space left on device")

    journal.disk = Broken()
    with pytest.raises(StorageError, match="No space"):
        journal.lock(1)


def test_locks_of_different_purchases_lie_apart():
    places = {lock_place(f"{number:032x}") for number in range(10_000)}
    assert len(places) == 10_000
    assert min(places) >= 1
    assert max(places) < 2**57


def test_a_lock_has_the_same_place_in_every_version_of_the_pack():
    assert lock_place("ab" * 32) == 11_006_391_570_610_630
    assert lock_place("") == 64_089_176_690_719_773


def test_time_spent_asleep_counts_where_the_system_tells_it(monkeypatch):
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
    monkeypatch.setattr(time, "clock_gettime", {7: 4_000.0}.get, raising=False)
    assert uptime() == 4_000.0
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    monkeypatch.setattr(time, "monotonic", lambda: 3.0)
    assert uptime() == 3.0
