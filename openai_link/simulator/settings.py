"""The section ``[simulator]``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from mixer_core.runtime.settings import CommonSettings, Count, Milliseconds, Port, Seconds


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """The local Realtime peer."""

    applies = "now"

    http_host: str = "127.0.0.1"
    """Address to listen on."""
    http_port: Port = 8765
    """TCP port; the base URL is http://127.0.0.1:8765/v1."""
    https_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    """TCP port of the same over TLS, for clients that insist on https and wss; 0: none."""
    tls_certificate: str = ""
    """PEM file with the certificate for https_port, and its chain; empty: one is made at the start,
    as simulator.pem in the runtime directory."""
    tls_key: str = ""
    """PEM file with its key, without a passphrase."""
    api_key: str = ""
    """API key that clients must send; empty: any. It protects the simulator only."""
    brain: Literal["echo", "tone", "script"] = "echo"
    """echo: repeats the input; tone: answers with a long tone; script: follows the file below."""
    script: str = ""
    """Path of the script brain's rules (TOML); empty: the packaged rules."""
    seed: int = 0
    """Makes ids and random choices repeatable; 0: different each time."""
    session_max_s: Seconds = 3600
    """Age at which sessions expire."""
    lenient: bool = False
    """Whether to accept what the service refuses: unknown fields of events, names and texts that
    are too long, items in a wrong order."""
    images: bool = True
    """Whether the model takes pictures; false: they are refused as models without them do."""
    faults: str = ""
    """Faults to inject, as name or name=value, separated by commas; see the simulator's README."""
    tone_ms: Milliseconds = 5_000
    """Length of the tone brain's answer."""
    greeting: bool = True
    """Whether the echo brain greets when a room opens."""
    think_ms: Milliseconds = 40
    """Time from response.created to the first words."""
    generation_speed: Annotated[float, msgspec.Meta(ge=0.1, le=1000)] = 8.0
    """How much faster than real time replies are generated."""
    max_calls: Count = 32
    """Most sessions at once; the next one is refused with 429."""
    connect_timeout_s: Seconds = 15
    """Timeout after which a call that is not connected is dropped."""
    opus_bitrate_bps: Annotated[int, msgspec.Meta(ge=6_000, le=256_000)] = 48_000
    """Bit rate of the replies."""
    sparse_after_ms: Milliseconds = 5_000
    """After this much silence one packet in 400 ms is sent (DTX); 0: always one in 20 ms."""
    dtls_role: Literal["active", "passive"] = "active"
    """Side of the DTLS handshake; OpenAI has been seen in both."""
    record_dir: str = ""
    """Directory for recordings of the input, one WAV per session; empty: none."""

    @property
    def base_url(self) -> str:
        """Where clients on this machine reach it, such as ``http://127.0.0.1:8765/v1``."""
        host = "127.0.0.1" if self.http_host in ("", "0.0.0.0", "::") else self.http_host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.http_port}/v1"


@dataclass(frozen=True, slots=True)
class Settings(CommonSettings):
    """What the simulator reads."""

    simulator: SimulatorSettings = field(default_factory=SimulatorSettings)
