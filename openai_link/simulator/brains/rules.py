"""The rules of a script, read from TOML and checked; ``script`` describes the format. Sans-I/O."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..engine.brain import McpServer, Recognition
from .sounds import MS_PER_CHARACTER

Json = dict[str, Any]

SITUATIONS = ("user", "typed", "spoken", "output", "nothing", "instructions", "any")


class ScriptError(ValueError):
    """An invalid script; the message names the place."""


@dataclass(frozen=True, slots=True)
class CallRule:
    """A call that a rule makes."""

    name: str
    arguments: str | Json | None = None
    """JSON text, a table, or None: an example that fits the tool's schema."""
    server: str = ""
    """The MCP server; empty: a function of the client."""
    output: str | None = None
    error: str = ""
    duration_ms: int = 200


@dataclass(frozen=True, slots=True)
class Rule:
    """When it applies, and what it answers; ``script`` describes the keys."""

    on: str = "user"
    match: re.Pattern[str] | None = None
    turn: int = 0
    tool: str = ""
    times: int = 0
    undeclared: bool = False
    say: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    repeat: int = 1
    length_ms: int | None = None
    text_only: bool = False
    refuse: bool = False
    delay_ms: int | None = None
    calls: tuple[CallRule, ...] = ()
    mcp_calls: tuple[CallRule, ...] = ()
    interleaved: bool = False
    denied: str = ""
    fail: str = ""
    incomplete: str = ""
    message: str = ""
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """A script."""

    prefix: str = "[simulator] "
    ms_per_character: int = MS_PER_CHARACTER
    rules: tuple[Rule, ...] = ()
    recognitions: Mapping[int, Recognition] = field(default_factory=dict)
    """By number of the spoken turn; 0: all others."""
    servers: Mapping[str, McpServer] = field(default_factory=dict)


def parse_script(text: str) -> Script:
    """Parse a script in TOML. Raises ScriptError."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScriptError(f"the script is not valid TOML: {error}") from error
    top = _Table(content, "the script")
    script = Script(
        prefix=top.take("prefix", str, Script.__dataclass_fields__["prefix"].default),
        ms_per_character=top.take("ms_per_character", int, MS_PER_CHARACTER, least=1),
        rules=tuple(_rule(table) for table in top.tables("rule")),
        recognitions=dict(_recognition(table) for table in top.tables("recognition")),
        servers=dict(_server(table) for table in top.tables("mcp")),
    )
    top.end()
    return script


class _Table:
    """Takes keys out of a TOML table; raises ScriptError for wrong and for unknown ones."""

    def __init__(self, content: Any, place: str) -> None:
        if not isinstance(content, dict):
            raise ScriptError(f"{place}: expected a table")
        self._content = dict(content)
        self.place = place

    def take(
        self,
        key: str,
        kinds: Any,
        default: Any,
        least: float | None = None,
        allowed: Any = (),
        most: float | None = None,
    ) -> Any:
        """Return a value of one of ``kinds``, or the default."""
        if key not in self._content:
            return default
        value = self._content.pop(key)
        is_other_kind = isinstance(value, bool) and kinds is not bool
        if is_other_kind or not isinstance(value, kinds):
            raise ScriptError(f"{self.place}: {key} = {value!r} has the wrong type")
        if least is not None and value < least:
            raise ScriptError(f"{self.place}: {key} = {value!r} is less than {least:g}")
        if most is not None and value > most:
            raise ScriptError(f"{self.place}: {key} = {value!r} is more than {most:g}")
        if allowed and value not in allowed:
            names = ", ".join(repr(name) for name in allowed)
            raise ScriptError(f"{self.place}: {key} = {value!r} must be one of {names}")
        return value

    def need(self, key: str) -> str:
        """Return a required string."""
        if key not in self._content:
            raise ScriptError(f"{self.place}: {key} is missing")
        return str(self.take(key, str, ""))

    def strings(self, key: str) -> tuple[str, ...]:
        """Return one string or a list of them."""
        value = self.take(key, (str, list), [])
        entries = [value] if isinstance(value, str) else value
        if not all(isinstance(entry, str) for entry in entries):
            raise ScriptError(f"{self.place}: {key} must hold strings only")
        return tuple(entries)

    def pattern(self, key: str) -> re.Pattern[str] | None:
        """Return a compiled regular expression, or None."""
        text = self.take(key, str, None)
        try:
            return None if text is None else re.compile(text)
        except re.error as error:
            raise ScriptError(
                f"{self.place}: {key} is not a regular expression: {error}"
            ) from error

    def tables(self, key: str) -> list[_Table]:
        """Return an array of tables."""
        entries = self.take(key, list, [])
        return [_Table(e, f"{self.place}: {key} {n}") for n, e in enumerate(entries, 1)]

    def end(self) -> None:
        """Raise ScriptError if keys are left."""
        if self._content:
            raise ScriptError(f"{self.place}: unknown key {next(iter(self._content))!r}")


def _rule(table: _Table) -> Rule:
    reasons = ("max_output_tokens", "content_filter")
    rule = Rule(
        on=table.take("on", str, "user", allowed=SITUATIONS),
        match=table.pattern("match"),
        turn=table.take("turn", int, 0, least=1),
        tool=table.take("tool", str, ""),
        times=table.take("times", int, 0, least=1),
        undeclared=table.take("undeclared", bool, False),
        say=table.strings("say"),
        then=table.strings("then"),
        repeat=table.take("repeat", int, 1, least=1),
        length_ms=table.take("length_ms", int, None, least=20),
        text_only=table.take("text_only", bool, False),
        refuse=table.take("refuse", bool, False),
        delay_ms=table.take("delay_ms", int, None, least=0),
        calls=tuple(_call(entry) for entry in table.tables("call")),
        mcp_calls=tuple(_mcp_call(entry) for entry in table.tables("mcp")),
        interleaved=table.take("interleaved", bool, False),
        denied=table.take("denied", str, ""),
        fail=table.take("fail", str, ""),
        incomplete=table.take("incomplete", str, "", allowed=reasons),
        message=table.take("message", str, ""),
        share=table.take("share", (int, float), None, least=0, most=1),
    )
    table.end()
    if not (rule.say or rule.calls or rule.mcp_calls or rule.fail or rule.refuse):
        raise ScriptError(f"{table.place}: it does nothing: say, call, mcp, fail or refuse")
    return rule


def _call(table: _Table) -> CallRule:
    call = CallRule(table.need("name"), table.take("arguments", (str, dict), None))
    table.end()
    return call


def _mcp_call(table: _Table) -> CallRule:
    call = CallRule(
        table.need("name"),
        table.take("arguments", (str, dict), None),
        server=table.need("server"),
        output=table.take("output", str, None),
        error=table.take("error", str, ""),
        duration_ms=table.take("duration_ms", int, 200, least=0),
    )
    table.end()
    return call


def _recognition(table: _Table) -> tuple[int, Recognition]:
    turn = table.take("turn", int, 0, least=1)
    kinds = ("normal", "early", "late", "empty", "failed")
    kind = table.take("transcription", str, "normal", allowed=kinds)
    recognition = Recognition(
        table.take("text", str, ""),
        kind,
        table.take("delay_ms", int, None if kind == "late" else 200, least=0),
    )
    table.end()
    return turn, recognition


def _server(table: _Table) -> tuple[str, McpServer]:
    label = table.need("server")
    tools = []
    for entry in table.tables("tool"):
        tools.append(
            {
                "name": entry.need("name"),
                "description": entry.take("description", str, ""),
                "input_schema": entry.take("input_schema", dict, {"type": "object"}),
            }
        )
        entry.end()
    server = McpServer(label, tuple(tools), table.take("fails", bool, False))
    table.end()
    return label, server
