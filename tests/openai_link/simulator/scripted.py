"""Sessions with a script brain: one made in Python, whose answers depend only on what was said,
and the packaged one."""

from __future__ import annotations

import re

from openai_link.simulator.brains.rules import CallRule, Rule, Script
from openai_link.simulator.brains.script import ScriptBrain, packaged_script
from openai_link.simulator.engine.brain import Recognition
from openai_link.simulator.engine.options import EngineOptions
from tests.openai_link.simulator.support import REGULAR, Json, Session

STORY = "This is one sentence of a long story. "
STORY_SENTENCES = 12
STORY_MS = 30_000

TOOLS: list[Json] = [
    {"type": "function", "name": "get_time", "parameters": {"type": "object"}},
    {"type": "function", "name": "lamp", "description": "Switches.", "parameters": {}},
]
DOCS: Json = {"type": "mcp", "server_label": "docs", "server_url": "http://127.0.0.1:1/"}

RULES = (
    Rule(on="output", say=("The answer is: {outputs}",)),
    Rule(
        match=re.compile(r"\bcall (\w+) and (\w+)"),
        calls=(CallRule("{1}"), CallRule("{2}")),
    ),
    Rule(match=re.compile(r"(?s)\bcall (\w+)(?: with (\{.*\}))?"), calls=(CallRule("{1}", "{2}"),)),
    Rule(match=re.compile(r"\bstory\b"), say=(STORY,), repeat=STORY_SENTENCES, length_ms=STORY_MS),
    Rule(
        match=re.compile(r"\bsearch for (\w+)"),
        say=("I found {1}.",),
        denied="Then I will not search.",
        mcp_calls=(CallRule("search", '{"query": "{1}"}', server="docs", output="1 document"),),
    ),
    Rule(on="nothing", say=("Hello.",)),
    Rule(on="any", say=("You said: {text}",)),
)
"""``call a``, ``call a with {"x": 1}``, ``call a and b`` (in parallel), ``story`` (30 s of sound),
``search for a`` (an MCP server of the service); the results of calls are read out, everything else
is repeated."""


def scripted(*heard: str, rules: tuple[Rule, ...] = ()) -> ScriptBrain:
    """Return a brain that tries ``rules``, then RULES.

    ``heard``: the words of the session's spoken turns, in order; those after the last one say
    nothing. Tools are called only if the session declares them.
    """
    words = {number: Recognition(text) for number, text in enumerate(heard, 1)}
    return ScriptBrain(Script(prefix="", rules=(*rules, *RULES), recognitions=words))


def packaged(
    wanted: Json | None = None, options: EngineOptions = REGULAR, seed: int = 7
) -> Session:
    """Return a session with the packaged script, TOOLS, and what is ``wanted``."""
    brain = ScriptBrain.parse(packaged_script())
    return Session({"tools": TOOLS, **(wanted or {})}, brain, options, seed)


def ask(session: Session, text: str, slots: int = 300) -> list[Json]:
    """Write something, ask for an answer and wait; returns the events of the answer."""
    session.write(text)
    events = session.send(type="response.create")
    return events + session.wait(slots)
