"""Run every `bench_*.py` of this folder, or those named on the command line, and print their tables.

A benchmark module has `steps(rounds)`, the number of measurements, and `run(rounds, step)`, which calls `step(name)`
before each of them and yields tables as text, and marks, which are listed at the end.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import plots  # noqa: E402  beside this file
from measure import Mark, table  # noqa: E402

BAR = 30


class Progress:
    """A bar on standard error, where that is a terminal."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.started = total, 0, time.monotonic()

    def step(self, name: str) -> None:
        """Say what is measured next."""
        if sys.stderr.isatty():
            full = BAR * self.done // self.total
            bar = "#" * full + "." * (BAR - full)
            seconds = time.monotonic() - self.started
            sys.stderr.write(f"\r\033[K[{bar}] {self.done}/{self.total} {seconds:.0f} s {name}")
        self.done += 1

    def show(self, text: str) -> None:
        """Print a result above the bar."""
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def main(names: list[str], rounds: int) -> None:
    """Run the benchmarks whose names contain one of `names`; none given means all."""
    found = sorted(path.stem for path in HERE.glob("bench_*.py"))
    chosen = [name for name in found if not names or any(word in name for word in names)]
    modules = [importlib.import_module(name) for name in chosen]
    progress = Progress(sum(module.steps(rounds) for module in modules))
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    progress.show(f"{platform.machine()}, {os.cpu_count()} cores{load}, Python {platform.python_version()}.")
    progress.show(f"Ratios within one run: median (least-most) of {rounds}. Each run in a fresh process, taking turns.")
    marks = []
    for module in modules:
        for found in module.run(rounds, progress.step):
            if isinstance(found, Mark):
                marks.append(found)
            else:
                progress.show(found)
    if marks:
        progress.show(table("Marks", ["what", "median (least-most)", "mark", ""], [mark.row() for mark in marks]))
    progress.show(f"\n{progress.done} measurements in {time.monotonic() - progress.started:.0f} s.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of benchmarks")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--plots", type=Path, help="the folder to draw the growth in")
    arguments = parser.parse_args()
    plots.FOLDER = arguments.plots
    main(arguments.names, arguments.rounds)
