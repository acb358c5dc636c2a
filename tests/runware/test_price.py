import json
from decimal import Decimal
from pathlib import Path

import pytest
from kling.nodes.runware import request
from kling.nodes.runware.media import Source
from kling.nodes.runware.price import price, usd
from kling.nodes.runware.profiles import BY_MODEL, PROFILES

PROFILE = PROFILES["Kling 3.0 Standard"]
EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.json"))
LED = request.Inputs(reference_videos=(Source("236ba4b9-e789-4ff4-8fa9-7ca57ab56210"),))


def inference(*, sound=False, **fields):
    klingai = request.KlingSettings(sound=sound)
    return request.VideoInference(
        model=PROFILE.model,
        positive_prompt="a film",
        provider_settings=request.ProviderSettings(klingai=klingai),
        **fields,
    )


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_of_the_page_cost_what_they_were_billed(path):
    example = json.loads(path.read_text(encoding="utf-8"))
    assert float(price(inference(duration=example["request"]["duration"]), PROFILE)) == example["cost"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"duration": 3}, "0.252"),
        ({}, "0.42"),
        ({"duration": 15}, "1.26"),
        ({"sound": True}, "0.63"),
        ({"duration": 3, "number_results": 4}, "1.008"),
        ({"duration": 15, "number_results": 4, "sound": True}, "7.56"),
    ],
    ids=str,
)
def test_a_film_is_paid_by_the_second_and_every_result_of_it(fields, expected):
    assert price(inference(**fields), PROFILE) == Decimal(expected)


def test_a_film_led_by_a_clip_of_unknown_length_has_no_known_price():
    assert price(inference(inputs=LED), PROFILE) is None


def test_a_film_led_by_a_clip_is_estimated_by_the_clips_begun_seconds():
    assert price(inference(inputs=LED, number_results=2), PROFILE, reference_seconds=9.2) == Decimal("2.520")


@pytest.mark.parametrize(
    ("duration", "seconds", "expected"), [(15, 3.0, "1.890"), (3, 9.2, "1.260"), (5, 3.0, "0.378")]
)
def test_where_a_duration_is_sent_beside_a_clip_the_longer_of_the_two_counts(duration, seconds, expected):
    """Nobody says which is billed, and neither max_cost nor a day's budget may be passed. 5 s are not sent."""
    led = inference(inputs=LED, duration=duration)
    assert price(led, PROFILE, reference_seconds=seconds) == Decimal(expected)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Decimal("0.42"), "$0.42"),
        (Decimal("0.504"), "$0.504"),
        (Decimal("7.560"), "$7.56"),
        (Decimal(3), "$3.00"),
        (0.1 + 0.2, "$0.30"),
        (0, "$0.00"),
        (1234.5, "$1234.50"),
    ],
)
def test_an_amount_is_written_with_all_its_digits_and_at_least_cents(amount, text):
    assert usd(amount) == text


def test_every_profile_lists_the_same_aspect_ratios_because_one_widget_lists_them():
    assert {tuple(profile.sizes) for profile in PROFILES.values()} == {("16:9", "1:1", "9:16")}
    assert len(BY_MODEL) == len(PROFILES)


def test_the_standard_model_makes_the_sizes_of_its_page():
    assert dict(PROFILE.sizes) == {"16:9": (1280, 720), "1:1": (960, 960), "9:16": (720, 1280)}
