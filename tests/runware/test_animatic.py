"""The film of a rehearsal: right size, right seconds, right pictures at the right time."""

from __future__ import annotations

import base64
import io
import itertools
import time

import av
import numpy as np
import pytest
from kling.nodes.runware.animatic import lettering, render, storyboard, tones
from PIL import Image

UUID = "236ba4b9-e789-4ff4-8fa9-7ca57ab56210"


def uri(colour, size=(320, 180), mode="RGB"):
    held = io.BytesIO()
    Image.new(mode, size, colour).save(held, "PNG")
    return f"data:image/png;base64,{base64.b64encode(held.getvalue()).decode()}"


def task(**changes):
    made = {"taskUUID": UUID, "positivePrompt": "A lighthouse in a storm", "width": 320, "height": 320, "duration": 3}
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}


def framed(*pictures, **changes):
    return task(width=None, height=None, inputs={"frameImages": list(pictures)}, **changes)


def shots(*seconds):
    return [{"prompt": f"Shot of {each} seconds", "duration": each} for each in seconds]


def read(request):
    return storyboard.read(request, 0, rehearsal=True)


def watched(request, index=0, **options):
    """Give the streams' facts, and every frame as RGB."""
    with av.open(io.BytesIO(render(request, index, **options))) as film:
        video = film.streams.video[0]
        sound = [(stream.codec.name, stream.rate, stream.channels) for stream in film.streams.audio]
        facts = (film.format.name, video.codec.name, video.width, video.height, video.average_rate, sound)
        return facts, [_rgb(frame) for frame in film.decode(video)]


def _rgb(frame):
    """In so many words, because PyAV before 17 looks at a film's matrix only when the result's is another."""
    return frame.reformat(format="rgb24", src_colorspace="ITU709", dst_colorspace="ITU601").to_ndarray()


@pytest.mark.parametrize(
    ("output_format", "container", "codec", "sound"),
    [("MP4", "mov,mp4", "h264", "aac"), ("MOV", "mov,mp4", "h264", "aac"), ("WEBM", "matroska,webm", "vp9", "opus")],
)
def test_a_film_has_the_container_size_seconds_and_sound_that_were_asked_for(output_format, container, codec, sound):
    request = task(outputFormat=output_format, providerSettings={"klingai": {"sound": True}})
    (form, video, width, height, rate, sounds), frames = watched(request)
    assert form.startswith(container)
    assert (video, width, height, rate, len(frames)) == (codec, 320, 320, 24, 72)
    assert sounds == [(sound, 48_000, 2)]


def test_a_film_without_sound_has_no_sound_stream():
    assert watched(task())[0][-1] == []


def test_colours_are_tagged_as_bt709():
    with av.open(io.BytesIO(render(task(), 0))) as film:
        context = film.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)


def test_equal_tasks_give_equal_films_and_other_results_others():
    assert render(task(), 0) == render(task(), 0)
    assert render(task(), 0) != render(task(), 1)


@pytest.mark.parametrize(
    ("size", "model", "expected"),
    [
        ((1920, 1080), "3-standard", (1280, 720)),
        ((600, 600), "3-standard", (960, 960)),
        ((1400, 700), "3-standard", (1358, 678)),
        ((100, 1000), "3-standard", (608, 1518)),
        ((1920, 1080), "3-pro", (1920, 1080)),
    ],
)
def test_a_film_takes_its_shape_from_the_first_frame_image(size, model, expected):
    board = read(framed(uri("red", size), model=f"klingai:kling-video@{model}"))
    assert (board.width, board.height) == expected


def test_a_picture_only_the_service_has_leaves_the_usual_shape():
    board = read(framed(UUID))
    assert (board.width, board.height) == (1280, 720)


@pytest.fixture(scope="module")
def dissolve():
    return watched(framed(uri((200, 30, 30)), uri((30, 30, 200)), duration=3))[1]


def middle(frame):
    """The colour beside the writing: left, at two fifths of the height."""
    height, width, _ = frame.shape
    return frame[height * 2 // 5, width // 20].astype(int)


def test_first_and_last_frame_stand_where_they_belong(dissolve):
    assert np.abs(middle(dissolve[0]) - (200, 30, 30)).max() < 16
    assert np.abs(middle(dissolve[-1]) - (30, 30, 200)).max() < 16


def test_between_first_and_last_frame_lies_a_slow_dissolve(dissolve):
    assert np.abs(middle(dissolve[36]) - (115, 30, 115)).max() < 20
    steps = [np.abs(middle(after) - middle(before)).max() for before, after in itertools.pairwise(dissolve)]
    assert max(steps) < 12


def test_shots_last_their_seconds_and_cut_hard():
    settings = {"klingai": {"multiPrompt": shots(1, 2)}}
    frames = watched(task(width=640, height=640, providerSettings=settings))[1]
    changes = [np.abs(after.astype(int) - before).mean() for before, after in itertools.pairwise(frames)]
    assert int(np.argmax(changes)) == 23
    assert len(frames) == 72


def test_only_the_first_shot_begins_with_the_first_frame():
    settings = {"klingai": {"multiPrompt": shots(1, 2)}}
    frames = watched(framed(uri((220, 40, 40), (600, 600)), providerSettings=settings))[1]
    assert middle(frames[2])[0] > 180
    assert middle(frames[-2])[0] < 150


def test_rehearsal_is_written_across_it_only_when_it_is_one():
    plain, written = (watched(task(width=640, height=360), rehearsal=each)[1][40].astype(int) for each in (False, True))
    middle_rows = slice(90, 220)
    assert (np.abs(written - plain)[middle_rows].max(axis=(1, 2)) > 8).mean() > 0.6
    assert "nothing was bought" in read(task()).footer
    assert "nothing was bought" not in storyboard.read(task(), 0, rehearsal=False).footer


def test_elements_are_called_by_their_names():
    inputs = {"frameImages": [UUID], "elements": [
        {"id": "anna", "frontalImage": uri("teal"), "images": [UUID], "voices": [UUID]},
        {"id": "dog", "videos": [UUID]},
        {"id": "old-friend"},
    ]}  # fmt: skip
    board = read(task(width=None, height=None, inputs=inputs, positivePrompt="<<<element_1>>> and <<<element_2>>>"))
    assert board.shots[0].prompt == "@anna and @dog"
    assert [(each.name, each.note) for each in board.elements] == [
        ("anna", "+1  voice"), ("dog", "film"), ("old-friend", "stored"),
    ]  # fmt: skip
    assert board.elements[0].still.picture.size == (320, 180)


def test_of_an_address_only_host_and_file_are_shown():
    shown = storyboard.still("https://user:word@media.example/a/b/castle.jpg?X-Signature=secret")
    assert shown.name == "media.example / castle.jpg"


@pytest.mark.parametrize("value", ["data:image/png;base64,AAAA", "not base64 at all", UUID])
def test_what_is_no_picture_becomes_a_card(value):
    assert storyboard.still(value).picture is None
    assert len(watched(framed(value, duration=3))[1]) == 72


def test_transparent_pictures_lie_on_black():
    assert storyboard.still(uri((255, 255, 255, 0), mode="RGBA")).picture.getpixel((5, 5)) == (0, 0, 0)


def test_motion_control_shows_the_reference_picture_and_names_the_film():
    inputs = {"referenceImages": [uri("green", (600, 800))], "referenceVideos": ["https://a.example/dance.mp4"]}
    settings = {"klingai": {"characterOrientation": "video", "keepOriginalSound": True}}
    board = read(task(width=None, height=None, duration=None, inputs=inputs, providerSettings=settings))
    assert (board.width, board.height, board.frames, board.sound) == (832, 1108, 120, True)
    assert "dance.mp4" in board.title


def test_the_sound_is_as_long_as_the_film_and_quiet():
    sound = tones.waveform(read(task(providerSettings={"klingai": {"sound": True, "multiPrompt": shots(1, 2)}})))
    assert sound.shape == (2, 3 * 48_000)
    assert 0.01 < np.abs(sound).max() < 0.2
    assert np.abs(sound[0, 48_000:50_000]).max() > 0.01


def test_lines_are_broken_to_width_and_every_word_is_kept():
    text = "A nimble courier sprints through a narrow lane " * 3 + "x" * 90
    face = lettering.font(text, 20)
    lines = lettering.wrap(text, face, 300)
    assert all(face.getlength(line) <= 300 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_chinese_breaks_between_characters():
    text = "\u706f\u5854\u5728\u66b4\u98ce\u96e8\u4e2d" * 6
    face = lettering.font(text, 20)
    lines = lettering.wrap(text, face, 200)
    assert len(lines) > 2
    assert "".join(lines) == text


def test_a_text_too_long_for_its_room_is_cut_with_an_ellipsis():
    face, lines, pitch = lettering.fit("word " * 500, (20, 16), 400, 120)
    assert len(lines) * pitch <= 120
    assert lines[-1].endswith("...")
    assert face.getlength(lines[-1]) <= 400


def test_five_seconds_of_720p_take_less_than_they_last():
    started = time.process_time()
    render(task(width=1280, height=720, duration=5, positivePrompt="A storm. " * 60), 0)
    assert time.process_time() - started < 5


def test_every_documented_size_and_the_longest_storyboard_can_be_rendered():
    settings = {"klingai": {"multiPrompt": shots(1, 1, 1, 1, 1, 1), "sound": True}}
    facts, frames = watched(task(width=720, height=1280, duration=6, providerSettings=settings))
    assert facts[2:4] == (720, 1280)
    assert len(frames) == 144
