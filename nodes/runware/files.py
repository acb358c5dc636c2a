"""Durable files: a name appears with all of its bytes, or not at all.

Every file operation of the money path is one method of `Disk`, so that a test can make the n-th one fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import secrets
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
READING = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
FOLDERS_CANNOT_BE_SYNCED = {errno.EINVAL, errno.EBADF, errno.ENOSYS, errno.ENOTSUP}
"""What network shares and file systems of programs say to it: nothing is wrong with the names."""
REPLACE_TRIES = 10
"""A player or a virus scanner may hold the target open for a moment on Windows."""


class Disk:
    """The operating system's files. Paths are absolute; sizes and offsets are bytes."""

    def __init__(self) -> None:
        self._lock_files: dict[str, BinaryIO] = {}
        self._locked: set[tuple[str, int]] = set()
        self._guard = threading.Lock()  # Windows locks where the one handle stands, which all threads move

    def make_folder(self, path: Path) -> None:
        """Make a folder (and its parents) that only its owner can open."""
        if not path.is_dir():
            self.make_folder(path.parent)
            path.mkdir(mode=0o700, exist_ok=True)
            self.sync_folder(path.parent)

    def create(self, path: Path) -> BinaryIO:
        """Open a new file, readable by its owner only; it must not exist, nor be a link."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        return os.fdopen(os.open(path, flags, 0o600), "w+b", buffering=0)

    def append(self, file: BinaryIO, data: bytes) -> None:
        """Write all of `data`; an unbuffered write may take several."""
        view = memoryview(data)
        while view:
            view = view[file.write(view) or 0 :]

    def sync(self, file: BinaryIO) -> None:
        """Wait until the bytes are on the disk."""
        os.fsync(file.fileno())

    def close(self, file: BinaryIO) -> None:
        """Close a file that `create` opened."""
        file.close()

    def replace(self, source: Path, target: Path) -> None:
        """Give `source` the name `target`, in one step."""
        for left in reversed(range(REPLACE_TRIES)):
            try:
                source.replace(target)
            except PermissionError:
                if os.name != "nt" or not left:
                    raise
                time.sleep(0.1)
            else:
                return

    def sync_folder(self, path: Path) -> None:
        """Wait until the folder's names are on the disk, where the system can."""
        if os.name != "posix":
            return
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in FOLDERS_CANNOT_BE_SYNCED:
                raise
        finally:
            os.close(descriptor)

    def read(self, path: Path | str) -> bytes:
        """Read a whole small file of ours, which is never a link.

        `path` is text where thousands are read: to make that many `Path` costs as much as to read the files.
        """
        with os.fdopen(os.open(path, READING), "rb", buffering=0) as file:
            return file.read()

    def open(self, path: Path) -> BinaryIO:
        """Open a file to read it piece by piece."""
        return path.open("rb")

    def remove(self, path: Path) -> None:
        """Remove a file; that it is gone already is no error."""
        path.unlink(missing_ok=True)

    def names(self, folder: Path) -> list[str]:
        """List a folder; one that does not exist is empty."""
        return [name for name, _ in self.listing(folder)]

    def listing(self, folder: Path) -> list[tuple[str, float]]:
        """List a folder with the times of the last changes; one that does not exist is empty."""
        found = []
        with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # another process has just renamed or removed it
                    found.append((entry.name, entry.stat(follow_symlinks=False).st_mtime))
        return found

    def stat(self, path: Path) -> tuple[int, float] | None:
        """Give (size in bytes, time of the last change), or None when there is no such file."""
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        return status.st_size, status.st_mtime

    def free(self, folder: Path) -> int | None:
        """Give the bytes free for a new file, or None where the system, or the file system, does not say.

        One in memory, or one of a program's, may call itself of no size at all.
        """
        if not hasattr(os, "statvfs"):
            return None
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize if status.f_blocks else None

    def lock(self, path: Path, place: int) -> bool:
        """Take lock number `place` of a lock file, if no other process has it. The system frees it when we die.

        Byte-range locks: one file serves every purchase. They belong to the process, so within one process the
        caller must know what it holds; True where the file system knows no locks, as nothing may depend on them alone.
        """
        with self._guard:
            if (str(path), place) in self._locked:
                return False
            file = self._lock_files.get(str(path))
            if file is None:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
                file = self._lock_files[str(path)] = os.fdopen(descriptor, "r+b", buffering=0)
            if not _lock_byte(file, place):
                return False
            self._locked.add((str(path), place))
            return True

    def unlock(self, path: Path, place: int) -> None:
        """Give a lock back."""
        with self._guard:
            self._locked.discard((str(path), place))
            file = self._lock_files.get(str(path))
            if file is not None:
                _unlock_byte(file, place)

    async def offload(self, work: Callable[..., T], *arguments: object) -> T:
        """Do slow file work beside the event loop."""
        return await asyncio.to_thread(work, *arguments)


def write_whole(disk: Disk, path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file durably under its name, whole or not at all. Raises OSError; nothing is left behind then."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    file = disk.create(part)
    try:
        try:
            for chunk in chunks:
                disk.append(file, chunk)
            disk.sync(file)
        finally:
            disk.close(file)
        disk.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            disk.remove(part)
        raise
    disk.sync_folder(path.parent)


def sha256_of(path: Path, disk: Disk | None = None) -> str:
    """Give the SHA-256 of a file's bytes, however large it is. Raises OSError."""
    digest = hashlib.sha256()
    with (disk or Disk()).open(path) as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

if fcntl is not None:

    def _lock_byte(file: BinaryIO, place: int) -> bool:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except BlockingIOError:
            return False
        except OSError as error:
            return not isinstance(error, PermissionError)
        return True

    def _unlock_byte(file: BinaryIO, place: int) -> None:
        with contextlib.suppress(OSError):
            fcntl.lockf(file, fcntl.LOCK_UN, 1, place)

else:
    import msvcrt  # type: ignore[import-not-found,unused-ignore]

    WINDOWS_PLACES = 2**30

    def _lock_byte(file: BinaryIO, place: int) -> bool:
        try:
            file.seek(place % WINDOWS_PLACES)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

    def _unlock_byte(file: BinaryIO, place: int) -> None:
        with contextlib.suppress(OSError):
            file.seek(place % WINDOWS_PLACES)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]
