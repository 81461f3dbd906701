"""A path that is taken away, or taken over, is ours again or named."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mixer_core.runtime.bound_path import (
    MAX_PATH_BYTES,
    BoundListener,
    check_length,
    is_answered,
    prepare_runtime_dir,
)
from mixer_core.runtime.errors import RuntimeDirError

pytestmark = pytest.mark.sockets


class Bound:
    """A listener in a directory of its own, and what it has asked to be watched."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        prepare_runtime_dir(directory)
        self.watched: list[socket.socket] = []
        self.listener = BoundListener(
            directory / "a.sock", self.watched.append, self.watched.remove
        )

    def answers(self) -> bool:
        """Whether a client finds the listener by its path."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.listener.path))
            accepted, _ = self.listener.socket.accept()
            accepted.close()
        return self.watched == [self.listener.socket]


@pytest.fixture
def bound(short_dir: Path) -> Bound:
    return Bound(short_dir / "run")


def remove_directory(bound: Bound) -> None:
    shutil.rmtree(bound.directory)


def remove_socket(bound: Bound) -> None:
    bound.listener.path.unlink()


def put_a_file(bound: Bound) -> None:
    bound.listener.path.unlink()
    bound.listener.path.write_text("")


def put_a_link(bound: Bound) -> None:
    other = bound.directory / "other"
    bound.listener.path.rename(other)
    bound.listener.path.symlink_to(other)


def put_a_dangling_link(bound: Bound) -> None:
    bound.listener.path.unlink()
    bound.listener.path.symlink_to(bound.directory / "nothing")


def leave_a_dead_socket(bound: Bound) -> None:
    bound.listener.path.unlink()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(bound.listener.path))
        dead.listen()


def move_directory(bound: Bound) -> None:
    bound.directory.rename(bound.directory.with_name("moved"))


def replace_directory(bound: Bound) -> None:
    move_directory(bound)
    bound.directory.mkdir(mode=0o700)


def open_directory(bound: Bound) -> None:
    bound.directory.chmod(0o755)


def open_and_empty_directory(bound: Bound) -> None:
    remove_socket(bound)
    open_directory(bound)


MENDED = [
    remove_directory,
    remove_socket,
    put_a_file,
    put_a_dangling_link,
    leave_a_dead_socket,
    move_directory,
    replace_directory,
    open_directory,
    open_and_empty_directory,
]


@pytest.mark.parametrize("damage", MENDED)
def test_a_path_that_is_no_longer_ours_is_bound_again(
    bound: Bound, damage: Callable[[Bound], None]
) -> None:
    assert bound.listener.renew() == ""
    damage(bound)
    words = bound.listener.renew()
    assert str(bound.directory) in words and "\n" not in words
    assert bound.listener.renew() == ""
    assert bound.answers()
    assert bound.directory.stat().st_mode & 0o777 == 0o700


def take_over(bound: Bound) -> socket.socket:
    bound.listener.path.unlink()
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(bound.listener.path))
    other.listen()
    return other


def test_a_path_that_another_program_has_taken_is_named_and_left_to_it(bound: Bound) -> None:
    with take_over(bound) as other:
        with pytest.raises(RuntimeDirError, match="another program listens at"):
            bound.listener.renew()
        other.setblocking(False)
        other.accept()[0].close()  # The look.
        with pytest.raises(BlockingIOError):
            bound.listener.socket.accept()
    assert "bound again" in bound.listener.renew()
    assert bound.answers()


def test_a_link_to_our_own_socket_is_named(bound: Bound) -> None:
    put_a_link(bound)
    with pytest.raises(RuntimeDirError, match="another program listens at"):
        bound.listener.renew()


@pytest.mark.parametrize("in_place", ["a directory", "a file above it"])
def test_what_cannot_be_mended_is_named_until_it_can(bound: Bound, in_place: str) -> None:
    shutil.rmtree(bound.directory)
    if in_place == "a file above it":
        bound.directory.write_text("")
    else:
        bound.listener.path.mkdir(parents=True)
        bound.directory.chmod(0o700)
    for _ in range(2):
        with pytest.raises(RuntimeDirError) as caught:
            bound.listener.renew()
        assert str(bound.directory) in str(caught.value) and "\n" not in str(caught.value)
    if bound.directory.is_dir():
        shutil.rmtree(bound.directory)
    else:
        bound.directory.unlink()
    assert "bound again" in bound.listener.renew()
    assert bound.answers()


def test_accepted_connections_outlive_the_path(bound: Bound) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(bound.listener.path))
        accepted, _ = bound.listener.socket.accept()
        remove_directory(bound)
        assert bound.listener.renew()
        accepted.send(b"still here")
        assert client.recv(99) == b"still here"
        accepted.close()


def test_a_second_listener_does_not_take_the_path_of_one_that_lives(bound: Bound) -> None:
    with pytest.raises(RuntimeDirError, match="another program listens at"):
        BoundListener(bound.listener.path, bound.watched.append, bound.watched.remove)
    bound.listener.close()
    assert not is_answered(bound.listener.path)
    BoundListener(bound.listener.path, bound.watched.append, bound.watched.remove).close()


def test_the_longest_path_that_is_allowed_can_be_bound_and_one_more_is_named(
    short_dir: Path,
) -> None:
    room = MAX_PATH_BYTES - len(os.fsencode(short_dir)) - len("/") - len("/a.sock")
    fits = Bound(short_dir / ("ü" * (room // 2) + "x" * (room % 2)))
    assert fits.answers()
    fits.listener.close()
    with pytest.raises(RuntimeDirError, match="1 bytes too long: set MIXMINUS_RUNTIME__DIR"):
        check_length(short_dir / ("x" * (room + 1)) / "a.sock")


def test_a_directory_that_another_user_has_linked_is_refused(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (short_dir / "real").mkdir(mode=0o700)
    (short_dir / "link").symlink_to(short_dir / "real")
    prepare_runtime_dir(short_dir / "link")
    monkeypatch.setattr(os, "getuid", lambda: 4_242)
    with pytest.raises(RuntimeDirError, match="another user"):
        prepare_runtime_dir(short_dir / "link")
