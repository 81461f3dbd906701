"""The script brain: which rule applies, what it answers, and errors in scripts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from openai_link.simulator.brains.rules import ScriptError
from openai_link.simulator.brains.schema_example import example
from openai_link.simulator.brains.script import ScriptBrain, packaged_script
from openai_link.simulator.brains.sounds import speech
from openai_link.simulator.engine.brain import Ending, FunctionCall, Recognition, ToolOutput, Turn

CLOCK: dict[str, Any] = {"type": "function", "name": "get_time"}
LAMP: dict[str, Any] = {
    "type": "function",
    "name": "lamp",
    "parameters": {
        "type": "object",
        "properties": {"on": {"type": "boolean"}, "room": {"enum": ["hall", "attic"]}},
        "required": ["room", "on"],
    },
}
TOOLS = (CLOCK, LAMP)


def said(text: str, turn: Turn) -> str:
    return ScriptBrain.parse(text).reply(turn).transcript


def test_the_first_rule_that_matches_answers_and_may_quote_what_it_found() -> None:
    script = """
        prefix = ""
        [[rule]]
        match = '(?i)my name is (\\w+)'
        say = "Hello {1}, {unknown} {text}"
        [[rule]]
        say = "What?"
    """
    assert said(script, Turn(text="My name is Ann.")) == "Hello Ann, {unknown} My name is Ann."
    assert said(script, Turn(text="Good day")) == "What?"
    assert said(script, Turn()) == "No rule of the script applies."


def test_an_answer_ends_after_a_share_of_its_words() -> None:
    script = """
        [[rule]]
        match = "filter"
        say = "This sentence is stopped by a filter before it becomes any worse."
        incomplete = "content_filter"
        [[rule]]
        match = "silent"
        say = "Nothing of this is heard at all."
        incomplete = "max_output_tokens"
        share = 0.0
    """
    cut = ScriptBrain.parse(script).reply(Turn(text="filter")).ending
    assert cut == Ending("incomplete", "content_filter", share=0.5)
    silent = ScriptBrain.parse(script).reply(Turn(text="silent")).ending
    assert silent == Ending("incomplete", "max_output_tokens", share=0.0)


def test_an_answer_may_have_several_messages() -> None:
    script = """
        prefix = ""
        [[rule]]
        match = "and (.*)"
        say = "One."
        then = ["Two {1}.", "Three."]
    """
    reply = ScriptBrain.parse(script).reply(Turn(text="and more"))
    assert [words for words, _ in reply.then] == ["Two more.", "Three."]
    assert all(pcm for _, pcm in reply.then)


def test_a_rule_can_be_bound_to_a_situation_a_turn_a_tool_and_a_number_of_times() -> None:
    brain = ScriptBrain.parse(
        """
        prefix = ""
        [[rule]]
        on = "output"
        tool = "get_time"
        say = "It is {output}."
        [[rule]]
        on = "output"
        match = "error"
        say = "That went wrong: {outputs} ({tool})"
        [[rule]]
        on = "spoken"
        turn = 2
        say = "second: {text}"
        [[rule]]
        on = "typed"
        times = 1
        say = "once"
        [[rule]]
        on = "typed"
        say = "again"
        [[rule]]
        on = "any"
        say = "anything"
        """
    )
    noon, broken = ToolOutput("get_time", "{}", "noon"), ToolOutput("x", "{}", "error 7")
    assert brain.reply(Turn(outputs=(noon, broken))).transcript == "It is noon."
    assert brain.reply(Turn(outputs=(broken,))).transcript == "That went wrong: error 7 (x)"
    assert brain.reply(Turn(recognized="hi", spoken_turn=2)).transcript == "second: hi"
    assert brain.reply(Turn(recognized="hi", spoken_turn=1)).transcript == "anything"
    notes: dict[str, int] = {}
    answers = [brain.reply(Turn(text="x", notes=notes)).transcript for _ in range(3)]
    assert answers == ["once", "again", "again"]
    assert brain.reply(Turn(text="old", is_new=False)).transcript == "anything"


def test_choices_follow_from_the_dice_and_the_sound_from_the_words() -> None:
    script = 'prefix = "> "\n[[rule]]\nsay = ["one", "three"]\nrepeat = 2'
    replies = [ScriptBrain.parse(script).reply(Turn(text="?", dice=n)) for n in range(2)]
    assert [reply.transcript for reply in replies] == ["> one one", "> three three"]
    assert [len(reply.pcm) // 48 for reply in replies] == [7 * 60, 11 * 60]
    fixed = ScriptBrain.parse('[[rule]]\nsay = "x"\nlength_ms = 5000').reply(Turn(text="?"))
    assert len(fixed.pcm) // 48 == 5_000


def test_speech_is_as_long_as_asked_and_no_frame_of_it_is_silent() -> None:
    sound = speech("two words", length_ms=1_000)
    frames = [sound[at : at + 960] for at in range(0, len(sound), 960)]
    assert len(frames) == 50 and all(any(frame) for frame in frames)
    assert speech("a") != speech("b")


CALLS = """
    [[rule]]
    match = 'lamp in the (\\w+)'
    [[rule.call]]
    name = "lamp"
    arguments = { room = "{1}", on = true }
    [[rule.call]]
    name = "get_time"
    arguments = '{"zone": "{1}"}'
    [[rule]]
    match = "anything"
    [[rule.call]]
    name = "lamp"
    [[rule]]
    match = "secret"
    undeclared = true
    [[rule.call]]
    name = "secret"
    [[rule]]
    say = "no"
"""


def test_calls_take_what_was_found_or_what_the_schema_wants() -> None:
    brain = ScriptBrain.parse(CALLS)
    both = brain.reply(Turn(text="the lamp in the hall", tools=TOOLS)).calls
    assert both == (
        FunctionCall("lamp", '{"room": "hall", "on": true}'),
        FunctionCall("get_time", '{"zone": "hall"}'),
    )
    alone = brain.reply(Turn(text="the lamp in the hall", tools=TOOLS, parallel=False)).calls
    assert alone == both[:1]
    made_up = brain.reply(Turn(text="anything", tools=TOOLS)).calls
    assert json.loads(made_up[0].arguments) == {"room": "hall", "on": True}


def test_only_declared_tools_are_called_unless_the_rule_says_so() -> None:
    brain = ScriptBrain.parse(CALLS)
    assert brain.reply(Turn(text="lamp in the hall", tools=(CLOCK,))).transcript.endswith("no")
    assert brain.reply(Turn(text="secret")).calls == (FunctionCall("secret", "{}"),)


def test_the_choice_of_tools_is_obeyed() -> None:
    brain = ScriptBrain.parse(CALLS)
    none = brain.reply(Turn(text="anything", tools=TOOLS, tool_choice="none"))
    assert not none.calls and none.transcript
    required = brain.reply(Turn(text="hi", tools=TOOLS, tool_choice="required"))
    assert [call.name for call in required.calls] == ["get_time"]
    named = {"type": "function", "name": "lamp"}
    forced = brain.reply(Turn(text="hi", tools=TOOLS, tool_choice=named))
    assert [call.name for call in forced.calls] == ["lamp"]
    filler = ScriptBrain.parse(packaged_script()).reply(
        Turn(instructions='Say exactly this and nothing else: "One moment."', tool_choice="none")
    )
    assert filler.transcript == "[simulator] One moment."


def test_spoken_turns_have_the_words_that_the_script_gives_them() -> None:
    brain = ScriptBrain.parse(
        """
        [[recognition]]
        turn = 2
        text = "two"
        transcription = "late"
        [[recognition]]
        text = "other"
        delay_ms = 0
        """
    )
    assert brain.recognize(1) == Recognition("other", "normal", 0)
    assert brain.recognize(2) == Recognition("two", "late", None)
    assert ScriptBrain.parse("").recognize(1) is None


@pytest.mark.parametrize(
    ("script", "place"),
    [
        ("rule = 3", "rule = 3 has the wrong type"),
        ("x = 1", "unknown key 'x'"),
        ("[[rule]]", "rule 1: it does nothing"),
        ('[[rule]]\nsay = "x"\nwhen = "y"', "rule 1: unknown key 'when'"),
        ("[[rule]]\nsay = 7", "rule 1: say = 7 has the wrong type"),
        ("[[rule]]\nsay = [7]", "rule 1: say must hold strings only"),
        ('[[rule]]\nsay = "x"\nmatch = "("', "rule 1: match is not a regular expression"),
        ('[[rule]]\nsay = "x"\non = "sung"', "rule 1: on = 'sung' must be one of 'user'"),
        ('[[rule]]\nsay = "x"\n[[rule]]\ncall = [{}]', "rule 2: call 1: name is missing"),
        ('[[rule]]\nsay = "x"\nturn = true', "rule 1: turn = True has the wrong type"),
        ('[[rule]]\nsay = "x"\nincomplete = "z"', "incomplete = 'z' must be one of"),
        ('[[rule]]\nsay = "x"\nshare = 1.5', "share = 1.5 is more than 1"),
        ('[[rule]]\nsay = "x"\nthen = [1]', "then must hold strings only"),
        ("[[recognition]]\nturn = 0", "recognition 1: turn = 0 is less than 1"),
        ("[[mcp]]\n", "mcp 1: server is missing"),
        ("[[rule", "the script is not valid TOML"),
    ],
)
def test_a_script_that_cannot_be_used_is_refused_by_its_place(script: str, place: str) -> None:
    with pytest.raises(ScriptError) as caught:
        ScriptBrain.parse(script)
    assert place in str(caught.value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, {}),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": ["string", "null"]}, "example"),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, 1.5),
        ({"type": "integer", "minimum": 7}, 7),
        ({"const": "x"}, "x"),
    ],
)
def test_a_value_is_made_up_for_a_schema(schema: dict[str, Any], value: object) -> None:
    assert example(schema) == value
