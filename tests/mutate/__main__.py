"""Put small mistakes into the modules that guard the money, one at a time, and see whether their tests notice.

    python tests/mutate                       a sample of every module
    python tests/mutate verdict --sample 0    all of one

Works on a copy of the tree, with cosmic-ray from an environment of its own (`make setup-mutate`). Mistakes that live
are printed as they stand in the code: each is either one that changes nothing, or a test that is missing.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / ".venv" / "mutate" / "bin" / "cosmic-ray"

TESTS = {
    "verdict": "tests/runware/test_verdict.py tests/runware/test_response.py",
    "journal": "tests/runware/test_journal.py tests/runware/test_ledger.py tests/runware/test_task.py",
    "task": "tests/runware/test_task.py tests/runware/test_task_edges.py",
    "inquiry": "tests/runware/test_task_edges.py tests/runware/test_other_machines.py",
    "attempts": "tests/runware/test_attempts.py tests/runware/test_task_edges.py tests/runware/test_sending.py",
    "doubt": "tests/runware/test_doubt.py tests/runware/test_task_edges.py",
    "sending": "tests/runware/test_sending.py tests/runware/test_task_edges.py tests/runware/test_task.py",
    "waiting": "tests/runware/test_waiting.py tests/runware/test_failures.py tests/runware/test_task.py",
    "fetching": "tests/runware/test_fetching.py tests/runware/test_task.py",
}
"""Module of nodes/runware -> the tests that are to notice."""

SECONDS_FOR_ONE = 300.0
"""Tests that last longer hang; the score says of how many that was said."""

NEVER_RUN = "core/ReplaceBinaryOperator_BitOr_"
"""Mistakes in `X | None`: here it stands in annotations alone, which Python does not evaluate."""


def main() -> None:
    """Mutate the modules that are asked for, and print a score for each."""
    parser = argparse.ArgumentParser(description="Do the tests notice small mistakes?")
    parser.add_argument("modules", nargs="*", default=[*TESTS], help=", ".join(TESTS))
    parser.add_argument("--sample", type=int, default=60, help="mistakes for each module; 0: all there are")
    wanted = parser.parse_args()
    for module in wanted.modules:
        with tempfile.TemporaryDirectory() as folder:
            mutate(module, Path(folder), wanted.sample)


def mutate(module: str, folder: Path, sample: int) -> None:
    """Try a module's mistakes in a copy of the tree."""
    for name in ("nodes", "tests", "__init__.py", "pyproject.toml"):
        source = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache", "host", "page")
        shutil.copytree(source, folder / name, ignore=ignored) if source.is_dir() else shutil.copy2(source, folder)
    (folder / "cosmic.toml").write_text(
        f"""[cosmic-ray]
module-path = "nodes/runware/{module}.py"
timeout = {SECONDS_FOR_ONE}
excluded-modules = []
test-command = "{sys.executable} -P -m pytest -x -q -p no:randomly -p no:cacheprovider {TESTS[module]}"

[cosmic-ray.distributor]
name = "local"
""",
        encoding="utf-8",
    )
    run(folder, "init", "cosmic.toml", "found.sqlite")
    possible, tried = choose(folder / "found.sqlite", sample)
    run(folder, "baseline", "cosmic.toml")
    run(folder, "exec", "cosmic.toml", "found.sqlite")
    report(module, possible, tried, run(folder, "dump", "found.sqlite"))


def run(folder: Path, *command: str) -> str:
    """Run cosmic-ray.

    Raises:
        SystemExit: it failed; so does `baseline` when the tests fail before any mistake was made.
    """
    done = subprocess.run([str(TOOL), *command], cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"cosmic-ray {command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def choose(session: Path, sample: int) -> tuple[int, int]:
    """Keep a sample of the mistakes, the same every time; give how many there are, and how many are left."""
    with closing(sqlite3.connect(session)) as found, found:
        listed = list(
            found.execute("SELECT job_id, operator_name FROM mutation_specs ORDER BY operator_name, occurrence")
        )
        jobs = [job for job, operator in listed if not operator.startswith(NEVER_RUN)]
        kept = set(random.Random(1).sample(jobs, sample)) if 0 < sample < len(jobs) else set(jobs)  # noqa: S311
        for job in {job for job, _ in listed} - kept:
            for table in ("mutation_specs", "work_items"):
                found.execute(f"DELETE FROM {table} WHERE job_id = ?", (job,))  # noqa: S608  two names from above
    return len(jobs), len(kept)


def report(module: str, possible: int, tried: int, dumped: str) -> None:
    """Print what lived, and the score; tests that hang have noticed, too."""
    lived = hung = 0
    for line in dumped.splitlines():
        _, result = json.loads(line)
        hung += bool(result and result.get("output") == "timeout")
        if result and result.get("test_outcome") == "survived":
            lived += 1
            sys.stdout.write(f"{result.get('diff', '')}\n")
    noticed = f"{tried - lived} of {tried} mistakes noticed, {hung} of them by a hang"
    sys.stdout.write(f"{module}: {noticed} ({possible} possible)\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
