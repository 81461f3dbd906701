"""What a room's journal holds, one dataclass per kind of entry. Sans-I/O.

The link writes them, signaling and the command line read them; the database is
``mixer_core.journal.file``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

ItemKind = Literal["message", "tool"]
Role = Literal["user", "assistant", "system"]
UsageKind = Literal["response", "transcription"]

SIMULATED = "~sim"
"""Behind a day of ``UsageRecord``: dollars that a simulator counted, an account of their own."""
_AUDIO_TOKENS_PER_S = 10
"""Audio tokens that a second of sound counts as, where it is billed by the second."""


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One entry of a conversation: something said or written, or a tool call with its result."""

    item: str
    """Its id: the server's in the session where it was first seen; it never changes."""
    position: int
    """Place in the conversation: items are ordered by it."""
    kind: ItemKind
    role: Role
    participant: str = ""
    """Id of the person who spoke or wrote; empty for the assistant, or where it is not known."""
    name: str = ""
    """What people call that person; several, where they spoke at once."""
    text: str = ""
    """Words of a message; of one that was interrupted only those that were heard."""
    wall_ms: int = 0
    """When it began, Unix time."""
    final: bool = False
    """The text will not grow any more."""
    heard_ms: int | None = None
    """Where a reply was cut off, in ms of its sound; None: it was not."""
    failure: str = ""
    """Why there are no words, or not all of them (a failed transcription, an answer that was cut
    off: ``content_filter``, ``max_output_tokens`` …); empty: nothing is missing."""
    call: str = ""
    """``call_id`` of a tool call."""
    tool: str = ""
    """Name of the tool."""
    arguments: str = ""
    """JSON text of the model."""
    output: str = ""
    """What the tool answered; empty while it has not."""
    ok: bool | None = None
    """Whether it succeeded; None while it has not answered."""
    session: str = ""
    """Id of the session in which it was first seen."""

    @property
    def pending(self) -> bool:
        """A tool that has not answered yet."""
        return self.kind == "tool" and self.ok is None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What was used, by modality. ``…_in`` includes what was cached."""

    text_in: int = 0
    text_cached: int = 0
    audio_in: int = 0
    audio_cached: int = 0
    image_in: int = 0
    image_cached: int = 0
    text_out: int = 0
    audio_out: int = 0
    seconds: float = 0.0
    """Sound that is billed by its length instead (some transcriptions)."""

    @staticmethod
    def of(usage: Mapping[str, Any] | None) -> Tokens:
        """Read ``usage`` of a response or a transcription; None or a broken one counts nothing.

        What the server does not break down is taken to be audio, the dearest: a budget must not
        be overrun because a server says little.
        """
        if not usage:
            return Tokens()
        if usage.get("type") == "duration":
            return Tokens(seconds=_seconds(usage.get("seconds")))
        given = _map(usage, "input_token_details")
        made = _map(usage, "output_token_details")
        cached = _map(given, "cached_tokens_details")
        text_in, audio_in, image_in = (_int(given, f"{m}_tokens") for m in _MODALITIES)
        rest_in = _int(usage, "input_tokens") - text_in - audio_in - image_in
        audio_in += max(0, rest_in)
        text_out, audio_out = _int(made, "text_tokens"), _int(made, "audio_tokens")
        rest_out = max(0, _int(usage, "output_tokens") - text_out - audio_out)
        if made:
            text_out += rest_out  # Reasoning, where it is not part of the text.
        elif usage.get("type") == "tokens":
            text_out += rest_out  # A transcription makes text only.
        else:
            audio_out += rest_out
        text_cached, audio_cached, image_cached = (_int(cached, f"{m}_tokens") for m in _MODALITIES)
        if not cached:
            text_cached = min(text_in, _int(given, "cached_tokens"))
            audio_cached = min(audio_in, _int(given, "cached_tokens") - text_cached)
        return Tokens(
            text_in,
            min(text_cached, text_in),
            audio_in,
            min(audio_cached, audio_in),
            image_in,
            min(image_cached, image_in),
            text_out,
            audio_out,
        )

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(*(getattr(self, n) + getattr(other, n) for n in TOKEN_NAMES))

    @property
    def billed_audio_in(self) -> float:
        """Audio tokens in, those that stand for seconds included."""
        return self.audio_in + self.seconds * _AUDIO_TOKENS_PER_S

    @property
    def billed_seconds(self) -> float:
        """Seconds of sound in, those that audio tokens stand for included."""
        return self.seconds + self.audio_in / _AUDIO_TOKENS_PER_S

    def as_dict(self) -> dict[str, int | float]:
        """By name; zeros are left out."""
        return {name: getattr(self, name) for name in TOKEN_NAMES if getattr(self, name)}


_MODALITIES = ("text", "audio", "image")
TOKEN_NAMES = tuple(f.name for f in fields(Tokens))


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """An item as it is now: new, or in place of an earlier state of it."""

    item: HistoryItem


@dataclass(frozen=True, slots=True)
class RemovedRecord:
    """An item is no longer part of the conversation."""

    item: str


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A Realtime session of the room began or ended."""

    session: str
    started: bool
    wall_ms: int
    reason: str = ""
    """Why it ended, or what it follows."""


@dataclass(frozen=True, slots=True)
class ClosedRecord:
    """The room is empty and its conversation is over: the next one begins afresh."""

    wall_ms: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ForgottenRecord:
    """Somebody deletes the conversation: its words go, and the next record begins another one."""

    wall_ms: int


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """What one response or transcription used and cost."""

    key: str
    """Id of the response, or of the item that was transcribed."""
    kind: UsageKind
    model: str
    wall_ms: int
    day: str
    """Local day, as 2026-11-22; with ``SIMULATED`` behind it where no money was spent."""
    tokens: Tokens
    cost_usd: float | None
    """None: the model is not in the price table."""
    shares: tuple[tuple[str, str, float], ...] = ()
    """Participant, name and share (0 to 1) of those whose words it answered."""
    status: str = ""
    """Of a response: completed, cancelled, failed or incomplete."""


Record = ItemRecord | RemovedRecord | SessionRecord | ClosedRecord | ForgottenRecord | UsageRecord


def _map(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = content.get(key)
    return value if isinstance(value, Mapping) else {}


def _int(content: Mapping[str, Any], key: str) -> int:
    value = content.get(key)
    return value if isinstance(value, int) and 0 < value < 2**53 else 0


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) and 0 < value < 86_400 else 0.0
