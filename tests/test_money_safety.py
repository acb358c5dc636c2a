"""What docs/money-safety.md says of a purchase's states is what the code does."""

import re
from pathlib import Path

from kling.nodes.runware.record import MOVES, State

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "money-safety.md").read_text(encoding="utf-8")


def test_the_drawing_shows_every_move_and_no_other():
    drawn = {(source, target) for source, target in re.findall(r"^    (\w+) --> (\w+)", PAGE, flags=re.MULTILINE)}
    assert drawn == {(source.value, target.value) for source, targets in MOVES.items() for target in targets}


def test_the_table_names_every_state():
    rows = re.findall(r"^\| ([a-z, ]+) \|", PAGE.split("| state |")[1].split("##")[0], flags=re.MULTILINE)
    assert {name for row in rows for name in row.split(", ")} == {state.value for state in State}
