"""The frame with which the next clip begins: the same pixels after an update of whatever decodes films."""

import numpy as np
import pytest
from kling.nodes import last_frame
from kling.nodes.runware.media import encode

SHAPE = (1, 36, 64, 3)
FILM, OTHER = "a" * 64, "b" * 64


def frame(seed, levels=255):
    values = np.random.default_rng(seed).integers(0, levels + 1, SHAPE)
    made = np.empty(SHAPE, np.float32)
    return np.divide(values, np.float32(levels), out=made, casting="unsafe")


def picture(given):
    """What a request that begins with this frame is known by."""
    return encode(np.rint(given[0] * 255).astype(np.uint8)).identity


def test_a_clip_begins_with_the_same_picture_after_another_decoder(tmp_path):
    folder = tmp_path / "frames"
    first = last_frame.as_given_first(folder, FILM, frame(1))
    again = last_frame.as_given_first(folder, FILM, frame(2))
    assert picture(again) == picture(first) == picture(frame(1))
    assert again.dtype == np.float32
    assert np.array_equal(again, frame(1))


def test_the_frame_of_another_film_is_its_own(tmp_path):
    last_frame.as_given_first(tmp_path, FILM, frame(1))
    assert np.array_equal(last_frame.as_given_first(tmp_path, OTHER, frame(2)), frame(2))


@pytest.mark.parametrize("film", [None, "", "../" + "a" * 61, "A" * 64])
def test_a_film_without_a_hash_has_no_frame_kept_for_another_one(tmp_path, film):
    for number in (1, 2):
        assert np.array_equal(last_frame.as_given_first(tmp_path, film, frame(number)), frame(number))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"no picture", None])
def test_what_cannot_be_read_is_made_anew(tmp_path, damage):
    path = tmp_path / f"{FILM}.png"
    last_frame.as_given_first(tmp_path, FILM, frame(1))
    path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    assert np.array_equal(last_frame.as_given_first(tmp_path, FILM, frame(2)), frame(2))
    assert np.array_equal(last_frame.as_given_first(tmp_path, FILM, frame(3)), frame(2))


def test_a_picture_of_another_size_is_not_given(tmp_path):
    last_frame.as_given_first(tmp_path, FILM, frame(1)[:, :20])
    assert np.array_equal(last_frame.as_given_first(tmp_path, FILM, frame(2)), frame(2))


def test_more_than_eight_bits_are_given_as_they_are(tmp_path):
    path = tmp_path / f"{FILM}.png"
    assert np.array_equal(last_frame.as_given_first(tmp_path, FILM, frame(1, 65_535)), frame(1, 65_535))
    assert not path.exists()


def test_what_cannot_be_kept_is_given_all_the_same(tmp_path):
    (tmp_path / "frames").write_bytes(b"a file in the place of the folder")
    assert np.array_equal(last_frame.as_given_first(tmp_path / "frames", FILM, frame(1)), frame(1))
