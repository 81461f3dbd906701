"""The section ``[openai_link]``, and who plays the assistant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from mixer_core.runtime.settings import CommonSettings, Count, Milliseconds, Seconds

from .simulator.settings import SimulatorSettings

KEY_VARIABLE = "OPENAI_API_KEY"
"""The environment variable that holds OpenAI's key; never a setting, never logged."""

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


@dataclass(frozen=True, slots=True)
class OpenaiLinkSettings:
    """One child per room."""

    upstream: Literal["auto", "openai", "simulator"] = "auto"
    """auto: OpenAI if OPENAI_API_KEY is set, otherwise the local simulator."""
    base_url: str = "https://api.openai.com/v1"
    """Base URL of the Realtime API (upstream openai), or of a compatible server."""
    auth: Literal["api_key", "ephemeral", "azure"] = "api_key"
    """api_key: one multipart request; ephemeral: first a client secret, then the call with it;
    azure: like ephemeral, with the header api-key."""
    transport: Literal["auto", "webrtc", "websocket"] = "auto"
    """auto: WebRTC, or WebSocket where UDP does not get through."""
    model: str = "gpt-realtime-2.1"
    """Name of the Realtime model."""
    voice: str = "marin"
    """Voice of the assistant."""
    instructions: str = (
        "You are a friendly assistant in a room with several people. "
        "Keep answers short. Answer in the language in which you are spoken to."
    )
    """Instructions for the model."""
    output: Literal["audio", "text"] = "audio"
    """audio: the assistant speaks (and has captions); text: it only writes."""
    speed: Annotated[float, msgspec.Meta(ge=0.25, le=1.5)] = 1.0
    """Speed of the assistant's speech."""
    max_output_tokens: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    """Most tokens of an answer; 0: no limit."""
    reasoning_effort: Literal["default", "minimal", "low", "medium", "high", "xhigh"] = "default"
    """How much a reasoning model may think; default: not sent."""
    truncation: Literal["auto", "disabled", "retention_ratio"] = "auto"
    """What happens when the conversation outgrows the model's context."""
    retention_ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.8
    """Share of the context that is kept (truncation retention_ratio)."""
    session_json: str = ""
    """JSON object that is merged into the session object last, for fields that have no key here."""
    noise_reduction: Literal["off", "near_field", "far_field"] = "off"
    """Noise reduction on the server; browsers do their own."""
    transcription_model: str = ""
    """Model that transcribes what people say; empty: no captions of people."""
    transcription_language: str = ""
    """Language of the room (ISO 639-1, such as de), a hint for the transcription; empty: any."""
    transcription_prompt: str = ""
    """Names and words that the transcription should know."""
    turn_detection: Literal["server_vad", "semantic_vad", "push_to_talk"] = "server_vad"
    """What ends a person's turn: silence, the meaning of the words, or a button."""
    semantic_eagerness: Literal["auto", "low", "medium", "high"] = "auto"
    """How soon semantic_vad takes a turn to be over."""
    create_response: bool = True
    """Whether the model answers every turn; false: only when asked by text or button."""
    interrupt_response: bool = True
    """Whether speaking over the assistant stops it."""
    idle_timeout_ms: Milliseconds = 0
    """Silence after which the model speaks by itself (5000 to 30000, server_vad only); 0: never."""
    vad_threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """Loudness from which the server's voice activity detection takes sound for speech."""
    vad_prefix_padding_ms: Milliseconds = 300
    """Audio before the detected start that belongs to the turn."""
    vad_silence_ms: Milliseconds = 500
    """Silence that ends a turn."""
    greet: bool = True
    """Whether the assistant says hello when a room opens."""
    tools: tuple[str, ...] = ("openai_link.tools.clock",)
    """Python modules whose @tool functions the assistant may call."""
    tool_choice: Literal["auto", "none", "required"] = "auto"
    """Whether the model may (auto), must not (none) or must (required) call tools."""
    parallel_tool_calls: Literal["default", "on", "off"] = "default"
    """Whether one answer may make several tool calls (reasoning models); default: not sent."""
    tool_timeout_ms: Milliseconds = 10_000
    """Time after which a tool that has not answered counts as failed."""
    tool_confirm_timeout_ms: Milliseconds = 20_000
    """Time after which a confirmation that nobody in the room has given counts as refused."""
    tool_filler_after_ms: Milliseconds = 1_500
    """Time after which the spoken filler of a tool is said, where it has one; 0: never."""
    mcp_servers: dict[str, McpServer] = field(default_factory=dict)
    """MCP servers by name."""
    home_assistant_url: str = ""
    """Base URL for openai_link.tools.home_assistant; HOME_ASSISTANT_TOKEN holds its token."""
    journal: bool = True
    """Whether what is said and done is kept in a database in the state directory."""
    journal_keep_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    """Days after which journal entries are deleted."""
    history_max_items: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 100
    """Most conversation items that a new session is seeded with; the newest are taken."""
    history_max_chars: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 60_000
    """Most characters in these items."""
    rollover_margin_s: Seconds = 120
    """How long before a session expires the next one is opened."""
    rollover_deadline_s: Seconds = 10
    """How long before it expires the room moves on, even if somebody is speaking."""
    daily_budget_usd: Dollars = 0
    """Budget for a day (local time) over all rooms: a warning at 80 %, a stop at 100 %; 0: no
    limit."""
    prices_date: str = "2026-11-22"
    """Date of the price table."""
    prices: dict[str, Price] = field(default_factory=lambda: dict(_PRICES))
    """US dollars per million tokens, by the beginning of the model's name (the longest match
    counts)."""
    idle_children: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1
    """Warm children waiting for a room."""
    max_children: Annotated[int, msgspec.Meta(ge=1, le=128)] = 12
    """Most children at the same time, idle ones included."""
    connect_timeout_ms: Milliseconds = 10_000
    """A call that is not up after this time has failed."""
    max_retries: Count = 3
    """Attempts in a row to reconnect before the room is told that the connection failed."""
    retry_delay_ms: Milliseconds = 2_000
    """Delay before the first of these attempts; doubled each time."""
    empty_linger_ms: Milliseconds = 2_000
    """How long a room may be empty before its call ends."""
    opus_bitrate_bps: Annotated[int, msgspec.Meta(ge=6_000, le=256_000)] = 40_000
    """Bit rate of the microphone mix sent to the model."""
    opus_complexity: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0
    """Opus encoding effort, 0 (cheapest) to 10."""
    gap_hold_ms: Milliseconds = 40
    """How long to wait for a missing packet of the reply before it is concealed."""
    sparse_after_ms: Milliseconds = 5_000
    """Silence to the model after which a packet is sent only every 400 ms (DTX); 0: never."""


@dataclass(frozen=True, slots=True)
class Settings(CommonSettings):
    """What a link reads: its own section, and where the local simulator is."""

    openai_link: OpenaiLinkSettings = field(default_factory=OpenaiLinkSettings)
    simulator: SimulatorSettings = field(default_factory=SimulatorSettings)


def uses_simulator(link: OpenaiLinkSettings, env: Mapping[str, str]) -> bool:
    """Whether the local simulator plays the assistant: by setting, or because there is no key."""
    if link.upstream == "auto":
        return not env.get(KEY_VARIABLE, "").strip()
    return link.upstream == "simulator"
