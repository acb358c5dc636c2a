"""Copies with metadata, and the identity of a film."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from kling.nodes.film import FilmError, hash_film, packets, probe, read_audio, read_frames, remux

METADATA = {"prompt": '{"1": {"class_type": "KlingGenerate"}}', "workflow": '{"nodes": []}'}
KINDS = [("film.mp4", {}), ("film.mov", {}), ("film.webm", {"codec": "libvpx-vp9"})]


def metadata_of(path):
    with av.open(str(path)) as container:
        return {key.lower(): value for key, value in container.metadata.items()}


@pytest.mark.parametrize(("name", "properties"), KINDS)
def test_a_copy_carries_the_workflow_and_the_same_film(film_of, tmp_path, name, properties):
    source = film_of(name, sound="libopus" if name.endswith("webm") else "aac", rotation=0, **properties)
    target = tmp_path / f"copy{source.suffix}"
    remux(source, target, METADATA)
    assert metadata_of(target).items() >= METADATA.items()
    assert np.array_equal(read_frames(source), read_frames(target))
    assert np.array_equal(read_audio(source, silent_seconds=1)[0], read_audio(target, silent_seconds=1)[0])
    assert probe(target).frame_count == probe(source).frame_count
    assert probe(target).seconds == pytest.approx(probe(source).seconds, abs=0.0011)


def test_a_copy_keeps_what_the_film_says_of_itself(film_of, tmp_path):
    remux(film_of(rotation=90), tmp_path / "once.mp4", {"comment": "first", "prompt": "a"})
    remux(tmp_path / "once.mp4", tmp_path / "twice.mp4", {"prompt": "b"})
    assert metadata_of(tmp_path / "twice.mp4").items() >= {"comment": "first", "prompt": "b"}.items()
    assert probe(tmp_path / "twice.mp4").rotation == 90


def test_an_mp4_copy_can_be_played_before_it_is_loaded(film_of, tmp_path):
    remux(film_of(), tmp_path / "copy.mp4", METADATA)
    content = (tmp_path / "copy.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_a_film_that_cannot_be_remuxed_is_copied_byte_for_byte(film_of, tmp_path, caplog):
    source = film_of("film.webm", codec="libvpx")
    remux(source, tmp_path / "copy.mp4", METADATA)
    assert (tmp_path / "copy.mp4").read_bytes() == source.read_bytes()
    assert "saved without the workflow" in caplog.text


def test_a_copy_that_fails_leaves_nothing_behind(film_of, tmp_path, monkeypatch):
    source = film_of()
    before = sorted(tmp_path.iterdir())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packets.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        remux(source, tmp_path / "copy.mp4", METADATA)
    assert sorted(tmp_path.iterdir()) == before


def test_the_same_film_in_another_copy_has_the_same_hash(film_of, tmp_path):
    source = film_of(sound="aac")
    remux(source, tmp_path / "copy.mp4", METADATA)
    remux(source, tmp_path / "copy.mov", {})
    assert hash_film(source) == hash_film(tmp_path / "copy.mp4") == hash_film(tmp_path / "copy.mov")
    assert hash_film(io.BytesIO(source.read_bytes())) == hash_film(source)


@pytest.mark.parametrize(
    "change",
    [
        {"frames": 11},
        {"rate": 25},
        {"sound": "aac"},
        {"options": {"crf": "30"}},
        {"rotation": 90},
        {"tagged": False},
        {"colour_range": 2},
    ],
)
def test_another_film_has_another_hash(film_of, change):
    assert hash_film(film_of("one.mp4")) != hash_film(film_of("other.mp4", **change))


def test_only_films_and_sounds_have_a_hash(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"no film at all")
    with pytest.raises(FilmError, match="incomplete or damaged"):
        hash_film(path)
