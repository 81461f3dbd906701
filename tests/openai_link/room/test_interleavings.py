"""People, losses and time in any order: hypothesis looks for one that the room does not survive."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.openai_link.room import checks
from tests.openai_link.room.scenes import ANSWERED, PRESS, RELEASE
from tests.openai_link.room.world import Scene, Step, World, say, speak, wait
from tests.support.tables import examples

TURNS = tuple(f"Spoken turn {number}." for number in range(1, 40))
WAITS = st.builds(wait, st.integers(1, 60).map(lambda slots: slots * 20))
LONG_WAITS = st.builds(wait, st.sampled_from([2_000, 5_000, 12_000]))
SPEECH = st.builds(speak, st.integers(5, 80).map(lambda slots: slots * 20))
OTHERS = st.sampled_from([Step("interrupt"), Step("lose"), *ANSWERED])
STEPS = st.lists(st.one_of(WAITS, LONG_WAITS, SPEECH, OTHERS, st.just(say(""))), max_size=14)
MODES = st.sampled_from(["server_vad", "push_to_talk"])
PEOPLE = st.sampled_from(
    [
        *(Step("join", "p-1,p-2"), Step("join", "p-1"), Step("confirm"), Step("deny")),
        *(Step("refuse", "500"), Step("refuse", "9000"), Step("clock", "5000"), Step("call")),
    ]
)
SERVERS = st.fixed_dictionaries(
    {},
    optional={
        "truncated_first": st.sampled_from(["always", "sometimes"]),
        "null_previous_in_done": st.just("sometimes"),
        "think_ms": st.sampled_from([10, 400]),
        "generation_speed": st.sampled_from([1.2, 30.0]),
        "transcription_delay_ms": st.sampled_from([200, 800]),
    },
)


def steps_of(steps: list[Step], mode: str) -> list[Step]:
    """Every typed text is another one; speech needs the button where there is one."""
    whole: list[Step] = [wait(300)]
    for number, step in enumerate(steps):
        if step.do == "say":
            whole.append(say(f"Typed text {number}."))
        elif step.do == "call":
            whole.append(say(f"call tool_{number}"))
        elif step.do == "speak" and mode == "push_to_talk":
            whole += [PRESS, step, wait(step.ms), RELEASE]
        else:
            whole.append(step)
    return whole


@settings(max_examples=examples(60))
@given(STEPS, MODES, st.sampled_from([3_600.0, 20.0]))
def test_any_conversation_ends_well(steps: list[Step], mode: str, limit_s: float) -> None:
    """Words that are spoken into a dying session are lost, and nobody answers them."""
    modes = {"turn_detection": mode}
    whole = tuple(steps_of(steps, mode))
    world = World(Scene("any", whole, TURNS, settings=modes, session_limit_s=limit_s))
    done = {step.do for step in steps}
    checks.conclude(world) if {"speak", "lose"} <= done else checks.check_all(world)


@settings(max_examples=examples(50))
@given(
    st.lists(st.one_of(WAITS, LONG_WAITS, SPEECH, OTHERS, PEOPLE, st.just(say(""))), max_size=14),
    MODES,
    st.sampled_from([3_600.0, 20.0]),
    SERVERS,
    st.booleans(),
    st.sampled_from([100, 1_000, 3_000]),
)
def test_any_room_talks_again(
    steps: list[Step],
    mode: str,
    limit_s: float,
    options: dict[str, Any],
    confirm: bool,
    tool_ms: int,
) -> None:
    """With people who come and go, tools, refusals, and servers of all kinds.

    Whether everything is answered depends on who speaks over what: that is not asked here.
    """
    tools = tuple(f"tool_{number}" for number, step in enumerate(steps) if step.do == "call")
    scene = Scene(
        "any",
        (*steps_of(steps, mode), Step("join", "p-1"), wait(500)),
        TURNS,
        tools,
        {"turn_detection": mode, "tool_confirm_timeout_ms": 3_000, "tool_timeout_ms": 2_000},
        session_limit_s=limit_s,
        options=options,
        confirm=confirm,
        runs_tools=False,
        tool_ms=tool_ms,
    )
    checks.conclude(World(scene))


@settings(max_examples=examples(40))
@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=2, max_size=5))
def test_losses_in_a_row(gaps: list[tuple[int, bool]]) -> None:
    """The connection is lost again while the room recovers, with a tool at work."""
    steps: list[Step] = [wait(300), say("call lights"), wait(20)]
    for slots, _ in gaps:
        steps += [wait(slots * 20), Step("lose")]
    checks.check_all(World(Scene("losses", (*steps, *ANSWERED), tools=("lights",))))


@settings(max_examples=examples(40))
@given(st.integers(0, 200), st.integers(0, 90))
def test_who_leaves_and_comes_back_finds_the_room_as_it_was(away: int, gap: int) -> None:
    """Somebody is away for less than the room lingers."""
    steps = (
        wait(300),
        say("Good morning."),
        wait(away * 20),
        Step("leave"),
        wait(gap * 20),
        Step("join"),
        *ANSWERED,
    )
    checks.check_all(World(Scene("away", steps)))
