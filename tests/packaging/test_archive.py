"""What the registry's programs say of the pack, and what the archive holds that users install."""

import zipfile

LARGEST = 2_000_000
"""Bytes; the archive was a quarter of it when this was written."""

AT_THE_TOP = {
    "__init__.py", "nodes", "js", "locales", "example_workflows", "pyproject.toml", "requirements.txt",
    "README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md",
}  # fmt: skip
ENDINGS = {".py", ".js", ".css", ".json", ".md", ".toml", ".txt", ".jpg", ".webp", ".png", ""}


def test_the_registry_finds_the_pack_in_order_and_warns_of_nothing(checkout, tool):
    done = tool("comfy", "--skip-prompt", "node", "validate", cwd=checkout)
    assert done.returncode == 0, done.stdout
    assert "All validation checks passed" in done.stdout
    assert "arning" not in done.stdout


def test_comfy_test_finds_nothing_in_the_archive(unpack, tmp_path, tool):
    done = tool("comfy-test", "lint", str(unpack(tmp_path / "kling-video")), cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "[SYNTAX] PASSED" in done.stdout
    assert "0 error(s), 0 warning(s)" in done.stdout


def test_the_archive_holds_what_users_need_and_nothing_else(archive):
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
    assert {name.split("/")[0] for name in names} <= AT_THE_TOP
    assert {"__init__.py", "nodes/generate.py", "pyproject.toml", "requirements.txt"} <= set(names)
    assert not [name for name in names if "." + name.rpartition("/")[2].rpartition(".")[2] not in ENDINGS
                and "." in name.rpartition("/")[2]]  # fmt: skip
    assert not [name for name in names if "test" in name.lower()]


def test_the_archive_is_small(archive):
    assert archive.stat().st_size < LARGEST
