"""People, losses and time in any order: hypothesis looks for one that the room does not survive."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.openai_link.room import checks
from tests.openai_link.room.scenes import ANSWERED, PRESS, RELEASE
from tests.openai_link.room.world import Scene, Step, World, say, speak, wait

TURNS = tuple(f"Spoken turn {number}." for number in range(1, 40))
WAITS = st.builds(wait, st.integers(1, 60).map(lambda slots: slots * 20))
LONG_WAITS = st.builds(wait, st.sampled_from([2_000, 5_000, 12_000]))
SPEECH = st.builds(speak, st.integers(5, 80).map(lambda slots: slots * 20))
OTHERS = st.sampled_from([Step("interrupt"), Step("lose"), *ANSWERED])
STEPS = st.lists(st.one_of(WAITS, LONG_WAITS, SPEECH, OTHERS, st.just(say(""))), max_size=14)
MODES = st.sampled_from(["server_vad", "push_to_talk"])


def scene_of(steps: list[Step], mode: str, limit_s: float) -> Scene:
    """Every typed text is another one; speech needs the button where there is one."""
    whole: list[Step] = [wait(300)]
    for number, step in enumerate(steps):
        if step.do == "say":
            whole.append(say(f"Typed text {number}."))
        elif step.do == "speak" and mode == "push_to_talk":
            whole += [PRESS, step, wait(step.ms), RELEASE]
        else:
            whole.append(step)
    return Scene(
        "any", tuple(whole), TURNS, settings={"turn_detection": mode}, session_limit_s=limit_s
    )


@settings(max_examples=60)
@given(STEPS, MODES, st.sampled_from([3_600.0, 20.0]))
def test_any_conversation_ends_well(steps: list[Step], mode: str, limit_s: float) -> None:
    checks.check_all(World(scene_of(steps, mode, limit_s)))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=2, max_size=5))
def test_losses_in_a_row(gaps: list[tuple[int, bool]]) -> None:
    """The connection is lost again while the room recovers, with a tool at work."""
    steps: list[Step] = [wait(300), say("call lights"), wait(20)]
    for slots, _ in gaps:
        steps += [wait(slots * 20), Step("lose")]
    checks.check_all(World(Scene("losses", (*steps, *ANSWERED), tools=("lights",))))


@settings(max_examples=40)
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
