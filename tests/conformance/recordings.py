"""Sessions recorded from the service: the order of all events, the number of
deltas and all token counts are those of the recording; ids and words are our own.

The recordings are public: ``tests/realtime/cassettes`` of pydantic-ai, by the names given below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one response, as recorded. ``reasoning``: None where the key is missing."""

    text_in: int
    text_out: int
    audio_in: int = 0
    audio_out: int = 0
    cached: int = 0
    reasoning: int | None = None

    def usage(self) -> Json:
        """``usage`` of ``response.done``."""
        spent = {"text_tokens": self.text_out, "audio_tokens": self.audio_out}
        cached = {"text_tokens": self.cached, "audio_tokens": 0, "image_tokens": 0}
        given = {"text_tokens": self.text_in, "audio_tokens": self.audio_in, "image_tokens": 0}
        input_tokens, output_tokens = self.text_in + self.audio_in, self.text_out + self.audio_out
        if self.reasoning is not None:
            spent["reasoning_tokens"] = self.reasoning
        return {
            "total_tokens": input_tokens + output_tokens,
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "input_token_details": {
                **given,
                "cached_tokens": self.cached,
                "cached_tokens_details": cached,
            },
            "output_token_details": spent,
        }


@dataclass(frozen=True, slots=True)
class Recording:
    """One session. ``order``: entries ``event:item*count``; items are named after their kind
    (asked, said, noted, spoken, written, call, result), a number tells several apart.
    """

    source: str
    order: str
    tokens: tuple[Tokens, ...]
    """Of each response, in order."""
    heard: str | None = None
    """What ``transcribed`` says; None if nothing was transcribed."""
    heard_s: int = 0
    """Seconds billed for its transcription."""
    phase: str | None = None
    """``phase`` of the assistant's items, as newer models give it."""


_ASKED = "session.created session.updated item.added:asked item.done:asked response.created"
_MESSAGE = "output.added:{0} item.added:{0} part.added:{0}"
_MESSAGE_DONE = "words.done:{0} part.done:{0} item.done:{0} output.done:{0}"
_SPOKEN = _MESSAGE.format("spoken")
_SOUND_DONE = "sound.done:{0} " + _MESSAGE_DONE
_SPOKEN_DONE = _SOUND_DONE.format("spoken")
_WRITTEN = _MESSAGE.format("written")
_WRITTEN_DONE = _MESSAGE_DONE.format("written")
_RESULT = "limits item.added:result item.done:result response.created"

RECORDINGS = (
    Recording(
        "test_openai_ws_sideband/test_webrtc_sideband_audio_turn",
        "session.updated item.added:asked item.done:asked response.created "
        f"{_SPOKEN} words:spoken*3 playback.started {_SPOKEN_DONE} response.done limits "
        "playback.stopped",
        (Tokens(text_in=12, text_out=9, audio_out=61),),
    ),
    Recording(
        "test_openai_ws/test_audio_in_server_vad_turn",
        "session.created session.updated speech.started:said speech.stopped:said committed:said "
        f"item.added:said item.done:said response.created {_SPOKEN} words:spoken*2 heard:said "
        "words:spoken heard:said*2 sound:spoken*2 words:spoken heard:said sound:spoken "
        "words:spoken*3 heard:said sound:spoken*2 words:spoken*3 heard:said*2 sound:spoken*2 "
        "words:spoken sound:spoken words:spoken*6 sound:spoken*4 transcribed:said sound:spoken*3 "
        f"{_SPOKEN_DONE} response.done",
        (Tokens(text_in=14, audio_in=27, text_out=29, audio_out=76),),
        heard="When does the ferry leave?",
        heard_s=3,
    ),
    Recording(
        "test_openai_ws/test_tool_call_round",
        f"{_ASKED} output.added:call item.added:call arguments:call*12 arguments.done:call "
        f"item.done:call output.done:call response.done {_RESULT} {_WRITTEN} words:written*11 "
        f"{_WRITTEN_DONE} response.done",
        (Tokens(text_in=63, text_out=22), Tokens(text_in=96, text_out=13, cached=64)),
    ),
    Recording(
        "test_parity_ws/test_text_tool_round_parity[openai-current]",
        f"{_ASKED} {_WRITTEN} words:written*11 output.added:call item.added:call arguments:call*5 "
        f"{_WRITTEN_DONE} arguments.done:call item.done:call output.done:call response.done "
        f"{_RESULT} {_MESSAGE.format('written2')} words:written2*11 "
        f"{_MESSAGE_DONE.format('written2')} response.done",
        (Tokens(text_in=347, text_out=36), Tokens(text_in=401, text_out=15, cached=384)),
        phase="final_answer",
    ),
    Recording(
        "test_openai_ws/test_idle_timeout_nudge_is_not_a_user_turn",
        f"{_ASKED} {_SPOKEN} words:spoken*3 sound:spoken*2 {_SPOKEN_DONE} response.done limits "
        "timeout:said item.added:noted item.done:noted committed:said item.added:said "
        f"item.done:said response.created {_MESSAGE.format('spoken2')} words:spoken2*5 "
        "sound:spoken2 words:spoken2 sound:spoken2 words:spoken2 sound:spoken2 words:spoken2*3 "
        "transcribed:said sound:spoken2 words:spoken2*3 sound:spoken2*4 "
        f"{_SOUND_DONE.format('spoken2')} response.done limits",
        (
            Tokens(text_in=23, text_out=44, audio_out=16, reasoning=31),
            Tokens(text_in=89, audio_in=51, text_out=54, audio_out=60, reasoning=27),
        ),
        heard="",
        phase="final_answer",
    ),
)
