"""UUIDs and URLs in widgets: which name media that the service can read, and what is said of any other text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kling.nodes.runware.addresses import source, sources
from kling.nodes.runware.errors import InputError
from kling.nodes.runware.media import Source

UUID = "c64351d5-4c59-42f7-95e1-eace013eddab"
AT = {"node": "KlingElement", "field": "images_sources"}


@pytest.mark.parametrize(
    "text",
    [
        UUID,
        "https://example.com/a.png",
        "https://example.com:8443/a%20b.png?signature=x%2F&n=1#top",
        "https://[2001:db8::1]/a.png",
        "https://b\u00fccher.example/\u00e4.png",
    ],
)
def test_a_uuid_or_an_https_url_is_a_source(text):
    found = source(f"  {text}\n", **AT)
    assert found == Source(text)
    assert found.identity == text


@pytest.mark.parametrize("text", ["", " \n "])
def test_an_empty_text_is_no_source(text):
    assert source(text, **AT) is None


def test_a_uuid_is_one_source_in_either_case():
    assert source(UUID.upper(), **AT) == Source(UUID)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("picture.png", "neither a UUID nor an https URL"),
        ("http://example.com/a.png", "neither a UUID nor an https URL"),
        ("ftp://example.com/a.png", "neither a UUID nor an https URL"),
        ("file:///etc/passwd", "neither a UUID nor an https URL"),
        ("data:image/png;base64,AAAA", "neither a UUID nor an https URL"),
        (UUID[:-1], "neither a UUID nor an https URL"),
        ("https://", "names no host"),
        ("https:///a.png", "names no host"),
        ("https://ada:secret@example.com/a.png", "a user name or a password"),
        ("https://example.com:99999/a.png", "not a well-formed URL"),
        ("https://[::1/a.png", "not a well-formed URL"),
        ("https://example.com/a b.png", "a URL contains no spaces, backslashes or control"),
        ("https://example.com\\a.png", "a URL contains no spaces, backslashes or control"),
        ("https://example.com/\x01a.png", "a URL contains no spaces, backslashes or control"),
        ("https://example.com/\x00a.png", "a NUL character"),
        ("https://example.com/\ud800.png", "half of a character"),
        ("https://example.com/" + "a" * 2048, "a URL has at most 2048 characters, this one has 2068"),
    ],
)
def test_what_is_no_source_names_node_field_and_reason(text, reason):
    with pytest.raises(InputError, match=reason) as caught:
        source(text, **AT)
    assert (caught.value.node, caught.value.field) == ("KlingElement", "images_sources")
    assert "Not billed." in str(caught.value)


@pytest.mark.parametrize("text", ["https://ada:secret@example.com/a.png", "http://example.com/a.png?token=secret"])
def test_a_refused_url_does_not_show_its_secret(text):
    with pytest.raises(InputError) as caught:
        source(text, **AT)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\n ", []),
        (UUID, [UUID]),
        (f"{UUID}\nhttps://example.com/a.png", [UUID, "https://example.com/a.png"]),
        (f"{UUID}, {UUID} ,https://example.com/a.png,", [UUID, UUID, "https://example.com/a.png"]),
        (f"{UUID},{UUID}\r\n{UUID}", [UUID] * 3),
        ("https://example.com/a,b.png,https://example.com/c", ["https://example.com/a,b.png", "https://example.com/c"]),
    ],
)
def test_sources_stand_on_lines_or_between_commas(text, expected):
    assert [each.text for each in sources(text, **AT, most=9)] == expected


def test_too_many_sources_are_counted():
    with pytest.raises(InputError, match="these are 3 sources, at most 2 are accepted"):
        sources("\n".join([UUID] * 3), **AT, most=2)


def test_one_bad_source_among_several_is_refused():
    with pytest.raises(InputError, match="neither a UUID"):
        sources(f"{UUID}\nnonsense", **AT, most=9)


@given(st.text(max_size=60))
def test_any_text_is_a_source_or_an_input_error(text):
    try:
        found = source(text, **AT)
    except InputError:
        return
    assert found is None or found.text.startswith("https://") or len(found.text) == 36
