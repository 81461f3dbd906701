"""How a session behaves beyond what its client configures. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .ids import RandomSource

Quirk = Literal["always", "sometimes", "never"]
"""How often the service does what clients must not rely on."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Everything about a session that its client cannot say."""

    think_ms: int = 40
    """Time from ``response.created`` to the first words."""
    generation_speed: float = 8.0
    """How much faster than real time replies are generated."""
    session_limit_s: float = 3_600.0
    """When the session expires."""
    transport: Literal["webrtc", "websocket"] = "webrtc"
    """webrtc: sound leaves by ``slot``; websocket: as ``response.output_audio.delta``."""
    transcription_delay_ms: int = 0
    """Time from the end of a turn to its transcript, where the brain sets none."""
    context_tokens: int = 0
    """Most input tokens of a response; 0: what the session's model holds."""
    omit_rate_limits: Quirk = "sometimes"
    """``rate_limits.updated`` does not follow on ``response.done``."""
    null_previous_in_done: Quirk = "sometimes"
    """``conversation.item.done`` has no ``previous_item_id``, although ``.added`` had one."""
    padded_arguments: Quirk = "sometimes"
    """The arguments of function calls contain line breaks and blanks."""
    truncated_first: Quirk = "never"
    """At an interruption ``conversation.item.truncated`` precedes the end of the response; its
    place is not known for certain."""


def happens(quirk: Quirk, random: RandomSource, one_in: int = 3) -> bool:
    """Decide whether a quirk shows now; "sometimes" is once in ``one_in`` on average."""
    return quirk == "always" or (quirk == "sometimes" and random.randrange(one_in) == 0)
