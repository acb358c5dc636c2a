"""The page's pure logic, run by Node's own test runner: above all that its prices are Python's."""

import itertools
import json
import os
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from kling.nodes.routes import prices
from kling.nodes.runware import assemble, draft
from kling.nodes.runware.limits import DURATION_MAX, DURATION_MIN, RESULTS_MAX
from kling.nodes.runware.price import price
from kling.nodes.runware.profiles import PROFILES

ROOT = Path(__file__).resolve().parent.parent
NODE = shutil.which("node")
MILLION = 1_000_000

with_node = pytest.mark.skipif(NODE is None, reason="There is no Node.js here to run the page's logic.")


def films():
    """Every combination of what a price hangs on."""
    choices = {
        "model": list(PROFILES),
        "duration": [DURATION_MIN, 5, DURATION_MAX],
        "sound": [False, True],
        "number_results": list(range(1, RESULTS_MAX + 1)),
        "mode": ["generate", "rehearse"],
        "max_cost": [0.0, 0.42, 3.36],
    }
    for values in itertools.product(*choices.values(), [(), (3,), (2, 4, 3)]):
        yield dict(zip(choices, values, strict=False)), values[-1]


def chain(shots):
    found = draft.prompt(positive_prompt="a harbour at dawn", shot_seconds=shots[0] if shots else 0)
    for seconds in shots[1:]:
        found = draft.prompt(positive_prompt="a harbour at dawn", shot_seconds=seconds, previous=found)
    return found


def expected(widgets, shots):
    """What Python makes of a film: the price it would send it for, and whether max_cost forbids that."""
    settings = draft.settings(**widgets)
    cost = price(assemble.assemble(chain(shots), settings), settings.profile)
    if widgets["mode"] == "rehearse":
        return "rehearsal", 0
    most = Decimal(str(widgets["max_cost"]))
    return "over" if most and cost > most else "price", int(cost * MILLION)


@with_node
def test_the_page_s_logic_holds_and_its_prices_are_those_of_python(tmp_path):
    rows = []
    for widgets, shots in films():
        kind, cost = expected(widgets, shots)
        wish = {**widgets, "shots_seconds": sum(shots), "motion": False, "purchases": 1}
        rows.append({"wish": wish, "kind": kind, "cost": cost})
    table = tmp_path / "prices.json"
    table.write_text(json.dumps({"table": prices({}), "rows": rows}), encoding="utf-8")
    tests = sorted(map(str, (ROOT / "tests" / "js").glob("*.test.js")))
    environment = {**os.environ, "KLING_PRICES": str(table)}
    done = subprocess.run([NODE, "--test", *tests], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "# skipped 0" in done.stdout or "skipped 0" in done.stdout


CHECKS = {
    "types": ["tsc", "-p", "jsconfig.json"],
    "lint": ["eslint", "js", "tests/js"],
    "format": ["prettier", "--check", "js", "tests/js"],
}
TOOLS = ROOT / "node_modules" / ".bin"


@pytest.mark.skipif(not TOOLS.is_dir(), reason="`npm ci` was not run: no tools for the page's code.")
@pytest.mark.parametrize("check", CHECKS)
def test_a_check_of_the_page_s_code_finds_nothing(check):
    program, *arguments = CHECKS[check]
    done = subprocess.run([TOOLS / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


SOURCES = sorted((ROOT / "js").rglob("*.js"))


def test_nothing_from_outside_becomes_html_and_nothing_of_the_page_is_patched():
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", ".prototype", "document.body", "setInterval(")
    assert SOURCES
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert not [word for word in forbidden if word in text], path


def test_files_are_small_and_checked():
    for path in SOURCES:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0] == "// @ts-check", path
        assert len(lines) <= 160, path
        assert max(map(len, lines)) <= 100, path
