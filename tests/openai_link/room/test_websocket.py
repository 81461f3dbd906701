"""A room whose sessions are WebSockets: replies come as events and are played on our side."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from mixer_core.runtime.units import MS_NS
from openai_link.media.reply_player import Play, ReplyPlayer, Started
from openai_link.transport.interface import TransportKind
from tests.openai_link.room import checks
from tests.openai_link.room.scenes import SCENES
from tests.openai_link.room.world import Scene, World

NAMES = (
    "barge-in",
    "tool",
    "push-to-talk",
    "rollover in an answer",
    "greeting that is spoken over",
)
SOME = [scene for scene in SCENES if scene.name in NAMES]


class WebsocketWorld(World):
    """Plays replies and reports it as ``WebsocketTransport`` does."""

    transport: TransportKind = "websocket"

    def __init__(self, scene: Scene) -> None:
        self._players: dict[int, ReplyPlayer] = {}
        super().__init__(scene)

    def _player(self, session: int) -> ReplyPlayer:
        return self._players.setdefault(session, ReplyPlayer())

    def _receive(self, session: int, event: dict[str, Any]) -> None:
        player = self._player(session)
        item, index = str(event.get("item_id")), int(event.get("content_index", 0))
        if event["type"] == "response.output_audio.delta":
            pcm = base64.b64decode(event["delta"])
            self.engine.samples_delivered(session, item, len(pcm) // 2, self.now_ns)
            player.push(event["response_id"], item, index, pcm, self.now_ns)
            return
        super()._receive(session, event)
        match event["type"]:
            case "response.output_audio.done":
                player.item_done(item, index, self.now_ns)
            case "response.done":
                player.response_done(event["response"]["id"], self.now_ns)
            case "input_audio_buffer.speech_started":
                self._cut(session)

    def _clear_output(self, session: int, event: Mapping[str, Any]) -> None:
        self._cut(session)

    def _cut(self, session: int) -> None:
        for cut in self._player(session).clear():
            if cut.was_heard:
                self._report(session, "cleared", cut.response)

    def _speak(self, session: int, pcm: bytes) -> None:
        """The server sends no sound but in events."""
        for action in self._player(session).tick(self.now_ns):
            if isinstance(action, Play):
                super()._speak(session, action.pcm)
            else:
                what = "started" if isinstance(action, Started) else "stopped"
                self._report(session, what, action.response)

    def _report(self, session: int, what: str, response: str) -> None:
        event = {"type": f"output_audio_buffer.{what}", "response_id": response}
        super()._receive(session, event)


def undisturbed(scene: Scene) -> World:
    world = WebsocketWorld(scene)
    checks.check_all(world)
    return world


@pytest.mark.parametrize("scene", SOME, ids=str)
def test_the_session_is_lost_after_some_events(scene: Scene) -> None:
    for number in range(1, undisturbed(scene).events, 7):
        world = WebsocketWorld(scene)
        world.lose_after = {number}
        checks.check_all(world)


def test_a_barge_in_truncates_the_item_where_it_was_heard() -> None:
    world = undisturbed(SOME[0])
    truncated = [e for e in world.sent if e["type"] == "conversation.item.truncate"]
    played_ms = world.played_ms(world.flushes[0] + 15 * MS_NS)
    assert abs(truncated[-1]["audio_end_ms"] - played_ms) <= 20
