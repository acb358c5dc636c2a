import json
from pathlib import Path

import pytest
from kling.nodes.runware import draft, request
from kling.nodes.runware.assemble import assemble, reference_seconds, warnings
from kling.nodes.runware.errors import InputError
from kling.nodes.runware.media import Clip, Picture, Source

UUID = "236ba4b9-e789-4ff4-8fa9-7ca57ab56210"
STORED = Source(UUID)
EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.json"))
OURS = {"taskUUID", "deliveryMethod", "includeCost"}
RATIOS = {(1280, 720): "16:9", (960, 960): "1:1", (720, 1280): "9:16"}


def sent(value):
    return {key: item for key, item in request.public(value).items() if key not in OURS}


def frames(**sources):
    return draft.frame_images(**(sources or {"first_frame_source": UUID}))


def elements(*ids):
    chain = None
    for element_id in ids:
        chain = draft.element(element_id=element_id, previous=chain)
    return chain


def chain(*shots):
    prompt = None
    for number, (text, seconds) in enumerate(shots, start=1):
        prompt = draft.prompt(
            positive_prompt=text, shot_seconds=seconds, previous=prompt, node=f"KlingPrompt (node {number})"
        )
    return prompt


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_nodes_make_exactly_the_examples_of_the_page(path):
    example = json.loads(path.read_text(encoding="utf-8"))["request"]
    pictures = example.get("inputs", {}).get("frameImages", [])
    sources = {f"{each.get('frame', 'first')}_frame_source": each["image"] for each in pictures}
    size = (example.get("width"), example.get("height"))
    made = assemble(
        draft.prompt(positive_prompt=example["positivePrompt"], negative_prompt=example["negativePrompt"]),
        draft.settings(duration=example["duration"], aspect_ratio=RATIOS.get(size, "1:1")),
        frames(**sources) if sources else None,
    )
    assert sent(made) == as_we_spell_it(example)


def as_we_spell_it(example):
    """The page spells a lone first frame with and without its place, and no settings of Kling's as an empty object."""
    expected = {key: value for key, value in example.items() if key not in OURS}
    if expected.get("providerSettings") == {"klingai": {}}:
        del expected["providerSettings"]
    for each in expected.get("inputs", {}).get("frameImages", []):
        each.setdefault("frame", "first")
    return expected


def test_the_four_examples_are_there():
    assert len(EXAMPLES) == 4


def test_text_alone_is_sent_with_the_size_of_its_aspect_ratio():
    made = sent(assemble(draft.prompt(positive_prompt="a film"), draft.settings(aspect_ratio="9:16")))
    assert (made["width"], made["height"]) == (720, 1280)


def test_frame_images_decide_the_size():
    made = sent(assemble(draft.prompt(positive_prompt="a film"), draft.settings(aspect_ratio="9:16"), frames()))
    assert "width" not in made
    assert "height" not in made


def test_the_shots_of_a_chain_set_the_duration():
    made = sent(assemble(chain(("one", 2), ("two", 3), ("three", 4)), draft.settings(duration=15)))
    assert made["duration"] == 9
    assert made["positivePrompt"] == "one"
    assert made["providerSettings"]["klingai"]["multiPrompt"] == [
        {"prompt": "one", "duration": 2},
        {"prompt": "two", "duration": 3},
        {"prompt": "three", "duration": 4},
    ]


def test_a_head_without_seconds_describes_the_whole_film():
    made = sent(assemble(chain(("all of it", 0), ("one", 3), ("two", 3)), draft.settings()))
    assert made["positivePrompt"] == "all of it"
    assert [each["prompt"] for each in made["providerSettings"]["klingai"]["multiPrompt"]] == ["one", "two"]
    assert made["duration"] == 6


def test_a_single_prompt_with_seconds_is_a_film_of_one_shot():
    made = sent(assemble(chain(("one", 7)), draft.settings()))
    assert made["duration"] == 7
    assert made["providerSettings"]["klingai"]["multiPrompt"] == [{"prompt": "one", "duration": 7}]


def test_six_shots_of_fifteen_seconds_are_the_most():
    made = sent(assemble(chain(*[(f"shot {n}", 2) for n in range(5)], ("end", 5)), draft.settings()))
    assert len(made["providerSettings"]["klingai"]["multiPrompt"]) == 6
    assert made["duration"] == 15


def test_shots_shorter_than_a_film_are_refused_at_the_last_one():
    with pytest.raises(InputError, match=r"KlingPrompt \(node 2\), shot_seconds is 1: the shots add up to 2 s"):
        assemble(chain(("one", 1), ("two", 1)), draft.settings())


def test_the_negative_prompts_of_a_chain_are_sent_as_one_and_each_text_once():
    prompt = None
    for negative in ("blur", "", "rain", "blur"):
        prompt = draft.prompt(positive_prompt="shot", negative_prompt=negative, shot_seconds=1, previous=prompt)
    assert sent(assemble(prompt, draft.settings()))["negativePrompt"] == "blur, rain"


def test_negative_prompts_too_long_together_are_refused_with_their_length():
    first = draft.prompt(positive_prompt="one", negative_prompt="x" * 1500, shot_seconds=2)
    both = draft.prompt(positive_prompt="two", negative_prompt="y" * 999, shot_seconds=2, previous=first)
    with pytest.raises(InputError, match="2501 characters") as caught:
        assemble(both, draft.settings())
    assert caught.value.field == "negative_prompt"


def test_tags_of_every_prompt_become_markers_in_the_order_of_the_elements():
    prompt = draft.prompt(positive_prompt="@rex and @ada", negative_prompt="no @ada", shot_seconds=2)
    prompt = draft.prompt(positive_prompt="@rex alone", shot_seconds=2, previous=prompt)
    made = sent(assemble(prompt, draft.settings(), frames(), elements("ada", "rex")))
    assert made["positivePrompt"] == "<<<element_2>>> and <<<element_1>>>"
    assert made["negativePrompt"] == "no <<<element_1>>>"
    assert [each["prompt"] for each in made["providerSettings"]["klingai"]["multiPrompt"]] == [
        "<<<element_2>>> and <<<element_1>>>",
        "<<<element_2>>> alone",
    ]


def test_a_prompt_is_measured_as_it_is_sent():
    prompt = draft.prompt(positive_prompt="@" + "a" * 20 + " " + "x" * 2484)
    assert len(prompt.shots[0].text) == 2506
    made = assemble(prompt, draft.settings(), frames(), elements("a" * 20))
    assert len(made.positive_prompt) == 2500


def test_a_prompt_that_its_markers_make_too_long_is_refused():
    prompt = draft.prompt(positive_prompt="@a " + "x" * 2490)
    with pytest.raises(InputError, match="this one has 2506"):
        assemble(prompt, draft.settings(), frames(), elements("a"))


def test_motion_control_sends_the_picture_the_clip_and_the_size():
    clip = Clip(Path("dance.mp4"), "ab" * 32, "video", 8.0)
    settings = draft.settings(character_orientation="image", keep_original_sound=True)
    made = assemble(draft.prompt(positive_prompt="she dances"), settings, None, None, STORED, clip)
    assert sent(made) == {
        "taskType": "videoInference",
        "model": "klingai:kling-video@3-standard",
        "positivePrompt": "she dances",
        "width": 1280,
        "height": 720,
        "inputs": {"referenceImages": [UUID], "referenceVideos": [clip.identity]},
        "providerSettings": {"klingai": {"characterOrientation": "image", "keepOriginalSound": True}},
    }
    assert reference_seconds(made) == 8.0


def test_a_reference_video_may_be_named_by_its_source():
    settings = draft.settings(character_orientation="video", reference_video_source=UUID)
    made = assemble(draft.prompt(positive_prompt="she dances"), settings, reference_image=STORED)
    assert made.inputs.reference_videos == (STORED,)
    assert reference_seconds(made) is None


def test_a_reference_video_is_given_once():
    settings = draft.settings(character_orientation="video", reference_video_source=UUID, node="KlingGenerate (node 4)")
    with pytest.raises(InputError, match=r"KlingGenerate \(node 4\), reference_video_source"):
        assemble(draft.prompt(positive_prompt="she dances"), settings, reference_image=STORED, reference_video=STORED)


@pytest.mark.parametrize(
    ("safety", "expected"),
    [
        ("none", None),
        ("fast", {"checkContent": True, "mode": "fast"}),
        ("full", {"checkContent": True, "mode": "full"}),
    ],
)
def test_safety_is_sent_only_where_something_is_checked(safety, expected):
    made = sent(assemble(draft.prompt(positive_prompt="a film"), draft.settings(safety=safety)))
    assert made.get("safety") == expected


def test_a_row_that_blocks_names_the_node_of_this_graph():
    prompt = draft.prompt(positive_prompt="a film", node="KlingPrompt (node 1)")
    settings = draft.settings(node="KlingGenerate (node 9)")
    with pytest.raises(InputError) as caught:
        assemble(prompt, settings, elements=elements("ada"))
    assert caught.value.node == "KlingGenerate (node 9)"
    assert caught.value.field == "elements"
    assert "need frame images" in caught.value.rule
    assert caught.value.next_step


def test_what_is_doubtful_is_said_in_sentences():
    made = assemble(draft.prompt(positive_prompt="a film"), draft.settings(), frames(last_frame_source=UUID))
    [line] = warnings(made)
    assert line.startswith("KlingFrameImages, last_frame: it is not documented")


def test_nothing_is_doubtful_about_a_plain_film():
    assert warnings(assemble(draft.prompt(positive_prompt="a film"), draft.settings())) == []


def test_a_picture_is_sent_as_it_was_encoded():
    picture = Picture("ab" * 32, 4, 3, "image/webp", b"webp")
    made = assemble(draft.prompt(positive_prompt="a film"), draft.settings(), draft.frame_images(first_frame=picture))
    assert made.inputs.frame_images[0].image is picture
