import time

import pytest
from kling.nodes.runware.errors import InputError
from kling.nodes.runware.tags import expand, named_elements

IDS = ("ada", "ada-2", "rex")


def expanded(text, ids=IDS):
    return expand(text, ids, node="KlingPrompt", field="positive_prompt")


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("@ada walks", "<<<element_1>>> walks"),
        ("@ada-2 walks", "<<<element_2>>> walks"),
        ("@rex, @ada and @rex", "<<<element_3>>>, <<<element_1>>> and <<<element_3>>>"),
        ("(@rex)", "(<<<element_3>>>)"),
        ("@ada's dog", "<<<element_1>>>'s dog"),
        ("Here is @ada.", "Here is <<<element_1>>>."),
        ("<<<element_2>>> and @ada", "<<<element_2>>> and <<<element_1>>>"),
        ("\u00e9 @ada\n@rex", "\u00e9 <<<element_1>>>\n<<<element_3>>>"),
    ],
)
def test_a_tag_becomes_the_marker_of_its_element(text, sent):
    assert expanded(text) == sent


@pytest.mark.parametrize(
    "text",
    [
        "write to ada@rex.example",
        "a.@ada",
        "\u00e9@ada",
        "at 5 @ 3",
        "@",
        "@@",
        "an <element> of 3 elements",
        "a < b > c",
    ],
)
def test_what_only_looks_like_a_tag_stays_as_it_is(text):
    assert expanded(text) == text


@pytest.mark.parametrize("text", ["@bob", "@Ada", "@ada_", "@ada-", "@ada-22", "@\u0430da", "see @1"])
def test_a_tag_that_names_no_element_is_refused_and_the_known_ones_are_said(text):
    with pytest.raises(InputError, match="Connected: @ada, @ada-2, @rex") as caught:
        expanded(text)
    assert caught.value.value == text.split()[-1]


def test_a_tag_without_any_element_is_refused():
    with pytest.raises(InputError, match="No element is connected"):
        expanded("@ada", ())


@pytest.mark.parametrize("number", ["4", "10", "99999999999999999999"])
def test_a_marker_beyond_the_elements_is_refused(number):
    with pytest.raises(InputError, match="there is no such element"):
        expanded(f"<<<element_{number}>>>")


@pytest.mark.parametrize(
    "text",
    [
        "<<element_1>>",
        "<element_1>",
        "<<<element_1>>",
        "<<<element_1",
        "element_1>>>",
        "<<<<element_1>>>>",
        "<<<element_0>>>",
        "<<<element_01>>>",
        "<<<element1>>>",
        "<<<element 1>>>",
        "<<<element-1>>>",
        "<<<Element_1>>>",
        "<<<elements_1>>>",
        "<<< element_1 >>>",
        "<<<element>>>",
        "<<element>>",
        f"<<<element_{'1' * 5_000}>>>",
    ],
)
def test_a_misspelt_marker_is_refused(text):
    with pytest.raises(InputError, match="three brackets on each side"):
        expanded(f"here {text} walks")


def test_thousands_of_brackets_are_looked_through_at_once():
    """Each was tried as the first of a marker: twenty thousand held up the whole process for most of a minute."""
    began = time.process_time()
    assert expanded("@ada" + "<" * 5_000) == "<<<element_1>>>" + "<" * 5_000
    assert time.process_time() - began < 0.5


def test_elements_are_counted_as_named_by_their_markers():
    assert named_elements(["<<<element_2>>> and <<<element_1>>>", "<<<element_2>>>", "@rex"]) == {1, 2}
