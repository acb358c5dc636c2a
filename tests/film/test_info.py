"""What a film says of itself."""

from __future__ import annotations

from fractions import Fraction

import pytest
from kling.nodes.film import FilmError, info, probe, read_frames


def test_a_film_tells_its_size_rate_and_length(film_of):
    info = probe(film_of(frames=36, width=160, height=90, rate=30, sound="aac"))
    assert (info.width, info.height, info.frame_count, info.seconds) == (160, 90, 36, 1.2)
    assert info.frame_rate == Fraction(30)
    assert (info.codec, info.rotation) == ("h264", 0)
    assert (info.has_audio, info.sample_rate, info.channels) == (True, 48_000, 2)


def test_a_film_without_sound_says_so(film_of):
    info = probe(film_of())
    assert (info.has_audio, info.sample_rate, info.channels) == (False, 0, 0)


@pytest.mark.parametrize(("name", "codec"), [("a.webm", "libvpx-vp9"), ("b.webm", "libvpx"), ("c.mov", "libx264")])
def test_frames_are_counted_whatever_the_container(film_of, name, codec):
    # WEBM declares no count; a VP8 track has packets that show nothing.
    info = probe(film_of(name, frames=40, codec=codec, options={"auto-alt-ref": "1"} if codec == "libvpx" else {}))
    assert info.frame_count == 40
    assert info.frame_rate == Fraction(24)
    assert info.seconds == pytest.approx(40 / 24, abs=0.001)


def test_a_varying_rate_is_told_as_its_mean(film_of):
    info = probe(film_of(frames=4, times=[0, 40, 500, 1000], options={"bf": "0"}))
    assert info.frame_count == 4
    assert 3 < info.frame_rate < 4


@pytest.mark.parametrize(("turned", "rotation"), [(90, 90), (180, 180), (-90, 270)])
def test_a_turned_film_has_the_size_a_player_shows(film_of, turned, rotation):
    info = probe(film_of(rotation=turned, width=128, height=96))
    assert info.rotation == rotation
    assert (info.width, info.height) == ((128, 96) if rotation == 180 else (96, 128))


@pytest.mark.parametrize("content", [b"", b"<html><body>404 Not Found</body></html>", bytes(5000)])
def test_what_is_no_film_is_told_in_a_sentence(tmp_path, content):
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(FilmError, match=r"film\.mp4 cannot be read as a film .*incomplete or damaged"):
        probe(path)


def test_a_film_of_one_frame_that_lasts_no_time_is_told_in_a_sentence(film_of):
    path = film_of(frames=1)
    data = bytearray(path.read_bytes())
    for box, place in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20), (b"stts", 16)):  # where each says how long it is
        begin = data.index(box) + place
        data[begin : begin + 4] = bytes(4)
    path.write_bytes(data)
    with pytest.raises(FilmError, match=r"film\.mp4 says neither how long it is nor its rate"):
        probe(path)


def test_a_file_with_sound_alone_is_no_film(tmp_path):
    import wave

    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    with pytest.raises(FilmError, match="has no pictures"):
        probe(path)


def test_an_absurd_size_is_refused_before_decoding(film_of):
    path = film_of(width=4112, height=16, frames=1)
    with pytest.raises(FilmError, match="says it is 4112x16 pixels, and at most 4096 a side"):
        probe(path)


def test_a_missing_file_is_told_in_a_sentence(tmp_path):
    with pytest.raises(FilmError, match="cannot be read as a film"):
        probe(tmp_path / "gone.mp4")


def test_a_film_that_has_not_changed_is_not_read_again(film_of, monkeypatch):
    path = film_of(frames=3)
    first = probe(path)
    opened = info.opened
    asked = []
    monkeypatch.setattr(info, "opened", lambda file: asked.append(file) or opened(file))
    assert probe(path) == first
    assert asked == []
    film_of("other.mp4", frames=5).replace(path)
    assert probe(path).frame_count == 5


@pytest.mark.parametrize("tag", ["00:00:nan", "00:00:inf", "00:00:1e308", "99:00:00", "-9:00:00", "9" * 18])
def test_a_length_that_cannot_be_meant_is_as_good_as_none(film_of, tag):
    path = film_of("film.webm", codec="libvpx")
    path.write_bytes(path.read_bytes().replace(b"00:00:00.500000000", tag.encode().ljust(18, b"\0")))
    found = probe(path)
    assert found.seconds == 0.5
    assert len(read_frames(path)) == 12
