"""What the simulator can be told; ``service`` fills it from the settings, tests build their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    """All knobs of one simulator."""

    api_key: str = ""
    """Bearer key that clients must present; empty accepts any."""
    brain: Literal["echo", "tone", "script"] = "echo"
    """Who answers: see ``brains``."""
    script: str = ""
    """File with the rules of the script brain; empty: the rules that come with it."""
    faults: str = ""
    """Faults to begin with: see ``faults``."""
    tone_ms: int = 5_000
    """Length of the tone brain's answer."""
    greeting: bool = True
    """Whether a first ``response.create`` without any user turn is answered with a greeting."""
    opus_bitrate_bps: int = 48_000
    """Bit rate of the reply."""
    opus_complexity: int = 0
    """Opus effort, 0 to 10."""
    sparse_after_ms: int = 5_000
    """Silence that has lasted so long is sent every 400 ms only; 0: never."""
    dtls_role: Literal["active", "passive"] = "active"
    """Side of the DTLS handshake."""
    record_dir: str = ""
    """Directory for one WAV per call of what was heard; empty: none."""
    connect_timeout_s: float = 15.0
    """A call that is not connected by then is dropped."""
    session_limit_s: float = 3_600.0
    """Length after which a session expires."""
    uplink_hold_ms: int = 60
    """How long a missing packet of the client is waited for."""
    think_ms: int = 40
    """Time between the creation of a response and its first words."""
    generation_speed: float = 8.0
    """How much faster than real time a reply is generated."""
    max_calls: int = 32
    """Calls at once; more are answered with 429."""
