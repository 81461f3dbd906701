"""The script brain: answers by rules from a TOML file. Sans-I/O.

A script is a list of rules; the first one that applies is used. Keys at the top:

``prefix``            put before all words (default "[simulator] "), but not in the sound
``ms_per_character``  length of the sound (default 60)

``[[recognition]]`` gives a spoken turn its words, since the simulator cannot understand speech:

``turn``              number of the spoken turn in its session, from 1; without: all other turns
``text``              the words, for the rules and for the transcript
``transcription``     normal, early (words during the turn), late (3 s), empty or failed
``delay_ms``          from the end of the turn to the transcript (default 200)

``[[rule]]``: conditions, of which all must hold:

``on``                user (default: typed or spoken), typed, spoken, output (tool outputs came
                      last), nothing (no new user turn: a greeting, a long silence), instructions
                      (``response.create`` has its own), any
``match``             regular expression to find in what the user said, in the newest output (on =
                      "output") or in the instructions
``turn``              the number of the spoken turn
``tool``              a tool whose output is new (on = "output")
``times``             the most uses in a session
``undeclared``        calls tools that the client has not declared; without it, the rule applies
                      only if all its tools are declared

and the answer:

``say``               the words; one of a list, chosen by the seed. ``repeat`` = 20: a long reply;
                      ``length_ms``: of the sound; ``text_only``: text, even in a voice session
``then``              the words of a further message in the same response, or a list of several
``refuse``            a refusal
``[[rule.call]]``     a function call: ``name``, and ``arguments`` as JSON text or a table (default:
                      an example of the schema); several are parallel calls. ``interleaved`` = true:
                      their deltas are mixed with the words
``[[rule.mcp]]``      an MCP call before the words: ``server``, ``name``, ``arguments``, ``output``
                      or ``error``, ``duration_ms``. If the session requires approval, the client is
                      asked; ``denied`` is said if it declines
``fail``              fails with this error code and ``message`` after ``share`` (0 to 1) of the
                      answer
``incomplete``        max_output_tokens or content_filter, after ``share`` (default 0.5) of the
                      words; 0: nothing is said
``delay_ms``          before the first event of the answer

Texts may contain ``{0}`` (what ``match`` found), ``{1}`` … (its groups), ``{text}`` (what the user
said), ``{turn}`` (number of the spoken turn), ``{output}`` (the newest output), ``{outputs}`` (all
new ones) and ``{tool}`` (the tool of the newest). ``[[mcp]]`` (``server``, ``fails``,
``[[mcp.tool]]`` with ``name``, ``description``, ``input_schema``) defines the MCP servers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from ..engine.brain import Ending, FunctionCall, McpCall, McpServer, Recognition, Reply, Turn
from ..engine.tool_checks import needs_approval
from .rules import CallRule, Rule, Script, parse_script
from .schema_example import example
from .sounds import speech

Json = dict[str, Any]

_REFUSAL = "I'm sorry, but I can't help with that."
_NO_RULE = "No rule of the script applies."
_NO_TOOLS = "I may not use tools now."
_FIELD = re.compile(r"\{(\w+)\}")
_CUT_SHARE = 0.5


def packaged_script() -> str:
    """Return the text of the packaged script."""
    asset = resources.files("openai_link.simulator").joinpath("assets/script.toml")
    return asset.read_text(encoding="utf-8")


class ScriptBrain:
    """Answers by rules; choices depend on the session's seed."""

    def __init__(self, script: Script) -> None:
        self._script = script

    @classmethod
    def parse(cls, text: str) -> ScriptBrain:
        """Return a brain with a script in TOML. Raises ScriptError."""
        return cls(parse_script(text))

    def recognize(self, spoken_turn: int) -> Recognition | None:
        """Return the words of the n-th spoken turn."""
        known = self._script.recognitions
        return known.get(spoken_turn) or known.get(0)

    def mcp_server(self, label: str) -> McpServer:
        """Return the server of the script with this label; an unknown one has no tools."""
        return self._script.servers.get(label) or McpServer(label)

    def reply(self, turn: Turn) -> Reply:
        """Return the answer of the first rule that applies."""
        for number, rule in enumerate(self._script.rules):
            fields = _fields(rule, turn)
            if fields is None or not _is_declared(rule, turn, fields):
                continue
            uses = turn.notes.get(f"rule {number}", 0)
            if rule.times and uses >= rule.times:
                continue
            turn.notes[f"rule {number}"] = uses + 1
            return _with_tool_choice(self._carry_out(rule, turn, fields), turn)
        return _with_tool_choice(self._words(_NO_RULE), turn)

    def _carry_out(self, rule: Rule, turn: Turn, fields: Mapping[str, str]) -> Reply:
        said = rule.say[turn.dice % len(rule.say)] if rule.say else _REFUSAL * rule.refuse
        text = " ".join([_filled(said, fields)] * rule.repeat)
        words = self._words(text, rule.length_ms) if text else Reply("", b"")
        calls = tuple(
            FunctionCall(_filled(c.name, fields), _arguments(c, turn, fields)) for c in rule.calls
        )
        mcp_calls = tuple(_mcp_call(call, turn, fields) for call in rule.mcp_calls)
        return Reply(
            words.transcript,
            words.pcm,
            then=tuple(
                (more.transcript, more.pcm)
                for more in (self._words(_filled(text, fields)) for text in rule.then)
            ),
            calls=calls if turn.parallel else calls[:1],
            interleaved=rule.interleaved,
            mcp_calls=mcp_calls,
            ask_first=any(_asks(call, turn) for call in mcp_calls),
            denied=self._script.prefix + _filled(rule.denied, fields) if rule.denied else "",
            text_only=rule.text_only,
            ending=_ending(rule),
            delay_ms=rule.delay_ms,
        )

    def _words(self, text: str, length_ms: int | None = None) -> Reply:
        sound = speech(text, length_ms, self._script.ms_per_character)
        return Reply(self._script.prefix + text, sound)


def situations(turn: Turn) -> set[str]:
    """Return all values of ``on`` that match a turn."""
    found = {"any"}
    if turn.instructions:
        found.add("instructions")
    if turn.outputs:
        found.add("output")
    elif turn.is_new and turn.text:
        found |= {"user", "typed"}
    elif turn.is_new and (turn.audio or turn.spoken_turn):
        found |= {"user", "spoken"}
    else:
        found.add("nothing")
    return found


def _fields(rule: Rule, turn: Turn) -> dict[str, str] | None:
    """Return the fields for the texts of ``rule``, or None if it does not apply."""
    if rule.on not in situations(turn) or (rule.turn and rule.turn != turn.spoken_turn):
        return None
    outputs = [output for output in turn.outputs if rule.tool in ("", output.name)]
    if rule.tool and not outputs:
        return None
    text = turn.text or turn.recognized or ""
    fields = {"text": text, "turn": str(turn.spoken_turn)}
    fields["outputs"] = "; ".join(output.output for output in outputs)
    fields["output"] = outputs[-1].output if outputs else ""
    fields["tool"] = outputs[-1].name if outputs else ""
    if rule.match is not None:
        subjects = {"output": fields["output"], "instructions": turn.instructions}
        found = rule.match.search(subjects.get(rule.on, text))
        if found is None:
            return None
        fields |= {str(n): found[n] or "" for n in range(len(found.groups()) + 1)}
    return fields


def _filled(text: str, fields: Mapping[str, str]) -> str:
    return _FIELD.sub(lambda field: fields.get(field[1], field[0]), text)


def _declared(turn: Turn, name: str, server: str = "") -> Json | None:
    """Return the declaration of a function, or of an MCP server."""
    if server:
        return next((tool for tool in turn.tools if tool.get("server_label") == server), None)
    return next((tool for tool in turn.tools if tool.get("name") == name), None)


def _is_declared(rule: Rule, turn: Turn, fields: Mapping[str, str]) -> bool:
    if rule.undeclared:
        return True
    calls = (*rule.calls, *rule.mcp_calls)
    return all(_declared(turn, _filled(call.name, fields), call.server) for call in calls)


def _arguments(call: CallRule, turn: Turn, fields: Mapping[str, str]) -> str:
    given = call.arguments
    if isinstance(given, str):
        given = _filled(given, fields)
        if given.strip():
            return given
    if isinstance(given, dict):
        return json.dumps(_filled_values(given, fields), ensure_ascii=False)
    tool = _declared(turn, _filled(call.name, fields)) or {}
    return json.dumps(example(tool.get("parameters") or {"type": "object"}))


def _filled_values(value: Any, fields: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled_values(entry, fields) for key, entry in value.items()}
    if isinstance(value, list):
        return [_filled_values(entry, fields) for entry in value]
    return _filled(value, fields) if isinstance(value, str) else value


def _mcp_call(call: CallRule, turn: Turn, fields: Mapping[str, str]) -> McpCall:
    output = None if call.output is None else _filled(call.output, fields)
    arguments = _arguments(call, turn, fields)
    name = _filled(call.name, fields)
    return McpCall(call.server, name, arguments, output, call.error, call.duration_ms)


def _asks(call: McpCall, turn: Turn) -> bool:
    tool = _declared(turn, call.name, call.server)
    return tool is not None and needs_approval(tool, call.name)


def _ending(rule: Rule) -> Ending | None:
    if rule.fail:
        return Ending("failed", rule.fail, rule.message, rule.share or 0.0)
    if rule.incomplete:
        share = _CUT_SHARE if rule.share is None else rule.share
        return Ending("incomplete", rule.incomplete, share=share)
    return None


def _with_tool_choice(reply: Reply, turn: Turn) -> Reply:
    """Return the reply with the calls that ``tool_choice`` allows or requires."""
    choice = turn.tool_choice
    if choice == "none":
        if not (reply.calls or reply.mcp_calls):
            return reply
        return Reply(reply.transcript or _NO_TOOLS, reply.pcm or speech(_NO_TOOLS))
    forced = choice.get("name") if isinstance(choice, Mapping) else None
    if choice != "required" and forced is None:
        return reply
    if reply.ending or reply.mcp_calls or any(c.name == (forced or c.name) for c in reply.calls):
        return reply
    functions = [tool for tool in turn.tools if tool.get("type") == "function"]
    wanted = [tool for tool in functions if tool["name"] == (forced or tool["name"])]
    if not wanted:
        return reply
    arguments = json.dumps(example(wanted[0].get("parameters") or {"type": "object"}))
    return Reply("", b"", calls=(FunctionCall(wanted[0]["name"], arguments),))
