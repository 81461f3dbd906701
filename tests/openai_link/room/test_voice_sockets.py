"""Sessions for one voice each over real sockets, at the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from openai_link.realtime.client_events import ClientEvents
from openai_link.realtime.upstream import Upstream
from openai_link.room.own_words import _session
from openai_link.room.voice_sockets import VoiceSockets
from openai_link.settings import OpenaiLinkSettings
from openai_link.simulator.settings import SimulatorSettings
from openai_link.transport.factory import open_http
from tests.openai_link.simulator.caller import run, simulator
from tests.openai_link.simulator.support import LOUD
from tests.support.waiting import until

pytestmark = pytest.mark.sockets
DONE = "conversation.item.input_audio_transcription.completed"
WORDS = OpenaiLinkSettings(transcription_model="gpt-4o-mini-transcribe")


class Room:
    """What the sockets say."""

    def __init__(self, url: str) -> None:
        upstream = Upstream("simulator", url, "sk-test", False, model="gpt-realtime")
        self.http = open_http(upstream, OpenaiLinkSettings())
        self.opened: list[str] = []
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self.lost: list[str] = []
        self.voices = VoiceSockets(
            upstream,
            self.http,
            asyncio.ensure_future,
            self.opened.append,
            lambda who, event: self.events.append((who, event)),
            lambda who, words: self.lost.append(words),
        )

    def written(self) -> list[tuple[str, str]]:
        return [(who, str(e["transcript"])) for who, e in self.events if e["type"] == DONE]

    async def close(self) -> None:
        await self.voices.close_all()
        await self.http.close()


def test_what_each_says_is_written_down_by_itself() -> None:
    async def scenario() -> None:
        async with simulator() as (url, switchboard):
            room, events = Room(url), ClientEvents()
            for who in ("p-1", "p-2"):
                room.voices.open(who)
            await until(lambda: len(room.opened) == 2)
            for who, frames in (("p-1", 50), ("p-2", 100)):
                room.voices.send(who, events.update_session(_session(WORDS)))
                room.voices.send(who, events.append(LOUD * frames))
                room.voices.send(who, events.commit_input())
            await until(lambda: len(room.written()) == 2)
            assert sorted(room.written()) == [
                ("p-1", "[simulator] 1.0 s of speech"), ("p-2", "[simulator] 2.0 s of speech"),
            ]  # fmt: skip
            assert not any(event["type"] == "error" for _, event in room.events)
            room.voices.close("p-1")
            await until(lambda: len(switchboard.calls) == 1)
            await room.close()
            assert room.lost == []

    run(scenario)


def test_a_server_without_such_sessions_is_a_loss_in_words() -> None:
    async def scenario() -> None:
        async with simulator(SimulatorSettings(faults="websocket_refused=403")) as (url, _):
            room = Room(url)
            room.voices.open("p-1")
            await until(lambda: bool(room.lost))
            assert "deactivated" in room.lost[0] and not room.opened
            await room.close()

    run(scenario)
