import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kling.nodes.runware import limits, request
from kling.nodes.runware.media import Clip, Picture, Source
from pydantic import ValidationError

MODEL = "klingai:kling-video@3-standard"
UUID = "236ba4b9-e789-4ff4-8fa9-7ca57ab56210"
STORED = Source(UUID)
PICTURE = Picture("ab" * 32, 4, 3, "image/png", bytes(range(256)) * 500)
CLIP = Clip("film.mp4", "cd" * 32, "video", 5.0)


def inference(**fields):
    return request.VideoInference(
        **{"model": MODEL, "positive_prompt": "a film", "width": 1280, "height": 720, **fields}
    )


def sent(value, uploads=None):
    [task] = json.loads(b"".join(request.body(value, UUID, uploads or {})))
    return task


def test_the_least_request_says_how_it_is_delivered_what_it_costs_and_how_long_it_lasts():
    assert sent(inference()) == {
        "taskType": "videoInference",
        "taskUUID": UUID,
        "model": MODEL,
        "positivePrompt": "a film",
        "width": 1280,
        "height": 720,
        "duration": 5,
        "deliveryMethod": "async",
        "includeCost": True,
    }


def test_every_parameter_of_the_page_is_sent_under_its_name():
    element = request.Element(
        id="ada",
        description="a girl",
        frontal_image=STORED,
        images=(STORED,),
        voices=(STORED,),
        tags=("Character", "Hottest"),
    )
    value = inference(
        negative_prompt="blur",
        number_results=4,
        duration=15,
        output_format="MOV",
        output_quality=20,
        safety=request.Safety(check_content=True, mode="full"),
        ttl=60,
        webhook_url="https://a.example/hook",
        upload_endpoint="https://b.example/put",
        inputs=request.Inputs(
            reference_images=(STORED,),
            frame_images=(
                request.FrameImage(image=STORED, frame="first"),
                request.FrameImage(image=STORED, frame="last"),
            ),
            reference_videos=(STORED,),
            elements=(element, request.Element(id="rex", videos=(STORED,))),
        ),
        provider_settings=request.ProviderSettings(
            klingai=request.KlingSettings(
                character_orientation="video",
                keep_original_sound=True,
                multi_prompt=(request.PromptSegment(prompt="one", duration=1),),
                shot_type="intelligence",
                sound=True,
            )
        ),
    )
    assert sent(value) == {
        "taskType": "videoInference",
        "taskUUID": UUID,
        "model": MODEL,
        "positivePrompt": "a film",
        "negativePrompt": "blur",
        "width": 1280,
        "height": 720,
        "duration": 15,
        "numberResults": 4,
        "inputs": {
            "referenceImages": [UUID],
            "frameImages": [{"image": UUID, "frame": "first"}, {"image": UUID, "frame": "last"}],
            "referenceVideos": [UUID],
            "elements": [
                {
                    "id": "ada",
                    "description": "a girl",
                    "frontalImage": UUID,
                    "images": [UUID],
                    "voices": [UUID],
                    "tags": ["Character", "Hottest"],
                },
                {"id": "rex", "videos": [UUID]},
            ],
        },
        "providerSettings": {
            "klingai": {
                "characterOrientation": "video",
                "keepOriginalSound": True,
                "multiPrompt": [{"prompt": "one", "duration": 1}],
                "shotType": "intelligence",
                "sound": True,
            }
        },
        "outputFormat": "MOV",
        "outputQuality": 20,
        "safety": {"checkContent": True, "mode": "full"},
        "ttl": 60,
        "webhookURL": "https://a.example/hook",
        "uploadEndpoint": "https://b.example/put",
        "deliveryMethod": "async",
        "includeCost": True,
    }


def test_a_film_led_by_a_reference_video_says_its_duration_only_where_it_was_changed():
    led = request.Inputs(reference_videos=(STORED,))
    assert "duration" not in sent(inference(inputs=led))
    assert sent(inference(inputs=led, duration=7))["duration"] == 7


def test_a_picture_goes_out_as_a_data_uri_in_pieces_smaller_than_itself():
    value = inference(inputs=request.Inputs(frame_images=(request.FrameImage(image=PICTURE, frame="first"),)))
    pieces = list(request.body(value, UUID, {}))
    assert max(map(len, pieces)) <= request.ENCODED_AT_ONCE * 4 // 3
    image = json.loads(b"".join(pieces))[0]["inputs"]["frameImages"][0]["image"]
    assert image == f"data:{PICTURE.mime_type};base64,{base64.b64encode(PICTURE.data).decode()}"
    assert base64.b64decode(image.partition(",")[2]) == PICTURE.data


def test_the_same_request_is_the_same_bytes():
    value = inference(inputs=request.Inputs(frame_images=(request.FrameImage(image=PICTURE, frame="last"),)))
    assert b"".join(request.body(value, UUID, {})) == b"".join(request.body(value, UUID, {}))


def test_a_clip_is_sent_as_the_medium_it_was_uploaded_to():
    value = inference(inputs=request.Inputs(reference_videos=(CLIP,), reference_images=(PICTURE,)))
    assert sent(value, {CLIP.identity: UUID})["inputs"]["referenceVideos"] == [UUID]


def test_a_clip_that_was_not_uploaded_cannot_be_sent():
    value = inference(inputs=request.Inputs(reference_videos=(CLIP,)))
    with pytest.raises(KeyError):
        list(request.body(value, UUID, {}))


def test_each_clip_is_to_be_uploaded_once():
    sound = Clip("voice.wav", "ef" * 32, "audio", 9.0)
    elements = (
        request.Element(id="ada", frontal_image=PICTURE, voices=(sound,)),
        request.Element(id="rex", videos=(CLIP,)),
    )
    value = inference(inputs=request.Inputs(reference_videos=(CLIP,), elements=elements))
    assert request.clips(value) == (CLIP, sound)


def test_a_request_is_shown_without_pixels_and_without_signatures():
    value = inference(
        webhook_url="https://user:secret@hook.example:8443/a?token=secret",
        upload_endpoint="https://bucket.example/film.mp4?X-Amz-Signature=secret",
        inputs=request.Inputs(
            frame_images=(
                request.FrameImage(image=PICTURE, frame="first"),
                request.FrameImage(image=Source("https://pics.example/a.png?sig=secret#secret"), frame="last"),
            ),
            reference_videos=(CLIP,),
        ),
    )
    shown = request.public(value)
    assert "secret" not in json.dumps(shown)
    assert shown["webhookURL"] == "https://hook.example"
    assert shown["uploadEndpoint"] == "https://bucket.example"
    assert [each["image"] for each in shown["inputs"]["frameImages"]] == [
        PICTURE.identity,
        "https://pics.example/a.png",
    ]
    assert shown["inputs"]["referenceVideos"] == [CLIP.identity]


def test_a_picture_or_clip_never_shows_its_bytes():
    assert "data" not in repr(
        inference(inputs=request.Inputs(frame_images=(request.FrameImage(image=PICTURE, frame="first"),)))
    )


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=2, max_size=60))
def test_any_text_arrives_as_it_was_written(text):
    assert sent(inference(positive_prompt=text))["positivePrompt"] == text


LIMITED = [
    ("duration", limits.DURATION_MIN, limits.DURATION_MAX),
    ("number_results", limits.RESULTS_MIN, limits.RESULTS_MAX),
    ("output_quality", limits.QUALITY_MIN, limits.QUALITY_MAX),
    ("ttl", limits.TTL_MIN, None),
]


@pytest.mark.parametrize(("field", "least", "most"), LIMITED)
def test_a_number_is_taken_up_to_its_limits_and_not_beyond(field, least, most):
    assert getattr(inference(**{field: least}), field) == least
    with pytest.raises(ValidationError):
        inference(**{field: least - 1})
    if most:
        assert getattr(inference(**{field: most}), field) == most
        with pytest.raises(ValidationError):
            inference(**{field: most + 1})


@pytest.mark.parametrize("field", ["positive_prompt", "negative_prompt"])
def test_a_prompt_is_taken_from_two_to_2500_characters_and_not_beyond(field):
    for length in (limits.PROMPT_MIN, limits.PROMPT_MAX):
        assert getattr(inference(**{field: "x" * length}), field) == "x" * length
    for length in (limits.PROMPT_MIN - 1, limits.PROMPT_MAX + 1):
        with pytest.raises(ValidationError):
            inference(**{field: "x" * length})


WRONG_TYPES = [
    {"duration": True},
    {"duration": 5.0},
    {"duration": "5"},
    {"duration": float("nan")},
    {"number_results": True},
    {"number_results": None},
    {"width": 1280.0},
    {"positive_prompt": b"a film"},
    {"positive_prompt": "a\0film"},
    {"positive_prompt": "a \ud800 film"},
    {"output_format": "mp4"},
    {"output_format": "AVI"},
    {"delivery_method": "sync"},
    {"include_cost": 1},
    {"seed": 1},
    {"fps": 24},
    {"safety": {"mode": "some"}},
]


@pytest.mark.parametrize("fields", WRONG_TYPES, ids=str)
def test_what_the_page_does_not_know_is_refused(fields):
    with pytest.raises(ValidationError):
        inference(**fields)


WRONG_PARTS = [
    lambda: request.FrameImage(image=STORED, frame="middle"),
    lambda: request.FrameImage(image=UUID, frame="first"),
    lambda: request.FrameImage(image=CLIP, frame="first"),
    lambda: request.PromptSegment(prompt="x", duration=1),
    lambda: request.PromptSegment(prompt="xx", duration=0),
    lambda: request.PromptSegment(prompt="xx", duration=True),
    lambda: request.KlingSettings(shot_type="customize"),
    lambda: request.KlingSettings(character_orientation="none"),
    lambda: request.KlingSettings(sound=1),
    lambda: request.KlingSettings(multi_prompt=(request.PromptSegment(prompt="xx", duration=1),) * 7),
    lambda: request.Element(id=""),
    lambda: request.Element(id="x" * 21),
    lambda: request.Element(id="x", voice=STORED),
    lambda: request.Element(id="x", tags=("character",)),
    lambda: request.Element(id="x", images=(STORED,)),
    lambda: request.Element(id="x", voices=(STORED,)),
    lambda: request.Element(id="x", frontal_image=STORED, images=(STORED,) * 4),
    lambda: request.Element(id="x", frontal_image=STORED, videos=(STORED,)),
    lambda: request.Element(id="x", videos=(PICTURE,)),
    lambda: request.Inputs(frame_images=(request.FrameImage(image=STORED, frame="first"),) * 2),
    lambda: request.Inputs(elements=(request.Element(id="x"),) * 2),
    lambda: request.Inputs(elements=tuple(request.Element(id=f"x{n}") for n in range(4))),
    lambda: request.VideoInference(model=MODEL),
]


@pytest.mark.parametrize("build", WRONG_PARTS, ids=range(len(WRONG_PARTS)))
def test_a_part_that_contradicts_the_page_is_refused(build):
    with pytest.raises(ValidationError):
        build()


def test_a_request_cannot_be_changed():
    with pytest.raises(ValidationError):
        inference().duration = 10
