"""A process that writes a journal as a link child does; tests kill it.

``python -m tests.openai_link.journal_writer PATH ROOM COUNT``: writes COUNT items (0: until it is
killed) and prints the number of each one once the journal has announced it as safe.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from mixer_core.journal.records import HistoryItem, ItemRecord, Tokens, UsageRecord
from mixer_core.runtime import logs
from openai_link.transcript.journal import Journal


def item(number: int) -> ItemRecord:
    """The item of that number."""
    text = f"word {number} " * 10
    return ItemRecord(
        HistoryItem(f"i{number}", number + 1, "message", "user", text=text, wall_ms=1 << 41)
    )


def usage(number: int) -> UsageRecord:
    """A cent."""
    return UsageRecord(
        f"r{number}", "response", "m", 1 << 41, "2026-11-22", Tokens(1), 0.01, (("p", "Ann", 1.0),)
    )


async def write(path: Path, room: str, count: int) -> None:
    """Write until ``count`` or for ever."""
    journal = Journal(path, room, logs.get("openai_link"), _fail, lambda day, usd: None)
    number = safe = 0

    def done(mine: int) -> None:
        nonlocal safe
        safe += 1
        print(mine, flush=True)

    while not count or number < count:
        journal.write([item(number), usage(number)], lambda mine=number: done(mine))
        number += 1
        if number - safe > 20:
            await asyncio.sleep(0.001)
        else:
            await asyncio.sleep(0)
    while safe < number:
        await asyncio.sleep(0.001)
    await journal.close()


def _fail(words: str) -> None:
    print("trouble", words, flush=True)


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
