"""What the registry, ComfyUI and its manager read of the pack's papers."""

import re
import subprocess
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
REQUIREMENTS = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()


def shipped_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_the_two_lists_of_requirements_agree():
    assert PYPROJECT["project"]["dependencies"] == REQUIREMENTS


def test_nothing_that_is_comfyui_s_own_to_choose_is_required():
    names = {re.split(r"[<>=]", line)[0] for line in REQUIREMENTS}
    assert not names & {"torch", "torchvision", "torchaudio", "av", "comfyui", "comfyui-frontend-package"}


def test_pillow_and_numpy_have_no_upper_bound():
    bounded = [line for line in REQUIREMENTS if "<" in line]
    assert [line.split(">")[0] for line in bounded] == ["httpx", "pydantic"]


def test_the_root_configures_no_pytest_and_no_web_folder():
    assert "pytest" not in PYPROJECT["tool"]
    assert "web" not in PYPROJECT["tool"]["comfy"]


def test_the_version_is_strict_and_the_name_fits_the_registry():
    assert re.fullmatch(r"\d+\.\d+\.\d+", PYPROJECT["project"]["version"])
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,98}", PYPROJECT["project"]["name"])
    assert "comfyui" not in PYPROJECT["project"]["name"]


def test_python_files_hold_no_character_outside_the_windows_code_page():
    sources = [path for path in shipped_files() if path.suffix == ".py"]
    assert sources
    for path in sources:
        path.read_text(encoding="utf-8").encode("cp1252")


def test_no_script_runs_at_install_or_before_comfyui_starts():
    assert not [name for name in ("install.py", "prestartup_script.py") if (ROOT / name).exists()]
