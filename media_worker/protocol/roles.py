"""What each role may say on the control channel. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping

from mixer_core.bus.roles import Role, at_least
from mixer_core.bus.rules import AdminRules

from .browser_messages import (
    BrowserMessage,
    Confirm,
    Hello,
    Interrupt,
    Move,
    Mute,
    Ping,
    Played,
    Ptt,
    Record,
    Say,
    Speaker,
    name_of,
)

LEAST: Mapping[type[BrowserMessage], Role] = {
    Hello: "listen",
    Ping: "listen",
    Played: "listen",
    Move: "listen",
    Speaker: "listen",
    Mute: "speak",
    Ptt: "speak",
    Say: "speak",
}
"""The least role for each message; the rules of the room decide about the others."""

_WORDS: Mapping[type[BrowserMessage], str] = {
    Mute: "turn on a microphone",
    Ptt: "talk",
    Say: "write to the assistant",
    Confirm: "answer for the room",
    Interrupt: "stop the assistant",
    Record: "record the room",
}


def refusal(message: BrowserMessage, role: Role, rules: AdminRules) -> str | None:
    """Why ``role`` may not send ``message``, as a sentence; None: it may."""
    if at_least(role, least(message, rules)) or message == Mute(True):
        return None
    here = f"you are here to {role}"
    return f"{here}: you may not {_WORDS[type(message)]} ({name_of(message)}); ask an admin"


def least(message: BrowserMessage, rules: AdminRules) -> Role:
    """The least role for a message in a room with these rules."""
    match message:
        case Interrupt():
            return rules.stop
        case Confirm():
            return rules.confirm
        case Record(on):
            return "admin" if on else "listen"  # Whoever is heard may object.
    return LEAST[type(message)]
