"""What the server confirms, compared with what it was asked for. Sans-I/O.

``session.created`` and ``session.updated`` carry the session as it is. What it says counts: the
model is what is paid for, and a voice, a modality, a turn detection or a tool that is not as asked
is told. What the server leaves out says nothing, and what was not asked is the server's choice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mixer_core.runtime.foreign_text import one_line

from .event_fields import map_of, maps_of, text_of

Session = Mapping[str, Any]

_SNAPSHOT = re.compile(r"-20\d\d-?\d\d(-?\d\d)?")
"""What follows a model's name in that of a dated snapshot, as in gpt-realtime-2025-08-28."""
_DETECTION = (
    *("type", "create_response", "interrupt_response", "threshold", "prefix_padding_ms"),
    *("silence_duration_ms", "idle_timeout_ms", "eagerness"),
)
_NONE = "none"
_MAX_NAMED = 8
"""Tools that are named; the others are counted."""


def model_of(given: Session) -> str:
    """The model that the server confirms; empty: it does not say."""
    return text_of(given, "model")[:200]


def transcription_model_of(given: Session) -> str:
    """The model of the transcription that the server confirms; empty: it does not say."""
    return text_of(map_of(_input(given), "transcription"), "model")[:200]


def turns_of(given: Session) -> tuple[bool | None, bool | None]:
    """Whether the server answers each turn, and whether speech stops it; None: it does not say."""
    detection = map_of(_input(given), "turn_detection")
    create, interrupt = (detection.get(f"{what}_response") for what in ("create", "interrupt"))
    return (
        create if isinstance(create, bool) else None,
        interrupt if isinstance(interrupt, bool) else None,
    )


def is_silent(given: Session) -> bool:
    """Whether the server says that its answers have no sound."""
    modalities = given.get("output_modalities")
    return isinstance(modalities, list) and bool(modalities) and "audio" not in modalities


def is_model(asked: str, given: str) -> bool:
    """Whether ``given`` is the model that was ``asked`` for, or a dated snapshot of it.

    Proxies put the name of a provider and a slash before it.
    """
    for name in {asked, asked.rsplit("/", 1)[-1]}:
        rest = given.removeprefix(name)
        if given == name or (rest != given and _SNAPSHOT.fullmatch(rest)):
            return True
    return False


def differences(asked: Session, given: Session, with_tools: bool = True) -> list[str]:
    """What the server does otherwise, but for the model: "voice alloy instead of marin".

    ``with_tools``: the tools of ``given`` are an answer to those of ``asked``.
    """
    found = [
        f"{what} {one_line(str(confirmed))} instead of {one_line(str(wanted))}"
        for what, wanted, confirmed in _pairs(asked, given)
        if not _is_same(wanted, confirmed)
    ]
    missing = _missing_tools(asked, given) if with_tools else []
    if missing:
        more = f" and {len(missing) - _MAX_NAMED} more" if len(missing) > _MAX_NAMED else ""
        found.append(f"without the tools {', '.join(map(one_line, missing[:_MAX_NAMED]))}{more}")
    return found


def _pairs(asked: Session, given: Session) -> Iterator[tuple[str, Any, Any]]:
    """What was asked for and is confirmed: what it is, wanted, confirmed."""
    wanted_out, out = _output(asked), _output(given)
    if "voice" in wanted_out and out.get("voice") is not None:
        yield "the voice", _voice(wanted_out["voice"]), _voice(out["voice"])
    wanted_in, heard = _input(asked), _input(given)
    for side, wanted, confirmed in (("output", wanted_out, out), ("input", wanted_in, heard)):
        kind = text_of(map_of(confirmed, "format"), "type")
        if kind and "format" in wanted:
            yield f"the {side} format", text_of(map_of(wanted, "format"), "type"), kind
    if isinstance(given.get("output_modalities"), list) and "output_modalities" in asked:
        modalities = given["output_modalities"]
        yield "the answers in", _modality(asked["output_modalities"]), _modality(modalities)
    if "turn_detection" in wanted_in and "turn_detection" in heard:
        yield from _detections(wanted_in["turn_detection"], heard["turn_detection"])
    if map_of(wanted_in, "transcription") and "transcription" in heard:
        yield from _transcriptions(wanted_in, heard)


def _transcriptions(wanted: Session, heard: Session) -> Iterator[tuple[str, Any, Any]]:
    model = text_of(map_of(wanted, "transcription"), "model")
    confirmed = map_of(heard, "transcription")
    given = text_of(confirmed, "model") if confirmed else _NONE
    if given and not is_model(model, given):
        yield "the transcription by", model, given


def _detections(wanted: Any, confirmed: Any) -> Iterator[tuple[str, Any, Any]]:
    wanted = wanted if isinstance(wanted, Mapping) else {"type": _NONE}
    confirmed = confirmed if isinstance(confirmed, Mapping) else {"type": _NONE}
    kinds = wanted.get("type", "server_vad"), confirmed.get("type", "server_vad")
    if kinds[0] != kinds[1]:
        yield "the turn detection", *kinds
        return
    for key in _DETECTION:
        asked = wanted.get(key)
        if asked is not None and asked != "auto" and confirmed.get(key) is not None:
            yield key, asked, confirmed[key]


def _missing_tools(asked: Session, given: Session) -> list[str]:
    if not isinstance(given.get("tools"), list):
        return []
    confirmed = {_tool(tool) for tool in maps_of(given, "tools")}
    wanted = [_tool(tool) for tool in maps_of(asked, "tools")]
    return [name for name in wanted if name and name not in confirmed]


def _tool(tool: Mapping[str, Any]) -> str:
    return text_of(tool, "name") or text_of(tool, "server_label")


def _is_same(wanted: Any, confirmed: Any) -> bool:
    if isinstance(wanted, int | float) and isinstance(confirmed, int | float):
        try:
            return abs(wanted - confirmed) < 1e-3
        except OverflowError:  # An integer that no float holds.
            return False
    return bool(wanted == confirmed)


def _voice(voice: Any) -> str:
    return text_of(voice, "id") if isinstance(voice, Mapping) else str(voice)


def _modality(modalities: Any) -> str:
    """Sound always brings its text with it."""
    return "audio" if "audio" in modalities else "text"


def _input(session: Session) -> Mapping[str, Any]:
    return map_of(map_of(session, "audio"), "input")


def _output(session: Session) -> Mapping[str, Any]:
    return map_of(map_of(session, "audio"), "output")
