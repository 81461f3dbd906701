"""Whether a sentence calls the assistant, as a transcriber writes it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_link.turns.calling import calls, plain

NAMES = ("Nova", "assistant")
PEOPLE = ("Nora Berg", "Ada")

CALLED = """
Nova, what time is it?
nova what time is it
NOVA! Stop.
Hey Nova, turn it off.
Okay, Nova: next.
What do you think, Nova?
What do you think nova?
So, Nova, tell us.
I don't know. Nova, do you?
No va, what is up?
Nowa, what is up?
Can you help us, Novah?
Assistent, how late is it?
Hallo Nova, wie spät ist es?
Turn off the light, please, Nova.
Turn the light off Nova please.
Well, what, Nova, would you say?
Nóva, hi
Good morning, Nova.
Nova?
Thanks Nova
Sag mal Nova, wann fährt der Bus?
"""
NOT_CALLED = """
I asked the assistant yesterday.
Nova said it was fine.
Ask Nova.
Nova's answer was wrong.
Let's go home.
We should use the assistant more.
Nora, can you pass the salt?
It is over now.
I moved the novel.
Nova is slow today.
Talk to Nova about it.
The assistant is nice.
Who is Nova?
An innovation.
Frag doch Nova.
Ich habe das mit Nova besprochen.
...
No, really, wait.
"""


@pytest.mark.parametrize("text", CALLED.strip().splitlines())
def test_somebody_calls(text: str) -> None:
    assert calls(text, NAMES, PEOPLE)


@pytest.mark.parametrize("text", ["", *NOT_CALLED.strip().splitlines()])
def test_nobody_calls(text: str) -> None:
    assert not calls(text, NAMES, PEOPLE)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("My dear old friend", "My dear old friend, what time is it?"),
        ("K.I.T.T.", "K.I.T.T., start the engine."),
        ("Kitt", "Hey K.I.T.T. start the engine."),
        ("K.I.T.T.", "What do you say, Kitt?"),
        ("a.*", "A, hello."),
        ("İnci", "inci, hello."),
    ],
)
def test_any_name_that_can_be_said_calls(name: str, text: str) -> None:
    assert calls(text, [name])
    assert not calls("We should eat soon.", [name])


def test_a_long_name_may_be_split_and_misspelt() -> None:
    for heard in ("Mixminus", "mix minus", "Mix-Minus", "Mixmines", "mix, minus" * 0 + "Micsminus"):
        assert calls(f"{heard}, what is the weather?", ("Mixminus",)), heard
    assert not calls("Mix it, minus the sugar.", ("Mixminus",))


@given(st.text(max_size=200), st.sampled_from(["Nova", "Mixminus", "Al"]))
def test_a_name_in_front_and_behind_always_calls(text: str, name: str) -> None:
    assert calls(f"{name}, {text}", (name,))
    assert calls(f"Hey {name.upper()}! {text}", (name,))


@given(st.text(max_size=300), st.lists(st.text(max_size=12), max_size=3))
def test_whatever_is_said_and_whatever_the_names_it_is_decided(text: str, names: list[str]) -> None:
    assert calls(text, names) in (True, False)
    assert not calls(text, [name for name in names if not plain(name)])
    assert not calls("", names)
