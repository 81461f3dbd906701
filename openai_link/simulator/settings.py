"""The section ``[simulator]``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from mixer_core.runtime.settings import CommonSettings, Count, Milliseconds, Port, Seconds


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """The local Realtime peer."""

    http_host: str = "127.0.0.1"
    """Address to listen on."""
    http_port: Port = 8765
    """TCP port; the base URL is http://127.0.0.1:8765/v1."""
    api_key: str = ""
    """Key that clients must send; empty: any. It guards nothing but this simulator."""
    brain: Literal["echo", "tone", "script"] = "echo"
    """echo: repeats what it heard; tone: answers each turn with a long tone; script: see script."""
    script: str = ""
    """File with the rules of the script brain (TOML); empty: the rules that come with it."""
    seed: int = 0
    """Random choices (ids, pieces of text, variants) follow from it; 0: different each time."""
    session_max_s: Seconds = 3600
    """Length of a session, after which it expires."""
    faults: str = ""
    """Faults to show, separated by commas, as name or name=value; see the simulator's README."""
    tone_ms: Milliseconds = 5_000
    """Length of the tone brain's answer."""
    greeting: bool = True
    """Says hello when a room opens."""
    think_ms: Milliseconds = 40
    """Time between the creation of a response and its first words."""
    generation_speed: Annotated[float, msgspec.Meta(ge=0.1, le=1000)] = 8.0
    """How many times faster than it is spoken a reply is generated."""
    max_calls: Count = 32
    """Calls at once; the next one gets 429."""
    connect_timeout_s: Seconds = 15
    """Time a call has to connect before it is dropped."""
    opus_bitrate_bps: Annotated[int, msgspec.Meta(ge=6_000, le=256_000)] = 48_000
    """Bit rate of its replies."""
    sparse_after_ms: Milliseconds = 5_000
    """Its silence that has lasted so long is sent every 400 ms only (DTX); 0: never."""
    dtls_role: Literal["active", "passive"] = "active"
    """Side of the DTLS handshake it takes; OpenAI has been seen in both."""
    record_dir: str = ""
    """Directory for one WAV per call of what it heard; empty: no recording."""

    @property
    def base_url(self) -> str:
        """Where clients on this machine reach it, such as ``http://127.0.0.1:8765/v1``."""
        host = "127.0.0.1" if self.http_host in ("", "0.0.0.0", "::") else self.http_host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.http_port}/v1"


@dataclass(frozen=True, slots=True)
class Settings(CommonSettings):
    """What the simulator reads."""

    simulator: SimulatorSettings = field(default_factory=SimulatorSettings)
