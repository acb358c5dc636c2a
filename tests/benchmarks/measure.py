"""Measure jobs side by side: each run in a fresh process, rounds interleaved, imports outside the clock.

A job is a function of a `bench_*.py` that prepares and returns what is to be measured. Run as a program, this file
runs one job and prints a line of JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


@dataclass
class Runs:
    """What was measured of one job, a value for each round."""

    seconds: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)
    """Bytes, of the whole process."""

    def over(self, other: Runs) -> str:
        """Give the time against another job's in the same round: median, and the spread."""
        ratios = sorted(mine / theirs for mine, theirs in zip(self.seconds, other.seconds, strict=True))
        return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"

    def median(self) -> float:
        """Give the median of the seconds."""
        return statistics.median(self.seconds)


Job = tuple[str, str, tuple[Any, ...]]
"""Module, function, arguments."""


def side_by_side(jobs: dict[str, Job], *, rounds: int, step: Callable[[str], None]) -> dict[str, Runs]:
    """Measure every job `rounds` times, taking turns; a job that cannot run here is left out."""
    results: dict[str, Runs] = {name: Runs() for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            step(name)
            outcome = _fresh(job) if name in results else None
            if outcome is None:
                results.pop(name, None)
                continue
            results[name].seconds.append(outcome["seconds"])
            results[name].peak.append(outcome["peak"])
    return results


def _fresh(job: Job) -> dict[str, float] | None:
    module, function, arguments = job
    command = [sys.executable, "-P", str(HERE / "measure.py"), module, function, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == NOT_HERE:
        return None
    if done.returncode:
        raise RuntimeError(f"{module}.{function} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


NOT_HERE = 77


def not_here(reason: str) -> None:
    """Leave a job whose peer is not installed."""
    sys.stderr.write(f"{reason}\n")
    raise SystemExit(NOT_HERE)


def pack() -> None:
    """Make the pack importable as `kling`, as the tests do."""
    module = types.ModuleType("kling")
    module.__path__ = [str(ROOT)]
    sys.modules.setdefault("kling", module)


def peak_bytes() -> int:
    """Give the most memory this process ever held."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def table(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Lay out a Markdown table."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([f"\n## {title}", "", *text])


def _main(module: str, function: str, arguments: str) -> None:
    sys.path.insert(0, str(HERE))
    pack()
    work = getattr(importlib.import_module(module), function)(*json.loads(arguments))
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    del result
    sys.stdout.write("\n" + json.dumps({"seconds": seconds, "peak": peak_bytes()}) + "\n")
    sys.stdout.flush()
    # Some hosts leave threads behind that would keep the process.
    os._exit(0)


if __name__ == "__main__":
    _main(*sys.argv[1:])
