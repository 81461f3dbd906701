"""A room whose server speaks the removed beta shape: it is served as any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from openai_link.realtime.dialect import Dialect
from tests.openai_link.realtime import beta
from tests.openai_link.room import checks
from tests.openai_link.room.scenes import SCENES
from tests.openai_link.room.test_websocket import WebsocketWorld
from tests.openai_link.room.world import Scene, World


class _Beta:
    """A transport to a beta server: it translates both ways, as the real ones do."""

    def __init__(self, scene: Scene) -> None:
        self.dialects: dict[int, Dialect] = {}
        super().__init__(scene)  # type: ignore[call-arg]

    def _dialect(self, session: int) -> Dialect:
        return self.dialects.setdefault(session, Dialect())

    def _receive(self, session: int, event: dict[str, Any]) -> None:
        if event["type"].startswith("output_audio_buffer.") and self.transport == "websocket":  # type: ignore[attr-defined]
            super()._receive(session, event)  # type: ignore[misc]
            return
        for said in beta.say(event):
            for understood in self._dialect(session).server(said):
                super()._receive(session, dict(understood))  # type: ignore[misc]

    def _send(self, session: int, event: Mapping[str, Any]) -> None:
        said = self._dialect(session).client(event)
        super()._send(session, beta.hear(dict(said)))  # type: ignore[misc]


class BetaWorld(_Beta, World):
    """Over WebRTC."""


class BetaWebsocketWorld(_Beta, WebsocketWorld):
    """Over a WebSocket."""


@pytest.mark.parametrize("kind", [BetaWorld, BetaWebsocketWorld])
@pytest.mark.parametrize("scene", SCENES, ids=str)
def test_every_scene_goes_as_with_the_service(kind: type[World], scene: Scene) -> None:
    world = kind(scene)
    checks.check_all(world)
    assert all(dialect.is_beta for dialect in world.dialects.values())  # type: ignore[attr-defined]


class _Half(_Beta):
    """A server that speaks GA of its session, and the beta of everything else it says."""

    def _receive(self, session: int, event: dict[str, Any]) -> None:
        if event["type"].startswith(("session.", "output_audio_buffer.")):
            super(_Beta, self)._receive(session, event)  # type: ignore[misc]
            return
        for said in beta.say(event):
            for understood in self._dialect(session).server(said):
                super(_Beta, self)._receive(session, dict(understood))  # type: ignore[misc]

    def _dialect(self, session: int) -> Dialect:
        known = self.dialects.setdefault(session, Dialect())
        known.server({"type": "session.created", "session": {"audio": {}}})
        return known

    def _send(self, session: int, event: Mapping[str, Any]) -> None:
        assert self._dialect(session).client(event) == event
        super(_Beta, self)._send(session, event)  # type: ignore[misc]


class HalfBetaWorld(_Half, World):
    """Over WebRTC."""


class HalfBetaWebsocketWorld(_Half, WebsocketWorld):
    """Over a WebSocket."""


@pytest.mark.parametrize("kind", [HalfBetaWorld, HalfBetaWebsocketWorld])
@pytest.mark.parametrize("scene", SCENES[:7], ids=str)
def test_servers_that_speak_half_of_each_are_served_too(kind: type[World], scene: Scene) -> None:
    world = kind(scene)
    checks.check_all(world)
    assert not any(dialect.is_beta for dialect in world.dialects.values())  # type: ignore[attr-defined]
