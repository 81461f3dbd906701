"""Who the assistant of a room is: what its settings want, and what a server has taken. Sans-I/O.

Wanted is what the settings say, until a server refuses it: then the room goes back to what a server
took before, in the refused keys only, and people are told. A room that never had anything else goes
back to what all rooms have.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from mixer_core.runtime.errors import RefusalKind, UpstreamError
from mixer_core.runtime.foreign_text import one_line

from ..settings import OpenaiLinkSettings

NAMES: Mapping[str, str] = {
    "instructions": "instructions",
    "transcription_language": "language",
    "voice": "voice",
    "voice_id": "voice",
    "model": "model",
}
"""The keys that make a persona, and what people call them."""
VOICE = frozenset({"voice", "voice_id"})
"""A session keeps it from its first answer on."""
VOICE_LOCKED = "cannot_update_voice"
"""Code of the refusal where the first answer was faster than the change."""
_OF_EVERYTHING: Collection[RefusalKind] = ("key", "quota", "region", "permission", "rate")
"""Refusals that say nothing of what was asked for."""
_MAX_REASON_CHARS = 300


class Persona:
    """Of one room."""

    def __init__(self, settings: OpenaiLinkSettings, usual: OpenaiLinkSettings) -> None:
        """``usual``: as in rooms without rules of their own."""
        self.wanted = settings
        """For the next session."""
        self._taken = usual

    def change(self, settings: OpenaiLinkSettings) -> frozenset[str]:
        """The settings are these from now on; returns the keys that differ."""
        changed, self.wanted = differing(self.wanted, settings), settings
        return changed

    def taken(self, settings: OpenaiLinkSettings) -> None:
        """A server has confirmed a session that was told these."""
        self._taken = settings

    def refused(self, asked: OpenaiLinkSettings, error: UpstreamError) -> str:
        """A server does not take a session, or a change of it, as it was ``asked`` for.

        Returns what people are told where the room goes back to what it had; empty where it had
        nothing else, or the refusal is about something else.
        """
        keys = _blamed(differing(asked, self._taken), error)
        if not keys:
            return ""
        self.wanted = put(self.wanted, self._taken, keys)
        had = " and ".join(dict.fromkeys(NAMES[key] for key in NAMES if key in keys))
        reason = one_line(str(error), _MAX_REASON_CHARS).rstrip(".")
        return (
            f"The assistant's server does not take the {had} of this room ({reason}): "
            "it stays as it was."
        )


def differing(one: OpenaiLinkSettings, other: OpenaiLinkSettings) -> frozenset[str]:
    """The keys of a persona in which two differ."""
    return frozenset(key for key in NAMES if getattr(one, key) != getattr(other, key))


def put(
    settings: OpenaiLinkSettings, source: OpenaiLinkSettings, keys: Collection[str]
) -> OpenaiLinkSettings:
    """``settings`` with these keys of ``source``."""
    return replace(settings, **{key: getattr(source, key) for key in keys})


def _blamed(keys: frozenset[str], error: UpstreamError) -> frozenset[str]:
    """Those of ``keys`` that a refusal is about, as far as it says so; else all."""
    is_about_all = error.kind in _OF_EVERYTHING or error.status >= 500
    if is_about_all or not error.is_specific or not keys:
        return frozenset()
    field = error.param.removeprefix("session").lower()
    for word in dict.fromkeys(NAMES.values()):
        if field.endswith(word) or (word == error.kind) or f"{word}." in field:
            return frozenset(key for key in keys if NAMES[key] == word)
    return frozenset() if field else keys
