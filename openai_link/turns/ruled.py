"""The settings of a session under an address rule. Sans-I/O."""

from __future__ import annotations

from dataclasses import replace

from mixer_core.runtime.room_rules import Address

from ..settings import OpenaiLinkSettings


def ruled(settings: OpenaiLinkSettings, rule: Address) -> OpenaiLinkSettings:
    """``settings`` with a turn detection that answers no more than ``rule`` allows.

    Where a rule may say no, the server neither answers a turn nor speaks up by itself after a
    silence.
    """
    match rule:
        case "always":
            return settings
        case "push_to_talk":
            return replace(settings, turn_detection="push_to_talk", idle_timeout_ms=0)
        case "addressed" | "open":
            return replace(settings, create_response=False, idle_timeout_ms=0)
