"""Whether speech stops a reply that is played here: the session says so."""

from __future__ import annotations

from typing import Any

import pytest

from openai_link.realtime.client_events import ClientEvents
from openai_link.realtime.session_object import session_object
from openai_link.settings import OpenaiLinkSettings
from openai_link.transport.interruption import Interruption

Json = dict[str, Any]
EVENTS = ClientEvents()


def update(**settings: Any) -> Json:
    return EVENTS.update_session(session_object(OpenaiLinkSettings(**settings)))


def session(kind: str, detection: Any) -> Json:
    return {"type": kind, "session": {"audio": {"input": {"turn_detection": detection}}}}


def confirmed(detection: Any) -> Json:
    return session("session.updated", detection)


VAD = {"type": "server_vad"}
OFF = {**VAD, "interrupt_response": False}
ON = {**VAD, "interrupt_response": True}
BUTTON = update(turn_detection="push_to_talk")
KEEPS_ON = '{"audio": {"input": {"turn_detection": {"interrupt_response": false}}}}'


@pytest.mark.parametrize(
    ("asked", "told", "is_on"),
    [
        ([update()], [], True),
        ([update(interrupt_response=False)], [], False),
        ([update(session_json=KEEPS_ON)], [], False),
        ([update()], [confirmed(OFF)], False),
        ([update(interrupt_response=False)], [confirmed(ON)], True),
        ([update()], [confirmed(VAD), confirmed(None), confirmed(7)], True),
        ([update()], [session("session.created", OFF)], True),
        ([BUTTON], [confirmed(ON)], False),
        ([BUTTON, update()], [confirmed(ON)], True),
        ([BUTTON, session("session.update", VAD)], [confirmed(VAD)], True),
        ([update(), EVENTS.update_session({"instructions": "Be brief."})], [], True),
    ],
)
def test_speech_stops_a_reply_where_the_session_says_so(
    asked: list[Json], told: list[Json], is_on: bool
) -> None:
    interruption = Interruption()
    for event in asked:
        interruption.sent(event)
    for event in told:
        interruption.received(event)
    assert interruption.is_on is is_on
