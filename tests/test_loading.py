from pathlib import Path
from types import SimpleNamespace

from kling.nodes import delivery, film, loading
from kling.nodes.runware.fields import WIDGETS
from kling.nodes.runware.wire import Account


def is_somebodys_turn():
    try:
        with film.turn(lambda: True):
            return False
    except film.FilmError:
        return True


def test_free_memory_is_asked_for_and_filled_in_turn_and_films_are_written_at_any_time(monkeypatch, tmp_path):
    order = []

    def step(name, result=None):
        def do(*_, **__):
            order.append((name, is_somebodys_turn()))
            return result

        return do

    info = SimpleNamespace(frame_count=90, width=1280, height=720)
    place = delivery.Delivered(Path("kling_00001_.mp4"), "video")
    monkeypatch.setattr(delivery, "deliver_all", step("write", [(place, info, {}), (place, info, {})]))
    monkeypatch.setattr(film, "ensure_memory", step("ask"))
    monkeypatch.setattr(loading, "_decode", step("decode"))
    wanted = {name: widget.default for name, widget in WIDGETS["KlingFetchVideo"].items()}
    loading.load(Account(tmp_path, "", None), None, wanted, metadata={}, cancelled=lambda: False)
    assert order == [("write", False), ("ask", True), ("decode", True), ("decode", True)]
    assert not is_somebodys_turn()
