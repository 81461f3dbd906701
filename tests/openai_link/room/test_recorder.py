"""The room's recording, as the shell has it, at real sockets and files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mixer_core.bus.events import StreamInfo
from mixer_core.journal import recordings
from mixer_core.runtime import logs
from openai_link.room.mixer_client import MixerClient
from openai_link.room.recorder import Recorder
from tests.openai_link.room.world import Scene, World
from tests.support.waiting import until

pytestmark = pytest.mark.sockets


def test_a_recording_that_was_over_before_it_failed_ends_no_other(short_dir: Path) -> None:
    """Its disk was slow to refuse it; the next one has begun by then."""
    state, log, failures = short_dir / "state", logs.get("openai_link"), list[str]()
    state.write_text("no directory")

    async def main() -> None:
        info = StreamInfo("link", "home")
        line = MixerClient(short_dir, 7, info, lambda frame: None, lambda event: None, log)
        engine = World(Scene("recorded", ())).engine
        recorder = Recorder("home", state, 0, engine, line, failures.append, lambda name: None, log)
        recorder.begin("Ada")
        recorder.end("Ben has ended the recording")
        recorder.close()
        state.unlink()
        recorder.begin("Ada")
        await until(lambda: recordings.listed(state, "home"))
        await asyncio.sleep(0)
        assert failures == []
        recorder.end("everybody has left")
        recorder.close()
        state.rename(short_dir / "before")
        state.write_text("no directory")
        recorder.begin("Ada")
        await until(lambda: failures)
        assert failures == ["it cannot be written: Not a directory"]
        recorder.end(failures[0])
        line.close()

    asyncio.run(main())
