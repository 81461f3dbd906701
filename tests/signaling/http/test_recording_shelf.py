"""The recordings of a gateway: what goes on is kept, and the clock is looked at twice."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from mixer_core.journal import recordings
from mixer_core.journal.recordings import Contents
from mixer_core.journal.retention import Look
from mixer_core.runtime import logs
from mixer_core.runtime.errors import ProblemError
from signaling.http.recording_routes import RecordingShelf
from tests.mixer_core.journal.test_recordings import full_disk


def test_a_recording_that_goes_on_is_not_deleted(tmp_path: Path) -> None:
    async def main() -> None:
        shelf = RecordingShelf(tmp_path, 30, logs.get("signaling"))
        path = recordings.make(tmp_path, "home", 1_790_000_000_000, "0a1b2c")
        held = recordings.hold(path)
        with pytest.raises(ProblemError, match="stop it, then delete it") as caught:
            await shelf.delete("home", path.name)
        assert caught.value.status == 409 and path.is_dir()
        os.close(held)
        assert await shelf.delete("home", path.name)
        assert not await shelf.delete("home", path.name)
        shelf.close()

    asyncio.run(main())


def test_the_shelf_remembers_when_it_looked(tmp_path: Path) -> None:
    async def main() -> None:
        shelf = RecordingShelf(tmp_path, 1, logs.get("signaling"))
        old = recordings.make(tmp_path, "home", 1_740_000_000_000, "0a1b2c")
        await shelf.delete_old()
        kept = tmp_path / recordings.FOLDER / recordings.LOOK
        look = Look.from_text(kept.read_text())
        assert look is not None and abs(look.wall_ms / 1_000 - time.time()) < 3_600
        assert look.boot and old.is_dir()
        day_before = Look(look.wall_ms - 86_400_000, "another", look.boot_ns)
        kept.write_text(day_before.as_text())
        await shelf.delete_old()
        assert not old.exists()
        shelf.close()

    asyncio.run(main())


def test_what_cannot_be_closed_is_listed_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """So somebody can delete it, where the disk is full of it."""

    async def main() -> None:
        shelf = RecordingShelf(tmp_path, 30, logs.get("signaling"))
        path = recordings.make(tmp_path, "home", 1_790_000_000_000, "0a1b2c")
        recordings.write(path, Contents("home", 1_790_000_000_000, "Ada"))
        with full_disk():
            (found,) = await shelf.listed("home")
        assert found.id == path.name and found.contents.ended_ms is None
        assert await shelf.delete("home", path.name)
        shelf.close()

    with caplog.at_level("WARNING"):
        asyncio.run(main())
    assert "recordings that cannot be closed: home/2026" in caplog.text
