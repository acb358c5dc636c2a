"""Two readings of one page: what the client's models and rules let through, the service's own rules accept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from kling.nodes.runware import limits, request, rules
from kling.nodes.runware.media import Source
from kling.nodes.runware.profiles import BY_MODEL
from kling.nodes.runware.simulator import tiny_film
from kling.nodes.runware.simulator.media import MediaStore
from kling.nodes.runware.simulator.models import MODELS, cost_of_one_result
from kling.nodes.runware.simulator.rules import check

from runware.simulator.asking import FILM, PICTURE, UUID

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.json"))
PICTURES = st.sampled_from((Source(PICTURE), Source("https://a.example/b.jpg")))
CLIPS = st.sampled_from((Source(FILM), Source("https://a.example/b.mp4")))
PROMPTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=2, max_size=60)
OPTIONAL_PROMPTS = st.none() | PROMPTS


@st.composite
def elements(draw, place):
    made = {"id": f"element-{place}", "description": draw(st.none() | PROMPTS)}
    made["tags"] = tuple(draw(st.lists(st.sampled_from(("Character", "Animal", "Others")), max_size=2)))
    kind = draw(st.sampled_from(("stored", "pictures", "film")))
    if kind == "pictures":
        made["frontal_image"] = draw(PICTURES)
        made["images"] = tuple(draw(st.lists(PICTURES, max_size=3)))
        made["voices"] = tuple(draw(st.lists(CLIPS, max_size=1)))
    elif kind == "film":
        made["videos"] = (draw(CLIPS),)
    return request.Element(**made)


@st.composite
def inputs(draw, way):
    places = draw(st.sampled_from((("first",), ("last",), ("first", "last")))) if way == "framed" else ()
    count = draw(st.integers(0, 3)) if way == "framed" else 0
    return request.Inputs(
        frame_images=tuple(request.FrameImage(image=draw(PICTURES), frame=place) for place in places),
        reference_images=tuple(draw(st.lists(PICTURES, min_size=1, max_size=2))) if way == "led" else (),
        reference_videos=(draw(CLIPS),) if way == "led" else (),
        elements=tuple(draw(elements(place)) for place in range(count)),
    )


@st.composite
def settings_of(draw, way):
    if way == "led":
        orientation = draw(st.sampled_from(("image", "video")))
        return request.KlingSettings(character_orientation=orientation, keep_original_sound=draw(st.booleans()))
    seconds = draw(st.lists(st.integers(1, 3), max_size=limits.SHOTS_MAX))
    assume(not seconds or limits.DURATION_MIN <= sum(seconds) <= limits.DURATION_MAX)
    shots = tuple(request.PromptSegment(prompt=draw(PROMPTS), duration=each) for each in seconds)
    shot_type = None if shots else draw(st.sampled_from((None, "intelligence")))
    return request.KlingSettings(multi_prompt=shots, shot_type=shot_type, sound=draw(st.booleans()))


@st.composite
def requests(draw):
    way = draw(st.sampled_from(("sized", "framed", "led")))
    kling = draw(settings_of(way))
    width, height = draw(st.sampled_from(((1280, 720), (960, 960), (720, 1280)))) if way == "sized" else (None, None)
    return request.VideoInference(
        model="klingai:kling-video@3-standard",
        positive_prompt=draw(OPTIONAL_PROMPTS if kling.multi_prompt else PROMPTS),
        negative_prompt=draw(OPTIONAL_PROMPTS),
        width=width,
        height=height,
        duration=sum(shot.duration for shot in kling.multi_prompt) or draw(st.integers(3, 15)),
        number_results=draw(st.integers(1, 4)),
        inputs=draw(inputs(way)),
        provider_settings=request.ProviderSettings(klingai=kling),
        output_format=draw(st.sampled_from(("MP4", "WEBM", "MOV"))),
        output_quality=draw(st.integers(20, 99)),
        safety=request.Safety(mode=draw(st.sampled_from(("none", "fast", "full")))),
        ttl=draw(st.none() | st.integers(60, 10**6)),
        webhook_url=draw(st.none() | st.just("https://a.example/hook?key=1")),
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests())
def test_what_the_client_sends_the_service_accepts(wanted):
    assume(all(verdict.action != "block" for verdict in rules.judge(wanted, reference_seconds=5.0)))
    sent = json.loads(b"".join(request.body(wanted, UUID, {})))
    check(sent[0], MediaStore())
    assert tiny_film.render(sent[0], 0)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_the_documentations_own_examples_are_accepted_at_the_price_they_show(example):
    shown = json.loads(example.read_text("utf-8"))
    check(shown["request"], MediaStore())
    assert cost_of_one_result(shown["request"]) == pytest.approx(shown["cost"])


def test_both_know_the_same_models_sizes_and_prices():
    for model, profile in BY_MODEL.items():
        ours = MODELS[model]
        assert set(ours.sizes) == set(profile.sizes.values())
        assert ours.silent == profile.price * 1_000_000
        assert ours.sounding == profile.price_with_sound * 1_000_000
