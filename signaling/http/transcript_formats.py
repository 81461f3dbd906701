"""A transcript as text, JSON, SubRip and WebVTT. Sans-I/O.

Subtitles begin with the first entry. The record knows when words began, and where a reply was cut
off, but not when they ended: that is estimated from their length, and nobody's line outlasts the
same speaker's next one.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from mixer_core.journal.records import HistoryItem

Format = Literal["json", "text", "srt", "vtt"]
FORMATS: dict[Format, str] = {
    "json": "application/json",
    "text": "text/plain",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
}
"""Media types: of WebVTT as registered (W3C WebVTT 9), of SubRip as usual, since it has none."""
SUFFIXES: dict[Format, str] = {"json": "json", "text": "txt", "srt": "srt", "vtt": "vtt"}
MS_PER_CHARACTER = 65
"""How long speech takes; about 15 characters a second, as subtitles are read, too."""
LEAST_MS, MOST_MS = 1_000, 30_000
"""Of one subtitle."""
LAST_MS = 253_370_764_800_000
"""The beginning of 9999: times beyond are none."""
_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], " ")
_ASSISTANT, _SOMEBODY, _SYSTEM = "Assistant", "Somebody", "System"


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle; times since the first entry."""

    start_ms: int
    end_ms: int
    speaker: str
    text: str


def as_text(items: Sequence[HistoryItem]) -> str:
    """One line for each entry."""
    return "".join(f"{line_of(item)}\n" for item in items)


def as_srt(items: Sequence[HistoryItem]) -> str:
    """SubRip: numbered, times with a comma, the speaker before the words."""
    blocks = [
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n"
        f"{cue.speaker}: {cue.text}\n"
        for number, cue in enumerate(cues(items), 1)
    ]
    return "\n".join(blocks)


def as_vtt(items: Sequence[HistoryItem]) -> str:
    """WebVTT, with the speaker as the voice of each cue (W3C WebVTT 6.5)."""
    blocks = ["WEBVTT\n"]
    if items:
        blocks.append(f"NOTE 00:00:00.000 is {time_of(_began_ms(items))}\n")
    blocks += [
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n"
        f"<v {_escaped(cue.speaker)}>{_escaped(cue.text)}\n"
        for cue in cues(items)
    ]
    return "\n".join(blocks)


def cues(items: Sequence[HistoryItem]) -> list[Cue]:
    """The subtitles, in the order of the conversation; their beginnings never go back."""
    spoken = [(item, line) for item in items if (line := _words(item))]
    began_ms = _began_ms(items) if items else 0
    starts: list[int] = []
    for item, _ in spoken:
        starts.append(max(starts[-1] if starts else 0, item.wall_ms - began_ms))
    found: list[Cue] = []
    following: dict[str, int] = {}
    """When each speaker's next line begins."""
    for (item, line), start_ms in zip(reversed(spoken), reversed(starts), strict=True):
        speaker = _speaker(item)
        end_ms = start_ms + _length_ms(item, line)
        if following.get(speaker, 0) > start_ms:
            end_ms = min(end_ms, following[speaker])
        following[speaker] = start_ms
        found.append(Cue(start_ms, end_ms, speaker, line))
    found.reverse()
    return found


def line_of(item: HistoryItem) -> str:
    """One line of the text form, in local time: ``10:32:05 Anna: …``."""
    clock = _moment(item.wall_ms).astimezone().strftime("%H:%M:%S")
    if item.kind == "tool":
        result = "…" if item.pending else f"{'' if item.ok else 'failed: '}{item.output}"
        return (
            f"{clock} [{_one_line(item.tool)}({_one_line(item.arguments)}) → {_one_line(result)}]"
        )
    text = _words(item)
    if not text:
        text = "(not understood)" if item.final else "(no transcript)"
    return f"{clock} {_speaker(item)}: {text}"


def item_json(item: HistoryItem) -> dict[str, Any]:
    """One entry of the JSON form."""
    content: dict[str, Any] = {
        "item": item.item,
        "position": item.position,
        "time": time_of(item.wall_ms),
        "kind": item.kind,
        "role": item.role,
        "final": item.final,
    }
    if item.kind == "tool":
        status = "running" if item.ok is None else "done" if item.ok else "failed"
        return content | {
            "call": item.call,
            "name": item.tool,
            "arguments": item.arguments,
            "output": item.output,
            "status": status,
        }
    content |= {"participant": item.participant, "name": item.name, "text": item.text}
    if item.heard_ms is not None:
        content["heard_ms"] = item.heard_ms
    if item.failure:
        content["failure"] = item.failure
    return content


def time_of(wall_ms: int) -> str:
    """A Unix time as in ISO 8601."""
    return _moment(wall_ms).isoformat("T", "milliseconds")


def _moment(wall_ms: int) -> datetime:
    """A Unix time; of one that no calendar has, as damage may leave it, the nearest."""
    return datetime.fromtimestamp(min(max(0, wall_ms), LAST_MS) / 1000, UTC)


def _words(item: HistoryItem) -> str:
    """What was said, in one line, and how it ends; empty: nothing that can be written."""
    if item.kind == "tool":
        return ""
    text = _one_line(item.text)
    if item.heard_ms is not None:
        return f"{text} — (interrupted)".lstrip()
    if item.role == "assistant" and item.failure:
        return f"{text} — (cut off: {_one_line(item.failure)})".lstrip()
    return text


def _speaker(item: HistoryItem) -> str:
    if item.role == "system":
        return _SYSTEM
    return _one_line(item.name) or (_ASSISTANT if item.role == "assistant" else _SOMEBODY)


def _length_ms(item: HistoryItem, text: str) -> int:
    if item.heard_ms:
        return max(LEAST_MS, item.heard_ms)
    return min(max(LEAST_MS, len(text) * MS_PER_CHARACTER), MOST_MS)


def _began_ms(items: Sequence[HistoryItem]) -> int:
    return min(item.wall_ms for item in items)


def _clock(time_ms: int, point: str) -> str:
    """``01:02:03.456``; ``point`` stands before the milliseconds."""
    seconds, ms = divmod(time_ms, 1_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)


def _one_line(text: str) -> str:
    """Nothing in it ends a line, or tells a terminal what to do."""
    return " ".join(text.translate(_CONTROLS).split())
