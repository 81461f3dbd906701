"""A script brain made in Python, for sessions in virtual time: what it answers follows from what
was said alone, not from a seed and not from a file."""

from __future__ import annotations

import re

from openai_link.simulator.brains.rules import CallRule, Rule, Script
from openai_link.simulator.brains.script import ScriptBrain
from openai_link.simulator.engine.brain import Recognition

STORY = "This is one sentence of a long story. "
STORY_SENTENCES = 12
STORY_MS = 30_000

RULES = (
    Rule(on="output", say=("The answer is: {outputs}",)),
    Rule(
        match=re.compile(r"\bcall (\w+) and (\w+)"),
        calls=(CallRule("{1}"), CallRule("{2}")),
    ),
    Rule(match=re.compile(r"(?s)\bcall (\w+)(?: with (\{.*\}))?"), calls=(CallRule("{1}", "{2}"),)),
    Rule(match=re.compile(r"\bstory\b"), say=(STORY,), repeat=STORY_SENTENCES, length_ms=STORY_MS),
    Rule(on="nothing", say=("Hello.",)),
    Rule(on="any", say=("You said: {text}",)),
)
"""``call a``, ``call a with {"x": 1}``, ``call a and b`` (in parallel), ``story`` (30 s of sound);
the results of calls are read out, everything else is repeated."""


def scripted(*heard: str, rules: tuple[Rule, ...] = ()) -> ScriptBrain:
    """Return a brain that tries ``rules``, then RULES.

    ``heard``: the words of the session's spoken turns, in order; those after the last one say
    nothing. Tools are called only if the session declares them.
    """
    words = {number: Recognition(text) for number, text in enumerate(heard, 1)}
    return ScriptBrain(Script(prefix="", rules=(*rules, *RULES), recognitions=words))
