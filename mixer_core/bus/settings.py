"""Settings: one TOML file, one section per program, every key typed, bounded and documented.

Order of precedence: environment (``MIXMINUS_<SECTION>__<KEY>``), then the file that
``MIXMINUS_CONFIG`` names, then the defaults here. ``deploy/mixminus.toml`` lists every key at its
default; a test holds the two together. Secrets are never keys: ``OPENAI_API_KEY`` and
``MIXMINUS_TOKEN`` come from the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import msgspec

from .errors import SettingsError

ENV_PREFIX = "MIXMINUS_"
CONFIG_VARIABLE = "MIXMINUS_CONFIG"
KEY_VARIABLE = "OPENAI_API_KEY"
"""The environment variable that holds OpenAI's key; never a setting, never logged."""
RESERVED_VARIABLES = frozenset(
    {CONFIG_VARIABLE, "MIXMINUS_TOKEN", "MIXMINUS_SUPERVISED", "MIXMINUS_REQUIRE_BROWSER"}
)

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1000)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=600_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
Decibels = Annotated[float, msgspec.Meta(ge=-120, le=0)]


def default_runtime_dir(env: Mapping[str, str] = os.environ) -> str:
    """``$XDG_RUNTIME_DIR/mixminus`` where the system has one, else ``/tmp/mixminus-<uid>``."""
    base = env.get("XDG_RUNTIME_DIR")
    return f"{base}/mixminus" if base else f"/tmp/mixminus-{os.getuid()}"


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """Shared by all programs."""

    dir: str = ""
    """Directory of sockets and locks (made with mode 0700); empty: chosen by the system."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is logged."""


@dataclass(frozen=True, slots=True)
class SignalingSettings:
    """The HTTP side."""

    http_host: str = "127.0.0.1"
    """Address to listen on; anything but loopback needs MIXMINUS_TOKEN in the environment."""
    http_port: Port = 8080
    """TCP port of the page and the API."""
    allowed_hosts: str = ""
    """More host names, separated by commas, that browsers may use for this gateway."""
    max_participants: Count = 20
    """Browsers at once over all rooms; the next one gets 503."""
    max_rooms: Count = 10
    """Rooms at once; each holds one Realtime session."""
    mode: Literal["assistant", "conference"] = "assistant"
    """Mode of rooms whose first participant asks for none; conference: people hear each other."""
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 20)] = 65_536
    """Largest request body; over it 413."""
    answer_timeout_ms: Milliseconds = 5_000
    """How long an offer waits for a media worker before 503."""


@dataclass(frozen=True, slots=True)
class MediaWorkerSettings:
    """One child per browser."""

    idle_children: Annotated[int, msgspec.Meta(ge=1, le=16)] = 2
    """Warm children that wait for a browser."""
    max_children: Annotated[int, msgspec.Meta(ge=1, le=256)] = 24
    """Children at once, waiting ones included."""
    ice_addresses: str = "auto"
    """Addresses offered to browsers, separated by commas; auto: this host's and loopback."""
    connect_timeout_ms: Milliseconds = 10_000
    """A browser that has not opened its channel by then is given up."""
    peer_silence_ms: Milliseconds = 3_000
    """A browser from which no datagram came for so long is gone."""
    outbox_cap_ms: Milliseconds = 200
    """Audio that may wait for the network per browser; what is over it is dropped."""
    silence_hangover_ms: Milliseconds = 400
    """Digital silence is still sent for so long, then no more."""


@dataclass(frozen=True, slots=True)
class MixerCoreSettings:
    """The mixer."""

    deadline_ms: Milliseconds = 20
    """A slot is mixed when its oldest frame has waited so long, whoever is missing."""
    coalesce_ms: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0
    """Arrivals are gathered for so long before they are mixed: fewer wake-ups, more delay."""
    gap_hold_ms: Milliseconds = 60
    """A missing frame of a browser is waited for so long."""
    buffer_cap_ms: Milliseconds = 200
    """Audio that may wait per stream; what is over it is dropped, oldest first."""
    stream_timeout_ms: Milliseconds = 3_000
    """A stream that says nothing at all for so long is removed."""
    max_streams: Annotated[int, msgspec.Meta(ge=2, le=1024)] = 128
    """Streams at once; more are refused and counted."""


@dataclass(frozen=True, slots=True)
class OpenaiLinkSettings:
    """One child per room."""

    upstream: Literal["auto", "openai", "simulator"] = "auto"
    """auto: OpenAI where OPENAI_API_KEY is set, else the local simulator."""
    base_url: str = "https://api.openai.com/v1"
    """Base URL of the Realtime API (upstream openai)."""
    auth: Literal["api_key", "ephemeral"] = "api_key"
    """api_key: one multipart request; ephemeral: first a client secret, then the call with it."""
    model: str = "gpt-realtime-2.1"
    """Name of the Realtime model."""
    voice: str = "marin"
    """Voice of the assistant."""
    instructions: str = (
        "You are a friendly assistant in a room with several people. "
        "Keep answers short. Answer in the language in which you are spoken to."
    )
    """What the model is told about its task."""
    transcription_model: str = ""
    """Model that writes down what people say; empty: no captions of people."""
    vad_threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """Loudness that counts as speech, for the server's voice activity detection."""
    vad_prefix_padding_ms: Milliseconds = 300
    """Audio before the detected start that belongs to the turn."""
    vad_silence_ms: Milliseconds = 500
    """Silence that ends a turn."""
    greet: bool = True
    """The assistant says hello when a room opens."""
    idle_children: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1
    """Warm children that wait for a room."""
    max_children: Annotated[int, msgspec.Meta(ge=1, le=128)] = 12
    """Children at once, waiting ones included."""
    connect_timeout_ms: Milliseconds = 10_000
    """A call that is not up by then has failed."""
    max_retries: Count = 3
    """Attempts in a row to reconnect before the room is told that it failed."""
    retry_delay_ms: Milliseconds = 2_000
    """Wait before the first new attempt; doubled each time."""
    empty_linger_ms: Milliseconds = 2_000
    """How long a room may be empty before its call is hung up."""
    opus_bitrate_bps: Annotated[int, msgspec.Meta(ge=6_000, le=256_000)] = 40_000
    """Bit rate of the microphone mix to the model."""
    opus_complexity: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0
    """Opus effort, 0 (cheapest) to 10."""
    gap_hold_ms: Milliseconds = 40
    """A missing packet of the reply is waited for so long, then concealed."""
    sparse_after_ms: Milliseconds = 5_000
    """Silence to the model that has lasted so long is sent every 400 ms only (DTX); 0: never."""


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """The local Realtime peer."""

    http_host: str = "127.0.0.1"
    """Address to listen on."""
    http_port: Port = 8765
    """TCP port; the base URL is http://127.0.0.1:8765/v1."""
    api_key: str = ""
    """Key that clients must send; empty: any. It guards nothing but this simulator."""
    brain: Literal["echo", "tone"] = "echo"
    """echo: repeats what it heard; tone: answers each turn with a long tone."""
    tone_ms: Milliseconds = 5_000
    """Length of the tone brain's answer."""
    greeting: bool = True
    """Says hello when a room opens."""
    opus_bitrate_bps: Annotated[int, msgspec.Meta(ge=6_000, le=256_000)] = 48_000
    """Bit rate of its replies."""
    sparse_after_ms: Milliseconds = 5_000
    """Its silence that has lasted so long is sent every 400 ms only (DTX); 0: never."""
    dtls_role: Literal["active", "passive"] = "active"
    """Side of the DTLS handshake it takes; OpenAI has been seen in both."""
    record_dir: str = ""
    """Directory for one WAV per call of what it heard; empty: no recording."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All sections."""

    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)
    signaling: SignalingSettings = field(default_factory=SignalingSettings)
    media_worker: MediaWorkerSettings = field(default_factory=MediaWorkerSettings)
    mixer_core: MixerCoreSettings = field(default_factory=MixerCoreSettings)
    openai_link: OpenaiLinkSettings = field(default_factory=OpenaiLinkSettings)
    simulator: SimulatorSettings = field(default_factory=SimulatorSettings)

    @property
    def runtime_dir(self) -> Path:
        """Where sockets, locks and pid files are."""
        return Path(self.runtime.dir or default_runtime_dir())


SECTIONS: dict[str, type[Any]] = {
    f.name: get_type_hints(Settings)[f.name] for f in fields(Settings)
}


def load(env: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: names the file or variable, the section, the key, and what is allowed.
    """
    values: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    path = env.get(CONFIG_VARIABLE)
    if path:
        _merge_file(values, Path(path))
    _merge_environment(values, env)
    return Settings(**{name: SECTIONS[name](**values[name]) for name in SECTIONS})


def uses_simulator(link: OpenaiLinkSettings, env: Mapping[str, str] = os.environ) -> bool:
    """Whether the local simulator plays the assistant: by setting, or because there is no key."""
    if link.upstream == "auto":
        return not env.get(KEY_VARIABLE, "").strip()
    return link.upstream == "simulator"


def _merge_file(values: dict[str, dict[str, Any]], path: Path) -> None:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"the settings file {path} cannot be read ({error.strerror}): "
            f"correct {CONFIG_VARIABLE} or unset it"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {path} is no TOML: {error}") from error
    for section, keys in content.items():
        if section not in SECTIONS or not isinstance(keys, dict):
            raise SettingsError(
                f"{path}: [{section}] is no section; there are {', '.join(SECTIONS)}"
            )
        for key, value in keys.items():
            where = f"{path}: [{section}] {key}"
            values[section][key] = _checked(where, section, key, value, strict=True)


def _merge_environment(values: dict[str, dict[str, Any]], env: Mapping[str, str]) -> None:
    for variable, text in env.items():
        if not variable.startswith(ENV_PREFIX) or variable in RESERVED_VARIABLES:
            continue
        section, separator, key = variable[len(ENV_PREFIX) :].lower().partition("__")
        if not separator:
            raise SettingsError(
                f"the variable {variable} is no setting: write {ENV_PREFIX}<SECTION>__<KEY>"
            )
        if section not in SECTIONS:
            raise SettingsError(
                f"the variable {variable} names no section; there are {', '.join(SECTIONS)}"
            )
        values[section][key] = _checked(
            f"the variable {variable}", section, key, text, strict=False
        )


def _checked(where: str, section: str, key: str, value: Any, *, strict: bool) -> Any:
    """``value`` converted to the type of the key; SettingsError names ``where``."""
    hints = get_type_hints(SECTIONS[section], include_extras=True)
    if key not in hints:
        raise SettingsError(
            f"{where} is an unknown setting; [{section}] has {', '.join(sorted(hints))}"
        )
    if not strict and hints[key] is bool:
        value = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}.get(
            value.lower(), value
        )
    try:
        return msgspec.convert(value, hints[key], strict=strict)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where} = {value!r} is not possible: {error}") from error
