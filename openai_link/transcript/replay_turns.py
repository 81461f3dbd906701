"""A recorded conversation as turns to replay, and the comparison of two runs. Sans-I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from mixer_core.journal.records import HistoryItem
from mixer_core.runtime.errors import UnreadableError
from mixer_core.runtime.foreign_data import read_json

from ..realtime.item_content import words_of

NOT_RECORDED = json.dumps({"error": "the record has no output of this call"})
"""Output of a tool call that was not recorded."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the assistant does in a turn."""

    text: str = ""
    """What it says."""
    tool: str = ""
    """Name of the tool that it calls instead."""
    arguments: str = ""
    """Of the tool call: JSON text."""
    cut: bool = False
    """It was interrupted: the rest was not recorded."""

    def shown(self) -> str:
        """For people."""
        if self.tool:
            return f"[{self.tool}({' '.join(self.arguments.split())})]"
        return " ".join(self.text.split()) + (" …" if self.cut else "")

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        if self.tool:
            return {"tool": self.tool, "arguments": self.arguments}
        return {"text": self.text} | ({"cut": True} if self.cut else {})


@dataclass(slots=True)
class Turn:
    """What people said, and what the assistant did next."""

    asked: list[HistoryItem] = field(default_factory=list)
    """Empty: the assistant began by itself."""
    recorded: list[Step] = field(default_factory=list)
    replayed: list[Step] = field(default_factory=list)
    skipped: str = ""
    """Why it was not replayed; empty if it was."""

    def differences(self) -> list[str]:
        """Where the two runs differ, in words."""
        if self.skipped:
            return []
        found = []
        pairs = zip_longest(self.recorded, self.replayed)
        for number, (then, now) in enumerate(pairs, start=1):
            if then is None:
                found.append(f"step {number} is new: {now.shown()}")
            elif now is None:
                found.append(f"step {number} is missing: {then.shown()}")
            elif not _is_same(then, now):
                found.append(f"step {number} differs: {then.shown()} became {now.shown()}")
        return found


def turns_of(items: Sequence[HistoryItem]) -> list[Turn]:
    """The turns of a conversation; those that cannot be replayed say why."""
    turns: list[Turn] = []
    for item in items:
        if item.role == "system":
            continue
        if item.role == "user":
            if not turns or turns[-1].recorded:
                turns.append(Turn())
            turns[-1].asked.append(item)
            continue
        if item.kind == "message" and not item.text:
            continue
        if not turns:
            turns.append(Turn())
        turns[-1].recorded.append(_step(item))
    for turn in turns:
        if turn.asked and not any(item.text for item in turn.asked):
            turn.skipped = "there is no transcript of what was said (set transcription_model)"
        elif not turn.recorded:
            turn.skipped = "the assistant did not answer"
    return turns


class RecordedResults:
    """Answers tool calls from the record; nothing is ever executed."""

    def __init__(self, items: Iterable[HistoryItem]) -> None:
        self._left = [item for item in items if item.kind == "tool"]

    def tools(self) -> list[dict[str, Any]]:
        """Definitions for the session: any arguments, as the record does not hold the schema."""
        return [
            {
                "type": "function",
                "name": name,
                "description": "A tool of the recorded conversation.",
                "parameters": {"type": "object", "properties": {}, "additionalProperties": True},
            }
            for name in sorted({item.tool for item in self._left})
        ]

    def take(self, tool: str, arguments: str) -> str:
        """The recorded output of this call, or else of the next call of the same tool."""
        same = [item for item in self._left if item.tool == tool]
        fits = [item for item in same if _json(item.arguments) == _json(arguments)]
        found = (fits or same)[:1]
        for item in found:
            self._left.remove(item)
        return (found[0].output or NOT_RECORDED) if found else NOT_RECORDED


def step_of(content: Mapping[str, Any]) -> Step | None:
    """The step that an item of a response is; None for an item without words."""
    if content.get("type") == "function_call":
        return Step(tool=str(content.get("name")), arguments=str(content.get("arguments")))
    words = words_of(content) if content.get("type") == "message" else None
    return Step(words) if words else None


def lines(turns: Sequence[Turn]) -> list[str]:
    """Both runs side by side: ``=`` the same, ``-`` recorded, ``+`` replayed."""
    result = []
    for turn in turns:
        result += [f"{item.name or 'Somebody'}: {item.text or '…'}" for item in turn.asked]
        if not turn.asked:
            result.append("(the assistant begins)")
        if turn.skipped:
            result += [f"  ~ {step.shown()}" for step in turn.recorded]
            result.append(f"  ! not replayed: {turn.skipped}")
            continue
        for then, now in zip_longest(turn.recorded, turn.replayed):
            if then is not None and now is not None and _is_same(then, now):
                result.append(f"  = {now.shown()}")
                continue
            result += [f"  {sign} {s.shown()}" for sign, s in (("-", then), ("+", now)) if s]
    return result


def as_json(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Both runs for programs."""
    return [
        {
            "asked": [{"name": item.name, "text": item.text} for item in turn.asked],
            "recorded": [step.as_dict() for step in turn.recorded],
            "replayed": [step.as_dict() for step in turn.replayed],
            "differences": turn.differences(),
            "skipped": turn.skipped or None,
        }
        for turn in turns
    ]


def _step(item: HistoryItem) -> Step:
    if item.kind == "tool":
        return Step(tool=item.tool, arguments=item.arguments)
    return Step(item.text, cut=item.heard_ms is not None)


def _is_same(then: Step, now: Step) -> bool:
    if then.tool or now.tool:
        return then.tool == now.tool and _json(then.arguments) == _json(now.arguments)
    old, new = " ".join(then.text.split()), " ".join(now.text.split())
    return new.startswith(old) if then.cut else new == old


def _json(text: str) -> Any:
    try:
        return read_json(text or "{}")
    except UnreadableError:
        return text
