from __future__ import annotations

import json

import pytest
from kling.nodes.runware import response
from kling.nodes.runware.response import Failure
from kling.nodes.runware.verdict import judge_submission, key_refused, look, said

UUID = "24cd5dff-cb81-4db5-8506-b72a9425f9d1"
OTHER = "00000000-0000-4000-8000-000000000000"
ACK = {"taskType": "videoInference", "taskUUID": UUID}


def answer(tree, status=200, retry_after=None):
    body = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    return response.read(status, body, retry_after)


def error(code, **fields):
    return {"data": [], "errors": [{"code": code, "message": "Words.", "taskUUID": UUID, **fields}]}


SUBMISSIONS = {
    "acknowledged": (200, {"data": [ACK]}, "accepted"),
    "acknowledged twice": (200, {"data": [ACK, ACK]}, "accepted"),
    "acknowledged beside another's error": (
        200, {"data": [ACK], "errors": [{"code": "x", "taskUUID": OTHER}]}, "accepted"
    ),
    "acknowledged with a 500": (500, {"data": [ACK]}, "accepted"),
    "acknowledged by unknown status": (200, {"data": [{**ACK, "status": "polishing"}]}, "accepted"),
    "conflict": (400, error("conflictTaskUUID"), "accepted"),
    "conflict with 200": (200, error("conflictTaskUUID"), "accepted"),
    "conflict with 409": (409, error("conflictTaskUUID"), "accepted"),
    "conflict without task": (400, {"errors": [{"code": "conflictTaskUUID"}]}, "accepted"),
    "another's conflict": (400, error("conflictTaskUUID", taskUUID=OTHER), "unknown"),
    "validation": (400, error("invalidDuration"), "rejected"),
    "validation without task": (400, {"errors": [{"code": "invalidDuration"}]}, "rejected"),
    "validation with 422": (422, error("valueTooLarge"), "rejected"),
    "unknown code with 400": (400, error("somethingNew"), "rejected"),
    "validation with 200": (200, error("invalidDuration"), "unknown"),
    "another's validation": (400, error("invalidDuration", taskUUID=OTHER), "unknown"),
    "key": (401, error("invalidApiKey"), "rejected"),
    "forbidden": (403, error("forbidden"), "rejected"),
    "credits": (402, error("insufficientCredits"), "rejected"),
    "model": (404, error("modelNotFound"), "rejected"),
    "moderated": (400, error("promptBlocked"), "rejected"),
    "a model that is off": (400, error("modelDisabled"), "rejected"),
    "a model that is off with 503": (503, error("modelDisabled"), "unknown"),
    "a model that is away": (400, error("modelUnavailable"), "unknown"),
    "a model that is not ready": (400, error("modelNotReady"), "unknown"),
    "no server for the model": (400, error("noAvailableServer"), "unknown"),
    "provider fault with 400": (400, error("providerError"), "unknown"),
    "timeout with 408": (408, error("requestTimeout"), "unknown"),
    "unknown code with 409": (409, error("somethingNew"), "unknown"),
    "500": (500, error("internalServerError"), "unknown"),
    "500 that calls it invalid": (500, error("invalidDuration"), "unknown"),
    "502 that calls it invalid": (502, error("invalidDuration"), "unknown"),
    "503": (503, error("serviceUnavailable"), "unknown"),
    "504": (504, error("providerGatewayTimeout"), "unknown"),
    "429": (429, error("rateLimitExceeded"), "limited"),
    "429 as a page": (429, b"<html>slow down</html>", "limited"),
    "limited with 200": (200, error("rateLimitExceeded"), "limited"),
    "page": (200, b"<html>Please wait</html>", "unknown"),
    "403 as a page": (403, b"<html>WAF</html>", "unknown"),
    "404 as a page": (404, b"<html></html>", "unknown"),
    "413 as a page": (413, b"<html></html>", "unknown"),
    "301": (301, b"", "unknown"),
    "cut": (200, b'{"data":[{"taskUUID":', "unknown"),
    "empty": (200, b"", "unknown"),
    "no rows": (200, {"data": []}, "unknown"),
    "null": (200, {"data": None}, "unknown"),
    "another's row": (200, {"data": [{**ACK, "taskUUID": OTHER}]}, "unknown"),
    "error row of a provider": (
        200, {"data": [{**ACK, "status": "error", "error": {"code": "providerError"}}]}, "unknown"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("status", "tree", "outcome"), SUBMISSIONS.values(), ids=SUBMISSIONS)
def test_a_send_is_judged_by_our_uuid_first_and_by_its_status_last(status, tree, outcome):
    assert judge_submission(answer(tree, status), UUID).outcome == outcome


def test_a_limited_send_carries_the_wish_to_wait():
    assert judge_submission(answer(error("rateLimitExceeded"), 429, 7.0), UUID).retry_after == 7.0


def row(status, **fields):
    return {**ACK, "status": status, **fields}


FILM = row("success", videoUUID="b7db282d-2943-4f12-992f-77df3ad3ec71", videoURL="https://vm.runware.ai/a.mp4")


def test_a_question_shows_films_what_is_pending_and_what_failed():
    seen = look(answer({"data": [FILM, row("processing")], "errors": error("providerError")["errors"]}), UUID)
    assert (len(seen.successes), seen.pending, seen.unaddressed, len(seen.failures)) == (1, 1, [], 1)
    assert seen.proves


def test_a_film_proves_the_task_and_so_does_a_render_under_way_or_a_failure():
    for tree in ({"data": [FILM]}, {"data": [row("processing")]}, error("providerError")):
        assert look(answer(tree), UUID).proves


def test_the_same_film_twice_is_one_film():
    assert len(look(answer({"data": [FILM, FILM]}), UUID).successes) == 1


@pytest.mark.parametrize("word", ["success", "completed", "Done"])
def test_a_film_without_status_counts_and_one_without_address_is_pending(word):
    assert look(answer({"data": [{**FILM, "status": ""}]}), UUID).successes
    seen = look(answer({"data": [row(word, videoUUID="b7")]}), UUID)
    assert (seen.pending, [each.video_uuid for each in seen.unaddressed]) == (1, ["b7"])


def test_an_acknowledgement_is_no_film_that_lacks_its_address():
    """The archive, or a state that backs away, shows it while the film is made: nothing is finished by that."""
    seen = look(answer({"data": [ACK]}), UUID)
    assert (seen.pending, seen.unaddressed) == (1, [])


def test_an_unknown_status_is_still_running():
    assert look(answer({"data": [row("polishing")]}), UUID).pending == 1


@pytest.mark.parametrize("word", ["polishing", "processing", "queued"])
def test_an_address_makes_no_film_of_what_is_still_being_made(word):
    seen = look(answer({"data": [{**FILM, "status": word}]}), UUID)
    assert (seen.successes, seen.pending, seen.unaddressed) == ([], 1, [])


def test_an_empty_answer_denies_and_an_odd_one_does_not():
    assert look(answer({"data": []}), UUID).denies
    odd = ({"data": None}, {}, {"data": [{**FILM, "taskUUID": OTHER}]}, b"<html>", b"", error("x", taskUUID=OTHER))
    assert not any(look(answer(tree), UUID).denies for tree in odd)
    assert not any(look(answer({"data": []}, status), UUID).denies for status in (400, 503))


def test_not_found_is_a_denial_whoever_is_named_as_its_kind():
    for kind in ("getResponse", "getTaskDetails", "videoInference"):
        assert look(answer(error("taskNotFound", taskType=kind), 404), UUID).denies
        assert look(answer({"data": [row("error", taskType=kind, code="taskExpired")]}), UUID).denies


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_a_status_of_the_way_is_no_verdict_on_the_task(status):
    seen = look(answer(error("providerError"), status), UUID)
    assert not seen.proves
    assert not seen.denies


def test_a_moderated_render_is_a_failure_though_it_comes_with_400():
    assert look(answer(error("invalidProviderContent"), 400), UUID).failures


def test_an_error_about_the_question_is_none_about_the_task():
    seen = look(answer(error("invalidTaskUUID", taskType="getResponse"), 400), UUID)
    assert not seen.failures
    seen = look(answer(error("rateLimitExceeded"), 200), UUID)
    assert not seen.failures
    assert seen.trouble


SURE, DOUBTED, NONE = "sure", "doubted", "none"
ASKED = {"taskType": "getResponse"}
FAILED_RESULTS = {
    "a row": (200, {"data": [row("error", error={"code": "quotaExceeded"})]}, SURE),
    "a row that calls something not found": (200, {"data": [row("error", error={"code": "mediaExpired"})]}, SURE),
    "a row that denies the task": (200, {"data": [row("error", error={"code": "taskFailedOrNotFound"})]}, NONE),
    "a row that denies the result": (200, {"data": [row("error", error={"code": "resultExpired"})]}, NONE),
    "a row that misses a model": (200, {"data": [row("error", error={"code": "modelNotFound"})]}, SURE),
    "a row of the question": (200, {"data": [row("error", error={"code": "quotaExceeded"}, **ASKED)]}, NONE),
    "a row with a refused question": (401, {"data": [row("error", error={"code": "unauthorized"})]}, NONE),
    "a row about a copy": (200, {"data": [row("error", error={"code": "conflictTaskUUID"})]}, NONE),
    "an upstream limit": (200, error("providerRateLimitExceeded"), DOUBTED),
    "Runware's account upstream": (402, error("thirdPartyInsufficientCredits"), DOUBTED),
    "an upstream limit of the question": (200, error("providerRateLimitExceeded", **ASKED), NONE),
    "an upstream limit of the way": (503, error("providerInsufficientCredits"), NONE),
    "an upstream limit of nobody": (200, {"errors": [{"code": "providerInsufficientCredits"}]}, NONE),
    "an upstream limit beside a film": (200, {**error("inferenceRateLimitExceeded"), "data": [FILM]}, SURE),
    "our account": (200, error("quotaExceeded"), NONE),
    "our account beside a film": (200, {**error("quotaExceeded"), "data": [FILM]}, DOUBTED),
    "our account beside a render": (200, {**error("quotaExceeded"), "data": [row("processing")]}, NONE),
    "a conflict beside a film": (200, {**error("conflictTaskUUID"), "data": [FILM]}, DOUBTED),
    "not found": (200, error("taskCancelled"), NONE),
    "not found beside a film": (200, {**error("taskCancelled"), "data": [FILM]}, SURE),
    "not found beside a render": (200, {**error("taskCancelled"), "data": [row("processing")]}, NONE),
    "nobody's beside a film": (200, {"data": [FILM], "errors": [{"code": "quotaExceeded"}]}, NONE),
}  # fmt: skip


@pytest.mark.parametrize(("status", "tree", "verdict"), FAILED_RESULTS.values(), ids=FAILED_RESULTS)
def test_a_result_failed_by_its_row_by_where_it_happened_or_by_what_is_shown_beside_it(status, tree, verdict):
    seen = look(answer(tree, status), UUID)
    assert len(seen.failures) == (verdict != NONE)
    assert seen.is_doubted == (verdict == DOUBTED)


def test_what_failed_upstream_does_not_refuse_our_account():
    for status in (200, 402, 503):
        assert not key_refused(answer(error("providerInsufficientCredits"), status), UUID)
    assert key_refused(answer({"errors": [{"code": "providerInsufficientCredits"}]}, 402), UUID)


def test_a_conflict_in_the_archive_is_told():
    assert look(answer(error("conflictTaskUUID")), UUID).conflict
    assert not look(answer(error("unauthorized"), 401), UUID).conflict
    for question in ("getResponse", "getTaskDetails"):  # the question was refused, not a copy of the task
        assert not look(answer(error("conflictTaskUUID", taskType=question), 400), UUID).conflict


def test_failures_are_told_in_the_service_s_words_else_by_their_code():
    failures = [Failure("x", "Words."), Failure("y", ""), Failure("", ""), Failure("z", "Words")]
    assert said(failures) == "Words; y; no reason given"


def test_a_key_is_refused_by_code_or_by_status_but_not_for_another_task():
    assert key_refused(answer(error("invalidApiKey"), 401), UUID)
    assert key_refused(answer({"errors": [{"code": "insufficientCredits"}]}, 402), UUID)
    assert key_refused(answer({"data": []}, 403), UUID)
    assert not key_refused(answer(error("invalidApiKey", taskUUID=OTHER), 401), UUID)
    assert not key_refused(answer(b"<html>", 403), UUID)
    assert not key_refused(answer({"data": [FILM]}), UUID)
