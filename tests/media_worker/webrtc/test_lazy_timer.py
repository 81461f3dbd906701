"""The timer that moves lazily, on a loop whose clock the test sets."""

from __future__ import annotations

from collections.abc import Callable

from media_worker.webrtc.lazy_timer import LazyTimer


class Handle:
    """A timer of the loop."""

    def __init__(self, at_s: float, action: Callable[[], None]) -> None:
        self.at_s, self.action = at_s, action
        self.cancelled = False

    def cancel(self) -> None:
        """Take it back."""
        self.cancelled = True


class Clock:
    """As much of a loop as a timer needs."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.handles: list[Handle] = []

    def time(self) -> float:
        """Now."""
        return self.now_s

    def call_at(self, at_s: float, action: Callable[[], None], /) -> Handle:
        """Set a timer."""
        self.handles.append(Handle(at_s, action))
        return self.handles[-1]

    def pass_to(self, now_s: float) -> None:
        """Let the time come, and fire what is due."""
        while True:
            due = [h for h in self.handles if not h.cancelled and h.at_s <= now_s]
            if not due:
                break
            handle = min(due, key=lambda h: h.at_s)
            self.handles.remove(handle)
            self.now_s = handle.at_s
            handle.action()
        self.now_s = now_s


def make() -> tuple[Clock, LazyTimer, list[float]]:
    clock = Clock()
    fired: list[float] = []
    return clock, LazyTimer(clock, lambda: fired.append(clock.now_s)), fired


def test_it_fires_once_at_its_deadline() -> None:
    clock, timer, fired = make()
    timer.start(1.0)
    assert timer.running
    clock.pass_to(5)
    assert fired == [1.0] and not timer.running and not clock.handles


def test_a_deadline_that_moves_away_sets_no_new_timer() -> None:
    clock, timer, fired = make()
    for step in range(50):
        clock.pass_to(step * 0.02)
        timer.start(1.0)
        assert len(clock.handles) == 1
    clock.pass_to(5)
    assert fired == [0.98 + 1.0]


def test_a_deadline_that_comes_nearer_is_kept() -> None:
    clock, timer, fired = make()
    timer.start(3.0)
    timer.start(1.0)
    clock.pass_to(5)
    assert fired == [1.0]


def test_stopped_it_does_nothing_and_can_start_again() -> None:
    clock, timer, fired = make()
    timer.start(1.0)
    timer.stop()
    assert not timer.running
    clock.pass_to(0.5)
    timer.start(2.0)
    clock.pass_to(5)
    assert fired == [2.5]


def test_closed_it_leaves_nothing_behind() -> None:
    clock, timer, fired = make()
    timer.start(1.0)
    timer.close()
    assert all(handle.cancelled for handle in clock.handles)
    clock.pass_to(5)
    assert fired == [] and not timer.running
