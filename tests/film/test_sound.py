"""The sound of a film."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from kling.nodes.film import FilmError, read_audio


@pytest.mark.parametrize(
    ("name", "properties"),
    [
        ("a.mp4", {"sound": "aac"}),
        ("b.mov", {"sound": "pcm_s16le"}),
        ("c.webm", {"codec": "libvpx-vp9", "sound": "libopus"}),
        ("d.mp4", {"sound": "aac", "sound_rate": 44_100}),
    ],
)
def test_sound_has_exactly_the_samples_that_were_put_in(film_of, name, properties):
    rate = properties.get("sound_rate", 48_000)
    samples, sample_rate = read_audio(film_of(name, frames=24, **properties), silent_seconds=9)
    assert sample_rate == rate
    assert samples.shape == (2, rate)
    assert samples.dtype == np.float32


def test_uncompressed_sound_is_given_back_as_it_was(film_of):
    samples, rate = read_audio(film_of("film.mov", frames=24, sound="pcm_s16le"), silent_seconds=9)
    time = np.arange(rate) / rate
    assert np.abs(samples[0] - 0.4 * np.sin(2 * np.pi * 440 * time)).max() < 1e-4
    assert np.abs(samples[1] - 0.3 * np.sin(2 * np.pi * 660 * time)).max() < 1e-4


@pytest.mark.parametrize("seconds", [0.25, 2.0])
def test_sound_shorter_or_longer_than_the_film_keeps_its_own_length(film_of, seconds):
    samples, rate = read_audio(film_of(frames=24, sound="aac", sound_seconds=seconds), silent_seconds=9)
    assert samples.shape == (2, round(seconds * rate))


def test_a_film_without_sound_gives_silence_of_its_length(film_of):
    samples, rate = read_audio(film_of(), silent_seconds=1.5)
    assert (samples.shape, rate) == ((2, 66_150), 44_100)
    assert not samples.any()


def test_of_a_film_that_claims_to_last_for_days_no_days_of_silence_are_made(film_of):
    samples, rate = read_audio(film_of(), silent_seconds=200_000.0)
    assert samples.shape == (2, 300 * rate)


@pytest.mark.parametrize(
    ("codec", "form", "layout", "channels"),
    [
        ("aac", "fltp", "7.1", 8),
        ("pcm_s16le", "s16", "6.1", 7),
        ("pcm_s16le", "s16", "7.1", 8),
        ("pcm_s16le", "s16", "hexadecagonal", 16),
    ],
)
def test_many_channels_are_given_one_by_one(tmp_path, codec, form, layout, channels):
    """In another process: PyAV crashes where eight planes of a frame are looked at."""
    path = tmp_path / "film.mov"
    levels = np.linspace(-0.5, 0.5, channels)
    packed = np.rint(np.tile(levels, 48_000) * 32_767).astype(np.int16)[None]
    with av.open(str(path), "w") as film:
        track = film.add_stream(codec, rate=48_000, layout=layout)
        frame = av.AudioFrame.from_ndarray(packed, "s16", layout)
        frame.sample_rate, frame.pts = 48_000, 0
        resampler = av.AudioResampler(form, layout, 48_000, frame_size=track.codec_context.frame_size or 1_024)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            film.mux(track.encode(part))
        film.mux(track.encode(None))
    command = [sys.executable, "-c", READ, str(Path(__file__).resolve().parents[1]), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    shape, rate, means = json.loads(done.stdout)
    assert (shape, rate) == ([channels, 48_000], 48_000)
    if codec == "pcm_s16le":  # AAC leaves out what cannot be heard, as these levels
        assert means == pytest.approx(list(levels), abs=1e-3)


READ = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import conftest
from kling.nodes.film import read_audio
samples, rate = read_audio(Path(sys.argv[2]), silent_seconds=9)
print(json.dumps([samples.shape, rate, samples.mean(axis=1).tolist()]))
"""


def flac(rate, layout):
    """Code three blocks of silence; each says its own rate and channels."""
    coder = av.CodecContext.create("flac", "w")
    coder.sample_rate, coder.layout, coder.format = rate, layout, "s16"
    frame = av.AudioFrame(format="s16", layout=layout, samples=4_608)
    frame.planes[0].update(bytes(frame.planes[0].buffer_size))
    frame.sample_rate = rate
    return [bytes(packet) for _ in range(3) for packet in coder.encode(frame)]


@pytest.mark.parametrize("then", [(44_100, "stereo"), (48_000, "mono")])
def test_sound_that_changes_its_form_on_the_way_is_told_in_a_sentence(tmp_path, then):
    """In whole numbers, which are converted: what converts them is set up for one form."""
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as film:
        track = film.add_stream("flac", rate=48_000, layout="stereo")
        for number, data in enumerate([*flac(48_000, "stereo"), *flac(*then)]):
            packet = av.Packet(data)
            packet.stream, packet.time_base = track, Fraction(4_608, 48_000)
            packet.pts = packet.dts = number
            film.mux(packet)
    with pytest.raises(FilmError, match="changes its channels or its rate"):
        read_audio(path, silent_seconds=1)


def test_a_damaged_file_is_told_in_a_sentence(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(bytes(100))
    with pytest.raises(FilmError, match="incomplete or damaged"):
        read_audio(path, silent_seconds=1)
