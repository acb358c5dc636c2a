"""One test per row of the decision table; the names of the tests carry the rows' numbers."""

import pytest
from kling.nodes.runware import request
from kling.nodes.runware.media import Source
from kling.nodes.runware.rules import ROWS, judge

MODEL = "klingai:kling-video@3-standard"
STORED = Source("236ba4b9-e789-4ff4-8fa9-7ca57ab56210")
FIRST = request.FrameImage(image=STORED, frame="first")
LAST = request.FrameImage(image=STORED, frame="last")
ELEMENT = request.Element(id="ada", frontal_image=STORED, images=(STORED,))
SHOTS = (request.PromptSegment(prompt="one", duration=2), request.PromptSegment(prompt="two", duration=3))
SIZE = {"width": 1280, "height": 720}
PROMPT = {"positive_prompt": "a film"}
NAMED = {"positive_prompt": "<<<element_1>>> walks"}
CLIP = {"reference_videos": (STORED,), "reference_images": (STORED,)}


def rows(*, inputs=None, seconds=5.0, fields=PROMPT, model=MODEL, **kling):
    """The numbers of the rows that apply, blocking ones negative."""
    value = request.VideoInference(
        model=model,
        **fields,
        inputs=request.Inputs(**(inputs or {})),
        provider_settings=request.ProviderSettings(klingai=request.KlingSettings(**kling)),
    )
    return [-each.row if each.action == "block" else each.row for each in judge(value, reference_seconds=seconds)]


def led(*, extra=None, fields=PROMPT, orientation="video", seconds=5.0, **kling):
    """A film led by a reference video; row 22 always warns there and is left out."""
    found = rows(
        inputs={**CLIP, **(extra or {})}, fields=fields, character_orientation=orientation, seconds=seconds, **kling
    )
    assert found.count(22) == 1
    return [row for row in found if row != 22]


def test_row_1_a_size_and_a_prompt():
    assert rows(fields={**SIZE, **PROMPT}) == []


def test_row_2_a_size_with_sound():
    assert rows(fields={**SIZE, **PROMPT}, sound=True) == []


@pytest.mark.parametrize("sound", [False, True])
def test_row_3_a_size_with_shots_and_no_prompt(sound):
    assert rows(fields=SIZE, multi_prompt=SHOTS, sound=sound) == []


def test_row_4_a_size_with_shots_cut_by_the_model():
    assert rows(fields={**SIZE, **PROMPT}, shot_type="intelligence") == []


def test_row_5_shots_of_ones_own_and_shots_cut_by_the_model_exclude_each_other():
    assert rows(fields=SIZE, multi_prompt=SHOTS, shot_type="intelligence") == [-5]


def test_row_6_a_prompt_beside_shots_may_be_ignored():
    assert rows(fields={**SIZE, **PROMPT}, multi_prompt=SHOTS) == [6]


def test_row_6_a_prompt_that_repeats_the_first_shot_loses_nothing():
    assert rows(fields={**SIZE, "positive_prompt": "one"}, multi_prompt=SHOTS) == []


def test_row_7_a_first_frame():
    assert rows(inputs={"frame_images": (FIRST,)}) == []


def test_row_8_a_first_and_a_last_frame():
    assert rows(inputs={"frame_images": (FIRST, LAST)}) == []


def test_row_9_a_last_frame_alone_is_doubtful():
    assert rows(inputs={"frame_images": (LAST,)}) == [9]


def test_row_10_empty_provider_settings():
    value = request.VideoInference(
        model=MODEL,
        **PROMPT,
        inputs=request.Inputs(frame_images=(FIRST,)),
        provider_settings=request.ProviderSettings(klingai=request.KlingSettings()),
    )
    assert judge(value) == []


def test_row_11_frames_with_sound():
    assert rows(inputs={"frame_images": (FIRST,)}, sound=True) == []


def test_row_12_a_first_frame_with_shots():
    assert rows(inputs={"frame_images": (FIRST,)}, fields={}, multi_prompt=SHOTS) == []


def test_row_13_a_last_frame_with_shots_is_doubtful():
    assert rows(inputs={"frame_images": (FIRST, LAST)}, fields={}, multi_prompt=SHOTS) == [13]


def test_row_14_frames_exclude_a_size():
    assert rows(inputs={"frame_images": (FIRST,)}, fields={**SIZE, **PROMPT}) == [-14]


def test_row_15_frames_or_a_size_are_needed():
    assert rows() == [-15]


@pytest.mark.parametrize("side", [{"width": 1280}, {"height": 720}], ids=str)
def test_row_16_a_size_has_two_sides(side):
    assert rows(fields={**side, **PROMPT}) == [-16]


def test_row_17_frames_with_elements():
    elements = tuple(ELEMENT.model_copy(update={"id": name}) for name in ("ada", "rex", "sea"))
    named = {"positive_prompt": "<<<element_1>>> <<<element_2>>> <<<element_3>>>"}
    assert rows(inputs={"frame_images": (FIRST,), "elements": elements}, fields=named) == []


def test_row_18_elements_need_frames():
    assert rows(inputs={"elements": (ELEMENT,)}, fields={**SIZE, **NAMED}) == [-18]


def test_row_19_elements_with_sound():
    voiced = ELEMENT.model_copy(update={"voices": (STORED,)})
    assert rows(inputs={"frame_images": (FIRST,), "elements": (voiced,)}, fields=NAMED, sound=True) == []


def test_row_19_a_voice_without_sound_is_not_heard():
    voiced = ELEMENT.model_copy(update={"voices": (STORED,)})
    assert rows(inputs={"frame_images": (FIRST,), "elements": (voiced,)}, fields=NAMED) == [19]


def test_row_20_a_reference_image_needs_a_reference_video():
    assert rows(inputs={"reference_images": (STORED,)}, fields={**SIZE, **PROMPT}) == [-20]


@pytest.mark.parametrize("keep_original_sound", [False, True])
@pytest.mark.parametrize("orientation", ["image", "video"])
def test_row_21_motion_control(orientation, keep_original_sound):
    assert led(orientation=orientation, keep_original_sound=keep_original_sound) == []


@pytest.mark.parametrize(
    ("extra", "fields"),
    [({}, PROMPT), ({}, {**SIZE, **PROMPT}), ({"frame_images": (FIRST,)}, PROMPT)],
    ids=["neither", "size", "frames"],
)
def test_row_22_nobody_knows_what_decides_the_size_of_motion_control(extra, fields):
    assert rows(inputs={**CLIP, **extra}, fields=fields, character_orientation="video") == [22]


def test_row_23_motion_control_needs_an_orientation():
    assert led(orientation=None) == [-23]


def test_row_24_motion_control_needs_a_picture():
    assert rows(inputs={"reference_videos": (STORED,)}, character_orientation="video") == [22, -24]


def test_row_24_a_frame_image_is_a_picture():
    inputs = {"reference_videos": (STORED,), "frame_images": (FIRST,)}
    assert rows(inputs=inputs, character_orientation="video") == [22]


def test_row_25_motion_control_excludes_sound():
    assert led(sound=True) == [-25]


def test_row_26_motion_control_without_sound():
    assert led(sound=False) == []


def test_row_27_motion_control_excludes_shots():
    assert led(multi_prompt=SHOTS, fields={}) == [-27]
    assert led(shot_type="intelligence") == [-27]


def test_row_28_there_is_no_original_sound_without_a_reference_video():
    assert rows(fields={**SIZE, **PROMPT}, keep_original_sound=True) == [-28]


def test_row_29_an_orientation_needs_a_reference_video():
    assert rows(fields={**SIZE, **PROMPT}, character_orientation="image") == [-29]


def test_row_30_an_orientation_by_image_takes_ten_seconds():
    assert led(orientation="image", seconds=10.0) == []
    assert led(orientation="image", seconds=10.1) == [-30]
    assert led(orientation="video", seconds=10.1) == []


def test_row_30_a_clip_of_unknown_length_is_doubtful():
    assert led(orientation="image", seconds=None) == [30]


def test_row_31_motion_control_with_elements_is_doubtful():
    assert led(extra={"frame_images": (FIRST,), "elements": (ELEMENT,)}, fields=NAMED) == [31]


def test_row_32_motion_control_with_a_duration_is_doubtful():
    assert led(fields={**PROMPT, "duration": 6}) == [32]


@pytest.mark.parametrize("inputs", [{}, {"frame_images": (FIRST, LAST)}], ids=["size", "frames"])
def test_row_33_a_negative_prompt(inputs):
    size = {} if inputs else SIZE
    assert rows(inputs=inputs, fields={**size, **PROMPT, "negative_prompt": "blur"}) == []


def test_row_34_there_is_one_reference_video():
    assert led(extra={"reference_videos": (STORED, STORED)}) == [-34]


def test_row_34_there_is_better_one_reference_image():
    assert led(extra={"reference_images": (STORED, STORED)}) == [34]


@pytest.mark.parametrize(("seconds", "expected"), [(2.9, [34]), (3.0, []), (30.0, []), (30.1, [34]), (None, [])])
def test_row_34_a_reference_video_better_lasts_3_to_30_seconds(seconds, expected):
    assert led(seconds=seconds) == expected


@pytest.mark.parametrize(("length", "expected"), [(512, []), (513, [35])])
def test_row_35_the_prompt_of_a_shot_better_has_512_characters(length, expected):
    shots = (request.PromptSegment(prompt="x" * length, duration=5),)
    assert rows(fields=SIZE, multi_prompt=shots) == expected


def test_row_36_an_element_never_named_is_wasted():
    inputs = {"frame_images": (FIRST,), "elements": (ELEMENT, ELEMENT.model_copy(update={"id": "rex"}))}
    [verdict] = judge(request.VideoInference(model=MODEL, **NAMED, inputs=request.Inputs(**inputs)))
    assert (verdict.row, verdict.action) == (36, "warn")
    assert "rex" in verdict.message
    assert "ada" not in verdict.message


def test_row_36_an_element_may_be_named_in_any_shot():
    shots = (SHOTS[0], request.PromptSegment(prompt="<<<element_1>>> runs", duration=3))
    assert rows(inputs={"frame_images": (FIRST,), "elements": (ELEMENT,)}, fields={}, multi_prompt=shots) == []


def test_row_37_an_element_better_has_a_second_picture():
    element = request.Element(id="ada", frontal_image=STORED)
    assert rows(inputs={"frame_images": (FIRST,), "elements": (element,)}, fields=NAMED) == [37]


@pytest.mark.parametrize("field", ["positive_prompt", "negative_prompt"])
def test_row_38_a_text_may_be_too_long_where_emoji_count_double(field):
    fields = {**SIZE, **PROMPT, field: "\U0001f600" * 1251}
    assert rows(fields=fields) == [38]
    assert rows(fields={**fields, field: "\U0001f600" * 1250}) == []


def test_row_39_the_model_makes_films_of_three_sizes():
    assert rows(fields={**PROMPT, "width": 1920, "height": 1080}) == [-39]
    assert rows(fields={**PROMPT, "width": 1920, "height": 1080}, model="another:model@1") == []


def test_row_40_the_shots_add_up_to_the_film():
    assert rows(fields={**SIZE, "duration": 6}, multi_prompt=SHOTS) == [-40]


def test_row_41_a_model_without_motion_control_takes_no_reference_video_and_says_nothing_else_first():
    value = request.VideoInference(
        model="klingai:kling-video@3-4k", **PROMPT, inputs=request.Inputs(reference_videos=(STORED,))
    )
    first = next(each for each in judge(value) if each.action == "block")
    assert (first.row, first.node, first.field) == (41, "KlingGenerate", "reference_video")
    assert first.message == "Kling 3.0 4K takes no reference video (motion control)."


def test_what_blocks_and_what_warns_is_said_with_a_way_out():
    for row in ROWS:
        assert row.node.startswith("Kling")
        assert row.message.endswith(".")
        assert row.next_step.endswith(".")
