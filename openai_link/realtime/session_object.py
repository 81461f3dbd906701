"""The session object: all that the server is told about how to listen and to answer. Sans-I/O.

The API is OpenAI's Realtime API as of general availability (session type ``realtime``,
``audio.input`` / ``audio.output``). Fields at the server's own default are left out where a model
or a compatible server may not know them (reasoning, parallel calls, truncation, limits, speed).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from mixer_core.bus.pcm import SAMPLE_RATE_HZ
from mixer_core.runtime.errors import SettingsError

from ..settings import OpenaiLinkSettings, ServiceMcpServer, Settings
from . import upstream
from .upstream import Upstream

MAX_SAY_CHARS = 4_000
"""Longest text that a browser may ``say``."""
MIN_IDLE_TIMEOUT_MS, MAX_IDLE_TIMEOUT_MS = 5_000, 30_000

_FIXED = (
    ("type",),
    ("model",),
    ("audio", "input", "format"),
    ("audio", "output", "format"),
)
"""What ``session_json`` may not change: the sound's path is built on it, or a key has it."""
_OBJECTS = (("audio",), ("audio", "input"), ("audio", "output"))
_MAY_BE_LEFT_OUT = (
    *("model", "instructions", "output_modalities", "max_output_tokens", "reasoning", "truncation"),
    *("tracing", "tools", "tool_choice", "parallel_tool_calls", "audio.input.format"),
    *("audio.input.noise_reduction", "audio.input.transcription", "audio.output"),
    *("audio.output.format", "audio.output.voice", "audio.output.speed"),
)
"""What a server may fill in by itself without changing how turns are taken."""
_NOWHERE = object()
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,64}")
CHOICES = ("auto", "none", "required")
"""What ``tool_choice`` may be beside the name of a function."""


def choose_upstream(settings: Settings, api_key: str) -> Upstream:
    """Decide who answers (see ``upstream.choose_upstream``), and check what it will be told.

    Raises:
        SettingsError: no key where one is needed, or a session that cannot be.
    """
    session_object(settings.openai_link)
    return upstream.choose_upstream(settings, api_key)


def session_object(
    settings: OpenaiLinkSettings, tools: Iterable[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The whole session, sent with the call: what arrives later may come after the first answer.

    ``tools``: definitions of what the model may call. ``session_json`` is merged in last: objects
    key by key, ``tools`` added to ours, anything else in place of ours.

    Raises:
        SettingsError: settings that contradict each other, or ``session_json`` is unusable.
    """
    session = {
        "type": "realtime",
        "model": settings.model,
        "instructions": settings.instructions,
        "output_modalities": [settings.output],
        "audio": {"input": _input(settings), "output": _output(settings)},
        **_limits(settings),
        **_tracing(settings),
    }
    extra = _extra(settings.session_json)
    offered = [*map(dict, tools), *service_tools(settings), *extra.pop("tools", [])]
    choice = _tool_choice(settings.tool_choice, offered)
    if offered:
        session["tools"] = offered
        session["tool_choice"] = choice
        if settings.parallel_tool_calls != "default":
            session["parallel_tool_calls"] = settings.parallel_tool_calls == "on"
    return _without(_merged(session, extra), settings.leave_out)


def service_tools(settings: OpenaiLinkSettings) -> list[dict[str, Any]]:
    """The MCP servers that the service calls, as tools of the session."""
    return [_service_tool(label, one) for label, one in settings.service_mcp_servers.items()]


def _service_tool(label: str, server: ServiceMcpServer) -> dict[str, Any]:
    where = f"[openai_link] service_mcp_servers.{label}"
    if not _LABEL.fullmatch(label):
        raise SettingsError(f"{where}: a label has letters, digits, - and _, at most 64")
    places = {
        "server_url": server.url,
        "connector_id": server.connector_id,
        "tunnel_id": server.tunnel_id,
    }
    given: dict[str, Any] = {key: value for key, value in places.items() if value}
    if len(given) != 1:
        raise SettingsError(f"{where}: give one of url, connector_id and tunnel_id")
    known: dict[str, Any] = {
        "authorization": server.authorization,
        "headers": dict(server.headers),
        "server_description": server.description,
        "allowed_tools": list(server.allow),
    }
    tool: dict[str, Any] = {"type": "mcp", "server_label": label, **given}
    tool |= {key: value for key, value in known.items() if value}
    return {**tool, "require_approval": "always" if server.confirm else "never"}


def _tool_choice(choice: str, offered: Iterable[Mapping[str, Any]]) -> str | dict[str, Any]:
    """One function can only be demanded while it is offered: until then the model is free."""
    if choice in CHOICES:
        return choice
    if not _LABEL.fullmatch(choice):
        raise SettingsError(
            f"[openai_link] tool_choice = {choice!r} is not possible: auto, none, required, or the "
            "name of a function"
        )
    names = {tool.get("name") for tool in offered if tool.get("type") == "function"}
    return {"type": "function", "name": choice} if choice in names else "auto"


def _input(settings: OpenaiLinkSettings) -> dict[str, Any]:
    return {
        "format": _pcm(),
        "noise_reduction": _noise_reduction(settings),
        "transcription": _transcription(settings),
        "turn_detection": _turn_detection(settings),
    }


def _noise_reduction(settings: OpenaiLinkSettings) -> dict[str, Any] | None:
    strength = settings.noise_reduction_strength
    if settings.noise_reduction == "off":
        if strength:
            raise SettingsError(
                "[openai_link] noise_reduction_strength says nothing while noise_reduction is off: "
                "set it to near_field or far_field"
            )
        return None
    reduction: dict[str, Any] = {"type": settings.noise_reduction}
    return {**reduction, "strength": strength} if strength else reduction


def _output(settings: OpenaiLinkSettings) -> dict[str, Any]:
    output: dict[str, Any] = {"format": _pcm()}
    if settings.voice_id:
        output["voice"] = {"id": settings.voice_id}
    elif settings.voice:
        output["voice"] = settings.voice
    return output if settings.speed == 1.0 else {**output, "speed": settings.speed}


def _pcm() -> dict[str, Any]:
    return {"type": "audio/pcm", "rate": SAMPLE_RATE_HZ}


def _transcription(settings: OpenaiLinkSettings) -> dict[str, Any] | None:
    delay = settings.transcription_delay
    given: dict[str, Any] = {
        "model": settings.transcription_model,
        "language": settings.transcription_language,
        "prompt": settings.transcription_prompt,
        "keywords": list(settings.transcription_keywords),
        "languages": list(settings.transcription_languages),
        "delay": "" if delay == "default" else delay,
    }
    if settings.transcription_model:
        return {key: value for key, value in given.items() if value}
    for key in ("keywords", "languages", "delay"):
        if given[key]:
            raise SettingsError(
                f"[openai_link] transcription_{key} says nothing without a transcription_model"
            )
    return None


def _turn_detection(settings: OpenaiLinkSettings) -> dict[str, Any] | None:
    timeout_ms = settings.idle_timeout_ms
    if timeout_ms and settings.turn_detection != "server_vad":
        raise SettingsError(
            "[openai_link] idle_timeout_ms works with turn_detection server_vad only: set it to 0"
        )
    if timeout_ms and not MIN_IDLE_TIMEOUT_MS <= timeout_ms <= MAX_IDLE_TIMEOUT_MS:
        raise SettingsError(
            f"[openai_link] idle_timeout_ms = {timeout_ms} is not possible: "
            f"0, or {MIN_IDLE_TIMEOUT_MS} to {MAX_IDLE_TIMEOUT_MS}"
        )
    if settings.turn_detection == "push_to_talk":
        return None
    answers = {
        "create_response": settings.create_response,
        "interrupt_response": settings.interrupt_response,
    }
    if settings.turn_detection == "semantic_vad":
        return {"type": "semantic_vad", "eagerness": settings.semantic_eagerness, **answers}
    detection = {
        "type": "server_vad",
        "threshold": settings.vad_threshold,
        "prefix_padding_ms": settings.vad_prefix_padding_ms,
        "silence_duration_ms": settings.vad_silence_ms,
        **answers,
    }
    return {**detection, "idle_timeout_ms": timeout_ms} if timeout_ms else detection


def _limits(settings: OpenaiLinkSettings) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if settings.max_output_tokens:
        limits["max_output_tokens"] = settings.max_output_tokens
    if settings.reasoning_effort != "default":
        limits["reasoning"] = {"effort": settings.reasoning_effort}
    if settings.truncation == "disabled":
        limits["truncation"] = "disabled"
    elif settings.truncation == "retention_ratio":
        ratio = settings.retention_ratio
        limits["truncation"] = {"type": "retention_ratio", "retention_ratio": ratio}
    if settings.truncation_token_limit:
        if settings.truncation != "retention_ratio":
            raise SettingsError(
                "[openai_link] truncation_token_limit works with truncation retention_ratio only"
            )
        tokens = {"post_instructions": settings.truncation_token_limit}
        limits["truncation"]["token_limits"] = tokens
    return limits


def _tracing(settings: OpenaiLinkSettings) -> dict[str, Any]:
    given: dict[str, Any] = {
        "workflow_name": settings.tracing_workflow,
        "group_id": settings.tracing_group,
        "metadata": dict(settings.tracing_metadata),
    }
    given = {key: value for key, value in given.items() if value}
    if settings.tracing == "auto":
        return {"tracing": given or "auto"}
    if given:
        raise SettingsError('[openai_link] tracing is off: set it to "auto", or its details to ""')
    return {}


def _without(session: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    for path in paths:
        if path not in _MAY_BE_LEFT_OUT:
            raise SettingsError(
                f"[openai_link] leave_out: {path!r} cannot be left out, only "
                f"{', '.join(_MAY_BE_LEFT_OUT)}"
            )
        *containers, key = path.split(".")
        found: Any = session
        for name in containers:
            found = found.get(name, {})
        found.pop(key, None)
    return session


def _extra(text: str) -> dict[str, Any]:
    """What ``session_json`` adds; SettingsError where it cannot be used."""
    if not text.strip():
        return {}
    try:
        extra = json.loads(text)
        json.dumps(extra, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"[openai_link] session_json is not valid JSON: {error}") from error
    if not isinstance(extra, dict):
        raise SettingsError("[openai_link] session_json is not a JSON object: write {…}")
    tools = extra.get("tools", [])
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise SettingsError("[openai_link] session_json: tools is a list of objects")
    for path in _OBJECTS:
        if not isinstance(_at(extra, path, {}), dict):
            raise SettingsError(f"[openai_link] session_json: {'.'.join(path)} is an object")
    detection = _at(extra, ("audio", "input", "turn_detection"), None)
    if detection is not None and not isinstance(detection, dict):
        raise SettingsError(
            "[openai_link] session_json: audio.input.turn_detection is an object or null"
        )
    modalities = extra.get("output_modalities", ["audio"])
    if not isinstance(modalities, list) or not all(isinstance(one, str) for one in modalities):
        raise SettingsError("[openai_link] session_json: output_modalities is a list of names")
    for fixed in _FIXED:
        if _at(extra, fixed, _NOWHERE) is not _NOWHERE:
            raise SettingsError(
                f"[openai_link] session_json must not have {'.'.join(fixed)}: "
                "that is for the other settings to say"
            )
    return extra


def _at(content: Any, path: tuple[str, ...], default: Any) -> Any:
    for key in path:
        if not isinstance(content, Mapping) or key not in content:
            return default
        content = content[key]
    return content


def _merged(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in extra.items():
        ours = result.get(key)
        if isinstance(ours, Mapping) and isinstance(value, Mapping):
            value = _merged(ours, value)
        result[key] = value
    return result
