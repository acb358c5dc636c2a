"""`make check`, part by part."""

import pytest

import check

PARTS = ["ruff", "format", "types", "dead code", "spelling"]
"""The others are tests themselves: test_papers.py, test_page_logic.py ..."""


@pytest.mark.parametrize("part", PARTS)
def test_a_check_finds_nothing(part):
    assert check.find_fault(part) == ""


def test_everything_the_pack_requires_is_free_to_use():
    found = check.requirements()
    assert {"httpx", "pydantic", "pillow", "numpy", "httpcore"} <= set(found)
    assert {name: licence for name, licence in found.items() if not check.FREE.search(licence)} == {}
