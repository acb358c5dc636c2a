from __future__ import annotations

import errno
import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from kling.nodes.runware.files import Disk, write_whole

posix = pytest.mark.skipif(os.name != "posix", reason="modes, links and descriptors are POSIX's")


def test_a_file_appears_whole_under_its_name_and_nothing_beside_it(tmp_path):
    write_whole(Disk(), tmp_path / "a", [b"one", b"", b"two"])
    assert (tmp_path / "a").read_bytes() == b"onetwo"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@posix
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EIO])
def test_a_network_share_that_cannot_sync_a_folder_is_no_error(tmp_path, monkeypatch, number):
    fsync = os.fsync

    def fsync_of_a_share(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync_of_a_share)
    if number == errno.EIO:
        with pytest.raises(OSError, match="Input/output error"):
            write_whole(Disk(), tmp_path / "a", [b"one"])
    else:
        write_whole(Disk(), tmp_path / "a", [b"one"])
    assert (tmp_path / "a").read_bytes() == b"one"


class Failing(Disk):
    """Fails at the n-th write."""

    def __init__(self, number):
        super().__init__()
        self.left = number

    def _count(self):
        self.left -= 1
        if self.left == -1:
            raise OSError(errno.ENOSPC, "no space")

    def create(self, path):
        self._count()
        return super().create(path)

    def append(self, file, data):
        self._count()
        super().append(file, data)

    def sync(self, file):
        self._count()
        super().sync(file)

    def replace(self, source, target):
        self._count()
        super().replace(source, target)

    def sync_folder(self, path):
        self._count()
        super().sync_folder(path)


@pytest.mark.parametrize("number", range(6))
def test_whichever_write_fails_the_old_file_or_the_new_one_is_there_whole(tmp_path, number):
    write_whole(Disk(), tmp_path / "a", [b"old"])
    with pytest.raises(OSError, match="no space"):
        write_whole(Failing(number), tmp_path / "a", [b"new", b"er"])
    assert (tmp_path / "a").read_bytes() == (b"newer" if number == 5 else b"old")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_cancelled_write_leaves_nothing(tmp_path):
    def chunks():
        yield b"one"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(Disk(), tmp_path / "a", chunks())
    assert [path.name for path in tmp_path.iterdir()] == []


@posix
def test_files_and_folders_are_their_owners_alone(tmp_path):
    disk = Disk()
    disk.make_folder(tmp_path / "x" / "y")
    write_whole(disk, tmp_path / "x" / "y" / "a", [b"1"])
    assert (tmp_path / "x" / "y").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "x" / "y" / "a").stat().st_mode & 0o777 == 0o600


@posix
def test_a_link_is_neither_read_nor_written_through(tmp_path):
    disk = Disk()
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic"):
        disk.read(tmp_path / "link")
    write_whole(disk, tmp_path / "link", [b"new"])
    assert (tmp_path / "secret").read_bytes() == b"secret"
    with pytest.raises(FileExistsError):
        disk.create(tmp_path / "secret")


def test_an_unbuffered_write_that_takes_only_a_part_is_carried_on():
    class Short(io.RawIOBase):
        def __init__(self):
            super().__init__()
            self.data = b""

        def writable(self):
            return True

        def write(self, data):
            self.data += bytes(data[:3])
            return min(3, len(data))

    file = Short()
    Disk().append(file, b"0123456789")
    assert file.data == b"0123456789"


def test_what_is_not_there_is_none_or_empty(tmp_path):
    disk = Disk()
    assert disk.stat(tmp_path / "none") is None
    assert disk.names(tmp_path / "none") == []
    disk.remove(tmp_path / "none")
    assert (disk.free(tmp_path) or 1) > 0


@posix
def test_a_file_system_that_does_not_know_its_size_is_not_taken_for_a_full_one(tmp_path, monkeypatch):
    """So say ramfs, a tmpfs without a limit, and FUSE programs that answer no such question; a full disk has a size."""
    sizes = {"unknown": (4096, 4096, 0, 0, 0, 0, 0, 0, 0, 255), "full": (4096, 4096, 9_000, 0, 0, 0, 0, 0, 0, 255)}
    found = {}
    for name, answer in sizes.items():
        monkeypatch.setattr(os, "statvfs", lambda _, answer=answer: os.statvfs_result(answer))
        found[name] = Disk().free(tmp_path)
    assert found == {"unknown": None, "full": 0}


def test_a_file_that_vanishes_while_a_folder_is_listed_hides_no_other(tmp_path, monkeypatch):
    """An empty list would be an empty day to the budget."""
    for name in ("one", "two", "three"):
        (tmp_path / name).touch()
    look = os.scandir

    class Vanishing:
        def __enter__(self):
            found = sorted(look(tmp_path), key=lambda entry: entry.name)
            (tmp_path / "one").unlink()
            return found

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(os, "scandir", lambda _: Vanishing())
    assert [name for name, _ in Disk().listing(tmp_path)] == ["three", "two"]


@pytest.fixture
def disk():
    made = Disk()
    yield made
    for file in made._lock_files.values():
        file.close()


HOLD = """
import sys
sys.path.insert(0, sys.argv[1])
import conftest
from pathlib import Path
from kling.nodes.runware.files import Disk
disk = Disk()
print(disk.lock(Path(sys.argv[2]), 7), flush=True)
sys.stdin.read()
"""


@posix
def test_a_lock_is_taken_once_in_all_processes_and_dies_with_its_owner(tmp_path, disk):
    tests = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-c", HOLD, str(tests), str(tmp_path / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "True\n"
        assert disk.lock(tmp_path / ".lock", 7) is False
        assert disk.lock(tmp_path / ".lock", 8) is True
        other.kill()
        other.wait(30)
    assert disk.lock(tmp_path / ".lock", 7) is True


def test_a_lock_can_be_taken_once_in_a_process_until_it_is_given_back(tmp_path, disk):
    assert disk.lock(tmp_path / ".lock", 2**55) is True
    assert disk.lock(tmp_path / ".lock", 2**55) is False
    disk.unlock(tmp_path / ".lock", 2**55)
    assert disk.lock(tmp_path / ".lock", 2**55) is True


@posix
def test_where_the_file_system_knows_no_locks_the_service_is_the_lock(tmp_path, monkeypatch, disk):
    import fcntl

    def no_locks(*_arguments):
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "lockf", no_locks)
    assert disk.lock(tmp_path / ".lock", 1) is True
