"""What the orders of a cluster do to a whole room, in whatever order they come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mixer_core.bus.control import Grant, OpenLink, Yield, Yielded
from mixer_core.journal import reading
from mixer_core.journal.file import journal_path
from mixer_core.journal.lateness import LATE_NS
from mixer_core.runtime import boot_clock
from mixer_core.runtime.settings import RuntimeSettings
from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.realtime.upstream import Upstream
from openai_link.room import ownership
from openai_link.room.guard import WORDS
from openai_link.room.shell import RoomShell
from openai_link.settings import Settings
from tests.openai_link.transcript.journal_writer import item
from tests.support.waiting import until

pytestmark = pytest.mark.sockets

NOBODY = Upstream("openai", "http://127.0.0.1:9/v1", "sk-test", False)
LEASE_NS = 600 * S_NS
MOVED_WORDS = "The room goes on at another machine."
STALE = "This machine no longer has the room, another one does."


class Room:
    """A room of a cluster, and what it tells signaling."""

    def __init__(self, directory: Path, *, lease_ns: int = LEASE_NS, standby: bool = False) -> None:
        settings = Settings(
            runtime=RuntimeSettings(dir=str(directory), state_dir=str(directory / "state"))
        )
        self.path = journal_path(settings.state_dir)
        self.yielded: list[Yielded] = []
        self.exits = 0
        until_ns = 0 if standby else boot_clock.now_ns() + lease_ns
        order = OpenLink("home", 1, "assistant", standby=standby, epoch=3, until_ns=until_ns)
        log = logging.LoggerAdapter(logging.getLogger("test"), {})
        nothing: Callable[..., None] = lambda *_: None  # noqa: E731
        self.shell = RoomShell(
            *(order, NOBODY, settings, log),
            on_change=nothing,
            on_exit=self._exits,
            on_picture=nothing,
            on_yielded=self.yielded.append,
        )

    def _exits(self) -> None:
        self.exits += 1

    @property
    def ownership(self) -> ownership.Ownership:
        return self.shell.ownership

    @property
    def journal(self) -> Any:
        return self.shell._journal_feed.journal

    def grant(self, epoch: int) -> None:
        self.ownership.grant(Grant("home", epoch, boot_clock.now_ns() + LEASE_NS))


def run(test: Callable[[], Any]) -> None:
    asyncio.run(test())


@pytest.mark.parametrize("is_granted_first", [False, True])
def test_a_room_that_was_another_machine_s_in_between_gets_another_link(
    short_dir: Path, is_granted_first: bool
) -> None:
    """The journal of this one is not taken any more."""

    async def test() -> None:
        room = Room(short_dir)
        steps = [lambda: room.ownership.stale(STALE), lambda: room.grant(5)]
        for step in reversed(steps) if is_granted_first else steps:
            assert not room.exits
            step()
        assert room.exits == 1
        await room.shell.close()

    run(test)


def test_a_room_that_another_machine_has_keeps_its_silent_link(short_dir: Path) -> None:
    async def test() -> None:
        room = Room(short_dir)
        room.ownership.stale(STALE)
        room.grant(3)
        assert room.shell.detail == STALE
        room.ownership.grant(Grant("home", 4, 0))
        assert not room.exits
        await room.shell.close()

    run(test)


def test_the_journal_of_a_room_that_came_from_another_machine_is_of_the_epoch_since_then(
    short_dir: Path,
) -> None:
    async def test() -> None:
        room = Room(short_dir, standby=True)
        room.grant(4)
        room.grant(4)
        room.ownership.stale(STALE)
        assert not room.exits
        room.grant(6)
        assert room.exits == 1
        await room.shell.close()

    run(test)


@contextmanager
def nearly_over(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The boot time (ns) is half a second before the first lease ends."""
    late_ns = boot_clock.now_ns() + LEASE_NS - S_NS // 2
    with monkeypatch.context() as later:
        later.setattr(boot_clock, "now_ns", lambda: late_ns)
        yield late_ns


def test_a_grant_comes_while_a_session_is_opened_for_which_no_time_was_left(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        room = Room(short_dir)
        with nearly_over(monkeypatch) as late_ns:
            room.ownership.before_opening()
            room.ownership.grant(Grant("home", 3, late_ns + LEASE_NS))
            await asyncio.sleep(0)
            assert not room.ownership.is_paused and room.shell.detail != WORDS
            room.ownership.before_opening()
            assert not room.ownership.is_paused
        await room.shell.close()

    run(test)


def test_without_a_grant_it_ends_before_its_connection_is_begun(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        room = Room(short_dir)
        with nearly_over(monkeypatch):
            room.ownership.before_opening()
            await asyncio.sleep(0)
            assert room.ownership.is_paused and room.shell.detail == WORDS
        await room.shell.close()

    run(test)


def test_a_room_is_not_left_before_what_was_said_is_written(short_dir: Path) -> None:
    async def test() -> None:
        room = Room(short_dir)
        room.path.parent.mkdir(parents=True, exist_ok=True)
        room.path.mkdir()  # No file can be written there.
        room.journal.write([item(1)])
        await until(lambda: room.journal.counters()["journal_waiting_records"] > 0)
        room.ownership.leave(Yield("home", 7, 0))
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not room.yielded
        room.path.rmdir()
        await until(lambda: room.yielded == [Yielded("home", 7, False)])
        found = reading.transcript(room.path, "home", 100, None)
        assert found is not None and len(found.items) == 1
        await room.shell.close()

    run(test)


def test_the_assistant_talks_on_while_the_journal_is_late(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        room = Room(short_dir)
        lag_ms = LATE_NS // MS_NS
        with monkeypatch.context() as late:
            late.setattr(room.journal, "counters", lambda: {"journal_lag_ms": lag_ms})
            room.ownership.leave(Yield("home", 7, 0))
            await asyncio.sleep(3 * ownership.WRITTEN_S)
            assert MOVED_WORDS not in room.shell.detail
        await until(lambda: room.yielded == [Yielded("home", 7, False)])
        assert room.shell.detail == MOVED_WORDS
        await room.shell.close()

    run(test)


def test_a_room_that_stays_after_all_is_not_told_to_be_left_later(short_dir: Path) -> None:
    async def test() -> None:
        room = Room(short_dir)
        room.path.parent.mkdir(parents=True, exist_ok=True)
        room.path.mkdir()
        room.journal.write([item(1)])
        await until(lambda: room.journal.counters()["journal_waiting_records"] > 0)
        room.ownership.leave(Yield("home", 7, 0))
        room.ownership.stay()
        room.path.rmdir()
        await until(lambda: room.journal.counters()["journal_waiting_records"] == 0)
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert not room.yielded
        await room.shell.close()

    run(test)
