"""Run seeded worlds: `python tests/world/run.py --seeds 10000`, or replay one: `--seed 4711 --verbose`.

With `--harsh` two machines that cannot see each other's journals are refused often; these are other worlds.
"""

# ruff: noqa: T201  it speaks to a terminal
from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import multiprocessing
import os
import platform
import subprocess
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
if str(TESTS) not in sys.path:
    sys.path.insert(0, str(TESTS))

import conftest  # noqa: E402, F401  puts the pack on the path, under the name kling

if platform.python_implementation() == "PyPy":
    from world.on_pypy import quicken

    quicken()

CHUNK = 250
REPLAY = ".venv/bin/python tests/world/run.py"


def chunk(first: int, count: int, *, harsh: bool = False) -> tuple[int, Counter[str], list[tuple[int, str]]]:
    """Live through some worlds; gives how many, what they showed, and which failed."""
    from world.clockwork import VirtualLoop
    from world.judge import figures
    from world.world import Broken, run

    gc.freeze()  # what is imported stays; looking through it again and again would take a tenth of the time
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    seen: Counter[str] = Counter()
    failed = []
    for seed in range(first, first + count):
        try:
            seen.update(figures(run(seed, loop, harsh=harsh)))
        except Broken as error:
            cause = f" <- {error.__cause__!r}" if error.__cause__ else ""
            failed.append((seed, f"{error}{cause}"))
    loop.close()
    asyncio.set_event_loop(None)
    return count, seen, failed


def stories(first: int, count: int) -> str:
    """Let some worlds tell all that happened in them."""
    from world.clockwork import VirtualLoop
    from world.world import run

    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    return "\n".join(note for seed in range(first, first + count) for note in run(seed, loop).notes)


def replay(seed: int, *, harsh: bool, verbose: bool) -> int:
    """Live through one world and tell its story."""
    from world.clockwork import VirtualLoop
    from world.judge import figures
    from world.world import run

    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        world = run(seed, loop, harsh=harsh, verbose=verbose)
    except AssertionError:
        traceback.print_exc()
        return 1
    print(f"seed {seed}: every invariant holds. {dict(figures(world))}")
    return 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many worlds")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--kills", type=int, default=0, help="then kill real processes, so often at each step")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, help="replay this one world")
    parser.add_argument("--harsh", action="store_true", help="two machines that are refused often")
    parser.add_argument("--verbose", action="store_true", help="with --seed: tell its story")
    given = parser.parse_args()
    if given.seed is not None:
        return replay(given.seed, harsh=given.harsh, verbose=given.verbose)
    return _many(given.start, given.seeds, given.jobs, harsh=given.harsh) or (given.kills and _kill(given.kills))


def _kill(times: int) -> int:
    tests = [str(TESTS / "world" / "test_processes.py"), "-q", "-p", "no:randomly", "--timeout=7200"]
    environment = {**os.environ, "KLING_TEST_KILLS": str(times), "KLING_TEST_RACES": str(4 * times)}
    return subprocess.run([sys.executable, "-P", "-m", "pytest", *tests], env=environment, check=False).returncode


def _many(start: int, seeds: int, jobs: int, *, harsh: bool) -> int:
    began = told = time.monotonic()
    done, failures = 0, 0
    seen: Counter[str] = Counter()
    chunks = [(first, min(CHUNK, start + seeds - first), harsh) for first in range(start, start + seeds, CHUNK)]
    with multiprocessing.get_context("fork" if os.name == "posix" else "spawn").Pool(jobs) as pool:
        for result in [pool.imap_unordered(_chunk, chunks)]:
            for count, shown, failed in result:
                done += count
                seen.update(shown)
                failures += len(failed)
                for seed, why in failed:
                    print(f"FAILED {why}\n       {REPLAY} --seed {seed}{' --harsh' * harsh} --verbose", flush=True)
                if time.monotonic() - told > 10 or done == seeds:
                    told = time.monotonic()
                    print(f"{done:,} of {seeds:,} worlds, {failures} failed, {told - began:.0f} s", flush=True)
    for name, count in sorted(seen.items()):
        print(f"  {name}: {count:,}")
    return 1 if failures else 0


def _chunk(place: tuple[int, int, bool]) -> tuple[int, Counter[str], list[tuple[int, str]]]:
    logging.getLogger("kling").setLevel(logging.ERROR)  # what is told of torn records
    first, count, harsh = place
    return chunk(first, count, harsh=harsh)


if __name__ == "__main__":
    sys.exit(main())
