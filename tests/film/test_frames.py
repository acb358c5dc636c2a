"""Film to frames: every frame, its right colours, and no more work than was asked for."""

from __future__ import annotations

import itertools
import os
import threading

import av
import numpy as np
import pytest
from kling.nodes.film import (
    FilmError,
    ensure_memory,
    frames,
    info,
    memory,
    read_frames,
    read_frames_and_last,
    read_last_frame,
    select,
    turn,
)
from kling.nodes.film.decode import Reel

LIMITED, FULL = 1, 2
BT709, BT601 = 1, 6
LUMA = {BT709: (0.2126, 0.0722), BT601: (0.299, 0.114)}
"""Weights of red and blue."""

LEAST = 50 if int(av.__version__.split(".")[0]) >= 17 else 45
"""Decibels. PyAV before 17 does not tell swscale where the chroma samples of a film lie."""


def reference(path, matrix, colour_range, bits=8):
    """Convert the first frame in float64: bicubic chroma (a = -0.6), sited left as H.264 has it. [height, width, 3]."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    dtype = np.uint8 if bits == 8 else np.dtype("<u2")
    y, u, v = (
        np.frombuffer(memoryview(plane), dtype).reshape(plane.height, -1)[:, : plane.width] / 2.0 ** (bits - 8)
        for plane in frame.planes
    )
    size = (frame.height, frame.width)
    if u.shape != size:
        u, v = (_stretch(_stretch(plane, size[0], -0.5, 0), size[1], 0.0, 1) for plane in (u, v))
    if colour_range == LIMITED:
        y, u, v = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    else:
        y, u, v = y / 255, (u - 128) / 255, (v - 128) / 255
    red_weight, blue_weight = LUMA[matrix]
    red, blue = y + 2 * (1 - red_weight) * v, y + 2 * (1 - blue_weight) * u
    green = (y - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 1)


def _stretch(plane, length, offset, axis):
    position = (np.arange(length) + offset) / 2
    first = np.floor(position).astype(int)
    stretched = 0.0
    for tap in range(-1, 3):
        weight = _cubic(np.abs(first + tap - position))
        samples = np.take(plane, np.clip(first + tap, 0, plane.shape[axis] - 1), axis=axis)
        stretched = stretched + samples * (weight[:, None] if axis == 0 else weight)
    return stretched


def _cubic(x, a=-0.6):
    near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def decibels(picture, truth):
    return -10 * np.log10(np.mean((picture.astype(np.float64) - truth) ** 2))


def test_frames_are_one_contiguous_float_array_in_0_to_1(film_of):
    film = read_frames(film_of(frames=12, width=128, height=96))
    assert film.shape == (12, 96, 128, 3)
    assert film.dtype == np.float32
    assert film.flags.c_contiguous
    assert film.min() >= 0
    assert film.max() <= 1


@pytest.mark.parametrize(
    ("properties", "matrix", "colour_range"),
    [
        ({"matrix": BT709}, BT709, LIMITED),
        ({"matrix": BT601}, BT601, LIMITED),
        ({"matrix": BT709, "colour_range": FULL}, BT709, FULL),
        ({"tagged": False, "matrix": BT601}, BT601, LIMITED),
        ({"tagged": False, "width": 1280, "height": 720, "frames": 1}, BT709, LIMITED),
        ({"tagged": False, "width": 720, "height": 1280, "frames": 1}, BT709, LIMITED),
        ({"width": 127, "height": 95, "pixel_format": "yuv444p"}, BT709, LIMITED),
    ],
)
def test_colours_are_within_50_dB_of_a_float64_reference(film_of, properties, matrix, colour_range):  # noqa: N802
    path = film_of(options={"crf": "10"}, **properties)
    assert decibels(read_frames(path)[0], reference(path, matrix, colour_range)) >= LEAST


def test_ten_bits_are_within_50_dB_of_a_float64_reference(film_of):  # noqa: N802
    path = film_of(pixel_format="yuv420p10le")
    film = read_frames(path)
    assert decibels(film[0], reference(path, BT709, LIMITED, bits=10)) >= LEAST
    assert len(np.unique(film)) > 256


@pytest.mark.parametrize(("turned", "quarters"), [(90, 1), (180, 2), (-90, 3)])
def test_a_turned_film_gives_turned_frames(film_of, turned, quarters):
    upright, turned_frames = read_frames(film_of("a.mp4")), read_frames(film_of("b.mp4", rotation=turned))
    assert np.array_equal(turned_frames, np.rot90(upright, quarters, axes=(1, 2)))


FILMS = {
    "H.264 with B-frames": ("a.mp4", {"options": {"bf": "3", "g": "250"}}),
    "several key frames": ("b.mp4", {"options": {"x264-params": "keyint=9:min-keyint=9:bframes=3:b-pyramid=normal"}}),
    "open groups": ("c.mp4", {"options": {"x264-params": "keyint=9:min-keyint=9:open-gop=1:bframes=3"}}),
    "VP9": ("d.webm", {"codec": "libvpx-vp9", "sound": "libopus"}),
    "VP8": ("e.webm", {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16"}}),
    "MOV": ("f.mov", {"sound": "pcm_s16le"}),
    "HEVC": ("g.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=10:bframes=4"}}),
    "varying rate": ("h.mp4", {"times": [number * 40 + (number % 3) * 9 for number in range(40)]}),
}


@pytest.mark.parametrize("kind", FILMS)
def test_chosen_frames_are_those_of_the_whole_film(film_of, kind):
    name, properties = FILMS[kind]
    path = film_of(name, frames=40, **properties)
    film = read_frames(path)
    assert len(film) == 40
    # Every frame differs from the one before: none came out twice.
    assert all(not np.array_equal(one, other) for one, other in itertools.pairwise(film))
    for skip, nth, cap in [
        (0, 1, 3),
        (39, 1, 0),
        (17, 1, 0),
        (5, 7, 0),
        (0, 13, 2),
        (10, 2, 5),
        (25, 30, 0),
        (0, 40, 0),
    ]:
        part = read_frames(path, skip_first_frames=skip, select_every_nth=nth, frame_load_cap=cap)
        assert np.array_equal(part, film[skip::nth][: cap or None]), (skip, nth, cap)
    assert np.array_equal(read_last_frame(path), film[-1:])


@pytest.mark.parametrize(
    "choice", [{}, {"frame_load_cap": 2}, {"select_every_nth": 11}, {"select_every_nth": 3}, {"skip_first_frames": 11}]
)
def test_chosen_frames_and_the_last_one_come_in_one_pass(film_of, choice):
    path = film_of(frames=12)
    chosen, last = read_frames_and_last(path, **choice)
    assert np.array_equal(chosen, read_frames(path, **choice))
    assert np.array_equal(last, read_last_frame(path))
    assert not np.shares_memory(chosen, last)


def test_frames_after_the_last_wanted_one_are_not_decoded(film_of):
    path = film_of(frames=40, options={"bf": "0"})
    asked = itertools.count()
    read_frames(path, frame_load_cap=1)
    with info.opened(path) as container:
        reel = Reel.read(container, info.picture_track(container, path), most=40)
        decoded = list(reel._decoded({reel.times[0]}, lambda: next(asked) < 0))
    assert len(decoded) == 1


def test_skipping_past_the_end_is_told_in_a_sentence(film_of):
    with pytest.raises(FilmError, match="skip_first_frames is 12 and the film has 12 frames, so none is left"):
        read_frames(film_of(frames=12), skip_first_frames=12)


def test_a_choice_can_be_counted_without_a_film():
    assert list(select(10, 1, 3, 2)) == [1, 4]
    assert len(select(450)) == 450


def cut(path, keep):
    """Leave only the first `keep` bytes."""
    with path.open("r+b") as file:
        file.truncate(keep)


def positions(path):
    with av.open(str(path)) as container:
        return sorted(packet.pos + packet.size for packet in container.demux(video=0) if packet.size)


def test_a_film_cut_off_exactly_behind_a_packet_is_told_in_a_sentence(film_of):
    path = film_of(frames=24, container_options={"movflags": "faststart"})
    cut(path, positions(path)[17])
    with pytest.raises(FilmError, match=r"cut off|incomplete"):
        read_frames(path)


def test_a_film_cut_off_inside_a_packet_is_told_in_a_sentence(film_of):
    path = film_of(frames=24, container_options={"movflags": "faststart"})
    cut(path, positions(path)[17] - 5)
    with pytest.raises(FilmError, match=r"cut off|incomplete"):
        read_frames(path)


def test_a_webm_that_ends_before_its_own_length_is_told_in_a_sentence(film_of):
    path = film_of("film.webm", codec="libvpx-vp9", frames=48, options={"g": "12"})
    cut(path, positions(path)[30])
    with pytest.raises(FilmError, match=r"cut off|incomplete"):
        read_frames(path)


def test_frames_that_do_not_fit_are_refused_before_they_are_allocated(film_of, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: memory.SPARE_BYTES + 12 * 96 * 128 * 3 * 4 - 1)
    path = film_of(frames=12, width=128, height=96)
    with pytest.raises(FilmError, match=r"12 frames of 128x96 need 0\.0 GB of memory"):
        read_frames(path)
    assert len(read_frames(path, frame_load_cap=11)) == 11


def test_one_at_a_time_asks_for_free_memory_and_fills_it():
    inside, leave, order = threading.Event(), threading.Event(), []

    def first():
        with turn(lambda: False):
            inside.set()
            leave.wait(30)
            order.append("first")

    def second():
        with turn(lambda: False):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(30)
    threads[1].start()
    with pytest.raises(FilmError, match="cancelled"), turn(lambda: True):
        order.append("who was cancelled")
    leave.set()
    for thread in threads:
        thread.join(30)
    assert order == ["first", "second"]


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 50000\n")
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    assert memory.available_memory() == 150_000
    with pytest.raises(FilmError, match="Set load_frames to none"):
        ensure_memory(1, 16, 16)


def test_a_container_without_a_limit_leaves_the_systems_memory(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    assert (memory.available_memory() or 2**40) > 2**20


def test_too_many_frames_are_refused(film_of, monkeypatch):
    monkeypatch.setattr(frames, "MOST_FRAMES", 11)
    with pytest.raises(FilmError, match="12 frames or more, and at most 11"):
        read_frames(film_of(frames=12))


def test_no_more_packets_are_kept_than_frames_could_be_decoded(film_of, monkeypatch):
    kept = []
    monkeypatch.setattr(frames, "MOST_FRAMES", 5)
    read = Reel.read
    monkeypatch.setattr(Reel, "read", lambda *each: kept.append(read(*each)) or kept[-1])
    with pytest.raises(FilmError, match="at most 5"):
        read_frames(film_of(frames=100))
    assert len(kept[0].packets) == 11


def test_cancel_is_obeyed_at_the_next_frame_and_leaves_no_thread(film_of):
    path = film_of(frames=40)
    asked = itertools.count()
    with pytest.raises(FilmError, match="cancelled"):
        read_frames(path, cancelled=lambda: next(asked) == 15)
    assert next(asked) == 16
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("kling-frames")]


def test_reading_leaves_no_file_open(film_of):
    path = film_of()
    read_frames(path)
    read_last_frame(path)
    folder = "/proc/self/fd"
    if os.path.isdir(folder):  # noqa: PTH112  a folder of the system
        names = [os.path.realpath(f"{folder}/{number}") for number in os.listdir(folder)]  # noqa: PTH208
        assert str(path) not in names
    path.unlink()
    assert not path.exists()
