"""A conversation is deleted while its room reads it from the journal: its words do not return."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from mixer_core.bus.control import Grant, OpenLink
from mixer_core.journal import reading
from mixer_core.journal.file import journal_path
from mixer_core.journal.records import HistoryItem
from mixer_core.runtime import boot_clock
from mixer_core.runtime.settings import RuntimeSettings
from mixer_core.runtime.units import S_NS
from openai_link.realtime.upstream import Upstream
from openai_link.room.shell import RoomShell
from openai_link.settings import Settings
from openai_link.transcript.journal_store import JournalStore
from tests.openai_link.transcript.journal_writer import item
from tests.support.waiting import until

pytestmark = pytest.mark.sockets

NOBODY = Upstream("openai", "http://127.0.0.1:9/v1", "sk-test", False)
TURNS = 50
"""Of the event loop: more than a deletion needs that nothing keeps waiting."""
T = TypeVar("T")


class Room:
    """A whole room over a real journal in which a conversation goes on; nobody is in it."""

    def __init__(self, directory: Path, *, standby: bool = False) -> None:
        """``standby``: another machine has the room."""
        settings = Settings(
            runtime=RuntimeSettings(dir=str(directory), state_dir=str(directory / "state"))
        )
        self.path = journal_path(settings.state_dir)
        self.path.parent.mkdir(parents=True)
        store = JournalStore(self.path, "home")
        store.write([item(1), item(2)], time.time_ns() // 1_000_000)
        store.close()
        order = OpenLink("home", 1, "assistant", standby=standby, epoch=1)
        log = logging.LoggerAdapter(logging.getLogger("test"), {})
        nothing: Callable[..., None] = lambda *_: None  # noqa: E731
        self.shell = RoomShell(order, NOBODY, settings, log, nothing, nothing, nothing, nothing)
        self.deletion: asyncio.Task[None] | None = None

    @property
    def journal(self) -> Any:
        return self.shell._journal_feed.journal

    def delete_after(self, question: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        """The same question; somebody deletes the conversation before its answer is used."""

        async def asked(*arguments: Any) -> T:
            answer = await question(*arguments)
            self.deletion = asyncio.create_task(self.shell.forget(0, "Ada"))
            for _ in range(TURNS):
                await asyncio.sleep(0)
            return answer

        return asked

    def knows(self) -> list[HistoryItem]:
        """The conversation as new sessions would be told of it."""
        return self.shell.engine._record.items()

    async def deleted(self) -> None:
        """Return once it is, in the file too."""
        await until(lambda: self.deletion is not None and self.deletion.done())
        found = reading.transcript(self.path, "home", 100, None)
        assert found is None or not found.items


def test_at_the_beginning_of_a_room(short_dir: Path) -> None:
    async def main() -> None:
        room = Room(short_dir)
        room.journal.recover = room.delete_after(room.journal.recover)
        await room.deleted()
        assert room.knows() == []
        await room.shell.close()

    asyncio.run(main())


@pytest.mark.parametrize("question", ["grant", "recover"])
def test_when_the_room_of_another_machine_comes(short_dir: Path, question: str) -> None:
    async def main() -> None:
        room = Room(short_dir, standby=True)
        await until(room.knows)
        asked = getattr(room.journal, question)
        setattr(room.journal, question, room.delete_after(asked))
        room.shell.ownership.grant(Grant("home", 1, boot_clock.now_ns() + 600 * S_NS))
        await room.deleted()
        assert room.knows() == []
        await room.shell.close()

    asyncio.run(main())
