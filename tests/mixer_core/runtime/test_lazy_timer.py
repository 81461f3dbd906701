"""The timer that moves lazily, on a loop whose clock the test sets."""

from __future__ import annotations

from collections.abc import Callable

from mixer_core.runtime.lazy_timer import LazyTimer
from mixer_core.runtime.units import MS_NS, S_NS, US_NS


class Handle:
    """A timer of the loop."""

    def __init__(self, at_ns: int, action: Callable[[], None]) -> None:
        self.at_ns, self.action = at_ns, action
        self.cancelled = False

    def cancel(self) -> None:
        """Take it back."""
        self.cancelled = True


class World:
    """As much of a loop as a timer needs, and its clock."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.handles: list[Handle] = []
        self.set = 0
        """Timers that were set."""
        self.early_ns = 0
        """Timers fire so much before their time."""

    def call_later(self, delay_s: float, action: Callable[[], None], /) -> Handle:
        """Set a timer."""
        self.set += 1
        self.handles.append(Handle(self.now_ns + round(delay_s * S_NS) - self.early_ns, action))
        return self.handles[-1]

    def pass_to(self, now_ns: int) -> None:
        """Let the time come, and fire what is due."""
        while True:
            due = [h for h in self.handles if not h.cancelled and h.at_ns <= now_ns]
            if not due:
                break
            handle = min(due, key=lambda h: h.at_ns)
            self.handles.remove(handle)
            self.now_ns = max(self.now_ns, handle.at_ns)
            handle.action()
        self.now_ns = now_ns

    @property
    def pending(self) -> int:
        """Timers that will fire."""
        return sum(not handle.cancelled for handle in self.handles)


def make() -> tuple[World, LazyTimer, list[int]]:
    world = World()
    fired: list[int] = []
    timer = LazyTimer(world, lambda: fired.append(world.now_ns), lambda: world.now_ns)
    return world, timer, fired


def test_it_fires_once_at_its_deadline() -> None:
    world, timer, fired = make()
    timer.arm(S_NS)
    assert timer.running
    world.pass_to(5 * S_NS)
    assert fired == [S_NS] and not timer.running and not world.pending


def test_a_delay_counts_from_now() -> None:
    world, timer, fired = make()
    world.pass_to(2 * S_NS)
    timer.arm_after(300 * MS_NS)
    world.pass_to(5 * S_NS)
    assert fired == [2 * S_NS + 300 * MS_NS]


def test_a_deadline_that_moves_back_sets_no_new_timer() -> None:
    world, timer, fired = make()
    for step in range(50):
        world.pass_to(step * 20 * MS_NS)
        timer.arm_after(S_NS)
        assert world.set == 1
    world.pass_to(5 * S_NS)
    assert fired == [980 * MS_NS + S_NS] and world.set == 2


def test_a_deadline_that_comes_nearer_replaces_the_timer() -> None:
    world, timer, fired = make()
    timer.arm(3 * S_NS)
    timer.arm(S_NS)
    assert world.pending == 1
    world.pass_to(5 * S_NS)
    assert fired == [S_NS]


def test_the_same_deadline_again_sets_nothing() -> None:
    world, timer, fired = make()
    timer.arm(S_NS)
    timer.arm(S_NS)
    assert world.set == 1
    world.pass_to(5 * S_NS)
    assert fired == [S_NS]


def test_a_deadline_in_the_past_is_served_in_the_next_turn() -> None:
    world, timer, fired = make()
    world.pass_to(S_NS)
    timer.arm(S_NS - 7 * MS_NS)
    assert fired == []
    world.pass_to(S_NS)
    assert fired == [S_NS]


def test_the_wait_is_rounded_up_to_whole_milliseconds() -> None:
    world, timer, fired = make()
    timer.arm(5 * MS_NS + US_NS)
    world.pass_to(S_NS)
    assert fired == [6 * MS_NS] and world.set == 1


def test_a_timer_that_fires_less_than_a_millisecond_early_is_on_time() -> None:
    world, timer, fired = make()
    world.early_ns = MS_NS - 1
    timer.arm(10 * MS_NS)
    world.pass_to(S_NS)
    assert fired == [9 * MS_NS + 1] and world.set == 1


def test_a_timer_that_fires_a_millisecond_early_is_set_again() -> None:
    world, timer, fired = make()
    world.early_ns = MS_NS
    timer.arm(10 * MS_NS)
    world.pass_to(9 * MS_NS - 1)
    world.early_ns = 0
    world.pass_to(S_NS)
    assert fired == [10 * MS_NS] and world.set == 2


def test_the_action_may_arm_it_again() -> None:
    world = World()
    fired: list[int] = []

    def act() -> None:
        fired.append(world.now_ns)
        if len(fired) < 3:
            timer.arm_after(20 * MS_NS)

    timer = LazyTimer(world, act, lambda: world.now_ns)
    timer.arm(20 * MS_NS)
    world.pass_to(S_NS)
    assert fired == [20 * MS_NS, 40 * MS_NS, 60 * MS_NS] and not timer.running


def test_stopped_it_does_nothing_and_can_start_again() -> None:
    world, timer, fired = make()
    timer.arm(S_NS)
    timer.stop()
    assert not timer.running
    world.pass_to(S_NS // 2)
    timer.arm_after(2 * S_NS)
    world.pass_to(5 * S_NS)
    assert fired == [2 * S_NS + S_NS // 2]


def test_closed_it_leaves_nothing_behind() -> None:
    world, timer, fired = make()
    timer.arm(S_NS)
    timer.close()
    assert not world.pending
    world.pass_to(5 * S_NS)
    assert fired == [] and not timer.running
