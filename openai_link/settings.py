"""The section ``[openai_link]``, and all that a link reads of the settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from mixer_core.cluster.settings import ClusterSettings
from mixer_core.runtime.room_rules import RoomRules, Rooms
from mixer_core.runtime.settings import (
    AT_ONCE,
    AT_THE_NEXT_SESSION,
    CommonSettings,
    Count,
    Milliseconds,
    Seconds,
)

from .prices import LIST_PRICES, Dollars, Price
from .simulator.settings import SimulatorSettings


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
    """The server's own names of the tools to offer; empty: all."""
    deny: tuple[str, ...] = ()
    """The server's own names of tools not to offer."""
    confirm: bool = True
    """Somebody in the room must say yes to each call."""


@dataclass(frozen=True, slots=True)
class ServiceMcpServer:
    """One MCP server that the service itself calls; give one of the first three."""

    url: str = ""
    """Address of the server, as the service reaches it."""
    connector_id: str = ""
    """Id of a connector that the service offers."""
    tunnel_id: str = ""
    """Id of a tunnel that leads to the server."""
    authorization: str = ""
    """Token for the server, as ${VARIABLE}: the environment holds it."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers for the server; ${VARIABLE} stands for a value of the environment."""
    description: str = ""
    """What the server is for, in words for the model."""
    allow: tuple[str, ...] = ()
    """Names of the tools to offer; empty: all."""
    confirm: bool = True
    """Somebody in the room must say yes to each call."""


@dataclass(frozen=True, slots=True)
class OpenaiLinkSettings:
    """One child per room."""

    applies = "call"

    upstream: Literal["auto", "openai", "simulator"] = "auto"
    """auto: OpenAI if OPENAI_API_KEY is set, otherwise the local simulator."""
    base_url: str = "https://api.openai.com/v1"
    """Base URL of the Realtime API (upstream openai), or of a compatible server."""
    auth: Literal["api_key", "bare", "ephemeral", "azure"] = "api_key"
    """api_key: one multipart request; bare: the offer alone; ephemeral: first a client secret, then
    the call with it; azure: like ephemeral, with the header api-key. With transport auto, other
    servers than OpenAI's are asked in the other ways too, if they refuse this one."""
    dialect: Literal["auto", "ga", "beta"] = "auto"
    """Shape of the server's events: that of general availability (ga), or that of the removed
    beta, which compatible servers may keep to. auto: its first event shows it; ga: the beta is
    refused."""
    client_secret_lifetime_s: Annotated[int, msgspec.Meta(ge=0, le=7_200)] = 0
    """For how long a client secret may be used (10 to 7200); 0: as long as the server thinks."""
    transport: Literal["auto", "webrtc", "websocket"] = "auto"
    """auto: WebRTC, or WebSocket where UDP does not get through, or the server takes no calls."""
    organization: str = ""
    """Organization that pays, for keys of several (OpenAI-Organization); empty: not sent."""
    project: str = ""
    """Project that pays, for keys of several (OpenAI-Project); empty: not sent."""
    safety_identifier: str = ""
    """Who talks, for the service's abuse detection; {room} stands for the room's name. Only a hash
    is sent (OpenAI-Safety-Identifier), for each session; empty: nothing is."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers of every request to the server; ${VARIABLE} stands for a value of the
    environment."""
    model: Annotated[str, AT_THE_NEXT_SESSION] = "gpt-realtime-2.1"
    """Name of the Realtime model."""
    model_in_update: bool = False
    """Whether session.update names the model, for servers that learn it there only."""
    voice: Annotated[str, AT_THE_NEXT_SESSION] = "marin"
    """Voice of the assistant; empty: not sent."""
    voice_id: Annotated[str, AT_THE_NEXT_SESSION] = ""
    """Id of a custom voice, in place of voice; empty: none."""
    instructions: Annotated[str, AT_ONCE] = (
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
    truncation_token_limit: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    """Most tokens of the conversation, instructions apart (truncation retention_ratio); 0: as many
    as the model takes."""
    tracing: Literal["off", "auto"] = "off"
    """Whether the service keeps a trace of each session (auto)."""
    tracing_workflow: str = ""
    """Name of the workflow in the traces; empty: the service's default."""
    traces_url: str = ""
    """Where what each turn took is sent: an OpenTelemetry collector (OTLP over HTTP), such as
    http://127.0.0.1:4318/v1/traces; needs the extra traces. Empty: nowhere."""
    tracing_group: str = ""
    """Id that groups traces; empty: none."""
    tracing_metadata: dict[str, str] = field(default_factory=dict)
    """Further words that traces are filtered by."""
    session_json: str = ""
    """JSON object that is merged into the session object last, for fields that have no key here."""
    leave_out: tuple[str, ...] = ()
    """Fields that the session object does not have at all, for servers that refuse them, such as
    audio.input.noise_reduction, audio.input.transcription or audio.output.voice."""
    noise_reduction: Literal["off", "near_field", "far_field"] = "off"
    """Noise reduction on the server; browsers do their own."""
    noise_reduction_strength: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """How strong it is, from just above 0 to 1; 0: as the server thinks."""
    transcription_model: str = ""
    """Model that transcribes what people say; empty: no captions of people."""
    transcription_language: Annotated[str, AT_ONCE] = ""
    """Language of the room (ISO 639-1, such as de), a hint for the transcription; empty: any."""
    transcription_prompt: str = ""
    """Names and words that the transcription should know, for models that take a prompt."""
    transcription_keywords: tuple[str, ...] = ()
    """The same one by one, for models that take keywords."""
    transcription_languages: tuple[str, ...] = ()
    """Languages that are spoken in the room (ISO 639-1), for models that take several."""
    transcription_delay: Literal["default", "minimal", "low", "medium", "high", "xhigh"] = "default"
    """How long the transcription waits for more context, for models that stream; default: not
    sent."""
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
    tell_speakers: bool = True
    """Whether the model is told who speaks, where several people are in the room: some 10 tokens
    each time that it is somebody else."""
    greet: bool = True
    """Whether the assistant says hello when a room opens."""
    tools: tuple[str, ...] = ("openai_link.tools.clock",)
    """Python modules whose @tool functions the assistant may call."""
    tool_choice: str = "auto"
    """Whether the model may (auto), must not (none) or must (required) call tools, or the name of
    the one function that it must call."""
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
    service_mcp_servers: dict[str, ServiceMcpServer] = field(default_factory=dict)
    """MCP servers that the service calls by itself, by label."""
    home_assistant_url: str = ""
    """Base URL for openai_link.tools.home_assistant; HOME_ASSISTANT_TOKEN holds its token."""
    images: bool = True
    """Whether people may show the assistant pictures: from a file, the camera or the screen."""
    image_max_edge_px: Annotated[int, msgspec.Meta(ge=64, le=4096)] = 1024
    """Longest edge of a picture; the page makes larger ones smaller."""
    image_max_bytes: Annotated[int, msgspec.Meta(ge=10_000, le=1_000_000)] = 150_000
    """Largest picture. Over WebRTC the server takes no message over 262144 bytes as a rule, and a
    picture has a third more there."""
    image_detail: Literal["auto", "low", "high"] = "auto"
    """How closely the model looks at pictures."""
    images_per_minute: Annotated[int, msgspec.Meta(ge=1, le=60)] = 6
    """Most pictures of one person in a minute; of a room three times as many."""
    images_per_hour_bytes: Annotated[int, msgspec.Meta(ge=100_000, le=1_000_000_000)] = 20_000_000
    """Most bytes of pictures of one room in an hour; of one person half of it."""
    image_keep_s: Seconds = 600
    """How long the two newest pictures are kept in memory, for a session that has to be opened
    anew; an older one is told of in words. 0: always in words."""
    journal: Annotated[bool, AT_ONCE] = True
    """Whether what is said and done is kept in a database in the state directory."""
    journal_keep_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    """Days after which journal entries are deleted."""
    journal_max_mb: Annotated[int, msgspec.Meta(ge=8, le=100_000)] = 256
    """Size of the journal, in MB, beyond which its oldest words are deleted whatever their age."""
    recording_free_mib: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 512
    """MiB that a recording leaves free on the disk; with less it ends, and people are told."""
    recording_max_hours: Annotated[float, msgspec.Meta(gt=0, le=168)] = 4
    """Longest recording; then it ends, and people are told."""
    history_max_items: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 100
    """Most conversation items that a new session is seeded with; the newest are taken."""
    history_max_chars: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 60_000
    """Most characters in these items."""
    rollover_margin_s: Seconds = 120
    """How long before a session expires the next one is opened."""
    rollover_deadline_s: Seconds = 10
    """How long before it expires the room moves on, even if somebody is speaking."""
    daily_budget_usd: Annotated[Dollars, AT_ONCE] = 0
    """Budget for a day (local time) over all rooms: a warning at 80 %, a stop at 100 %; 0: no
    limit."""
    prices_date: str = "2026-11-22"
    """Date of the price table."""
    prices: dict[str, Price] = field(default_factory=lambda: dict(LIST_PRICES))
    """US dollars per million tokens (minute: per minute of sound, in place of audio tokens), by
    the beginning of the model's name (the longest match counts)."""
    idle_children: Annotated[int, msgspec.Meta(ge=1, le=16), AT_ONCE] = 1
    """Warm children waiting for a room."""
    max_children: Annotated[int, msgspec.Meta(ge=1, le=128), AT_ONCE] = 12
    """Most children at the same time, idle ones included."""
    max_child_memory_mib: Annotated[int, msgspec.Meta(ge=0, le=65_536), AT_ONCE] = 1_024
    """Resident memory, shared pages included, above which a child has to end; 0: no limit.
    Tools run in the child of their room."""
    connect_timeout_ms: Milliseconds = 10_000
    """A call that is not up after this time has failed."""
    answer_timeout_ms: Annotated[int, msgspec.Meta(ge=2_000, le=600_000)] = 25_000
    """Longest time without any sign of an answer that was asked for or has begun; then the call is
    made again, and the answer asked for there. More for models that think for longer."""
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
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    rooms: Rooms = field(default_factory=Rooms)

    def room_rules(self, room: str) -> RoomRules:
        """What holds in ``room``; its mode is signaling's affair."""
        link = self.openai_link
        return self.rooms.rules(
            room,
            instructions=link.instructions,
            voice=link.voice,
            model=link.model,
            language=link.transcription_language,
            transcript=link.journal,
        )
