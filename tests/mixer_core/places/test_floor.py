"""The floor of a place: the loudest microphone, soon, and for long enough."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.pcm import FRAME_MS
from mixer_core.places.floor import HANG_FRAMES, SPEECH_DB, Floor

SOON = 150 // FRAME_MS
"""Frames within which the loudest has to have won."""


def hold(floor: Floor[str], frames: int, held: str | None = None, **levels_db: float) -> list[str]:
    """The holders of some frames with these levels; ``-``: nobody."""
    return [floor.hear(levels_db, held) or "-" for _ in range(frames)]


def test_the_loudest_wins_within_150_ms_and_nobody_is_held_back_before() -> None:
    heard = hold(Floor(), SOON, near=30, far=18)
    assert heard[-1] == "near" and set(heard) == {"-", "near"}


def test_in_silence_all_microphones_are_open() -> None:
    assert set(hold(Floor(), 100, near=5, far=SPEECH_DB - 1)) == {"-"}


def test_a_pause_between_words_changes_nothing_and_a_long_one_opens_all() -> None:
    floor = Floor[str]()
    hold(floor, SOON, near=30, far=18)
    assert set(hold(floor, 15, near=2, far=2)) == {"near"}
    assert hold(floor, 60, near=2, far=2)[-1] == "-"


def test_the_copy_that_comes_late_by_another_network_does_not_take_the_floor() -> None:
    """The far microphone hears each syllable 80 ms later, 10 dB below."""
    floor = Floor[str]()
    syllables = [30.0] * 10 + [3.0] * 6
    heard = []
    for n in range(400):
        late = syllables[(n - 4) % 16] - 10
        heard.append(floor.hear({"near": syllables[n % 16], "far": max(2.0, late)}))
    assert set(heard[SOON:]) == {"near"}


def test_who_speaks_next_into_another_microphone_has_it_within_150_ms() -> None:
    floor = Floor[str]()
    hold(floor, 50, left=30, right=14)
    hold(floor, 10, left=2, right=2)  # A turn change: people leave 200 ms.
    heard = hold(floor, 2 * SOON, left=14, right=30)
    assert "right" in heard[: SOON + 2] and heard[-1] == "right"


def test_who_is_only_a_little_louder_does_not_take_it() -> None:
    floor = Floor[str]()
    hold(floor, 50, left=25, right=10)
    assert set(hold(floor, 200, left=25, right=29)) == {"left"}


def test_a_held_button_has_it_at_once_and_only_while_it_is_held() -> None:
    floor = Floor[str]()
    hold(floor, 50, laptop=30, phone=10)
    assert set(hold(floor, 20, "phone", laptop=30, phone=10)) == {"phone"}
    assert hold(floor, 2 * SOON, laptop=30, phone=10)[-1] == "laptop"


def test_a_microphone_that_is_muted_gives_it_up() -> None:
    floor = Floor[str]()
    hold(floor, 50, left=30, right=14)
    assert hold(floor, SOON, right=14)[-1] == "right"


def test_a_device_that_leaves_gives_it_up_and_is_forgotten() -> None:
    floor = Floor[str]()
    hold(floor, 50, left=30, right=5)
    floor.keep(["right"])
    assert floor.holder is None and hold(floor, HANG_FRAMES, right=2) == ["-"] * HANG_FRAMES


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from("abc"), st.floats(-100, 100), max_size=3),
            st.sampled_from(["a", "b", None]),
        ),
        max_size=60,
    )
)
def test_whoever_has_it_is_in_the_place(frames: list[tuple[dict[str, float], str | None]]) -> None:
    floor = Floor[str]()
    for levels_db, held in frames:
        holder = floor.hear(levels_db, held)
        assert held is None or holder == held
        assert holder in {None, "a", "b", "c"}
