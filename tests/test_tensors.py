"""Values of the graph, to and from arrays and files."""

from __future__ import annotations

import sys
import types
import wave
from enum import Enum
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from kling.nodes import film, tensors
from kling.nodes.runware.errors import InputError, StorageError

AT = {"node": "KlingFrameImages", "field": "first_frame"}


def image(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def expected(values):
    """Round as numpy does, half to even."""
    return np.rint(np.clip(np.asarray(values, np.float32), 0, 1) * np.float32(255)).astype(np.uint8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_every_float_type_is_rounded_not_cut_off(dtype):
    picture = image(1, 37, 53, 3).to(dtype)
    pixels = tensors.one_picture(picture, **AT)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert np.array_equal(pixels, expected(picture[0].float()))


def test_bytes_stay_as_they_are():
    picture = torch.arange(24, dtype=torch.uint8).reshape(1, 2, 4, 3)
    assert np.array_equal(tensors.one_picture(picture, **AT), picture[0].numpy())


def test_every_byte_value_survives():
    levels = torch.arange(256, dtype=torch.float32).reshape(1, 16, 16, 1) / 255
    assert np.array_equal(tensors.one_picture(levels, **AT)[..., 0].ravel(), np.arange(256))


def test_values_outside_0_to_1_are_clamped():
    picture = torch.tensor([-1e9, -0.004, -0.0, 1.0, 1.004, 1.6]).reshape(1, 1, 2, 3)
    assert tensors.one_picture(picture, **AT).ravel().tolist() == [0, 0, 0, 255, 255, 255]


def test_a_picture_larger_than_a_band_is_whole():
    picture = image(1, 700, 401, 3)
    picture[0, 650, 7, 1] = 1.3
    assert np.array_equal(tensors.one_picture(picture, **AT), expected(picture[0]))


def test_a_very_wide_picture_is_whole():
    picture = image(1, 3, 16_000, 3)
    assert np.array_equal(tensors.one_picture(picture, **AT), expected(picture[0]))


def test_planes_slices_and_gradients_do_not_matter():
    base = image(2, 3, 64, 96)
    views = [base.permute(0, 2, 3, 1)[1:], image(1, 64, 192, 3)[:, :, ::2], image(1, 64, 96, 3).requires_grad_()]
    for view in views:
        assert np.array_equal(tensors.one_picture(view, **AT), expected(view[0].detach()))


def test_the_graphs_own_values_are_not_changed():
    picture = image(1, 8, 8, 3) * 2 - 0.5
    before = picture.clone()
    tensors.one_picture(picture, **AT)
    assert torch.equal(picture, before)


def test_a_picture_without_a_batch_is_taken():
    picture = image(5, 7, 3)
    assert np.array_equal(tensors.one_picture(picture, **AT), expected(picture))


def test_grey_becomes_rgb():
    pixels = tensors.one_picture(image(1, 5, 7, 1), **AT)
    assert pixels.shape == (5, 7, 3)
    assert np.array_equal(pixels[..., 0], pixels[..., 2])


def test_alpha_is_composited_on_black():
    picture = torch.tensor([[1.0, 0.5, 0.2, 1.0], [1.0, 0.5, 0.2, 0.5], [1.0, 0.5, 0.2, 0.0]]).reshape(1, 1, 3, 4)
    assert tensors.one_picture(picture, **AT)[0].tolist() == [[255, 128, 51], [128, 64, 26], [0, 0, 0]]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_no_numbers_are_counted_and_placed(wrong):
    picture = image(1, 400, 300, 3)
    picture[0, 390, 17, 2] = picture[0, 391, 5, 0] = wrong
    with pytest.raises(InputError, match=r"2 of its values are not numbers .* first in row 390, column 17"):
        tensors.one_picture(picture, **AT)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (image(2, 8, 8, 3), "batch of 2 pictures, and one is wanted.*ImageFromBatch"),
        (image(0, 8, 8, 3), "it is empty"),
        (image(1, 0, 8, 3), "it is empty"),
        (image(1, 8, 0, 3), "it is empty"),
        (image(1, 8, 8, 2), "2 channels"),
        (image(1, 8, 8, 5), "5 channels"),
        (image(1, 3, 8, 8), "channels seem to come first"),
        (image(1, 8, 8), "MaskToImage"),
        (image(8, 8), "not a picture of shape"),
        (None, "not a picture of shape"),
        ("picture", "not a picture of shape"),
        (image(1, 8, 8, 3) * 255, "as if they were bytes.*Divide them by 255"),
        (torch.zeros(1, 8, 8, 3, dtype=torch.int64), "its values are torch.int64"),
        (torch.zeros(1, 1, 1, 3).expand(1, 9000, 9000, 3), "too large"),
        (torch.zeros(1, 1, 1, 3).expand(1, 2, 20_000, 3), "too large"),
    ],
)
def test_what_is_no_single_picture_names_node_field_and_reason(value, words):
    with pytest.raises(InputError, match=words) as caught:
        tensors.one_picture(value, **AT)
    assert (caught.value.node, caught.value.field) == ("KlingFrameImages", "first_frame")


def test_a_batch_gives_every_picture():
    batch = image(3, 8, 9, 3)
    pixels = [make() for make in tensors.pictures(batch, **AT, most=3)]
    assert [np.array_equal(one, expected(picture)) for one, picture in zip(pixels, batch, strict=True)] == [True] * 3


def test_too_large_a_batch_is_refused():
    with pytest.raises(InputError, match="batch of 4 pictures, and at most 3 are accepted"):
        tensors.pictures(image(4, 8, 8, 3), **AT, most=3)


def test_frames_and_sound_reach_the_graph_without_a_copy():
    frames, waveform = np.zeros((2, 4, 6, 3), np.float32), np.zeros((2, 100), np.float32)
    shown, audio = tensors.to_image(frames), tensors.to_audio(waveform, 48_000)
    frames[1, 2, 3, 0] = waveform[1, 50] = 0.5
    assert shown[1, 2, 3, 0] == 0.5
    assert audio["waveform"].shape == (1, 2, 100)
    assert audio["waveform"][0, 1, 50] == 0.5
    assert audio["sample_rate"] == 48_000


# Sound


def sound(channels=2, samples=48_000, rate=48_000, seed=0):
    waveform = torch.rand(1, channels, samples, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return {"waveform": waveform, "sample_rate": rate}


def test_sound_becomes_a_wav_file_of_16_bits(tmp_path):
    audio = sound(samples=24_000)
    clip = tensors.save_audio(audio, tmp_path / "new", node="KlingElement", field="voice")
    with wave.open(str(clip.path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 48_000)
        samples = np.frombuffer(file.readframes(24_000), "<i2").reshape(-1, 2)
    assert np.abs(samples / 32767 - audio["waveform"][0].numpy().T).max() < 2e-5
    assert (clip.kind, clip.seconds) == ("audio", 0.5)
    assert [path.name for path in clip.path.parent.iterdir()] == [clip.path.name]


def test_the_same_sound_is_the_same_file(tmp_path):
    one = tensors.save_audio(sound(), tmp_path, node="KlingElement", field="voice")
    again = tensors.save_audio(sound(), tmp_path, node="KlingElement", field="voice")
    other = tensors.save_audio(sound(seed=1), tmp_path, node="KlingElement", field="voice")
    slower = tensors.save_audio(sound(rate=44_100), tmp_path, node="KlingElement", field="voice")
    assert one == again
    assert len({one.identity, other.identity, slower.identity}) == 3


def test_too_loud_a_sound_is_clipped_not_wrapped(tmp_path):
    audio = {"waveform": torch.tensor([[[1.5, -1.5]]]), "sample_rate": 48_000}
    clip = tensors.save_audio(audio, tmp_path, node="KlingElement", field="voice")
    with wave.open(str(clip.path)) as file:
        assert np.frombuffer(file.readframes(2), "<i2").tolist() == [32767, -32767]


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        (None, "not audio"),
        ({}, "not audio"),
        ({"waveform": [1.0], "sample_rate": 48_000}, "not audio"),
        ({**sound(), "sample_rate": 0}, "sample rate is 0"),
        ({**sound(), "sample_rate": "fast"}, "sample rate is 'fast'"),
        (sound(samples=0), "lasts 0.0 s"),
        (sound(channels=9), "shape"),
        ({"waveform": torch.zeros(2, 1, 10), "sample_rate": 48_000}, "shape"),
        ({"waveform": torch.zeros(1, 10), "sample_rate": 48_000}, "shape"),
        ({"waveform": torch.full((1, 1, 10), float("nan")), "sample_rate": 48_000}, "not numbers"),
    ],
)
def test_what_is_no_sound_is_refused(tmp_path, audio, words):
    with pytest.raises(InputError, match=words) as caught:
        tensors.save_audio(audio, tmp_path, node="KlingElement", field="voice")
    assert (caught.value.node, caught.value.field) == ("KlingElement", "voice")


@pytest.mark.parametrize("folder", ["taken", "taken/temp"])
def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path, folder):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="cannot be written"):
        tensors.save_audio(sound(), tmp_path / folder, node="KlingElement", field="voice")


# Film: the host's two kinds of VIDEO, as far as the pack uses them


class Container(str, Enum):
    MP4 = "mp4"


class VideoFromComponents:
    def __init__(self, images, audio=None, frame_rate=Fraction(24)):
        self.components = types.SimpleNamespace(images=images, audio=audio, frame_rate=frame_rate)
        self.saves = 0

    def get_components(self):
        return self.components

    def save_to(self, path, format, quality="20"):  # noqa: A002  the host's name
        assert format == Container.MP4
        self.saves += 1
        with av.open(path, "w") as container:
            stream = container.add_stream("libx264", rate=self.components.frame_rate, options={"crf": quality})
            stream.height, stream.width = self.components.images.shape[1:3]
            stream.pix_fmt = "yuv420p"
            for picture in self.components.images:
                pixels = (picture * 255).round().clamp(0, 255).byte().numpy()
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
            container.mux(stream.encode(None))


class VideoFromFile:
    def __init__(self, source):
        self.source = source

    def get_stream_source(self):
        return self.source

    def save_to(self, path, format):  # noqa: A002  the host's name
        assert format == Container.MP4
        film.remux(tensors.Path(self.source), tensors.Path(path), {})


class TrimmedVideo(VideoFromFile):
    """A newer host's VideoFromFile."""

    window = (0.0, 0.0)
    edited = False

    def get_active_trim_window(self):
        return self.window

    def has_pending_frame_edits(self):
        return self.edited


@pytest.fixture
def host(monkeypatch):
    latest = types.ModuleType("comfy_api.latest")
    latest.Types = types.SimpleNamespace(VideoContainer=Container)
    latest.InputImpl = types.SimpleNamespace(VideoFromComponents=VideoFromComponents, VideoFromFile=VideoFromFile)
    monkeypatch.setitem(sys.modules, "comfy_api", types.ModuleType("comfy_api"))
    monkeypatch.setitem(sys.modules, "comfy_api.latest", latest)
    return latest.InputImpl


AT_VIDEO = {"node": "KlingGenerate", "field": "reference_video"}


def test_a_video_of_frames_is_named_by_what_is_seen_and_heard(host, tmp_path):
    frames = image(6, 64, 96, 3)
    video = VideoFromComponents(frames)
    clip = tensors.save_video(video, tmp_path, **AT_VIDEO)
    assert (clip.kind, clip.width, clip.height, clip.seconds) == ("video", 96, 64, 0.25)
    assert [path.name for path in tmp_path.iterdir()] == [clip.path.name]
    changed = frames.clone()
    changed[3, 5, 5, 1] = 1 - changed[3, 5, 5, 1].round()
    others = [
        VideoFromComponents(changed),
        VideoFromComponents(frames, frame_rate=Fraction(25)),
        VideoFromComponents(frames, audio=sound(samples=12_000)),
    ]
    identities = {tensors.save_video(other, tmp_path, **AT_VIDEO).identity for other in others}
    assert len(identities | {clip.identity}) == 4


def test_a_video_of_frames_is_encoded_once(host, tmp_path):
    video = VideoFromComponents(image(3, 64, 64, 3))
    assert tensors.save_video(video, tmp_path, **AT_VIDEO) == tensors.save_video(video, tmp_path, **AT_VIDEO)
    assert video.saves == 1


def test_another_encoder_makes_no_other_film(host, tmp_path, monkeypatch):
    video = VideoFromComponents(image(3, 64, 64, 3))
    one = tensors.save_video(video, tmp_path / "a", **AT_VIDEO)
    save = video.save_to
    monkeypatch.setattr(video, "save_to", lambda path, format: save(path, format, "40"))  # noqa: A006
    other = tensors.save_video(video, tmp_path / "b", **AT_VIDEO)
    assert one.path.read_bytes() != other.path.read_bytes()
    assert one.identity == other.identity


@pytest.fixture
def footage(host, tmp_path):
    path = tmp_path / "footage.mp4"
    VideoFromComponents(image(4, 64, 96, 3)).save_to(str(path), Container.MP4)
    return path


def test_a_video_of_a_file_is_named_by_its_packets(footage, tmp_path):
    clip = tensors.save_video(VideoFromFile(str(footage)), tmp_path / "out", **AT_VIDEO)
    copy = tmp_path / "copy.mp4"
    film.remux(footage, copy, {"comment": "another container"})
    again = tensors.save_video(VideoFromFile(str(copy)), tmp_path / "out", **AT_VIDEO)
    assert clip == again
    assert clip.sha256 == film.hash_film(footage)


def test_a_file_that_is_overwritten_while_it_is_read_is_never_taken_for_another(footage, tmp_path):
    """It would be uploaded, and remembered for days, under the name of what was there before."""
    other, out = tmp_path / "other.mp4", tmp_path / "out"
    VideoFromComponents(image(4, 64, 96, 3, seed=1)).save_to(str(other), Container.MP4)

    class Overwritten(VideoFromFile):
        def save_to(self, path, format):  # noqa: A002  the host's name
            other.replace(self.source)
            super().save_to(path, format)

    sys.modules["comfy_api.latest"].InputImpl.VideoFromFile = Overwritten
    with pytest.raises(InputError, match=r"its file was changed while it was read\. Run again\. Not billed\."):
        tensors.save_video(Overwritten(str(footage)), out, **AT_VIDEO)
    assert list(out.iterdir()) == []


def test_a_trim_is_another_film(host, footage, tmp_path, monkeypatch):
    monkeypatch.setattr(host, "VideoFromFile", TrimmedVideo)
    video = TrimmedVideo(str(footage))
    whole = tensors.save_video(video, tmp_path / "out", **AT_VIDEO)
    video.window = (0.5, 1.0)
    trimmed = tensors.save_video(video, tmp_path / "out", **AT_VIDEO)
    assert whole.identity == f"sha256:{film.hash_film(footage)}"
    assert trimmed.identity != whole.identity


def test_an_edited_file_is_named_by_what_was_saved(host, footage, tmp_path, monkeypatch):
    monkeypatch.setattr(host, "VideoFromFile", TrimmedVideo)
    video = TrimmedVideo(str(footage))
    video.edited = True
    edited = tmp_path / "edited.mp4"
    VideoFromComponents(image(2, 32, 32, 3)).save_to(str(edited), Container.MP4)
    monkeypatch.setattr(video, "source", str(edited))
    monkeypatch.setattr(video, "get_stream_source", lambda: str(footage))
    clip = tensors.save_video(video, tmp_path / "out", **AT_VIDEO)
    assert clip.sha256 == film.hash_film(edited)
    assert clip.path.name == f"kling_{clip.sha256}.mp4"


@pytest.mark.parametrize("value", [None, "film.mp4", 5])
def test_what_is_no_video_is_refused(host, tmp_path, value):
    with pytest.raises(InputError, match="it is not a video"):
        tensors.save_video(value, tmp_path, **AT_VIDEO)


def test_a_video_that_cannot_be_read_is_refused_and_leaves_nothing(host, tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"no film")
    with pytest.raises(InputError, match="cannot be read or written as MP4"):
        tensors.save_video(VideoFromFile(str(tmp_path / "film.mp4")), tmp_path / "out", **AT_VIDEO)
    assert not (tmp_path / "out").exists()


def test_a_video_that_cannot_be_encoded_leaves_nothing(host, tmp_path):
    with pytest.raises(InputError, match="even width and height"):
        tensors.save_video(VideoFromComponents(image(2, 33, 31, 3)), tmp_path, **AT_VIDEO)
    assert not list(tmp_path.iterdir())


def test_a_frame_of_a_video_that_is_no_number_is_refused(host, tmp_path):
    frames = image(2, 32, 32, 3)
    frames[1, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match="not numbers") as caught:
        tensors.save_video(VideoFromComponents(frames), tmp_path, **AT_VIDEO)
    assert caught.value.field == "reference_video"
