"""Films into the output folder, with ComfyUI's own numbering in the place of ComfyUI."""

import contextlib
import errno
import hashlib
import json
import math
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from kling.nodes import delivery, film, host
from kling.nodes.runware.errors import InputError, StorageError
from kling.nodes.runware.files import Disk
from kling.nodes.runware.journal import Journal
from kling.nodes.runware.record import Film, Record, State

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


def deliver(place, prefix="video/kling", record=None, **metadata):
    record, film = record or Record(task_uuid=UUID), Film(video_uuid=UUID)
    about = {"prefix": prefix, "size": (64, 48), "metadata": metadata, "sidecar": {"seed": 5}}
    return delivery.deliver(place.source, film, record, **about)


def test_a_node_that_was_moved_makes_no_copy_and_another_prompt_does(place):
    record = Record(task_uuid=UUID)
    first = deliver(place, record=record, prompt="{}", workflow='{"nodes": []}').path
    assert deliver(place, record=record, prompt="{}", workflow='{"nodes": [], "extra": {}}').path == first
    assert deliver(place, record=record, prompt='{"1": {}}', workflow='{"nodes": []}').path != first


def test_what_version_1_0_0_delivered_is_found(place):
    """It named a film by the workflow, too."""
    record, about = Record(task_uuid=UUID), {"prompt": "{}", "workflow": '{"nodes": []}'}
    first = deliver(place, record=record, **about).path
    (entry,) = record.deliveries.values()
    record.deliveries = {delivery._delivery_key(Film(video_uuid=UUID), "video/kling", about): entry}
    assert deliver(place, record=record, **about).path == first


def test_without_a_prompt_another_workflow_makes_another_file(place):
    record = Record(task_uuid=UUID)
    first = deliver(place, record=record, workflow='{"nodes": []}').path
    assert deliver(place, record=record, workflow='{"nodes": [], "extra": {}}').path != first


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


def test_a_film_lies_under_the_day_on_which_it_came_and_is_found_there_on_another(place, monkeypatch):
    record = Record(task_uuid=UUID)
    for day in (10, 11):
        monkeypatch.setattr(delivery.time, "localtime", lambda day=day: time.strptime(f"2026-12-{day}", "%Y-%m-%d"))
        assert deliver(place, "%date:yyyy-MM-dd%/kling", record).path == place.output / "2026-12-10/kling_00001_.mp4"


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


def deliver_at_once(place, endings):
    """Several deliveries under one prefix, as ComfyUI runs the nodes of one graph; each has its film, by its ending."""
    sources = [place.source.with_name(f"film {number}{ending}") for number, ending in enumerate(endings)]
    for source in sources:
        source.write_bytes(source.name.encode())
    found, together = {}, threading.Barrier(len(sources))

    def work(source):
        together.wait()
        about = {"prefix": "video/kling", "size": (64, 48), "metadata": {}, "sidecar": {"film": source.name}}
        found[source.name] = delivery.deliver(source, Film(video_uuid=UUID), Record(task_uuid=UUID), **about).path

    threads = [threading.Thread(target=work, args=(source,)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def slow(method):
    """A file operation of a network share: it is answered a moment after it looked."""

    def slowly(*arguments, **named):
        found = method(*arguments, **named)
        time.sleep(0.01)
        return found

    return slowly


@pytest.fixture
def without_hard_links(monkeypatch):
    """An exFAT stick, or a network share."""

    def refuse(source, target):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)


def test_deliveries_at_once_never_overwrite_each_other_without_hard_links(place, without_hard_links, monkeypatch):
    for name in ("exists", "replace"):
        monkeypatch.setattr(Path, name, slow(getattr(Path, name)))
    found = deliver_at_once(place, [".mp4"] * 6)
    assert {name: path.read_bytes().decode() for name, path in found.items()} == {name: name for name in found}
    assert len(found) == 6


def test_a_taken_number_is_never_overwritten_without_hard_links(place, without_hard_links):
    first = deliver(place).path
    first.write_bytes(b"mine")
    first.with_suffix(".json").unlink()
    assert deliver(place).path.name == "kling_00002_.mp4"
    assert first.read_bytes() == b"mine"
    assert not first.with_suffix(".json").exists()


def test_a_film_that_cannot_be_renamed_leaves_no_empty_one(place, without_hard_links, monkeypatch):
    replace = Path.replace

    def refuse(source, target):
        if target.suffix == ".mp4":
            raise OSError(errno.EIO, "Input/output error")
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(StorageError, match="Input/output error"):
        deliver(place)
    assert list((place.output / "video").iterdir()) == []


def test_two_films_of_different_kinds_never_share_a_sidecar(place, monkeypatch):
    monkeypatch.setattr(Path, "exists", slow(Path.exists))
    found = deliver_at_once(place, [".mp4", ".webm"])
    told = {name: json.loads(path.with_suffix(".json").read_text()) for name, path in found.items()}
    assert {name: about["film"] for name, about in told.items()} == {name: name for name in found}
    assert len(found) == 2


def test_a_film_whose_sidecar_cannot_be_written_leaves_no_copy_behind(place, monkeypatch):
    """The next run would not know it, and would make another."""

    def full(disk, path, chunks):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(delivery, "write_whole", full)
    with pytest.raises(StorageError, match="No space left on device"):
        deliver(place)
    assert list((place.output / "video").iterdir()) == []


OPERATIONS = [
    *((Disk, name) for name in ("create", "append", "sync", "replace", "sync_folder")),
    *((film, "remux"), (delivery, "sha256_of"), (delivery, "_take"), (os, "link"), (Path, "iterdir"), (Path, "stat")),
]


def test_whichever_file_operation_fails_nothing_half_is_left_and_the_next_run_delivers(place, monkeypatch):
    left = [math.inf]

    def may_fail(work):
        def do(*arguments, **named):
            left[0] -= 1
            if left[0] == -1:
                raise OSError(errno.EIO, "Input/output error")
            return work(*arguments, **named)

        return do

    for owner, name in OPERATIONS:
        monkeypatch.setattr(owner, name, may_fail(getattr(owner, name)))
    folder, record = place.output / "video", Record(task_uuid=UUID)
    for number in range(100):
        left[0] = number
        with contextlib.suppress(StorageError, InputError):  # the second where the folder cannot be looked at
            deliver(place, record=record)
        ended, left[0] = left[0] >= 0, math.inf
        if ended:
            break
        assert names_in(folder) in ([], ["kling_00001_.json", "kling_00001_.mp4"]), number
        path = deliver(place, record=record).path
        assert path.read_bytes() == b"a film"
        assert json.loads(path.with_suffix(".json").read_text())["seed"] == 5
        assert names_in(folder) == ["kling_00001_.json", "kling_00001_.mp4"], number
        shutil.rmtree(folder)
        record.deliveries.clear()
    assert 10 < number < 99


def names_in(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_file_that_is_not_the_film_of_the_record_is_refused(place):
    film = Film(video_uuid=UUID, file="film.mp4", sha256=hashlib.sha256(b"a film").hexdigest(), cost=0.42)
    about = {"prefix": "video/kling", "size": (64, 48), "metadata": {}, "sidecar": {}}
    record = Record(task_uuid=UUID, films=[film])
    place.source.write_bytes(b"a f1lm")
    message = rf"film\.mp4 has changed since it was fetched\. Billed .*\$0\.42\. Task UUID: {UUID}\. Run again"
    with pytest.raises(StorageError, match=message):
        delivery.deliver(place.source, film, record, **about)
    assert list(place.output.iterdir()) == []
    place.source.write_bytes(b"a film")
    assert delivery.deliver(place.source, film, record, **about).path.read_bytes() == b"a film"


def test_what_a_killed_delivery_left_is_cleared_after_a_day_and_nothing_else(place):
    folder, drawn = place.output / "video", "0123456789ab"
    folder.mkdir()
    ours = [f".kling.{drawn}.mp4", f"..kling.{drawn}.webm.{drawn}.part", f".kling_00007_.json.{drawn}.part"]
    others = [f".other.{drawn}.mp4", f"kling.{drawn}.mp4", ".kling.mp4", f".kling.{drawn}.txt", "kling_00001_.mp4"]
    for name in (*ours, *others):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - 90_000,) * 2)
    young = f".kling.{drawn[::-1]}.mp4"
    (folder / young).write_bytes(b"half")
    path = deliver(place).path
    assert {each.name for each in folder.iterdir()} == {*others, young, path.name, path.with_suffix(".json").name}


def test_a_name_that_a_killed_delivery_had_taken_is_free_again_after_a_day(place):
    """It had written nothing there yet. A sidecar whose film is away may be all that somebody kept of it."""
    folder = place.output / "video"
    folder.mkdir()
    empty = ["kling_00001_.json", "kling_00002_.mp4"]
    others = {"kling_00003_.json": b'{"file": "kling_00003_.mp4"}', "other_00001_.json": b"", "kling_1_.json": b""}
    for name, content in {**dict.fromkeys(empty, b""), **others}.items():
        (folder / name).write_bytes(content)
        os.utime(folder / name, (time.time() - 90_000,) * 2)
    (folder / "kling_00004_.json").touch()
    place.number = 3
    path = deliver(place).path
    left = {each.name for each in folder.iterdir()}
    assert left == {*others, "kling_00004_.json", "kling_00005_.json", "kling_00005_.mp4"}
    assert path.name == "kling_00005_.mp4"


@pytest.fixture
def purchase(place, tmp_path, monkeypatch):
    """A finished purchase of four films, and a reader that cannot read what says so."""
    journal = Journal(tmp_path / "state", clock=time.time)
    journal.open()
    record = Record(task_uuid=UUID, state=State.COMMITTED, price="1.68", number_results=4)
    for number in range(4):
        content = f"film {number}".encode()
        film_of = Film(video_uuid=f"film-{number}", file=f"{number}.mp4", sha256=hashlib.sha256(content).hexdigest())
        (journal.films / f"{number}.mp4").write_bytes(content)
        record.films.append(film_of)
    journal.put(record)

    def probe(path):
        if path.name in unreadable:
            raise film.FilmError(f"{path.name} cannot be read as a film.", next_step="?")
        return SimpleNamespace(width=64, height=48)

    unreadable = []
    monkeypatch.setattr(film, "probe", probe)

    def deliver_all():
        about = {"prefix": "video/kling", "metadata": {}, "about": lambda each, _: {"video_uuid": each.video_uuid}}
        return delivery.deliver_all(journal, journal.get(UUID), **about)

    yield SimpleNamespace(journal=journal, unreadable=unreadable, deliver_all=deliver_all)
    for file in journal.disk._lock_files.values():
        file.close()


def delivered(place):
    return sorted(path.read_bytes().decode() for path in (place.output / "video").glob("kling_*.mp4"))


def test_one_unreadable_film_keeps_no_other_from_the_output_folder(place, purchase):
    purchase.unreadable.append("1.mp4")
    kept = purchase.journal.films / "1.mp4"
    message = rf"1\.mp4 cannot be read .* as the service gave it, and lies at {kept}: .*move it away.* 3 of 4 films"
    for _ in range(2):
        with pytest.raises(film.FilmError, match=message):
            purchase.deliver_all()
        assert delivered(place) == ["film 0", "film 2", "film 3"]
    purchase.unreadable.clear()
    placed = purchase.deliver_all()
    assert [place.path.read_bytes() for place, _, _ in placed] == [b"film 0", b"film 1", b"film 2", b"film 3"]
    assert [said["video_uuid"] for _, _, said in placed] == [f"film-{number}" for number in range(4)]


def test_who_wants_the_same_films_at_the_same_time_makes_no_copies(place, purchase, monkeypatch):
    write = delivery._write

    def slowly(*args):
        time.sleep(0.02)
        return write(*args)

    monkeypatch.setattr(delivery, "_write", slowly)
    with ThreadPoolExecutor(4) as pool:
        runs = [each.result() for each in [pool.submit(purchase.deliver_all) for _ in range(4)]]
    assert delivered(place) == ["film 0", "film 1", "film 2", "film 3"]
    assert len({tuple(place.path for place, _, _ in run) for run in runs}) == 1


def test_an_unreadable_film_that_is_not_the_fetched_one_is_not_said_to_be(place, purchase):
    purchase.unreadable.append("1.mp4")
    (purchase.journal.films / "1.mp4").write_bytes(b"f1lm 1")
    with pytest.raises(StorageError, match="has changed since it was fetched"):
        purchase.deliver_all()


def test_a_film_that_cannot_be_written_makes_no_copies_of_the_others_with_each_run(place, purchase, monkeypatch):
    write = delivery.write_whole

    def full(disk, path, chunks):
        if len(delivered(place)) >= 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(disk, path, chunks)

    monkeypatch.setattr(delivery, "write_whole", full)
    for _ in range(3):
        with pytest.raises(StorageError, match=r"No space left on device.* 2 of 4 films"):
            purchase.deliver_all()
        assert delivered(place) == ["film 0", "film 1"]
