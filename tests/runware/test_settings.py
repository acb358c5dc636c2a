"""What the environment says, sensible or not."""

import pytest
from kling.nodes.runware import settings
from kling.nodes.runware.errors import KlingError, MissingKeyError

SECRET = "sk-5b0c8e4f2a9d77"


@pytest.mark.parametrize("name", ["KLING_MAX_CONCURRENCY", "KLING_MAX_FANOUT", "KLING_RESUBMIT_WINDOW"])
@pytest.mark.parametrize("text", ["many", "-1", "nan", "inf", "1e400", "4 or 5", "0x4", "\u221e", "9" * 5000 + "x"])
def test_a_number_that_cannot_be_meant_is_told_in_a_sentence(name, text):
    with pytest.raises(KlingError) as error:
        settings.read({name: text})
    assert str(error.value).startswith(f"The environment variable {name} is ")
    assert str(error.value).count("Not billed.") == 1
    assert len(str(error.value)) <= 600


@pytest.mark.parametrize("text", ["0", "1.5", "0.99"])
def test_a_count_is_a_whole_number_of_at_least_one(text):
    with pytest.raises(KlingError, match="a whole number of 1 or more"):
        settings.read({"KLING_MAX_FANOUT": text})


@pytest.mark.parametrize("text", ["-1", "nan", "sNaN", "Infinity", "ten", "1,5", "20 EUR"])
def test_a_budget_that_is_no_amount_never_means_none(text):
    with pytest.raises(KlingError, match=r"KLING_DAILY_BUDGET_USD is .*amount in USD"):
        settings.read({"KLING_DAILY_BUDGET_USD": text})


@pytest.mark.parametrize(
    "address",
    [
        "http://api.runware.ai/v1",
        "ftp://api.runware.ai",
        "api.runware.ai",
        "https://",
        "https://[::1",
        "https://[nonsense]/",
        "https://api.runware.ai:port/",
        "https://api.runware.ai:99999/",
        f"https://ada:{SECRET}@api.runware.ai/",
        f"https://api.runware.ai/?token={SECRET}",
        f"https://api.runware.ai/#{SECRET}",
        "https://api.run ware.ai/",
        "https://api.runware.ai\\@evil.example/",
        "https://\u0430pi.runware.ai/",
        "http://127.0.0.1.evil.example/",
        "javascript:alert(1)",
    ],
)
def test_a_base_address_that_cannot_be_meant_is_refused_without_showing_it(address):
    with pytest.raises(KlingError, match="RUNWARE_BASE_URL must be an https address") as error:
        settings.read({"RUNWARE_BASE_URL": address})
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("address", ["https://proxy.example:8443/v1/", "http://127.0.0.1:80/v1", "http://[::1]:1/"])
def test_another_https_address_and_this_machine_are_fine(address):
    assert settings.read({"RUNWARE_BASE_URL": address}).base_url == address.rstrip("/")


def test_empty_variables_are_as_good_as_none():
    names = ["RUNWARE_BASE_URL", "KLING_MAX_CONCURRENCY", "KLING_DAILY_BUDGET_USD", "KLING_RESUBMIT_WINDOW"]
    assert settings.read(dict.fromkeys(names, "  ")) == settings.read({})


@pytest.mark.parametrize(
    "key", ["Bearer " + SECRET, f"'{SECRET}'", f"{SECRET} x", f"{SECRET}\n{SECRET}", SECRET + "\u00fc", "k" * 600]
)
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(key, tmp_path):
    with pytest.raises(MissingKeyError) as error:
        settings.api_key(tmp_path, {"RUNWARE_API_KEY": key})
    assert SECRET not in str(error.value)


def test_a_key_file_is_read_but_never_through_a_link(tmp_path, caplog):
    file = tmp_path / "api_key"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    assert settings.api_key(tmp_path, {}) == SECRET
    assert not caplog.records
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MissingKeyError, match="not a plain file"):
        settings.api_key(tmp_path, {})


def test_a_key_file_that_others_can_read_is_warned_of_without_showing_it(tmp_path, caplog):
    file = tmp_path / "api_key"
    file.write_text(SECRET)
    file.chmod(0o644)
    assert settings.api_key(tmp_path, {}) == SECRET
    assert "chmod 600" in caplog.text
    assert SECRET not in caplog.text


def test_a_key_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "api_key").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "api_key").chmod(0o600)
    with pytest.raises(MissingKeyError, match="cannot be read"):
        settings.api_key(tmp_path, {})
