from __future__ import annotations

import os
from decimal import Decimal

import pytest
from kling.nodes.runware import settings
from kling.nodes.runware.errors import NOTHING_SENT, KlingError, MissingKeyError

GOOD = "rw-0123456789abcdef"
BAD_KEYS = {
    "empty": "",
    "blanks": "   ",
    "line break inside": "abc\ndef",
    "carriage return inside": "abc\rdef",
    "blank inside": "abc def",
    "tab inside": "abc\tdef",
    "NUL": "abc\x00def",
    "byte order mark": "\ufeff" + GOOD,
    "non-ASCII": "schl\u00fcssel",
    "zero-width space": GOOD + "\u200b",
    "with Bearer": "Bearer " + GOOD,
    "with bearer in lower case": "bearer" + GOOD,
    "in double quotes": f'"{GOOD}"',
    "in single quotes": f"'{GOOD}'",
    "quote at one end": f"{GOOD}'",
    "escape character": "abc\x1bdef",
    "too long": "a" * 513,
    "no-break space": "abc\u00a0def",
}


def of_environment(text):
    return {"RUNWARE_API_KEY": text}


@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS)
def test_what_cannot_be_a_key_is_refused_without_being_shown(tmp_path, key):
    (tmp_path / "api_key").write_bytes(key.encode())
    for environ in (of_environment(key), {}):
        with pytest.raises(MissingKeyError) as caught:
            settings.api_key(tmp_path / ("none" if environ else ""), environ)
        assert caught.value.billing == NOTHING_SENT  # the graph may have been bought before
        shown = "".join(repr(error) + str(error) for error in (caught.value, caught.value.__cause__))
        assert not key.strip() or key.strip("'\" ") not in shown


def test_a_key_is_taken_from_the_environment_and_stripped(tmp_path):
    assert settings.api_key(tmp_path, of_environment(f" {GOOD}\n")) == GOOD


def test_a_key_file_serves_where_the_environment_has_none(tmp_path):
    (tmp_path / "api_key").write_text(f"{GOOD}\n")
    assert settings.api_key(tmp_path, {}) == GOOD
    assert settings.api_key(tmp_path, of_environment("")) == GOOD


def test_without_any_key_both_places_are_named(tmp_path):
    with pytest.raises(MissingKeyError, match=r"RUNWARE_API_KEY.*user/__kling/api_key"):
        settings.api_key(tmp_path, {})


@pytest.mark.skipif(os.name != "posix", reason="links and modes are POSIX's")
def test_a_key_file_that_is_a_link_is_refused_and_a_readable_one_is_warned_of(tmp_path, caplog):
    (tmp_path / "real").write_text(GOOD)
    (tmp_path / "api_key").symlink_to(tmp_path / "real")
    with pytest.raises(MissingKeyError, match="not a plain file"):
        settings.api_key(tmp_path, {})
    (tmp_path / "api_key").unlink()
    (tmp_path / "real").rename(tmp_path / "api_key")
    (tmp_path / "api_key").chmod(0o644)
    settings.api_key(tmp_path, {})
    assert "chmod 600" in caplog.text
    assert GOOD not in caplog.text


def test_a_key_file_of_other_bytes_is_refused(tmp_path):
    (tmp_path / "api_key").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MissingKeyError, match="cannot be read"):
        settings.api_key(tmp_path, {})


def test_the_defaults_are_those_of_the_documentation():
    assert settings.read({}) == settings.Settings(
        base_url="https://api.runware.ai/v1", max_concurrency=4, max_fanout=8, daily_budget=None, resubmit_window=20.0
    )


@pytest.mark.parametrize(
    "url",
    ["http://api.runware.ai/v1", "ftp://api.runware.ai", "https://", "https://name:word@api.runware.ai/v1",
     "https://api.runware.ai/v1?key=1", "https://api.runware.ai/v1#a", "http://10.0.0.1/v1", "api.runware.ai",
     "http://127.0.0.1.evil.example/v1", "http://localhost@evil.example/"],
)  # fmt: skip
def test_an_address_that_would_send_the_key_astray_is_refused(url):
    with pytest.raises(KlingError, match="RUNWARE_BASE_URL"):
        settings.read({"RUNWARE_BASE_URL": url})


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/v1", "http://localhost:1/v1", "http://[::1]:9/v1", "https://x.io/v1/"]
)
def test_https_and_this_machine_are_taken(url):
    assert settings.read({"RUNWARE_BASE_URL": url}).base_url == url.rstrip("/")


@pytest.mark.parametrize("name", ["KLING_MAX_CONCURRENCY", "KLING_MAX_FANOUT"])
@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "nan", "inf"])
def test_a_count_that_is_no_count_is_refused(name, text):
    with pytest.raises(KlingError, match=name):
        settings.read({name: text})


@pytest.mark.parametrize("text", ["-1", "much", "nan", "inf", "1,5"])
def test_a_budget_that_is_no_amount_is_refused(text):
    with pytest.raises(KlingError, match="KLING_DAILY_BUDGET_USD"):
        settings.read({"KLING_DAILY_BUDGET_USD": text})


@pytest.mark.parametrize(("text", "amount"), [("20", "20"), ("$2.50", "2.50"), ("0", "0"), ("", None)])
def test_a_budget_is_exact(text, amount):
    assert settings.read({"KLING_DAILY_BUDGET_USD": text}).daily_budget == (None if amount is None else Decimal(amount))


def test_the_resubmit_window_is_never_longer_than_is_safe(caplog):
    assert settings.read({"KLING_RESUBMIT_WINDOW": "0"}).resubmit_window == 0.0
    assert settings.read({"KLING_RESUBMIT_WINDOW": "600"}).resubmit_window == settings.RESUBMIT_WINDOW_MOST
    assert "most that is safe" in caplog.text
    with pytest.raises(KlingError, match="KLING_RESUBMIT_WINDOW"):
        settings.read({"KLING_RESUBMIT_WINDOW": "-1"})
