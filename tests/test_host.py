"""What the pack says to ComfyUI, without one."""

import sys
from types import SimpleNamespace

from kling.nodes import host


def test_no_line_on_a_node_opens_a_tag(monkeypatch):
    said = []
    server = SimpleNamespace(client_id="page", send_progress_text=lambda text, *_: said.append(text))
    monkeypatch.setattr(host, "_server", lambda: server)
    monkeypatch.setattr(host, "execution", lambda: ("", ""))
    host.status("1", "1 film, failed: <img src=x onerror=alert(1); and 3 < 5 > 2")
    assert said == ["1 film, failed: \u2039img src=x onerror=alert(1); and 3 \u2039 5 > 2"]


def test_a_temp_folder_that_cannot_be_made_is_left_to_who_writes_there_and_tells_it(monkeypatch, tmp_path):
    """The node ended with a traceback."""
    (tmp_path / "taken").write_text("a file")
    paths = SimpleNamespace(get_temp_directory=lambda: str(tmp_path / "taken" / "temp"))
    monkeypatch.setitem(sys.modules, "folder_paths", paths)
    assert host.temp_folder() == tmp_path / "taken" / "temp"
