"""Files in memory that tear, fill up and forget: what was not synced may be gone after a crash."""

from __future__ import annotations

import errno
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from random import Random

from kling.nodes.runware.files import Disk

from .clockwork import Sleeper

FAULTS = {
    "full": errno.ENOSPC,
    "read-only": errno.EROFS,
    "broken": errno.EIO,
    "torn": errno.ENOSPC,
    "unreadable": errno.EIO,
}
WRITES = frozenset({"make_folder", "create", "append", "sync", "replace", "sync_folder", "remove"})
READS = frozenset({"read", "listing", "stat"})
FOR_ONCE = frozenset({"torn", "unreadable"})
"""Faults that befall one operation; the others stay."""


_parent = lru_cache(maxsize=1024)(attrgetter("parent"))
_RANDOM_PART = re.compile(r"\.[0-9a-f]{12}\.part$")


def _without_chance(path: Path) -> str:
    """Give what orders files alike every time: an unfinished one's name is random."""
    return _RANDOM_PART.sub(".part", str(path))


@dataclass(eq=False)
class Node:
    """One file's bytes, and how many of them a crash cannot take."""

    data: bytearray = field(default_factory=bytearray)
    synced: int = 0
    changed: float = 0.0


class Volume:
    """What lies on one disk. Several processes may share it.

    A crash keeps the bytes and names that were synced; of the others it keeps what chance likes.
    """

    def __init__(self, clock: Callable[[], float], ticks: Callable[[], float] = lambda: 0.0) -> None:
        self.clock = clock
        self.ticks = ticks
        self.booted = 0.0
        self.names: dict[Path, Node] = {}
        self.durable: dict[Path, Node] = {}
        self.locks: dict[tuple[Path, int], object] = {}
        self.machine = Sleeper()
        """Whose disk it is."""

    def uptime(self) -> float:
        """How long its machine has been up."""
        return self.ticks() - self.booted

    def crash(self, chance: Random) -> None:
        """Lose power."""
        self.booted = self.ticks()
        kept = dict(self.durable)
        for path in sorted(dict.fromkeys([*self.names, *self.durable]), key=_without_chance):
            if self.names.get(path) is not self.durable.get(path) and chance.random() < 0.5:
                if path in self.names:
                    kept[path] = self.names[path]
                else:
                    kept.pop(path, None)
        for node in {id(node): node for node in kept.values()}.values():
            length = node.synced + int((len(node.data) - node.synced) * chance.random())
            del node.data[length:]
            node.synced = len(node.data)
        self.names, self.durable = kept, dict(kept)
        self.locks.clear()

    def durable_bytes(self, path: Path, durable: dict[Path, Node] | None = None) -> bytes | None:
        """What a crash now, or when `durable` was so, would surely leave of a file."""
        node = (self.durable if durable is None else durable).get(path)
        return bytes(node.data[: node.synced]) if node else None

    def put(self, path: Path, data: bytes) -> None:
        """Write a file from outside, as a user would."""
        self.names[path] = self.durable[path] = Node(bytearray(data), len(data), self.clock())

    def drop(self, path: Path) -> None:
        """Delete a file from outside."""
        self.names.pop(path, None)
        self.durable.pop(path, None)

    def below(self, folder: str) -> list[Path]:
        """List the files in a folder by its name."""
        return sorted(path for path in self.names if path.parent.name == folder)


class _Handle(io.BytesIO):
    """A file that `create` opened: what is read from it is what was appended."""

    def __init__(self, node: Node, path: Path) -> None:
        super().__init__()
        self.node = node
        self.path = path


class MemoryDisk(Disk):
    """One process's way to a volume. `step` is told every operation, and may end the process or fail the operation."""

    def __init__(self, volume: Volume, step: Callable[[str], str | None], chance: Random) -> None:
        super().__init__()
        self.volume = volume
        self._step = step
        self._chance = chance

    def _do(self, operation: str) -> str | None:
        fault = self._step(operation)
        if fault is not None and fault != "torn":
            raise OSError(FAULTS[fault], fault)
        return fault

    def make_folder(self, path: Path) -> None:  # noqa: ARG002
        self._do("make_folder")

    def create(self, path: Path) -> _Handle:
        if self._do("create"):
            raise OSError(errno.ENOSPC, "torn")
        if path in self.volume.names:
            raise FileExistsError(errno.EEXIST, "exists")
        node = self.volume.names[path] = Node(changed=self.volume.clock())
        return _Handle(node, path)

    def append(self, file: _Handle, data: bytes) -> None:
        torn = self._do("append")
        data = data[: self._chance.randrange(len(data) + 1)] if torn else data
        file.seek(0, 2)
        file.write(data)
        file.node.data += data
        file.node.changed = self.volume.clock()
        if torn:
            raise OSError(errno.ENOSPC, "torn")

    def sync(self, file: _Handle) -> None:
        self._do("sync")
        file.node.synced = len(file.node.data)

    def close(self, file: _Handle) -> None:
        file.close()

    def replace(self, source: Path, target: Path) -> None:
        self._do("replace")
        if source not in self.volume.names:
            raise FileNotFoundError(errno.ENOENT, "gone")
        self.volume.names[target] = self.volume.names.pop(source)

    def sync_folder(self, path: Path) -> None:
        self._do("sync_folder")
        volume = self.volume
        for each in [each for each in volume.durable if _parent(each) == path and each not in volume.names]:
            del volume.durable[each]
        volume.durable.update({each: node for each, node in volume.names.items() if _parent(each) == path})

    def read(self, path: Path) -> bytes:
        self._do("read")
        node = self.volume.names.get(path)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, "gone")
        return bytes(node.data)

    def open(self, path: Path) -> io.BytesIO:
        return io.BytesIO(self.read(path))

    def remove(self, path: Path) -> None:
        self._do("remove")
        self.volume.names.pop(path, None)

    def listing(self, folder: Path) -> list[tuple[str, float]]:
        self._do("listing")
        return [(path.name, node.changed) for path, node in self.volume.names.items() if _parent(path) == folder]

    def stat(self, path: Path) -> tuple[int, float] | None:
        self._do("stat")
        node = self.volume.names.get(path)
        return (len(node.data), node.changed) if node else None

    def free(self, folder: Path) -> int:  # noqa: ARG002
        self._do("free")
        return 2**40

    def lock(self, path: Path, place: int) -> bool:
        self._do("lock")
        if (path, place) in self.volume.locks:
            return False
        self.volume.locks[path, place] = self
        return True

    def unlock(self, path: Path, place: int) -> None:
        if self.volume.locks.get((path, place)) is self:
            del self.volume.locks[path, place]

    async def offload(self, work, *arguments):
        return work(*arguments)
