"""What ``GET /simulator/calls`` shows of a session. Sans-I/O."""

from __future__ import annotations

from typing import Any

from mixer_core.bus.pcm import FRAME_SAMPLES, SAMPLE_RATE_HZ

from ...media.rtp_audio import ReceiverCounters
from ..engine.session_engine import SessionEngine

Json = dict[str, Any]

_SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000


def session_report(engine: SessionEngine) -> Json:
    """Return session id, model, expiry, length of the input, and the items without audio."""
    session = engine.session
    return {
        "session": session["id"],
        "type": session["type"],
        "model": session.get("model"),
        "expires_at": session["expires_at"],
        "input_samples": engine.input.end_ms * _SAMPLES_PER_MS,
        "items": [item.as_event() for item in engine.conversation.items],
    }


def rtp_report(counters: ReceiverCounters, expected: int, received: int, dropped: int) -> Json:
    """Return the counts of the client's packets.

    ``concealed_samples`` and ``filled_samples`` are parts of ``input_samples`` that stand in for
    lost packets, and for gaps in which the client sent nothing.
    """
    return {
        "expected": expected,
        "received": received,
        "dropped_as_fault": dropped,
        "lost": counters.lost,
        "late": counters.late,
        "duplicates": counters.duplicates,
        "discarded": counters.discarded,
        "concealed_samples": counters.concealed * FRAME_SAMPLES,
        "filled_samples": counters.skipped_ms * _SAMPLES_PER_MS,
    }
