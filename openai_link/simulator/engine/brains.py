"""Who answers: a brain turns what the user said or wrote into words, sound and calls. Sans-I/O.

What the echo and tone brains say begins with "[simulator]", so that nobody takes them for the real
service; ``script`` is the third brain.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mixer_core.bus.pcm import FRAME_SAMPLES, SAMPLE_RATE_HZ, SILENCE
from openai_link.simulator.engine.input_audio import BYTES_PER_MS

Json = dict[str, Any]

_TAG = "[simulator]"
_TONE_HZ = 400.0  # A whole number of periods per frame: frames join without a click.
_TONE_PEAK = 8_000
_FADE_SAMPLES = 240


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The result of a function call."""

    name: str
    arguments: str
    output: str


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be answered."""

    audio: bytes | None = None
    """The last user turn as heard: PCM16, 24 kHz mono; None if it was not spoken."""
    text: str | None = None
    """The last user turn as written; None if it was not written. Neither: nobody said anything."""
    heard: str | None = None
    """The words of a spoken turn; None if nobody made them up."""
    spoken_turn: int = 0
    """The number of the spoken turn within the session, from 1; 0: not spoken in this session."""
    outputs: tuple[ToolOutput, ...] = ()
    """Results of the calls that were made last, oldest first."""
    is_new: bool = True
    """Whether anything came after the last answer."""
    instructions: str = ""
    """What ``response.create`` asks of this answer alone."""
    tools: tuple[Json, ...] = ()
    """Declarations, function and mcp."""
    tool_choice: str | Mapping[str, Any] = "auto"
    """As in the session object."""
    parallel: bool = True
    """Whether several calls may be made at once."""
    dice: int = 0
    """A random number from 0 to 2³¹-1: choices follow from it."""
    notes: dict[str, int] = field(default_factory=dict)
    """What the brain remembers of this session."""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of a tool of the client."""

    name: str
    arguments: str
    """JSON text."""


@dataclass(frozen=True, slots=True)
class McpCall:
    """A call of an MCP server's tool; nobody is contacted, the result is known beforehand."""

    server: str
    name: str
    arguments: str
    output: str | None = None
    """The result; None: it fails with ``error``."""
    error: str = ""
    duration_ms: int = 200
    approval_request_id: str | None = None
    """The request that the client granted; None: none was needed."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a response ends that is not completed."""

    status: Literal["failed", "incomplete"]
    reason: str
    """failed: the error's code; incomplete: max_output_tokens or content_filter."""
    message: str = ""
    share: float = 0.0
    """How much of the answer is given before, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: MCP calls, then words, then calls."""

    transcript: str
    """The words; for a text response, all there is. Empty, and no sound: no message."""
    pcm: bytes
    """The sound: PCM16, 24 kHz mono, any length."""
    calls: tuple[FunctionCall, ...] = ()
    interleaved: bool = False
    """Calls begin while the message is still open, and run beside each other."""
    mcp_calls: tuple[McpCall, ...] = ()
    ask_first: bool = False
    """The MCP calls are made, and the rest is said, once the client approved of them."""
    denied: str = ""
    """Said if it did not approve."""
    text_only: bool = False
    """Written, also where the session speaks."""
    ending: Ending | None = None
    delay_ms: int | None = None
    """Time until the first event of the answer; None: as configured."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """The words of a spoken turn, and how their transcription comes about."""

    text: str
    kind: Literal["normal", "early", "late", "empty", "failed"] = "normal"
    delay_ms: int | None = None
    """Time from the end of the turn to the first words; None: by kind."""


@dataclass(frozen=True, slots=True)
class McpServer:
    """An MCP server that exists in a script only."""

    label: str
    tools: tuple[Json, ...] = ()
    """``name``, ``input_schema``, ``description``."""
    fails: bool = False
    """Whether the attempt to list its tools fails."""


class Brain(Protocol):
    """Answers turns."""

    def reply(self, turn: Turn) -> Reply:
        """Return the answer to ``turn``."""

    def heard(self, spoken_turn: int) -> Recognition | None:
        """Return the words of the n-th spoken turn; None: nobody knows them."""

    def mcp_server(self, label: str) -> McpServer:
        """Return what is behind an MCP server label."""


class _Deaf:
    """A brain without words for speech, and without MCP servers."""

    def heard(self, spoken_turn: int) -> Recognition | None:
        """None: nobody knows."""
        return None

    def mcp_server(self, label: str) -> McpServer:
        """A server without tools."""
        return McpServer(label)


class EchoTest(_Deaf):
    """Greets, then repeats what it heard, sample for sample: a test of microphone and speaker."""

    def __init__(self, greeting_pcm: bytes, greeting_text: str, greets: bool = True) -> None:
        """``greeting_pcm``, ``greeting_text``: what is said when nobody has said anything yet."""
        self._greeting = Reply(f"{_TAG} {greeting_text}", greeting_pcm)
        self._greets = greets

    def reply(self, turn: Turn) -> Reply:
        """Repeat audio; quote text with a chime; greet where there is neither."""
        if turn.audio:
            seconds = len(turn.audio) / (1_000 * BYTES_PER_MS)
            words = f"{_TAG} I heard {seconds:.1f} s of speech; here it is again."
            return Reply(words, turn.audio)
        if turn.text is not None:
            return Reply(f'{_TAG} You wrote: "{turn.text}"', chime())
        if self._greets:
            return self._greeting
        return Reply(f"{_TAG} There is nothing to repeat yet.", chime())


class Tone(_Deaf):
    """Answers everything with a long tone: something to interrupt, and to measure."""

    def __init__(self, length_ms: int) -> None:
        """``length_ms``: length of the tone."""
        self._reply = Reply(
            f"{_TAG} This is a tone of {length_ms / 1000:.1f} s at {_TONE_HZ:.0f} Hz.",
            tone(length_ms),
        )

    def reply(self, turn: Turn) -> Reply:
        """Return the tone, whatever was said."""
        return self._reply


def tone(length_ms: int, frequency_hz: float = _TONE_HZ, peak: int = _TONE_PEAK) -> bytes:
    """Return a sine of ``length_ms`` (whole frames) at ``peak`` (of 32767); made of one frame."""
    step = 2 * math.pi * frequency_hz / SAMPLE_RATE_HZ
    frame = array("h", (round(peak * math.sin(step * i)) for i in range(FRAME_SAMPLES)))
    return frame.tobytes() * (length_ms // 20)


def chime() -> bytes:
    """Return two rising notes of 160 ms each and a short silence, as an answer to text."""
    return _note(600.0) + _note(800.0) + SILENCE * 5


def _note(frequency_hz: float) -> bytes:
    samples = array("h", tone(160, frequency_hz, 6_000))
    for i in range(_FADE_SAMPLES):
        samples[i] = samples[i] * i // _FADE_SAMPLES
        samples[-1 - i] = samples[-1 - i] * i // _FADE_SAMPLES
    return samples.tobytes()
