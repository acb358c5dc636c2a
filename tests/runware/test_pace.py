from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kling.nodes.runware import pace

HISTORY = (60.0, 70.0, 80.0, 90.0, 100.0)


def test_the_first_questions_come_soon_and_later_ones_seldom():
    assert pace.next_wait(0.0) == pace.FIRST_WAIT
    assert pace.next_wait(40.0) == pace.USUAL_WAIT
    assert pace.next_wait(120.0) == 6.0
    assert pace.next_wait(500.0) == pace.LONGEST_WAIT


def test_with_a_history_questions_are_dense_where_most_renders_ended():
    assert pace.next_wait(0.0, HISTORY) == pace.EARLY_WAIT
    assert pace.next_wait(80.0, HISTORY) <= 4.0
    assert pace.next_wait(50.0, HISTORY) <= 57.0 - 50.0 + 1.0


def test_a_few_renders_are_no_history():
    assert pace.next_wait(0.0, (60.0, 61.0, 62.0)) == pace.FIRST_WAIT


def test_a_render_that_takes_an_hour_is_asked_about_twice_a_minute():
    assert pace.next_wait(3_600.0, HISTORY) == pace.LONG_RUN_WAIT


@given(st.floats(0, 1e6), st.lists(st.floats(0.1, 1e5), max_size=64))
def test_every_wait_is_bounded(elapsed, durations):
    assert pace.SHORTEST_WAIT <= pace.next_wait(elapsed, durations) <= pace.LONG_RUN_WAIT
