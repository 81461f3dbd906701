"""Checks of ``tools`` and ``tool_choice``, in sessions and single responses. Sans-I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import refusals

Json = dict[str, Any]

_KEYS = {
    "function": ("type", "name", "description", "parameters"),
    "mcp": (
        *("type", "server_label", "server_url", "connector_id", "tunnel_id", "authorization"),
        *("headers", "allowed_tools", "require_approval", "server_description"),
        *("allowed_callers", "defer_loading"),
    ),
}
_REQUIRED = {"function": "name", "mcp": "server_label"}
_SERVERS = ("server_url", "connector_id", "tunnel_id")


def check_tools(tools: Any, path: str) -> None:
    """Check ``tools``. Raises Refusal."""
    if not isinstance(tools, list):
        raise refusals.invalid_value(path, tools, "Expected an array.")
    for index, tool in enumerate(tools):
        _check_tool(tool, f"{path}[{index}]")


def _check_tool(tool: Any, path: str) -> None:
    if not isinstance(tool, Mapping):
        raise refusals.invalid_value(path, tool, "Expected an object.")
    if "type" not in tool:
        raise refusals.missing_parameter(f"{path}.type")
    kind = tool["type"]
    if not isinstance(kind, str) or kind not in _KEYS:
        raise refusals.invalid_value(
            f"{path}.type", kind, "Supported values are: 'function', 'mcp'."
        )
    for key in tool:
        if key not in _KEYS[kind]:
            raise refusals.unknown_parameter(f"{path}.{key}")
    if not isinstance(tool.get(_REQUIRED[kind]), str):
        raise refusals.missing_parameter(f"{path}.{_REQUIRED[kind]}")
    if kind == "mcp" and sum(bool(tool.get(key)) for key in _SERVERS) != 1:
        raise refusals.missing_parameter(f"{path}.server_url")
    if not isinstance(tool.get("parameters", {}), Mapping):
        raise refusals.invalid_value(
            f"{path}.parameters", tool["parameters"], "Expected an object."
        )


def check_tool_choice(choice: Any, path: str) -> None:
    """Check ``tool_choice``. Raises Refusal."""
    if choice in ("auto", "none", "required"):
        return
    if isinstance(choice, Mapping):
        if choice.get("type") == "function" and isinstance(choice.get("name"), str):
            return
        if choice.get("type") == "mcp" and isinstance(choice.get("server_label"), str):
            return
    raise refusals.invalid_value(
        path, choice, "Supported values are: 'auto', 'none', 'required', or the name of a tool."
    )


def shown_tools(tools: list[Json]) -> list[Json]:
    """Return tools as the server shows them: a missing description is null."""
    return [
        {"description": None, **tool} if tool["type"] == "function" else dict(tool)
        for tool in tools
    ]


def needs_approval(tool: Json, name: str) -> bool:
    """Whether the MCP tool ``name`` needs the client's approval before it runs."""
    rule = tool.get("require_approval", "always")
    if isinstance(rule, Mapping):
        never = (rule.get("never") or {}).get("tool_names") or []
        always = (rule.get("always") or {}).get("tool_names") or []
        return bool(name not in never if never else name in always)
    return bool(rule != "never")
