"""What is remembered of an upload: for how long, for which key, and when it is doubted."""

from __future__ import annotations

import json

import pytest
from kling.nodes.runware import uploads
from kling.nodes.runware.journal import Journal
from kling.nodes.runware.record import Film, Record, State

UUID, OTHER, THIRD = (f"24cd5dff-cb81-4db5-8506-b72a9425f9d{number}" for number in range(3))
NOON = 1_795_000_000.0


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path / "__kling", clock=lambda: NOON)
    made.open()
    return made


def test_an_upload_is_remembered_for_less_long_than_the_service_keeps_it(tmp_path):
    now = [NOON]
    journal = Journal(tmp_path, clock=lambda: now[0])
    journal.open()
    assert uploads.find(journal, "ab" * 32, "ours") is None
    uploads.remember(journal, "ab" * 32, UUID, "ours")
    assert uploads.find(journal, "ab" * 32, "ours") == UUID
    now[0] += 24 * 86_400
    uploads.note_use(journal, "ab" * 32, OTHER)
    assert uploads.find(journal, "ab" * 32, "ours") == UUID
    now[0] += 2 * 86_400
    assert uploads.find(journal, "ab" * 32, "ours") is None
    (journal.media / f"{'cd' * 32}.json").write_text("[]")
    uploads.note_use(journal, "cd" * 32, OTHER)
    assert uploads.find(journal, "cd" * 32, "ours") is None
    uploads.remember(journal, "ef" * 32, UUID, "ours")
    uploads.forget(journal, "ef" * 32)
    assert uploads.find(journal, "ef" * 32, "ours") is None
    uploads.note_use(journal, "ef" * 32, OTHER)
    assert uploads.find(journal, "ef" * 32, "ours") is None


def test_an_upload_counts_for_its_key_alone_where_that_is_known(journal):
    uploads.remember(journal, "ab" * 32, UUID, "ours")
    assert uploads.find(journal, "ab" * 32, "another") is None
    path = journal.media / f"{'cd' * 32}.json"
    path.write_text(json.dumps({"media_uuid": UUID, "uploaded_at": NOON}))  # as 1.0.0 wrote it
    uploads.note_use(journal, "cd" * 32, OTHER)
    assert uploads.find(journal, "cd" * 32, "ours") == uploads.find(journal, "cd" * 32, "another") == UUID


@pytest.mark.parametrize(
    ("state", "costs", "trusted"),
    [(State.FAILED, (), False), (State.EXPIRED, (), False), (State.EXPIRED, (0.42,), True), (State.HELD, (), True),
     (State.REJECTED, (), True), (State.COMMITTED, (0.42,), True), (None, (), True)],
)  # fmt: skip
def test_an_upload_is_not_trusted_when_the_last_purchase_with_it_ended_without_a_film(journal, state, costs, trusted):
    uploads.remember(journal, "ab" * 32, OTHER, "ours")
    uploads.note_use(journal, "ab" * 32, UUID)
    if state:
        films = [Film(video_uuid=str(each), cost=each) for each in costs]
        journal.put(Record(task_uuid=UUID, state=state, films=films))
    assert uploads.find(journal, "ab" * 32, "ours") == (OTHER if trusted else None)
    uploads.note_use(journal, "ab" * 32, THIRD)
    assert uploads.find(journal, "ab" * 32, "ours") == OTHER
