"""Pictures: encoded, reduced, and warned of."""

from __future__ import annotations

import gc
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from kling.nodes.runware import media
from kling.nodes.runware.media import Picture, encode, picture_warnings, reduce
from PIL import Image


def noise(height=40, width=60, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def decoded(picture):
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB"))


@pytest.mark.parametrize("encoding", ["png", "webp"])
@settings(max_examples=25, deadline=None)
@given(pixels=hnp.arrays(np.uint8, st.tuples(st.integers(1, 33), st.integers(1, 33), st.just(3))))
def test_png_and_webp_are_exact(encoding, pixels):
    picture = encode(pixels, encoding=encoding)
    assert np.array_equal(decoded(picture), pixels)
    assert (picture.height, picture.width) == pixels.shape[:2]


def test_jpeg_keeps_full_colour_resolution():
    picture = encode(noise(), encoding="jpeg")
    image = Image.open(io.BytesIO(picture.data))
    assert (image.format, [layer[1:3] for layer in image.layer]) == ("JPEG", [(1, 1)] * 3)
    assert picture.mime_type == "image/jpeg"


def test_identity_is_the_pixels_whatever_the_encoding():
    pixels = noise()
    identities = {encode(pixels, encoding=encoding).identity for encoding in ("png", "jpeg", "webp")}
    assert len(identities) == 1
    assert encode(np.asfortranarray(pixels)).identity in identities
    assert identities.pop().startswith("sha256:")


def test_identity_of_a_known_picture_stays_for_ever():
    """A change here would make every purchase ever made a different one."""
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    assert encode(pixels).identity == "sha256:" + media.hashlib.sha256(b"rgb8 3x2\n" + bytes(range(18))).hexdigest()


def test_the_same_bytes_in_another_size_are_another_picture():
    pixels = noise(4, 6)
    assert encode(pixels).identity != encode(pixels.reshape(6, 4, 3)).identity


def test_a_picture_used_twice_is_encoded_once():
    first = encode(noise(seed=2))
    assert encode(noise(seed=2)) is first


def test_an_encoded_picture_nobody_uses_is_forgotten():
    gc.collect()
    others = set(media._encoded)
    encode(noise(seed=3))
    gc.collect()
    assert set(media._encoded) <= others


def test_a_picture_wanted_by_many_threads_at_once_is_encoded_once(monkeypatch):
    compress, calls, gate = media._compress, [], threading.Barrier(8)
    monkeypatch.setattr(media, "_compress", lambda *a: calls.append(a) or compress(*a))

    def work(_):
        gate.wait(10)
        return encode(noise(300, 300, seed=4))

    with ThreadPoolExecutor(8) as threads:
        pictures = list(threads.map(work, range(8)))
    assert len({id(picture) for picture in pictures}) == 1
    assert len(calls) == 1


def test_a_failed_encoding_is_told_and_not_remembered(monkeypatch):
    def fail(*_):
        raise MemoryError

    pixels = noise(seed=5)
    with monkeypatch.context() as patch:
        patch.setattr(media, "_compress", fail)
        with pytest.raises(MemoryError):
            encode(pixels)
    assert np.array_equal(decoded(encode(pixels)), pixels)


@pytest.mark.parametrize(
    ("size", "most", "expected"),
    [
        ((3000, 4000), 2048, (1536, 2048)),
        ((4000, 3000), 2048, (2048, 1536)),
        ((2048, 2048), 2048, (2048, 2048)),
        ((10, 4000), 100, (1, 100)),
        ((600, 900), 0, (600, 900)),
    ],
)
def test_a_picture_is_reduced_to_its_longer_side(size, most, expected):
    assert reduce(np.zeros((*size, 3), np.uint8), most).shape == (*expected, 3)


def test_a_picture_that_fits_is_not_copied():
    pixels = noise()
    assert reduce(pixels, 2048) is pixels


def picture(width, height, size=1000):
    return Picture("0" * 64, width, height, "image/png", bytes(size))


@pytest.mark.parametrize(
    ("given_picture", "words"),
    [
        (picture(300, 300), []),
        (picture(299, 300), ["under 300"]),
        (picture(2048, 2048), []),
        (picture(2049, 2048), ["over 2048"]),
        (picture(1000, 400), []),
        (picture(1001, 400), ["2.5 times"]),
        (picture(400, 1001), ["2.5 times"]),
        (picture(500, 500, 20_000_000), []),
        (picture(500, 500, 20_000_001), ["20.0 MB"]),
        (picture(3000, 100), ["under 300", "over 2048", "2.5 times"]),
    ],
)
def test_pictures_beyond_the_known_limits_are_warned_about(given_picture, words):
    warnings = picture_warnings(given_picture)
    assert len(warnings) == len(words)
    assert all(word in warning for word, warning in zip(words, warnings, strict=True))
