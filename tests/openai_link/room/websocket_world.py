"""A room whose sessions are WebSockets: replies come as events and are played on our side."""

from __future__ import annotations

import binascii
from collections.abc import Iterable, Mapping
from typing import Any

from openai_link.media.reply_player import Cut, Play, ReplyPlayer, Started
from openai_link.realtime.event_fields import map_of, text_of
from openai_link.transport.interface import TransportKind
from openai_link.transport.interruption import Interruption
from tests.openai_link.room.world import Scene, World


class WebsocketWorld(World):
    """Plays replies and reports it as ``WebsocketTransport`` does."""

    transport: TransportKind = "websocket"

    def __init__(self, scene: Scene) -> None:
        self._players: dict[int, ReplyPlayer] = {}
        self._interruptions: dict[int, Interruption] = {}
        super().__init__(scene)

    def _player(self, session: int) -> ReplyPlayer:
        return self._players.setdefault(session, ReplyPlayer())

    def _interruption(self, session: int) -> Interruption:
        return self._interruptions.setdefault(session, Interruption())

    def _send(self, session: int, event: Mapping[str, Any]) -> None:
        self._interruption(session).sent(event)
        super()._send(session, event)

    def _receive(self, session: int, event: dict[str, Any]) -> None:
        player, interruption = self._player(session), self._interruption(session)
        if event.get("type") == "response.output_audio.delta":
            self._audio(session, event)
            return
        response = text_of(map_of(event, "response"), "id")
        interruption.received(event)
        if event.get("type") == "response.created":
            player.begun(response)
        super()._receive(session, event)
        match event.get("type"):
            case "response.output_audio.done":
                player.item_done(text_of(event, "item_id"), self.now_ns)
            case "response.done":
                player.response_done(response, self.now_ns)
            case "input_audio_buffer.speech_started" if interruption.is_on:
                self._report_cuts(session, player.clear())

    def _audio(self, session: int, event: Mapping[str, Any]) -> None:
        try:
            pcm = binascii.a2b_base64(event["delta"])
        except (KeyError, TypeError, ValueError):
            return
        item, response = text_of(event, "item_id"), text_of(event, "response_id")
        self.engine.samples_delivered(session, item, len(pcm) // 2, self.now_ns)
        self._player(session).push(response, item, pcm, self.now_ns)

    def _clear_output(self, session: int, event: Mapping[str, Any]) -> None:
        self._report_cuts(session, self._player(session).stop())

    def _report_cuts(self, session: int, cuts: Iterable[Cut]) -> None:
        for cut in cuts:
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
