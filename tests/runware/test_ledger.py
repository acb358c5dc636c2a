"""The journal as a list with sums."""

import errno
import os
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from kling.nodes.runware import ledger
from kling.nodes.runware.journal import Journal
from kling.nodes.runware.ledger import PAGE_MOST, Ledger
from kling.nodes.runware.record import Film, Record, State

NOON = datetime(2026, 11, 22, 12).astimezone().timestamp()
DAY = 86_400


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "state", clock=lambda: NOON)
    journal.open()
    return journal


def bought(journal, number, *, state=State.COMMITTED, price="0.42", billed=None, sent_at=NOON):
    films = [Film(video_uuid="film", cost=billed)] if billed is not None else []
    record = Record(
        task_uuid=f"00000000-0000-4000-8000-{number:012}",
        state=state,
        price=price,
        last_sent_at=sent_at,
        films=films,
    )
    journal.put(record)
    return record


def test_a_folder_that_is_not_there_is_an_empty_list(tmp_path):
    page = Ledger(Journal(tmp_path / "nowhere", clock=lambda: NOON)).page(0, 50)
    assert (page.records, page.total, page.today, page.month, page.waiting) == ([], 0, Decimal(0), Decimal(0), 0)
    assert not (tmp_path / "nowhere").exists()


def test_pages_follow_each_other_without_a_gap(journal):
    for number in range(7):
        bought(journal, number)
    book = Ledger(journal)
    pages = [[each.task_uuid for each in book.page(offset, 3).records] for offset in (0, 3, 6, 9)]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert len({uuid for page in pages for uuid in page}) == 7


def test_a_page_is_never_larger_than_the_most(journal):
    bought(journal, 1)
    assert len(Ledger(journal).page(0, 10**9).records) == 1
    assert PAGE_MOST == 100


def test_a_list_of_many_pages_looks_through_the_folder_once(journal, monkeypatch):
    for number in range(PAGE_MOST + 5):
        bought(journal, number)
    looks = []
    listing = journal.disk.listing
    monkeypatch.setattr(journal.disk, "listing", lambda folder: looks.append(folder) or listing(folder))
    page = Ledger(journal).part(slice(PAGE_MOST + 2))
    assert (len(page.records), page.total, looks) == (PAGE_MOST + 2, PAGE_MOST + 5, [journal.tasks])


def test_a_record_under_another_purchases_name_is_in_no_sum(journal):
    """Who buys takes it for unreadable, too."""
    copied = journal.path(bought(journal, 1).task_uuid).read_bytes()
    journal.path("00000000-0000-4000-8000-000000000002").write_bytes(copied)
    page = Ledger(journal).page(0, 50)
    assert (page.total, page.unreadable, page.today) == (1, 1, Decimal("0.42"))


def test_what_was_billed_counts_else_what_was_planned(journal):
    bought(journal, 1, billed=0.40)
    bought(journal, 2)
    assert Ledger(journal).page(0, 50).today == Decimal("0.82")


def test_yesterday_counts_for_the_month_and_last_month_for_nothing(journal):
    bought(journal, 1, sent_at=NOON - DAY)
    bought(journal, 2, sent_at=NOON - 40 * DAY)
    page = Ledger(journal).page(0, 50)
    assert (page.today, page.month) == (Decimal(0), Decimal("0.42"))


def test_what_was_not_paid_does_not_count(journal):
    bought(journal, 1, state=State.REJECTED)
    bought(journal, 2, state=State.INTENT, sent_at=None)
    assert Ledger(journal).page(0, 50).month == Decimal(0)


def test_what_is_still_to_come_is_counted(journal):
    bought(journal, 1, state=State.ACCEPTED)
    bought(journal, 2, state=State.HELD)
    bought(journal, 3)
    assert Ledger(journal).page(0, 1).waiting == 2


def test_a_record_that_changed_is_read_again(journal):
    record = bought(journal, 1, state=State.ACCEPTED)
    book = Ledger(journal)
    assert book.page(0, 50).waiting == 1
    record.state = State.COMMITTED
    journal.put(record)
    assert book.page(0, 50).records[0].state is State.COMMITTED


def test_looking_changes_nothing_not_even_a_record_that_cannot_be_read(journal):
    bought(journal, 1)
    broken = journal.tasks / "00000000-0000-4000-8000-000000000002.json"
    broken.write_text("{")
    before = sorted(path.name for path in journal.tasks.iterdir())
    page = Ledger(journal).page(0, 50)
    assert len(page.records) == 1
    assert sorted(path.name for path in journal.tasks.iterdir()) == before


def test_records_that_cannot_be_read_are_counted_and_left_as_they_are(journal):
    bought(journal, 1)
    journal.path("00000000-0000-4000-8000-000000000002").write_bytes(b"torn")
    journal.path("00000000-0000-4000-8000-000000000003", "bad").write_bytes(b"put aside")
    page = Ledger(journal).page(0, 50)
    assert (len(page.records), page.total, page.unreadable) == (1, 1, 2)
    assert journal.path("00000000-0000-4000-8000-000000000002").exists()


def a_year_of(journal, monkeypatch, number=4):
    """Buy so often that the sums are noted, and let the records lie for a while."""
    monkeypatch.setattr(ledger, "NOTED_FROM", number)
    for each in range(number):
        bought(journal, each)
        os.utime(journal.path(f"00000000-0000-4000-8000-{each:012}"), (NOON - 60, NOON - 60))


def sums(page):
    return page.total, page.unreadable, page.waiting, page.today, page.month


def reads(journal, monkeypatch):
    seen = []
    read = journal.disk.read
    monkeypatch.setattr(journal.disk, "read", lambda path: seen.append(str(path)) or read(path))
    return seen


def test_after_a_restart_only_what_changed_is_read_again(journal, monkeypatch):
    a_year_of(journal, monkeypatch)
    before = Ledger(journal).page(0, 0)
    changed = bought(journal, 1, state=State.ACCEPTED)
    seen = reads(journal, monkeypatch)
    after = Ledger(journal).page(0, 0)
    assert [Path(each).stem for each in seen] == ["ledger", changed.task_uuid]
    assert (before.waiting, after.waiting) == (0, 1)
    assert before.today == after.today == Decimal("1.68")


def test_few_purchases_are_not_noted(journal):
    bought(journal, 1)
    Ledger(journal).page(0, 50)
    assert not (journal.folder / ledger.NOTES).exists()


def test_what_has_just_changed_is_not_noted(journal, monkeypatch):
    """Within one tick of a file's time it may change again, and nobody would see it."""
    a_year_of(journal, monkeypatch)
    record = bought(journal, 1, state=State.ACCEPTED)
    path = journal.path(record.task_uuid)
    os.utime(path, (NOON - 1, NOON - 1))
    assert Ledger(journal).page(0, 50).waiting == 1
    bought(journal, 1)
    os.utime(path, (NOON - 1, NOON - 1))
    assert Ledger(journal).page(0, 50).waiting == 0


def test_a_record_that_could_not_be_read_is_tried_again(journal, monkeypatch):
    a_year_of(journal, monkeypatch)
    path = journal.path("00000000-0000-4000-8000-000000000001")
    whole = path.read_bytes()
    path.write_bytes(b"{")
    os.utime(path, (NOON - 60, NOON - 60))
    book = Ledger(journal)
    assert book.page(0, 50).unreadable == 1
    path.write_bytes(whole)
    os.utime(path, (NOON - 60, NOON - 60))
    assert book.page(0, 50).unreadable == Ledger(journal).page(0, 50).unreadable == 0


@pytest.mark.parametrize(
    "notes", [b"", b"{", b"[]", b'{"lines": []}', b'{"version": 2}', b"\xff", b'{"lines": {"a": [1]}}']
)
def test_damaged_notes_are_as_good_as_none(journal, monkeypatch, notes):
    a_year_of(journal, monkeypatch)
    whole = sums(Ledger(journal).page(0, 50))
    (journal.folder / ledger.NOTES).write_bytes(notes)
    assert sums(Ledger(journal).page(0, 50)) == whole


def test_a_folder_that_cannot_be_written_is_read_all_the_same(journal, monkeypatch):
    a_year_of(journal, monkeypatch)

    def full(path):
        raise OSError(errno.ENOSPC, "full", str(path))

    monkeypatch.setattr(journal.disk, "create", full)
    assert Ledger(journal).page(0, 50).total == 4
    assert not (journal.folder / ledger.NOTES).exists()


def test_who_spends_does_not_believe_the_notes(journal, monkeypatch):
    a_year_of(journal, monkeypatch)
    Ledger(journal).page(0, 50)
    notes = journal.folder / ledger.NOTES
    notes.write_text(notes.read_text().replace("0.42", "0"))
    assert Ledger(journal).page(0, 50).today == 0
    assert journal.spent_today() == Decimal("1.68")
