"""Names of files that must not leave the output folder, nor be found wanting after a film was paid."""

import errno
import os
import time
from pathlib import Path

import pytest
from kling.nodes.runware.errors import InputError
from kling.nodes.runware.filenames import check_output, expand_tokens, filename_prefix

HOSTILE = [
    "",
    ".",
    "..",
    "...",
    "../film",
    "a/../../film",
    "a\\..\\..\\film",
    "/film",
    "//server/share/film",
    "\\\\server\\share\\film",
    "C:\\film",
    "c:film",
    "~/film",
    "~root/film",
    "a//film",
    "film/",
    "a/./film",
    "a/ /film",
    "a /film",
    "film.",
    "a./film",
    "fi\0lm",
    "fi\nlm",
    "fi\rlm",
    "fi\tlm",
    "fi\x1blm",
    "fi\x7flm",
    "fi\x85lm",
    "fi\u2028lm",
    "film\u202egpj.exe",
    "\u2066film\u2069",
    "\u200efilm",
    "\u061cfilm",
    "\ufefffilm",
    "fi\ud800lm",
    "CON",
    "con.txt",
    "aux/film",
    "nul .txt",
    "COM1",
    "com\xb9",
    "LPT9.mp4",
    "CONIN$",
    "film:stream",
    "film?",
    "film*",
    "<film>",
    "film|rm",
    'film"',
    "%date:hh:mm%/film",
    "%date%:film",
    "date:yyyy",
    "film%date:yyyy",
    "%time:hh%/film",
    "%date:/yyyy%/film",
    "%date:..%/film",
    "%date:<yyyy>%",
    "%date:%",
    "%date:%" * 40 + "film",
    "%date:d%" * 101,
    "a" * 201,
    "\xe9" * 101,
    "\U0001f600" * 60,
    "\u65e5" * 100 + "/film",
    "a/" * 120 + "film",
]

HARMLESS = [
    "video/kling",
    "video\\kling",
    "a" * 200,
    "\u65e5" * 60,
    "\U0001f600",
    "-rf",
    "a;b",
    "$(id)",
    ".hidden",
    "%2e%2e/film",
    "%year%/%month%/film",
    "%date:yyyy-MM-dd%/film",
    "%date:yyyy/MM%/%date:hhmmss%_film",
    "%%",
    "con film",
    "a/" * 90 + "film",
]


def check(prefix, root):
    check_output(prefix, root, node="KlingFetchVideo", field="filename_prefix")


@pytest.fixture
def output(tmp_path):
    folder = tmp_path / "output"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    return folder


@pytest.mark.parametrize("prefix", HOSTILE, ids=ascii)
def test_a_hostile_prefix_is_refused_by_name_and_field(prefix):
    with pytest.raises(InputError, match=r"^KlingFetchVideo, filename_prefix.* Not billed\.$"):
        filename_prefix(prefix, node="KlingFetchVideo", field="filename_prefix")


@pytest.mark.parametrize("prefix", HARMLESS, ids=ascii)
def test_a_harmless_prefix_is_a_path_that_can_be_written(prefix, output):
    path = output / expand_tokens(
        filename_prefix(prefix, node="KlingFetchVideo", field="filename_prefix"), (1280, 720), time.gmtime(0)
    )
    check(str(path.relative_to(output)), output)
    path.parent.mkdir(parents=True, exist_ok=True)
    longest = path.with_name(f"..{path.name}.0123456789ab.webm.0123456789ab.part")
    longest.touch()
    assert os.path.realpath(longest).startswith(os.path.realpath(output) + os.sep)


@pytest.mark.parametrize("prefix", ["link/film", "link/new/film", "inner/link/film", "nowhere/film"])
def test_a_link_out_of_the_output_folder_is_refused_before_anything_is_made(prefix, output, tmp_path):
    (output / "link").symlink_to(tmp_path / "outside")
    (output / "inner" / "link").symlink_to("../../outside")
    (output / "nowhere").symlink_to(tmp_path / "elsewhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="a link in it leads out"):
        check(prefix, output)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_within_the_output_folder_and_one_that_is_the_folder_itself_are_fine(output, tmp_path):
    (output / "link").symlink_to(output / "inner")
    (tmp_path / "shortcut").symlink_to(output)
    check("link/new/film", output)
    check("film", tmp_path / "shortcut")
    assert not (output / "inner" / "new").exists()


@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE])
def test_a_folder_that_cannot_be_looked_at_is_told_in_a_sentence(output, monkeypatch, number):
    """Below one of another user's, or on a share that is away; ComfyUI showed a traceback."""
    right = Path.exists

    def exists(path):
        if path.name == "new":
            raise OSError(number, os.strerror(number))
        return right(path)

    monkeypatch.setattr(Path, "exists", exists)
    with pytest.raises(InputError, match=rf"cannot be looked at \({os.strerror(number)}\)\..* Not billed\."):
        check("inner/new/film", output)


def test_a_file_in_the_place_of_a_folder_is_refused(output):
    (output / "video").touch()
    with pytest.raises(InputError, match="video is a file, not a folder"):
        check("video/new/film", output)


def test_a_folder_that_must_not_be_written_is_refused(output, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, _: os.fspath(path) != os.path.realpath(output / "inner"))
    with pytest.raises(InputError, match="may not write"):
        check("inner/new/film", output)
    check("film", output)


def test_tokens_become_what_comfyui_makes_of_them():
    moment = time.strptime("2026-01-02 03:04:05", "%Y-%m-%d %H:%M:%S")
    assert expand_tokens("%year%-%month%-%day%/%hour%%minute%%second%_%width%x%height%", (1280, 720), moment) == (
        "2026-01-02/030405_1280x720"
    )


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%date:yyyy-MM-dd%", "2026-01-02"),
        ("%date:yy.M.d%", "26.1.2"),
        ("%date:HHmmss%_%date:hh%", "150405_15"),
        ("%date:H-h-m-s%", "15-15-4-5"),
        ("%date:DD of y%/%date:%", "DD of y/"),
        ("%year%%date:MM%%width%", "2026011280"),
    ],
)
def test_dates_become_what_comfyui_s_page_makes_of_them_for_its_own_save_nodes(pattern, text):
    moment = time.strptime("2026-01-02 15:04:05", "%Y-%m-%d %H:%M:%S")
    assert expand_tokens(pattern, (1280, 720), moment) == text
