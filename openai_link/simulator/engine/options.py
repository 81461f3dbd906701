"""What shapes a session besides its client's configuration. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .ids import RandomSource

Quirk = Literal["always", "sometimes", "never"]
"""How often the session shows a behaviour that clients must tolerate."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Everything about a session that its client cannot configure."""

    think_ms: int = 40
    """Time from ``response.created`` to the first words."""
    generation_speed: float = 8.0
    """How much faster than real time replies are generated."""
    session_limit_s: float = 3_600.0
    """Age at which the session expires."""
    transport: Literal["webrtc", "websocket"] = "webrtc"
    """webrtc: sound leaves by ``slot``; websocket: as ``response.output_audio.delta``."""
    transcription_delay_ms: int = 0
    """Time from the end of a turn to its transcript, unless the brain sets it."""
    lenient: bool = False
    """What the service refuses is accepted, where the engine can make sense of it."""
    takes_images: bool = True
    """The model takes pictures."""
    context_tokens: int = 0
    """Most input tokens of a response; 0: the limit of the session's model."""
    answers_every_turn: bool = False
    """Turns are answered whatever ``create_response`` of the turn detection says."""
    omit_rate_limits: Quirk = "sometimes"
    """No ``rate_limits.updated`` follows ``response.done``."""
    null_previous_in_done: Quirk = "sometimes"
    """``conversation.item.done`` has no ``previous_item_id``, although ``.added`` had one."""
    padded_arguments: Quirk = "sometimes"
    """The arguments of function calls contain extra white space."""
    truncated_first: Quirk = "never"
    """After an interruption ``conversation.item.truncated`` precedes ``response.done``; the order
    of the service is not certain."""


def happens(quirk: Quirk, random: RandomSource, one_in: int = 3) -> bool:
    """Return whether a quirk shows now; "sometimes" means one in ``one_in`` on average."""
    return quirk == "always" or (quirk == "sometimes" and random.randrange(one_in) == 0)
