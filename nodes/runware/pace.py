"""When to ask next: seldom while a render cannot be ready, often when it is about to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_WAIT = 2.0
"""Seconds; catches what the provider refuses at once."""
SHORTEST_WAIT = 0.4
DENSEST_MOST = 4.0
USUAL_WAIT = 5.0
LONGEST_WAIT = 10.0
"""Seconds, once a result may be there. Its address may live only 60 s (zero data retention)."""
EARLY_WAIT = 20.0
"""Seconds at most, while earlier renders of the kind were never ready."""
QUESTIONS = 25
"""In the time in which most renders end: nearly as quick as asking every 2 s, with fewer questions than every 5 s."""
SOONEST = 30.0
"""Seconds; no render is known to have been ready sooner."""
HISTORY_NEEDED = 4
LONG_RUN = 1_800.0
LONG_RUN_WAIT = 30.0


def next_wait(elapsed: float, durations: Sequence[float] = ()) -> float:
    """Give the seconds until the next question, `elapsed` seconds after acceptance.

    `durations` are the seconds earlier renders of the kind took. Without them the wait grows with the time that has
    passed, as https://runware.ai/docs/platform/task-polling advises; with them, questions are dense where most ended.
    """
    if elapsed > LONG_RUN:
        return LONG_RUN_WAIT
    if len(durations) < HISTORY_NEEDED:
        if elapsed < SOONEST:
            return min(max(elapsed * 0.6, FIRST_WAIT), LONGEST_WAIT)
        return min(max(elapsed * 0.05, USUAL_WAIT), LONGEST_WAIT)
    early, late = usual(durations)
    dense = min(max((late - early) / QUESTIONS, SHORTEST_WAIT), DENSEST_MOST)
    if elapsed < early:
        # Some end sooner than the others did, most of them only a little.
        return min(max((early - elapsed) * 0.75, dense), EARLY_WAIT)
    return min(max((elapsed - late) * 0.1, dense), LONGEST_WAIT)


def usual(durations: Sequence[float]) -> tuple[float, float]:
    """Give the seconds between which most renders of the kind ended: a tenth to nine tenths, a little widened."""
    ordered = sorted(durations)
    last = len(ordered) - 1
    return ordered[round(last * 0.1)] * 0.95, ordered[round(last * 0.9)] * 1.05
