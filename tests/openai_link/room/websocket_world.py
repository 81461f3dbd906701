"""A room whose sessions are WebSockets: replies come as events and are played on our side."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any

from openai_link.media.reply_player import Play, ReplyPlayer, Started
from openai_link.transport.interface import TransportKind
from tests.openai_link.room.world import Scene, World


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
        item, index = _place(event)
        if event.get("type") == "response.output_audio.delta":
            self._audio(session, event)
            return
        super()._receive(session, event)
        match event.get("type"):
            case "response.output_audio.done":
                player.item_done(item, index, self.now_ns)
            case "response.done":
                response = event.get("response")
                if isinstance(response, dict):
                    player.response_done(str(response.get("id")), self.now_ns)
            case "input_audio_buffer.speech_started":
                self._cut(session)

    def _audio(self, session: int, event: Mapping[str, Any]) -> None:
        try:
            pcm = binascii.a2b_base64(event["delta"])
        except (KeyError, TypeError, ValueError):
            return
        item, index = _place(event)
        self.engine.samples_delivered(session, item, len(pcm) // 2, self.now_ns)
        self._player(session).push(str(event.get("response_id")), item, index, pcm, self.now_ns)

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


def _place(event: Mapping[str, Any]) -> tuple[str, int]:
    index = event.get("content_index")
    return str(event.get("item_id")), index if isinstance(index, int) else 0
