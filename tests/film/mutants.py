"""Read damaged films one after the other, in a process of its own: python mutants.py FOLDER FILM FIRST COUNT.

Or the films of a folder as they are: python mutants.py FOLDER. Prints a JSON line for each: what it was, how it ended.
A crash shows as the process's end, a hang as the alarm's.
"""

from __future__ import annotations

import contextlib
import json
import random
import resource
import signal
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

import conftest  # noqa: E402, F401, I001  puts the pack on the path, under the name kling
from kling.nodes import film  # noqa: E402
from kling.nodes.runware.errors import KlingError  # noqa: E402

SECONDS_FOR_ONE = 30
EXTREMES = (0, 1, 7, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF)


def mutate(data: bytes, seed: int) -> bytes:
    """Damage a film in one of seven ways."""
    chance = random.Random(seed)  # noqa: S311  replayable
    size = len(data)
    index = data.rfind(b"moov") if chance.random() < 0.6 else 0
    place = lambda: chance.randrange(max(0, index), size)  # noqa: E731
    changed = bytearray(data)
    match chance.randrange(7):
        case 0 | 1:
            for _ in range(chance.randint(1, 64)):
                changed[place()] = chance.randrange(256)
        case 2:
            for _ in range(chance.randint(1, 8)):
                at = min(place() & ~3, size - 4)
                changed[at : at + 4] = chance.choice(EXTREMES).to_bytes(4, "big")
        case 3:
            del changed[place() :]
        case 4:
            at, length = place(), chance.randint(1, 4096)
            del changed[at : at + length]
        case 5:
            at, length = place(), chance.randint(1, 4096)
            changed[at:at] = changed[at : at + length] * chance.randint(1, 16)
        case _:
            at = place()
            changed[at : at + chance.randint(1, 512)] = chance.randbytes(chance.randint(1, 512))
    return bytes(changed)


def read(path: Path) -> str:
    """Do all that the nodes do with a film; gives how it ended."""
    try:
        info = film.probe(path)
        frames = film.read_frames(path, frame_load_cap=48)
        film.read_last_frame(path)
        film.read_audio(path, silent_seconds=info.seconds)
        copy = path.with_name(f"copy{path.suffix}")
        film.remux(path, copy, {"prompt": "{}"})
        copy.unlink()
        film.hash_film(path)
    except KlingError as error:
        return f"told: {error}"
    return f"read: {len(frames)} frames"


def peak() -> float:
    """Give the most memory that this process has had, MiB; what getrusage tells begins with the parent's on Linux."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(folder: Path, source: str = "", first: str = "0", count: str = "0") -> None:
    """Read them all, and tell by how much memory grew."""
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError("hangs")))
    files = sorted(folder.glob("*.*")) if not source else []
    whole = Path(source).read_bytes() if source else b""
    if source:
        read(Path(source))
    before = peak()
    for each in files or range(int(first), int(first) + int(count)):
        path = each if isinstance(each, Path) else folder / f"mutant{Path(source).suffix}"
        if not isinstance(each, Path):
            path.write_bytes(mutate(whole, each))
        signal.alarm(SECONDS_FOR_ONE)
        try:
            end = read(path)
        except BaseException as error:  # noqa: BLE001  what is not told in a sentence is what is looked for
            end = f"escaped: {error!r}"
        signal.alarm(0)
        sys.stdout.write(json.dumps({"film": str(each), "end": end, "grown": peak() - before}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
