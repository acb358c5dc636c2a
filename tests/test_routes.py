"""Who may ask the page's two questions, and what the answers may hold."""

import pytest
from kling.nodes import host, routes
from kling.nodes.routes import foreign, prices
from kling.nodes.runware.journal import Journal
from kling.nodes.runware.ledger import Ledger
from kling.nodes.runware.limits import INTEGER_MAX
from kling.nodes.runware.profiles import PROFILES
from kling.nodes.runware.record import Record

HERE = "127.0.0.1:8188"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": HERE},
        {"Host": HERE, "Origin": f"http://{HERE}", "Sec-Fetch-Site": "same-origin"},
        {"Host": HERE, "Sec-Fetch-Site": "none"},
        {"Host": "localhost:8188"},
        {"Host": "[::1]:8188", "Origin": "http://[::1]:8188"},
    ],
)
def test_the_page_itself_and_programs_may_ask(headers):
    assert foreign(headers, local=True) == ""


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": HERE, "Origin": "https://evil.example"},
        {"Host": HERE, "Origin": "null"},
        {"Host": HERE, "Sec-Fetch-Site": "cross-site"},
        {"Host": HERE, "Sec-Fetch-Site": "same-site"},
        {"Host": HERE, "origin": "http://127.0.0.1:9999"},
    ],
)
def test_another_origin_is_refused(headers):
    assert "own page" in foreign(headers, local=True)
    assert "own page" in foreign(headers, local=False)


def test_a_foreign_name_for_this_machine_is_refused():
    rebound = {"Host": "evil.example:8188", "Origin": "http://evil.example:8188", "Sec-Fetch-Site": "same-origin"}
    assert "127.0.0.1" in foreign(rebound, local=True)


@pytest.mark.parametrize("headers", [{"Host": "[::1"}, {"Host": HERE, "Origin": "http://[::1"}])
def test_a_name_that_cannot_be_read_is_refused(headers):
    assert "cannot be read" in foreign(headers, local=True)


def test_a_comfyui_that_listens_to_others_is_asked_under_its_own_name():
    asked = {"Host": "studio.lan:8188", "Origin": "http://studio.lan:8188", "Sec-Fetch-Site": "same-origin"}
    assert foreign(asked, local=False) == ""


def test_the_table_of_prices_is_that_of_the_profiles():
    table = prices({})
    assert table["models"] == {
        title: {"price": str(profile.price), "price_with_sound": str(profile.price_with_sound)}
        for title, profile in PROFILES.items()
    }
    assert table["limits"] == {"duration": [3, 15], "shots": 6, "elements": 3}


def test_the_page_hears_of_records_that_are_in_no_sum(monkeypatch, tmp_path):
    journal = Journal(tmp_path, clock=lambda: 1_790_000_000.0)
    journal.open()
    journal.path("00000000-0000-4000-8000-000000000001").write_bytes(b"torn")
    monkeypatch.setattr(routes, "_ledger", lambda **_: Ledger(journal))
    answer = routes.purchases({})
    assert (answer["total"], answer["unreadable"]) == (0, 1)


def test_beside_rehearsals_no_rest_of_the_budget_is_told(monkeypatch, tmp_path):
    """Nothing of today's spending is counted there."""
    monkeypatch.setenv("KLING_DAILY_BUDGET_USD", "20")
    monkeypatch.setattr(routes, "_ledger", lambda **_: Ledger(Journal(tmp_path, clock=lambda: 1_790_000_000.0)))
    assert [routes.purchases(query)["budget"] for query in ({}, {"rehearsals": "1"})] == ["20", None]


@pytest.mark.parametrize("name", ["offset", "limit"])
def test_a_number_of_thousands_of_digits_is_a_large_one(monkeypatch, tmp_path, name):
    """Python refuses to read it."""
    monkeypatch.setattr(routes, "_ledger", lambda **_: Ledger(Journal(tmp_path, clock=lambda: 1_790_000_000.0)))
    assert routes.purchases({name: "9" * 5000})["offset"] == (INTEGER_MAX if name == "offset" else 0)


def test_a_film_that_cannot_be_looked_at_hides_no_purchase(monkeypatch, tmp_path):
    """The whole list was refused, with the words that ComfyUI's folder user/__kling could not be read."""
    journal = Journal(tmp_path / "state", clock=lambda: 1_790_000_000.0)
    journal.open()
    output = tmp_path / "output"
    output.mkdir()
    (output / "circle.mp4").symlink_to(output / "circle.mp4")
    (output / "film.mp4").write_bytes(b"a film")
    names = ("circle.mp4", "a" * 300, "film.mp4")
    places = {name: {"path": str(output / name), "video_uuid": name} for name in names}
    journal.put(Record(task_uuid="00000000-0000-4000-8000-000000000001", deliveries=places))
    monkeypatch.setattr(routes, "_ledger", lambda **_: Ledger(journal))
    monkeypatch.setattr(host, "output_folder", lambda: output)
    (shown,) = routes.purchases({})["purchases"]
    assert shown["films"] == [{"filename": "film.mp4", "subfolder": ""}]
