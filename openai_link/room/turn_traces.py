"""What each turn of the conversation took, from the end of speech to the loudspeaker. Sans-I/O.

A turn begins with the server's word that speech has stopped (its voice activity detection has
waited for ``vad_silence_ms`` by then), or with typed text. Its stages end when the words have
become an item (``committed``), when the response begins, with its first sound, and when the first
browser has played that. Tool calls of the turn have spans of their own. A stage that a server does
not tell of is missing, and the next one takes its time.

Every turn ends once: with its answer, or with the beginning of the next turn. One turn is open at a
time, and there is no timer: a turn without an answer is closed by the one after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mixer_core.bus.pcm import SAMPLE_RATE_HZ
from mixer_core.runtime.metrics import Metrics
from mixer_core.runtime.units import MS_NS, S_NS

from ..facts import (
    Fact,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
    ResponseStarted,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    TurnCommitted,
)

LEAD_NS = 100 * MS_NS
"""Sound this close before the server's word that a reply begins belongs to that reply."""
GAP_NS = 300 * MS_NS
"""Sounds further apart are not one."""
MAX_TOOLS = 32
"""Tool calls of one turn that have a span."""
STAGES = ("committed", "response", "first_audio", "played")
"""The ends of the stages, in order; the first stage begins with the turn."""

Outcome = Literal["played", "sounded", "written", "interrupted", "unanswered"]
"""``sounded``: no browser said that it played it. ``interrupted``: the next turn came before."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time; the first of a trace is the turn, the others are parts of it."""

    name: str
    start_ns: int
    """Monotonic."""
    end_ns: int
    attributes: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TurnTrace:
    """One turn that is over."""

    outcome: Outcome
    spans: tuple[Span, ...]


@dataclass(slots=True)
class _Tool:
    name: str
    began_ns: int
    ended_ns: int = 0
    ok: bool = True


@dataclass(slots=True)
class _Turn:
    """The open turn."""

    began_ns: int
    kind: str
    session: int = 0
    item: str = ""
    response: str = ""
    marks: dict[str, int] = field(default_factory=dict)
    """When each stage ended."""
    tools: dict[str, _Tool] = field(default_factory=dict)
    sound_stamp_ns: int = 0
    """Stamp of the first frame of the answer that is not silence."""

    def mark(self, stage: str, now_ns: int) -> None:
        self.marks.setdefault(stage, now_ns)


class TurnTraces:
    """Of one room; inputs return the turns that are over."""

    def __init__(self, metrics: Metrics) -> None:
        """``metrics``: get the stages' histograms, and counters of turns and tools."""
        self._metrics = metrics
        stages = (*STAGES, "reply")
        names = {"committed": "commit"}
        self._stages = {
            stage: metrics.histogram(f"turn_{names.get(stage, stage)}_ms") for stage in stages
        }
        self._tool_time = metrics.histogram("tool_duration_ms")
        counters = ("conversation_turns", "turns_answered", "turns_interrupted")
        for name in (*counters, "tool_calls", "tool_failures"):
            metrics.count(f"{name}_total", 0)
        self._turn: _Turn | None = None
        self._calls: dict[str, _Tool] = {}
        """Tool calls without output, of any turn."""
        self._run_stamp_ns = self._run_ns = self._loud_ns = -S_NS
        """The sound that goes on: stamp of its first frame, when that came, and the newest."""
        self._is_taken = False
        """Another reply is being heard."""
        self.awaits_sound = False
        """Whether ``sound`` is to be told of frames."""

    def typed(self, session: int, now_ns: int) -> list[TurnTrace]:
        """Somebody has typed to the assistant, or shown it a picture."""
        over = self._begin(_Turn(now_ns, "typed", session))
        assert self._turn is not None
        self._turn.mark("committed", now_ns)
        return over

    def on_fact(self, session: int, fact: Fact, now_ns: int) -> list[TurnTrace]:
        """Take any fact of a session."""
        turn = self._turn
        match fact:
            case SpeechStopped(item):
                return self._begin(_Turn(now_ns, "spoken", session, item))
            case TurnCommitted(item):
                if turn is None or turn.item != item:
                    over = self._begin(_Turn(now_ns, "spoken", session, item))
                else:
                    over = []
                assert self._turn is not None
                self._turn.mark("committed", now_ns)
                return over
            case SpeechStarted() if turn is not None and "first_audio" not in turn.marks:
                return self._end("interrupted")
            case ToolCalled(call=call, name=name):
                self._called(call, name, now_ns)
            case ResponseStarted(response) if turn is not None:
                self._answering(turn, response, now_ns)
            case ResponseEnded() if turn is not None and fact.response == turn.response:
                return self._generated(turn, fact)
            case PlaybackStarted(response):
                self._is_taken = True
                self._sounds(response, now_ns)
            case PlaybackEnded(response):
                self._is_taken = False
                if turn is not None and turn.response == response and turn.sound_stamp_ns:
                    return self._end("sounded")
            case _:
                pass
        return []

    def tool_answered(self, call: str, ok: bool, now_ns: int) -> None:
        """A tool call has its output."""
        tool = self._calls.pop(call, None)
        if tool is not None:
            tool.ended_ns, tool.ok = now_ns, ok
            self._tool_time.observe_ns(now_ns - tool.began_ns)
            self._metrics.count("tool_failures_total", not ok)

    def sound(self, stamp_ns: int, now_ns: int) -> None:
        """A frame of a reply went to the mixer that is not silence."""
        if now_ns - self._loud_ns > GAP_NS:
            self._run_stamp_ns, self._run_ns = stamp_ns, now_ns
        self._loud_ns = now_ns
        turn = self._turn
        if turn is not None and turn.response and not self._is_taken:
            self._first_sound(turn, stamp_ns, now_ns)

    def played(self, report: Mapping[str, Any], now_ns: int) -> list[TurnTrace]:
        """A browser says how far it has played; the first sound of the answer ends the turn."""
        turn, stamp_ns = self._turn, report.get("stamp_ns")
        if turn is None or not turn.sound_stamp_ns or not isinstance(stamp_ns, int):
            return []
        if stamp_ns < turn.sound_stamp_ns:
            return []
        offset = report.get("offset_samples")
        ahead_ns = stamp_ns - turn.sound_stamp_ns
        if isinstance(offset, int) and 0 <= offset <= SAMPLE_RATE_HZ:
            ahead_ns += offset * S_NS // SAMPLE_RATE_HZ
        turn.mark("played", max(turn.marks["first_audio"], now_ns - ahead_ns))
        return self._end("played")

    # -- details ----------------------------------------------------------------------------------

    def _begin(self, turn: _Turn) -> list[TurnTrace]:
        is_sounding = self._turn is not None and self._turn.sound_stamp_ns > 0
        over = self._end("sounded" if is_sounding else "interrupted")
        self._turn = turn
        self.awaits_sound = True
        self._metrics.count("conversation_turns_total")
        return over

    def _answering(self, turn: _Turn, response: str, now_ns: int) -> None:
        """A response begins; after a tool call, it is the next part of the same answer."""
        if "first_audio" not in turn.marks:
            turn.response = response
            turn.mark("response", now_ns)

    def _called(self, call: str, name: str, now_ns: int) -> None:
        tool = _Tool(name, now_ns)
        self._metrics.count("tool_calls_total")
        self._calls[call] = tool
        if len(self._calls) > MAX_TOOLS:  # Refused and forgotten ones never get an output.
            del self._calls[next(iter(self._calls))]
        if self._turn is not None and len(self._turn.tools) < MAX_TOOLS:
            self._turn.tools[call] = tool

    def _generated(self, turn: _Turn, ended: ResponseEnded) -> list[TurnTrace]:
        if ended.is_written:
            return self._end("written")
        waits = ended.has_other or turn.tools or ended.status == "completed"
        return [] if waits or turn.sound_stamp_ns else self._end("unanswered")

    def _sounds(self, response: str, now_ns: int) -> None:
        """The server says that a reply begins to sound; the sound may have come just before."""
        turn = self._turn
        if turn is None or turn.response != response:
            return
        if now_ns - self._run_ns <= LEAD_NS:
            self._first_sound(turn, self._run_stamp_ns, self._run_ns)
        else:
            self._is_taken = False  # Its first frame is still to come.

    def _first_sound(self, turn: _Turn, stamp_ns: int, now_ns: int) -> None:
        if not turn.sound_stamp_ns:
            turn.sound_stamp_ns = stamp_ns
            turn.mark("first_audio", max(now_ns, turn.marks.get("response", now_ns)))
            self.awaits_sound = False

    def _end(self, outcome: Outcome) -> list[TurnTrace]:
        turn, self._turn = self._turn, None
        self.awaits_sound = False
        if turn is None:
            return []
        is_answered = outcome in ("played", "sounded", "written")
        self._metrics.count("turns_answered_total", is_answered)
        self._metrics.count("turns_interrupted_total", outcome == "interrupted")
        spans = [self._whole(turn, outcome)]
        start_ns = turn.began_ns
        for stage in STAGES:
            end_ns = turn.marks.get(stage)
            if end_ns is not None:
                self._stages[stage].observe_ns(end_ns - start_ns)
                spans.append(Span(stage, start_ns, end_ns))
                start_ns = end_ns
        if "first_audio" in turn.marks:
            self._stages["reply"].observe_ns(turn.marks["first_audio"] - turn.began_ns)
        return [TurnTrace(outcome, (*spans, *map(_tool_span, turn.tools.values())))]

    def _whole(self, turn: _Turn, outcome: Outcome) -> Span:
        ends = [*turn.marks.values(), *(tool.ended_ns for tool in turn.tools.values())]
        attributes: dict[str, str | int] = {"kind": turn.kind, "outcome": outcome}
        attributes["session"] = turn.session
        attributes |= {"item": turn.item} if turn.item else {}
        attributes |= {"response": turn.response} if turn.response else {}
        return Span("turn", turn.began_ns, max([turn.began_ns, *ends]), attributes)


def _tool_span(tool: _Tool) -> Span:
    attributes: dict[str, str | int] = {"tool": tool.name[:64]}
    attributes["outcome"] = ("done" if tool.ok else "failed") if tool.ended_ns else "open"
    return Span("tool", tool.began_ns, max(tool.began_ns, tool.ended_ns), attributes)
