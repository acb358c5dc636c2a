"""Frozen for ever: a changed value here would make users pay again for what they have."""

import hashlib
import uuid

import pytest
from kling.nodes.runware import identity, request
from kling.nodes.runware.media import Clip, Picture, Source

MODEL = "klingai:kling-video@3-standard"
KEY = "kling-test-key-0123456789"
UUID = "236ba4b9-e789-4ff4-8fa9-7ca57ab56210"


FULL_REQUEST = "2ca7c8efca514333dcd5c39664b3aebc03f04297b94ce464f3607c6dbca2df04"
TASK_UUIDS = [
    "63837e62-a491-4dca-8781-596ee3f90e1b",
    "08070e3b-c423-4c31-9591-d130f68fa492",
    "aaf2fbad-53dd-49d3-b0a4-aec35cf30ee5",
    "f3c4bd21-e31b-4cac-b0a8-41fd00161a50",
    "042f280f-f4a6-4fb8-befd-d3308c067c58",
]
INTENT = "c59373b790b53b408552a7809a6aaefa8d409d788e52933f336fea941386481b"
FINGERPRINT = "996939dbf6bd7bc9"


def picture(pixels="ab", mime_type="image/png", data=b"png"):
    return Picture(pixels * 32, 4, 3, mime_type, data)


def inference(**fields):
    return request.VideoInference(
        **{"model": MODEL, "positive_prompt": "a film", "width": 1280, "height": 720, **fields}
    )


def everything():
    return inference(
        positive_prompt="<<<element_1>>> isst K\u00e4se \U0001f9c0",
        negative_prompt="blur",
        width=None,
        height=None,
        duration=9,
        number_results=2,
        output_format="WEBM",
        output_quality=80,
        safety=request.Safety(check_content=True, mode="fast"),
        inputs=request.Inputs(
            frame_images=(request.FrameImage(image=picture(), frame="first"),),
            elements=(
                request.Element(
                    id="ada",
                    frontal_image=Source(UUID),
                    voices=(Clip("a.wav", "cd" * 32, "audio", 8.0),),
                    tags=("Character",),
                ),
            ),
        ),
        provider_settings=request.ProviderSettings(
            klingai=request.KlingSettings(
                sound=True,
                multi_prompt=(
                    request.PromptSegment(prompt="one", duration=4),
                    request.PromptSegment(prompt="two", duration=5),
                ),
            )
        ),
    )


def test_the_canonical_form_of_the_least_request_is_frozen():
    assert identity.canonical(inference()) == (
        b'{"schema":"kling-request-1","task":{"duration":5,"height":720,"model":"klingai:kling-video@3-standard",'
        b'"positivePrompt":"a film","taskType":"videoInference","width":1280}}'
    )


def test_the_canonical_form_of_a_full_request_is_frozen():
    assert hashlib.sha256(identity.canonical(everything())).hexdigest() == FULL_REQUEST


def test_task_uuids_are_frozen():
    canonical = identity.canonical(inference())
    assert [
        identity.task_uuid(KEY, canonical, 1, 0),
        identity.task_uuid(KEY, canonical, 1, 1),
        identity.task_uuid(KEY, canonical, 2, 0),
        identity.task_uuid("another" + KEY, canonical, 1, 0),
        identity.task_uuid(KEY, identity.canonical(everything()), 1, 0),
    ] == TASK_UUIDS


def test_intents_and_fingerprints_are_frozen():
    canonical = identity.canonical(inference())
    assert identity.intent(canonical, 1) == INTENT
    assert identity.key_fingerprint(KEY, b"salt") == FINGERPRINT


def test_a_task_uuid_is_shaped_like_one_of_version_four():
    made = identity.task_uuid(KEY, b"anything", 1, 0)
    assert str(uuid.UUID(made)) == made
    assert uuid.UUID(made).version == 4
    assert uuid.UUID(made).variant == uuid.RFC_4122


def test_key_take_attempt_and_request_each_make_another_task():
    canonical, other = identity.canonical(inference()), identity.canonical(everything())
    made = {
        identity.task_uuid(key, what, take, attempt)
        for key in (KEY, KEY + "x")
        for what in (canonical, other)
        for take in (1, 2, 11)
        for attempt in (0, 1, 11)
    }
    assert len(made) == 36


@pytest.mark.parametrize(
    "delivery",
    [
        {"webhook_url": "https://hook.example"},
        {"upload_endpoint": "https://put.example"},
        {"ttl": 600},
        {"include_cost": False},
    ],
    ids=str,
)
def test_how_results_are_delivered_makes_no_other_purchase(delivery):
    assert identity.canonical(inference(**delivery)) == identity.canonical(inference())


def test_the_same_pixels_are_the_same_purchase_however_they_are_encoded():
    one = request.Inputs(frame_images=(request.FrameImage(image=picture(), frame="first"),))
    two = request.Inputs(
        frame_images=(request.FrameImage(image=picture(mime_type="image/jpeg", data=b"jpg"), frame="first"),)
    )
    assert identity.canonical(inference(inputs=one)) == identity.canonical(inference(inputs=two))


CHANGES = [
    {"positive_prompt": "a film "},
    {"positive_prompt": "a fi\ufb01lm"},
    {"negative_prompt": "blur"},
    {"width": 720, "height": 1280},
    {"duration": 6},
    {"number_results": 2},
    {"output_format": "MOV"},
    {"output_quality": 94},
    {"safety": request.Safety(check_content=True, mode="fast")},
    {"inputs": request.Inputs(frame_images=(request.FrameImage(image=picture(), frame="first"),))},
    {"inputs": request.Inputs(frame_images=(request.FrameImage(image=picture(), frame="last"),))},
    {"inputs": request.Inputs(frame_images=(request.FrameImage(image=picture("ac"), frame="first"),))},
    {"inputs": request.Inputs(reference_videos=(Source(UUID),))},
    {"provider_settings": request.ProviderSettings(klingai=request.KlingSettings(sound=True))},
]


def test_whatever_changes_the_film_makes_another_purchase():
    made = {identity.canonical(inference(**change)) for change in [{}, *CHANGES]}
    assert len(made) == len(CHANGES) + 1


def test_an_accent_typed_in_another_way_is_another_text():
    assert identity.canonical(inference(positive_prompt="caf\u00e9")) != identity.canonical(
        inference(positive_prompt="cafe\u0301")
    )


def test_what_is_left_at_its_default_leaves_no_trace():
    spelt_out = inference(
        number_results=1,
        output_format="MP4",
        output_quality=95,
        safety=request.Safety(),
        inputs=request.Inputs(),
        provider_settings=request.ProviderSettings(),
    )
    assert identity.canonical(spelt_out) == identity.canonical(inference())


def test_a_fingerprint_tells_keys_apart_and_shows_none():
    assert identity.key_fingerprint(KEY, b"a") != identity.key_fingerprint(KEY, b"b")
    assert identity.key_fingerprint(KEY, b"a") != identity.key_fingerprint(KEY + "x", b"a")
    assert KEY[:4] not in identity.key_fingerprint(KEY, b"a")
