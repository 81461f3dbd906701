"""Who runs is said by a lock that is passed on at once, and made again where it was taken away."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from mixer_core.runtime.errors import AlreadyRunningError, RuntimeDirError
from mixer_core.runtime.lock_file import LockFile, holder_of, is_held, moves, path_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.sockets


def taken(path: Path) -> LockFile:
    lock = LockFile(path)
    lock.take()
    return lock


def test_a_second_one_is_told_who_holds_it(short_dir: Path) -> None:
    path = path_of(short_dir, "mixer_core")
    first = taken(path)
    assert is_held(path) and holder_of(path) == os.getpid()
    with pytest.raises(AlreadyRunningError, match=rf"mixer_core .* \(process {os.getpid()}\)"):
        taken(path)
    first.close()
    assert not is_held(path)
    taken(path).close()


def test_a_lock_that_was_taken_away_is_made_again(short_dir: Path) -> None:
    path = path_of(short_dir / "run", "mixer_core")
    lock = taken(path)
    assert lock.renew() == ""
    shutil.rmtree(path.parent)
    assert "gone: made again" in lock.renew()
    assert lock.renew() == "" and is_held(path) and holder_of(path) == os.getpid()
    with pytest.raises(AlreadyRunningError):
        taken(path)
    lock.close()
    assert not is_held(path)


def test_another_one_that_has_the_new_file_is_named_until_it_ends(short_dir: Path) -> None:
    path = path_of(short_dir, "mixer_core")
    lock = taken(path)
    path.unlink()
    other = taken(path)
    for _ in range(2):
        with pytest.raises(RuntimeDirError, match="another mixminus runs in the same directory"):
            lock.renew()
    other.close()
    assert "made again" in lock.renew()


def test_it_shows_whether_its_holder_has_begun_to_move(short_dir: Path) -> None:
    path = path_of(short_dir / "run", "mixer_core")
    path.parent.mkdir()
    path.write_text("4242 moves")
    lock = taken(path)
    assert not moves(path) and holder_of(path) == os.getpid()
    lock.renew()
    assert moves(path) and holder_of(path) == os.getpid()
    shutil.rmtree(path.parent)
    lock.renew()
    assert moves(path) and holder_of(path) == os.getpid()
    lock.close()


def test_every_touch_shows(short_dir: Path) -> None:
    path = path_of(short_dir, "mixer_core")
    lock = taken(path)
    os.utime(path, ns=(0, 0))
    lock.renew()
    assert path.stat().st_mtime_ns > 0
    lock.close()


def test_who_waits_has_the_lock_when_its_holder_ends(short_dir: Path) -> None:
    path = path_of(short_dir, "duty")
    first, second = taken(path), LockFile(path)
    waiter = threading.Thread(target=second.wait)
    waiter.start()
    first.close()
    waiter.join()
    assert is_held(path)
    second.close()


@pytest.mark.parametrize("renewed", [False, True])
def test_who_waits_at_a_file_that_was_taken_away_gets_the_one_that_counts(
    short_dir: Path, renewed: bool
) -> None:
    path = path_of(short_dir / "run", "duty")
    path.parent.mkdir()
    first, second = taken(path), LockFile(path)
    waiter = threading.Thread(target=second.wait)
    waiter.start()
    inode = path.stat().st_ino
    wait_until(lambda: f":{inode} " in Path("/proc/locks").read_text(), "nobody has the lock")
    wait_until(lambda: waits_for(inode), "nobody waits for the lock")
    shutil.rmtree(path.parent)
    if renewed:
        first.renew()
        assert waiter.is_alive()  # At the old file, which its holder has not let go of.
    first.close()
    waiter.join()
    with pytest.raises(AlreadyRunningError):
        taken(path)
    second.close()


def waits_for(inode: int) -> bool:
    """Whether somebody is blocked by the lock of the file (proc(5): such lines have an arrow)."""
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and f":{inode} " in line for line in lines)


def test_a_lock_that_cannot_be_opened_is_named(short_dir: Path) -> None:
    path = path_of(short_dir, "mixer_core")
    path.mkdir()
    with pytest.raises(RuntimeDirError, match=r"the lock .*/mixer_core\.lock cannot be used"):
        taken(path)
