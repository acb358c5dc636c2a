"""The models that can be bought: their data, and what is made of it."""

import json
from decimal import Decimal

import pytest
from kling.nodes.runware import assemble, draft, rules
from kling.nodes.runware.errors import InputError
from kling.nodes.runware.fields import WIDGETS
from kling.nodes.runware.media import Source
from kling.nodes.runware.price import price
from kling.nodes.runware.profiles import BY_MODEL, PROFILES, words
from kling.nodes.runware.request import body
from kling.nodes.runware.simulator import models
from kling.nodes.runware.simulator.media import MediaStore
from kling.nodes.runware.simulator.rules import check

STORED = Source("236ba4b9-e789-4ff4-8fa9-7ca57ab56210")
UUID = "0d4a6b2c-8f1e-4c3a-9b7d-2e5f6a8c9d01"


def asked(title, **widgets):
    sockets = {name: widgets.pop(name) for name in ("reference_image",) if name in widgets}
    settings = draft.settings(model=title, **widgets)
    return assemble.assemble(draft.prompt(positive_prompt="a film"), settings, **sockets), settings.profile


def test_models_are_added_at_the_end_because_workflows_and_the_default_name_the_first():
    assert list(PROFILES) == ["Kling 3.0 Standard", "Kling 3.0 Pro", "Kling 3.0 4K"]
    assert WIDGETS["KlingGenerate"]["model"].default == "Kling 3.0 Standard"


@pytest.mark.parametrize(
    ("title", "model", "sizes", "silent", "sounding"),
    [
        ("Kling 3.0 Standard", "3-standard", [(1280, 720), (960, 960), (720, 1280)], "0.42", "0.63"),
        ("Kling 3.0 Pro", "3-pro", [(1920, 1080), (1440, 1440), (1080, 1920)], "0.56", "0.84"),
        ("Kling 3.0 4K", "3-4k", [(3840, 2160), (2880, 2880), (2160, 3840)], "2.10", "2.10"),
    ],
)
def test_a_model_is_asked_for_by_its_id_and_size_and_costs_what_its_page_says(title, model, sizes, silent, sounding):
    for ratio, size in zip(("16:9", "1:1", "9:16"), sizes, strict=True):
        request, profile = asked(title, aspect_ratio=ratio)
        assert request.model == f"klingai:kling-video@{model}"
        assert (request.width, request.height) == size
        assert price(request, profile) == Decimal(silent)
    request, profile = asked(title, sound=True)
    assert price(request, profile) == Decimal(sounding)


@pytest.mark.parametrize("title", PROFILES)
@pytest.mark.parametrize("ratio", ["16:9", "1:1", "9:16"])
def test_the_service_takes_what_is_asked_of_each_model_at_the_price_that_was_planned(title, ratio):
    request, profile = asked(title, aspect_ratio=ratio, duration=7, sound=True)
    (task,) = json.loads(b"".join(body(request, UUID, {})))
    check(task, MediaStore())
    assert models.cost_of_one_result(task) == float(price(request, profile))


@pytest.mark.parametrize("title", [title for title, profile in PROFILES.items() if profile.motion_control])
def test_motion_control_has_a_price_of_its_own_in_the_models_that_take_it(title):
    request, profile = asked(title, reference_video_source=UUID, character_orientation="image", reference_image=STORED)
    assert request.model in BY_MODEL
    assert price(request, profile, reference_seconds=4.0) == profile.motion_control_price * 4


def test_4k_refuses_a_reference_video_on_its_field_and_names_the_model():
    with pytest.raises(InputError) as refused:
        asked("Kling 3.0 4K", reference_video_source=UUID, reference_image=STORED)
    assert "reference_video" in str(refused.value)
    assert "Kling 3.0 4K takes no reference video (motion control)." in str(refused.value)


def test_a_model_nothing_is_known_of_is_not_judged_by_its_size_or_its_reference_video():
    request, _ = asked("Kling 3.0 Standard", aspect_ratio="1:1")
    assert rules.judge(request.model_copy(update={"model": "another:model@1"})) == []


def test_help_names_every_models_sizes_and_prices_and_which_were_never_tried():
    for profile in PROFILES.values():
        short = profile.title.split()[-1]
        for width, height in profile.sizes.values():
            assert f"{width}x{height} ({short})" in words.of_sizes()
        assert f"{short} ${profile.price}" in words.of_models()
        assert profile.verified or short in words.of_models().partition("Not verified against the live service:")[2]
    assert "4K $0.42 with or without sound (no motion control)" in words.of_models()
    assert words.of_sound() == (
        "Sound made with the film: $0.126 instead of $0.084 a second (Standard), $0.168 instead of $0.112 a second "
        "(Pro); the same price with 4K."
    )
