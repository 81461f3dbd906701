"""Settings: one TOML file, one section per program, every key typed, bounded and documented.

Order of precedence: environment (``MIXMINUS_<SECTION>__<KEY>``), then the file that
``MIXMINUS_CONFIG`` names, then the defaults here. ``deploy/mixminus.toml`` lists every key at its
default; a test holds the two together. Secrets are never keys: ``OPENAI_API_KEY`` and
``MIXMINUS_TOKEN`` come from the environment.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin, get_type_hints

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
Dollars = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]


@dataclass(frozen=True, slots=True)
class Price:
    """List price of one model in US dollars per million tokens."""

    text_in: Dollars
    text_cached: Dollars
    text_out: Dollars
    audio_in: Dollars
    audio_cached: Dollars
    audio_out: Dollars
    image_in: Dollars = 0.0
    image_cached: Dollars = 0.0


@dataclass(frozen=True, slots=True)
class McpServer:
    """One MCP server whose tools the assistant may use; give ``command`` or ``url``."""

    command: tuple[str, ...] = ()
    """Program and arguments of a server that speaks on its standard input and output."""
    url: str = ""
    """Address of a server that speaks streamable HTTP."""
    token_variable: str = ""
    """Environment variable that holds the bearer token for ``url``; a ``command`` gets it too."""
    allow: tuple[str, ...] = ()
    """Names of the tools to offer; empty: all."""
    confirm: bool = True
    """Somebody in the room must say yes to each call."""


_PRICES = {
    "gpt-realtime-2.1": Price(4, 0.4, 24, 32, 0.4, 64, 5, 0.5),
    "gpt-realtime-2.1-mini": Price(0.6, 0.06, 2.4, 10, 0.3, 20, 0.8, 0.08),
    "gpt-realtime-2": Price(4, 0.4, 24, 32, 0.4, 64, 5, 0.5),
    "gpt-realtime-1.5": Price(4, 0.4, 16, 32, 0.4, 64, 5, 0.5),
}


def default_state_dir(env: Mapping[str, str] = os.environ) -> str:
    """``$XDG_STATE_HOME/mixminus``, else ``~/.local/state/mixminus``."""
    base = env.get("XDG_STATE_HOME") or f"{Path.home()}/.local/state"
    return f"{base}/mixminus"


def default_runtime_dir(env: Mapping[str, str] = os.environ) -> str:
    """``$XDG_RUNTIME_DIR/mixminus`` where the system has one, else ``/tmp/mixminus-<uid>``."""
    base = env.get("XDG_RUNTIME_DIR")
    return f"{base}/mixminus" if base else f"/tmp/mixminus-{os.getuid()}"


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """Shared by all programs."""

    dir: str = ""
    """Directory of sockets and locks (made with mode 0700); empty: chosen by the system."""
    state_dir: str = ""
    """Directory of what is kept: the journal (made with mode 0700); empty: chosen by the system."""
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
    """Base URL of the Realtime API (upstream openai), or of a server that is compatible with it."""
    auth: Literal["api_key", "ephemeral", "azure"] = "api_key"
    """api_key: one multipart request; ephemeral: first a client secret, then the call with it;
    azure: the same with the header api-key."""
    transport: Literal["auto", "webrtc", "websocket"] = "auto"
    """auto: WebRTC, and WebSocket where UDP does not get through."""
    model: str = "gpt-realtime-2.1"
    """Name of the Realtime model."""
    voice: str = "marin"
    """Voice of the assistant."""
    instructions: str = (
        "You are a friendly assistant in a room with several people. "
        "Keep answers short. Answer in the language in which you are spoken to."
    )
    """What the model is told about its task."""
    output: Literal["audio", "text"] = "audio"
    """audio: the assistant speaks (and is written down); text: it only writes."""
    speed: Annotated[float, msgspec.Meta(ge=0.25, le=1.5)] = 1.0
    """Speed of its speech."""
    max_output_tokens: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    """Longest answer; 0: no limit."""
    reasoning_effort: Literal["default", "minimal", "low", "medium", "high", "xhigh"] = "default"
    """How long a reasoning model may think; default: not sent."""
    truncation: Literal["auto", "disabled", "retention_ratio"] = "auto"
    """What happens when the conversation outgrows the model's context."""
    retention_ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.8
    """Share of the context that is kept (truncation retention_ratio)."""
    session_json: str = ""
    """JSON object merged into the session object last: fields that have no key here."""
    noise_reduction: Literal["off", "near_field", "far_field"] = "off"
    """Noise reduction on the server; browsers do their own."""
    transcription_model: str = ""
    """Model that writes down what people say; empty: no captions of people."""
    transcription_language: str = ""
    """Language of the room (ISO 639-1, such as de), a help for the transcription; empty: any."""
    transcription_prompt: str = ""
    """Names and words that the transcription should know."""
    turn_detection: Literal["server_vad", "semantic_vad", "push_to_talk"] = "server_vad"
    """What ends a person's turn: silence, the meaning of the words, or a button."""
    semantic_eagerness: Literal["auto", "low", "medium", "high"] = "auto"
    """How soon semantic_vad takes a turn to be over."""
    create_response: bool = True
    """The model answers each turn; false: only when asked by text or button."""
    interrupt_response: bool = True
    """Speaking over the assistant stops it."""
    idle_timeout_ms: Milliseconds = 0
    """After so much silence the model speaks by itself (5000 to 30000, server_vad); 0: never."""
    vad_threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """Loudness that counts as speech, for the server's voice activity detection."""
    vad_prefix_padding_ms: Milliseconds = 300
    """Audio before the detected start that belongs to the turn."""
    vad_silence_ms: Milliseconds = 500
    """Silence that ends a turn."""
    greet: bool = True
    """The assistant says hello when a room opens."""
    tools: tuple[str, ...] = ("openai_link.tools.clock",)
    """Python modules whose @tool functions the assistant may call."""
    tool_choice: Literal["auto", "none", "required"] = "auto"
    """Whether the model may, must not or must call tools."""
    parallel_tool_calls: Literal["default", "on", "off"] = "default"
    """Several calls in one answer (reasoning models); default: not sent."""
    tool_timeout_ms: Milliseconds = 10_000
    """A tool that has not answered by then has failed."""
    tool_confirm_timeout_ms: Milliseconds = 20_000
    """A question to the room that nobody answers by then means no."""
    tool_filler_after_ms: Milliseconds = 1_500
    """A tool with a spoken filler that takes longer than this gets it said; 0: never."""
    mcp_servers: dict[str, McpServer] = field(default_factory=dict)
    """MCP servers by name; see McpServer for their keys."""
    home_assistant_url: str = ""
    """Base URL for openai_link.tools.home_assistant; HOME_ASSISTANT_TOKEN holds its token."""
    journal: bool = True
    """Keep what was said and done in a database under the state directory."""
    journal_keep_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    """Older entries are deleted."""
    history_max_items: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 100
    """Items of the conversation that a new session is told, newest first."""
    history_max_chars: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 60_000
    """Characters of them at most."""
    rollover_margin_s: Seconds = 120
    """So long before a session expires the next one is opened."""
    rollover_deadline_s: Seconds = 10
    """So long before it expires the room moves even if somebody is speaking."""
    daily_budget_usd: Dollars = 0
    """Money for a day over all rooms (local time); warning at 80 %, stop at 100 %; 0: no limit."""
    prices_date: str = "2026-11-22"
    """Date of the price table."""
    prices: dict[str, Price] = field(default_factory=lambda: dict(_PRICES))
    """US dollars per million tokens, by the beginning of the model's name (the longest fits)."""
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
    brain: Literal["echo", "tone", "script"] = "echo"
    """echo: repeats what it heard; tone: answers each turn with a long tone; script: see script."""
    script: str = ""
    """File with the rules of the script brain (TOML); empty: the rules that come with it."""
    seed: int = 0
    """Random choices (ids, pieces of text, variants) follow from it; 0: different each time."""
    session_max_s: Seconds = 3600
    """Sessions expire after so long."""
    faults: str = ""
    """Faults to show, separated by commas, as name or name=value; see the simulator's README."""
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

    @property
    def state_dir(self) -> Path:
        """Where the journal is."""
        return Path(self.runtime.state_dir or default_state_dir())


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
    if not strict:
        value = _from_text(value, hints[key])
    try:
        return msgspec.convert(value, hints[key], strict=strict)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where} = {value!r} is not possible: {error}") from error


def _from_text(text: str, hint: Any) -> Any:
    """A variable's text as TOML would have given it; lists and tables are written as JSON."""
    if hint is bool:
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        return words.get(text.lower(), text)
    if get_origin(hint) in (tuple, dict):
        try:
            return json.loads(text)
        except ValueError:
            return text  # The check of its type names the setting.
    return text
