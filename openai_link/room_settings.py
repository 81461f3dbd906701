"""The link's settings as they are in one room, and what a running room takes of changed ones.

What a room's rules say of the assistant takes the place of the keys of ``[openai_link]`` that all
rooms share; everything else of the link reads those keys, and knows of no rules.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any

from mixer_core.runtime.room_rules import RoomRules
from mixer_core.runtime.setting_origins import when

from .settings import OpenaiLinkSettings, Settings

ALL_TOOLS = RoomRules().tools


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """One room's."""

    link: OpenaiLinkSettings
    """With what the room's rules say in it."""
    rules: RoomRules
    usual: OpenaiLinkSettings
    """As in a room without rules of its own."""

    @staticmethod
    def of(settings: Settings, room: str) -> RoomSettings:
        """What holds in ``room``."""
        rules, usual = settings.room_rules(room), settings.openai_link
        own_voice = "voice" in settings.rooms.said(room)
        servers = usual.service_mcp_servers.items()
        link = replace(
            usual,
            instructions=rules.instructions,
            voice=rules.voice,
            voice_id="" if own_voice else usual.voice_id,
            model=rules.model,
            transcription_language=rules.language,
            journal=rules.transcript,
            service_mcp_servers={k: one for k, one in servers if may_use(rules.tools, k)},
            session_json=_with_allowed_tools(usual.session_json, rules.tools),
        )
        return RoomSettings(link, rules, usual)


def may_use(allowed: Collection[str], name: str) -> bool:
    """Whether a tool of that name is among those that a room's rules allow."""
    return any(fnmatchcase(name, pattern) for pattern in allowed)


def followed(old: Settings, new: Settings) -> Settings:
    """``old`` with what a running room takes of changed settings; the declarations say which."""
    link, changed = old.openai_link, {}
    for key in fields(link):
        if when(type(link), key.name) in ("now", "session"):
            changed[key.name] = getattr(new.openai_link, key.name)
    return replace(old, openai_link=replace(link, **changed), rooms=new.rooms)


def _with_allowed_tools(text: str, allowed: Collection[str]) -> str:
    """``session_json`` without the tools that the room may not use; others say if it is none."""
    if tuple(allowed) == ALL_TOOLS or "tools" not in text:
        return text
    try:
        extra = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(extra, dict) or not isinstance(extra.get("tools"), list):
        return text
    extra["tools"] = [tool for tool in extra["tools"] if may_use(allowed, _name(tool))]
    return json.dumps(extra)


def _name(tool: Any) -> str:
    known = tool if isinstance(tool, Mapping) else {}
    return str(known.get("name") or known.get("server_label") or "")
