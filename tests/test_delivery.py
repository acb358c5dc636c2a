"""Films into the output folder, with ComfyUI's own numbering in the place of ComfyUI."""

import json
from types import SimpleNamespace

import pytest
from kling.nodes import delivery, film, host
from kling.nodes.runware.errors import InputError, StorageError
from kling.nodes.runware.record import Film, Record

UUID = "236ba4b9-e789-4ff4-8fa9-7ca57ab56210"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An output folder, a film beside it, and the number ComfyUI would give next."""
    output, source = tmp_path / "output", tmp_path / "film.mp4"
    output.mkdir()
    source.write_bytes(b"a film")
    numbers = SimpleNamespace(output=output, source=source, number=1)

    def save_path(prefix, width, height):
        folder, stem = (output / prefix).parent, (output / prefix).name
        folder.mkdir(parents=True, exist_ok=True)
        return folder, stem, numbers.number, str(folder.relative_to(output))

    monkeypatch.setattr(host, "output_folder", lambda: output)
    monkeypatch.setattr(host, "save_path", save_path)
    monkeypatch.setattr(film, "remux", lambda source, target, _: target.write_bytes(source.read_bytes()))
    return numbers


def deliver(place, prefix="video/kling", record=None):
    record = record or Record(task_uuid=UUID)
    return delivery.deliver(
        place.source, Film(video_uuid=UUID), record, prefix=prefix, size=(64, 48), metadata={}, sidecar={"seed": 5}
    )


def test_a_film_lies_beside_its_sidecar_and_nothing_else_is_left(place):
    path = deliver(place).path
    assert path == place.output / "video" / "kling_00001_.mp4"
    assert json.loads(path.with_suffix(".json").read_text())["seed"] == 5
    assert sorted(each.name for each in path.parent.iterdir()) == ["kling_00001_.json", "kling_00001_.mp4"]


def test_a_number_that_is_a_date_in_another_file_is_no_end_of_numbers(place):
    place.number = 20261123
    assert deliver(place).path.name == "kling_20261123_.mp4"


def test_a_taken_number_is_never_overwritten(place):
    first = deliver(place).path
    first.write_bytes(b"mine")
    assert deliver(place).path.name == "kling_00002_.mp4"
    assert first.read_bytes() == b"mine"


def test_a_link_out_of_the_folder_is_refused_and_makes_nothing_outside(place, tmp_path):
    (tmp_path / "outside").mkdir()
    (place.output / "64").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="a link in it leads out"):
        deliver(place, "%width%/new/kling")
    assert list((tmp_path / "outside").iterdir()) == []


def test_what_was_delivered_is_found_again_until_it_is_deleted_or_changed(place):
    record = Record(task_uuid=UUID)
    first = deliver(place, record=record)
    assert deliver(place, record=record) == first
    first.path.write_bytes(b"a f1lm")
    assert deliver(place, record=record).path.name == "kling_00002_.mp4"


def test_a_full_disk_is_told_with_uuid_and_leaves_nothing(place, monkeypatch):
    def full(source, target, metadata):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(film, "remux", full)
    with pytest.raises(StorageError, match=f"No space left on device.*safe in ComfyUI.s user/__kling folder.*{UUID}"):
        deliver(place)
    assert list((place.output / "video").iterdir()) == []
