"""Which turns are for the assistant."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.room_rules import Address
from mixer_core.runtime.units import S_NS
from openai_link.turns.address import (
    FOLLOW_UP_NS,
    MAX_TURNS,
    WORDS_NS,
    AddressPolicy,
    Verdict,
)

OPEN_NS = 10 * S_NS


def policy(rule: Address = "addressed", *people: str) -> AddressPolicy:
    made = AddressPolicy(rule, ["Nova"], OPEN_NS)
    made.people(people or ("Ada", "Ben"))
    return made


def turn(made: AddressPolicy, item: str, at_ns: int, *who: str) -> Verdict | None:
    made.speech_started(item, at_ns)
    return made.committed(item, who, at_ns + S_NS)


def test_only_what_calls_the_assistant_is_answered() -> None:
    made = policy()
    assert turn(made, "a", 0) is None
    assert turn(made, "b", 2 * S_NS) is None
    assert made.words("b", "What is for dinner?", 4 * S_NS) == Verdict("b", False, "not_called")
    assert made.words("a", "Nova, what time is it?", 4 * S_NS) == Verdict("a", True, "called")
    assert made.words("a", "Nova, once more.", 5 * S_NS) is None, "it is decided"
    assert made.next_timeout_ns() is None


def test_of_too_many_turns_the_oldest_has_its_verdict() -> None:
    made = policy()
    for number in range(MAX_TURNS):
        assert made.speech_started(f"{number}", number) is None
        assert made.committed(f"{number}", (), number) is None
    assert made.speech_started("more", S_NS) == Verdict("0", False, "too_many")
    assert made.words("0", "Nova, hello?", S_NS) is None


def test_whoever_is_alone_needs_no_name_and_waits_for_no_words() -> None:
    made = policy("addressed", "Ada")
    assert turn(made, "a", 0) == Verdict("a", True, "alone")
    made.people(["Ada", "Ada"])
    assert turn(made, "b", S_NS) is None, "two people of one name are two"


def test_after_a_stop_the_words_of_turns_that_were_over_call_nobody() -> None:
    made = policy()
    turn(made, "a", 0)
    made.speech_started("b", 2 * S_NS)
    assert made.stopped() == [Verdict("a", False, "stopped")]
    assert made.words("a", "Nova, hello?", 3 * S_NS) is None
    made.committed("b", (), 4 * S_NS)
    assert made.words("b", "Nova, hello?", 5 * S_NS) == Verdict("b", True, "called")


def test_words_that_do_not_come_or_cannot_be_written_down_call_nobody() -> None:
    made = policy()
    turn(made, "a", 0)
    assert made.next_timeout_ns() == S_NS + WORDS_NS
    assert made.tick(S_NS + WORDS_NS - 1) == []
    assert made.tick(S_NS + WORDS_NS) == [Verdict("a", False, "no_words")]
    assert made.words("a", "Nova, hello?", 9 * S_NS) is None
    turn(made, "b", 10 * S_NS)
    assert made.words("b", " ", 12 * S_NS) == Verdict("b", False, "no_words")


def test_words_may_come_before_the_end_of_their_turn() -> None:
    made = policy()
    made.speech_started("a", 0)
    for item, words in (("a", "Nova, what time is it?"), ("b", "Well."), ("c", "")):
        assert made.words(item, words, 1) is None, "it is not over"
    assert made.committed("a", (), 2) == Verdict("a", True, "called")
    assert made.committed("b", (), 3) == Verdict("b", False, "not_called")
    assert made.committed("c", (), 4) == Verdict("c", False, "no_words")
    for n in range(3 * MAX_TURNS):
        made.words(f"i{n}", "Nova?", n)
    assert len(made._early) == MAX_TURNS


def test_the_answer_to_a_question_of_the_assistant_needs_no_name_of_whom_it_asked() -> None:
    made = policy()
    made.reply_began()
    made.reply_ended("Which one do you mean?", "p-1", is_cut=False, now_ns=0)
    assert turn(made, "a", S_NS, "p-2") is None, "Ben was not asked"
    assert turn(made, "b", 2 * S_NS, "p-1") == Verdict("b", True, "follow_up")
    assert turn(made, "c", 3 * S_NS, "p-1") is None, "a question has one answer"
    made.reply_ended("Anything else?", "p-1", is_cut=False, now_ns=10 * S_NS)
    assert turn(made, "d", 10 * S_NS + FOLLOW_UP_NS + 1, "p-1") is None, "too late"
    made.reply_ended("Anything else?", "p-1", is_cut=True, now_ns=40 * S_NS)
    assert turn(made, "e", 41 * S_NS, "p-1") is None, "nobody heard it"
    made.reply_ended("It is five.", "p-1", is_cut=False, now_ns=60 * S_NS)
    assert turn(made, "f", 61 * S_NS, "p-1") is None, "no question"


def test_a_room_that_is_open_takes_any_turn_that_begins_in_time() -> None:
    made = policy("open")
    assert turn(made, "a", 0) is None
    made.reply_began()
    assert turn(made, "b", S_NS) == Verdict("b", True, "open"), "over the reply"
    made.reply_ended("It is five.", "", is_cut=False, now_ns=5 * S_NS)
    assert turn(made, "c", 5 * S_NS + OPEN_NS) == Verdict("c", True, "open")
    assert turn(made, "d", 5 * S_NS + OPEN_NS + 1) is None
    assert made.words("d", "Nova?", 20 * S_NS) == Verdict("d", True, "called")


def test_what_waits_is_decided_by_a_new_rule() -> None:
    made = policy()
    turn(made, "a", 0)
    made.speech_started("b", 2 * S_NS)
    assert made.change("always", ["Nova"], OPEN_NS) == [Verdict("a", True, "rule")]
    assert made.committed("b", (), 3 * S_NS) is None, "the server answers it"
    made.change("addressed", ["Vega"], OPEN_NS)
    turn(made, "c", 4 * S_NS)
    assert made.words("c", "Vega, hello.", 6 * S_NS) == Verdict("c", True, "called")
    turn(made, "d", 7 * S_NS)
    assert made.change("push_to_talk", ["Vega"], OPEN_NS) == [Verdict("d", False, "rule")]


ITEMS = st.sampled_from("abcdef")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), ITEMS),
        st.tuples(st.just("commit"), ITEMS),
        st.tuples(st.just("words"), ITEMS, st.sampled_from(["Nova, hi", "hi", ""])),
        st.tuples(st.just("reply"), st.sampled_from(["What?", "Yes."]), st.booleans()),
        st.tuples(st.just("rule"), st.sampled_from(get_args(Address))),
        st.tuples(st.just("people"), st.integers(0, 3)),
        st.tuples(st.just("time"), st.integers(0, 9)),
    ),
    max_size=60,
)


@given(st.sampled_from(get_args(Address)), STEPS)
def test_each_committed_turn_has_one_verdict_and_none_without_a_rule_that_asks(
    rule: Address, steps: list[tuple[object, ...]]
) -> None:
    made, now_ns = policy(rule), 0
    open_turns: set[str] = set()
    decided: list[Verdict | None] = []
    for kind, *rest in steps:
        now_ns += S_NS // 2
        before = len(decided)
        match kind, rest:
            case "start", [str(item)]:
                made.speech_started(item, now_ns)
                open_turns.discard(item)
            case "commit", [str(item)]:
                if made.is_asked:
                    open_turns.add(item)
                decided.append(made.committed(item, (), now_ns))
            case "words", [str(item), str(text)]:
                decided.append(made.words(item, text, now_ns))
            case "reply", [str(text), bool(is_cut)]:
                made.reply_began()
                made.reply_ended(text, "", is_cut, now_ns)
            case "rule", [str(other)]:
                decided += made.change(other, ["Nova"], OPEN_NS)  # type: ignore[arg-type]
            case "people", [int(count)]:
                made.people(["x"] * count)
            case "time", [int(seconds)]:
                now_ns += seconds * S_NS
                decided += made.tick(now_ns)
        for verdict in decided[before:]:
            if verdict is not None:
                assert verdict.item in open_turns, "one verdict a turn"
                open_turns.discard(verdict.item)
        timeout_ns = made.next_timeout_ns()
        assert (timeout_ns is not None) == bool(open_turns)
    made.tick(now_ns + WORDS_NS)
    assert made.next_timeout_ns() is None, "nothing waits for ever"


def test_turns_that_wait_are_bounded() -> None:
    made = policy()
    for n in range(3 * MAX_TURNS):
        made.speech_started(f"i{n}", n)
    assert len(made._turns) == MAX_TURNS
