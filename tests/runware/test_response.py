from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kling.nodes.runware import response

UUID = "24cd5dff-cb81-4db5-8506-b72a9425f9d1"
OTHER = "00000000-0000-4000-8000-000000000000"
DOCUMENTED = {
    "data": [
        {"taskType": "videoInference", "taskUUID": UUID, "status": "processing"},
        {
            "taskType": "videoInference", "taskUUID": UUID, "status": "success", "seed": 7, "cost": 0.18,
            "videoUUID": "b7db282d-2943-4f12-992f-77df3ad3ec71", "videoURL": "https://im.runware.ai/video/b7.mp4",
        },
    ],
    "errors": [
        {"code": "timeoutProvider", "status": "error", "message": "The external provider did not respond.",
         "documentation": "https://runware.ai/docs", "taskUUID": UUID},
    ],
}  # fmt: skip


def read(tree, status=200):
    return response.read(status, json.dumps(tree).encode())


def test_the_documented_mixed_answer_is_read_whole():
    answer = read(DOCUMENTED)
    rows, failures = answer.of(UUID)
    assert [row.status for row in rows] == ["processing", "success"]
    assert (rows[1].seed, rows[1].cost, rows[1].video_url) == (7, 0.18, "https://im.runware.ai/video/b7.mp4")
    assert [failure.code for failure in failures] == ["timeoutProvider"]
    assert answer.readable


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Please wait</html>", b'{"data": [', b"null", b"[]", b'"text"', b"7", b"{}", b'{"data": null}',
     b'{"data": "none"}', b'{"other": 1}', b"\xff\xfe", b"[" * 5000, b'{"data": 7}'],
)  # fmt: skip
def test_what_the_service_never_sends_is_unreadable(body):
    answer = response.read(200, body)
    assert not answer.readable
    assert answer.rows == answer.failures == ()


@pytest.mark.parametrize(
    "tree",
    [
        {"data": [], "errors": [{"code": "x", "message": "m", "taskUUID": UUID}]},
        {"errors": {"code": "x", "message": "m", "taskUUID": UUID}},
        {"error": {"code": "x", "message": "m"}, "taskUUID": UUID},
        {"data": [{"taskUUID": UUID, "status": "error", "error": {"code": "x", "message": "m"}}]},
        {"data": {"taskUUID": UUID, "status": "error", "code": "x", "message": "m"}},
        {"errors": [{"code": "x", "message": "m", "context": {"taskUUID": UUID}}]},
    ],
)
def test_an_error_is_found_in_every_shape_it_has_been_seen_in(tree):
    _, failures = read(tree).of(UUID)
    assert [(failure.code, failure.message) for failure in failures] == [("x", "m")]


def test_an_error_that_is_only_text_keeps_its_words_and_task():
    answer = read({"data": [{"taskUUID": UUID, "status": "error", "error": "It broke."}]})
    assert [failure.message for failure in answer.of(UUID)[1]] == ["It broke."]


FAILED = {"taskUUID": UUID, "status": "error"}


@pytest.mark.parametrize("tree", [
    {"data": [{**FAILED, "cost": 0.42, "error": {"code": "x"}}]},
    {"data": [{**FAILED, "cost": 0.42, "error": "It broke."}]},
    {"data": [{**FAILED, "cost": 0, "error": {"code": "x", "cost": 0.42}}]},
    {"errors": [{"code": "x", "taskUUID": UUID, "cost": 0.42}]},
])  # fmt: skip
def test_what_a_failure_cost_is_found_beside_it_or_in_it(tree):
    assert [failure.cost for failure in read(tree).of(UUID)[1]] == [0.42]


def test_rows_and_errors_of_others_are_not_ours():
    rows, failures = read({**DOCUMENTED, "data": [{"taskUUID": OTHER, "videoURL": "https://x"}], "errors": []}).of(UUID)
    assert rows == failures == []


@pytest.mark.parametrize("cost", [0, -1, "0.42", None, True, float("nan"), float("inf"), 10**400, 1e9, [], {}])
def test_a_cost_that_is_no_amount_is_unreported(cost):
    assert read({"data": [{"taskUUID": UUID, "cost": cost}]}).rows[0].cost is None


def test_numbers_beyond_any_measure_do_no_harm():
    body = b'{"data": [{"taskUUID": "%s", "cost": 1e400, "seed": %s}]}' % (UUID.encode(), b"9" * 400)
    row = response.read(200, body).rows[0]
    assert row.cost is None
    assert row.seed is not None


@pytest.mark.parametrize("field", ["videoURL", "mediaURL", "videoDataURI"])
def test_the_address_is_found_under_every_name(field):
    assert read({"data": [{"taskUUID": UUID, field: "https://vm.runware.ai/a.mp4"}]}).rows[0].video_url


def test_a_film_inside_the_answer_becomes_an_address():
    assert read({"data": [{"taskUUID": UUID, "videoBase64Data": "AAAA"}]}).rows[0].video_url.endswith("base64,AAAA")


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("conflictTaskUUID", "conflict"), ("duplicateTaskUUID", "conflict"), ("invalidPositivePrompt", "validation"),
        ("missingTaskType", "validation"), ("unsupportedParameter", "validation"), ("valueTooLarge", "validation"),
        ("arrayTooSmall", "validation"), ("conflictAuthentication", "validation"), ("invalidApiKey", "auth"),
        ("missingApiKey", "auth"), ("unauthorized", "auth"), ("accountSuspended", "auth"),
        ("insufficientCredits", "quota"), ("providerInsufficientCredits", "quota"), ("quotaExceeded", "quota"),
        ("paymentRequired", "quota"), ("rateLimitExceeded", "rate_limit"), ("providerRateLimitExceeded", "rate_limit"),
        ("invalidProviderContent", "safety"), ("promptBlocked", "safety"), ("timeoutProvider", "timeout"),
        ("providerTimeout", "timeout"), ("taskNotFound", "not_found"), ("modelNotFound", "not_found"),
        ("taskExpired", "not_found"), ("internalServerError", "server"), ("serviceUnavailable", "server"),
        ("providerError", "provider"), ("inferenceError", "provider"), ("modelDisabled", "provider"),
        ("modelAlreadyExists", "validation"), ("errorRetrievingAccountManagement", "server"),
        ("somethingNew", "unknown"), ("", "unknown"),
    ],
)  # fmt: skip
def test_codes_are_sorted_as_the_service_sorts_them(code, category):
    assert response.categorize(code) == category


def test_moderation_is_seen_in_the_words_of_a_general_code():
    assert response.categorize("providerError", "The image was flagged by our system") == "safety"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>bold</b> text", "bold text"),
        (f"a <img src=x onerror=alert(1){' ' * 300}> tag, however long", "a tag, however long"),
        (r"<\/script>an end<!-- of it -->", "an end"),
        ("3 < 4 and 5 > 4", "3 < 4 and 5 > 4"),
        ("see https://x.io/a.mp4?X-Signature=secret now", "see https://x.io/... now"),
        ("at HTTPS://ada:secret@x.io:8443/services/secret;sig=secret.", "at HTTPS://x.io:8443/..."),
        ("at wss://x.io, or 'https://x.io'", "at wss://x.io, or 'https://x.io'"),
        (
            "\u65e0\u6cd5https://x.io/secret?sig=secret url_https://x.io/secret",
            "\u65e0\u6cd5https://x.io/... url_https://x.io/...",
        ),
        ("ftp://x.io#secret", "ftp://x.io/..."),
        ("webhook hook.example/kling?signature=secret failed", "webhook ... failed"),
        ("path /kling?X-Amz-Signature=secret.", "path ..."),
        ("at https%3A%2F%2Fx.io%2Fa%3Fsignature%3Dsecret now", "at ... now"),
        (r"at https:\/\/x.io\/secret?sig=secret now", "at https://x.io/... now"),
        ("X-Amz-Signature=secret, why?", "... why?"),
        ("Is it a cat? yes=no, or a token of ours", "Is it a cat? yes=no, or a token of ours"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ..."),
        ("line\nbreak\x00\x1b[31m", "line break [31m"),
        ("A" * 500, "..."),
        ("word " * 200, None),
    ],
)
def test_foreign_text_is_made_fit_to_show(text, shown):
    made = response.plain(text)
    assert len(made) <= response.MESSAGE_CHARACTERS
    assert shown is None or made == shown


@pytest.mark.parametrize("text", ["<", "a", "<a", "a@", "https://a ", "bearer ", "\x1b", "?=", "\ud800"], ids=repr)
def test_a_text_of_millions_of_characters_is_looked_through_in_no_time(text):
    """It holds up every thread of the process; a page's worth of brackets took ten seconds."""
    began = time.process_time()
    assert len(response.plain(text * 2**22)) <= response.MESSAGE_CHARACTERS
    assert time.process_time() - began < 0.5


def test_of_an_address_that_is_cut_by_where_reading_ends_nothing_is_shown():
    secret = "https://ada:secret-word@proxy.example/"
    for length in range(response.READ_CHARACTERS - len(secret), response.READ_CHARACTERS):
        text = f"<{'p' * (length - 4)}> {secret}{' more' * 9_999}"
        assert "secret" not in response.plain(text)
        assert "secret" not in response.read(502, text.encode()).excerpt
    page = f"<body {'x' * 170}><p {'x' * 180}>{secret}"
    assert response.read(502, page.encode()).excerpt == "https://proxy.example/..."


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["data", "errors", "error", "taskUUID", "status", "cost", "seed", "code", "message",
                         "parameter", "allowedValues", "context", "responseContent", "videoURL", "response"]),
        inner, max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


@given(anything, st.integers(100, 599))
def test_nothing_in_an_answer_can_raise(tree, status):
    answer = response.read(status, json.dumps(tree).encode())
    assert answer.status == status
    assert all(isinstance(failure.category, str) for failure in answer.failures)


@given(st.binary(max_size=200))
def test_no_bytes_can_raise(body):
    assert isinstance(response.read(200, body).readable, bool)
