"""Measure jobs side by side: each run in a fresh process, rounds interleaved, imports outside the clock.

A job is a function of a `bench_*.py` that prepares and returns what is to be measured. A dict that this returns is told
as well; its "seconds", if any, stand for the time. Run as a program, this file runs one job and prints a line of JSON.
"""

from __future__ import annotations

import contextlib
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

    extra: list[dict[str, float]] = field(default_factory=list)
    """What a job tells beside its time and its memory."""

    def ratios(self, other: Runs) -> list[float]:
        """Give the time against another job's in the same round."""
        return [mine / theirs for mine, theirs in zip(self.seconds, other.seconds, strict=True)]

    def over(self, other: Runs) -> str:
        """Give the time against another job's in the same round: median, and the spread."""
        return spread(self.ratios(other))

    def told(self, name: str) -> float:
        """Give the median of what the job told under a name."""
        return statistics.median(each[name] for each in self.extra)

    def median(self) -> float:
        """Give the median of the seconds."""
        return statistics.median(self.seconds)


Job = tuple[str, str, tuple[Any, ...]]
"""Module, function, arguments."""


def fewer(rounds: int) -> int:
    """Give the rounds of what takes long and varies little."""
    return (rounds + 1) // 2


def spread(values: Iterable[float], digits: int = 2) -> str:
    """Write the median, and in brackets the least and the most."""
    ordered = sorted(values)
    return f"{statistics.median(ordered):.{digits}f} ({ordered[0]:.{digits}f}-{ordered[-1]:.{digits}f})"


@dataclass(frozen=True)
class Mark:
    """One figure that is to be reached."""

    what: str
    values: tuple[float, ...]
    limit: float
    unit: str = ""
    least: bool = False
    """Whether the limit is what must be reached at least, not at most."""
    digits: int = 2

    @property
    def met(self) -> bool:
        """Whether the median reaches it."""
        value = statistics.median(self.values)
        return value >= self.limit if self.least else value <= self.limit

    def row(self) -> list[str]:
        """Give the line of the last table."""
        bound = f"at {'least' if self.least else 'most'} {self.limit:g}{self.unit}"
        return [self.what, spread(self.values, self.digits) + self.unit, bound, "met" if self.met else "**missed**"]


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
            results[name].extra.append(outcome["extra"])
    return results


def _fresh(job: Job) -> dict[str, Any] | None:
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


def memory_now() -> int:
    """Forget the peak reached until now, where the system can, and give the memory this process holds."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return peak_bytes()


def peak_since() -> int:
    """Give the most memory this process held since `memory_now`."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
    return peak_bytes()


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
    extra = result if isinstance(result, dict) else {}
    outcome = {"seconds": extra.pop("seconds", seconds), "peak": peak_bytes(), "extra": extra}
    sys.stdout.write("\n" + json.dumps(outcome) + "\n")
    sys.stdout.flush()
    # Some hosts leave threads behind that would keep the process.
    os._exit(0)


if __name__ == "__main__":
    _main(*sys.argv[1:])
