"""KlingFetchVideo where its order cannot be seen from outside; ComfyUI's classes are hollow here."""

import importlib
import sys
import types
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from kling.nodes import delivery, film
from kling.nodes.runware.wire import Account


@pytest.fixture
def fetch_video(monkeypatch):
    """The node's module, read for one test."""
    latest = MagicMock()
    latest.io.ComfyNode = object
    monkeypatch.setitem(sys.modules, "comfy_api", types.ModuleType("comfy_api"))
    monkeypatch.setitem(sys.modules, "comfy_api.latest", latest)
    yield importlib.import_module("kling.nodes.fetch_video")
    for name in ("fetch_video", "sockets"):
        sys.modules.pop(f"kling.nodes.{name}", None)


def is_somebodys_turn():
    try:
        with film.turn(lambda: True):
            return False
    except film.FilmError:
        return True


def test_free_memory_is_asked_for_and_filled_in_turn_and_films_are_written_at_any_time(
    fetch_video, monkeypatch, tmp_path
):
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
    monkeypatch.setattr(fetch_video, "_decode", step("decode"))
    wanted = {name: widget.default for name, widget in fetch_video.WIDGETS["KlingFetchVideo"].items()}
    fetch_video._results(Account(tmp_path, "", None), None, wanted, metadata={}, cancelled=lambda: False)
    assert order == [("write", False), ("ask", True), ("decode", True), ("decode", True)]
    assert not is_somebodys_turn()
