"""How long a room waits before it calls again."""

from __future__ import annotations

from openai_link.realtime.problems import Problem
from openai_link.room.retries import (
    FAILED_AT_ONCE_NS,
    QUICK_RETRIES_NS,
    SLOW_RETRY_NS,
    UNREACHED_RETRIES_NS,
    Retries,
    Retry,
)

S = 1_000_000_000
BUSY = Problem("server_error", "It is overloaded.", True)
NET = Problem("unreachable", "Nobody answers.", True)
KEY = Problem("invalid_api_key", "The key is wrong.", False)


def test_it_doubles_the_wait_and_then_gives_up() -> None:
    retries = Retries(max_retries=2, retry_delay_ns=2 * S)
    assert [retries.after(BUSY, False, 0, 0.0) for _ in range(3)] == [
        Retry(2 * S, "Trying again in 2 s (1 of 2)."),
        Retry(4 * S, "Trying again in 4 s (2 of 2)."),
        Retry(SLOW_RETRY_NS, gives_up=True),
    ]
    retries.stable()
    assert retries.after(BUSY, False, 0, 1.0).delay_ns == 2.5 * S


def test_a_loss_is_followed_by_quick_attempts_as_long_as_they_fail_at_once() -> None:
    retries = Retries(max_retries=2, retry_delay_ns=2 * S)
    waits = [retries.after(NET, True, 0, 0.0).delay_ns]
    while waits[-1] != 2 * S:
        waits.append(retries.after(NET, False, 0, 0.0).delay_ns)
    assert tuple(waits[:-1]) == QUICK_RETRIES_NS + UNREACHED_RETRIES_NS

    late = Retries(max_retries=2, retry_delay_ns=2 * S)
    late.after(BUSY, True, 0, 0.0)
    late.attempted(0)
    assert late.after(BUSY, False, FAILED_AT_ONCE_NS, 0.0).delay_ns == 2 * S


def test_only_one_quick_attempt_follows_each_loss_until_a_call_is_stable() -> None:
    retries = Retries(max_retries=2, retry_delay_ns=2 * S)
    assert retries.after(BUSY, True, 0, 0.0).words == "Calling again."
    retries.connected()
    assert retries.after(BUSY, True, S, 0.0).delay_ns == 2 * S
    retries.stable()
    assert retries.after(BUSY, True, 20 * S, 0.0).delay_ns == QUICK_RETRIES_NS[0]


def test_nothing_is_tried_before_the_server_allows_it() -> None:
    waits = Problem("rate_limit_exceeded", "Too much.", True, retry_after_ns=20 * S)
    retries = Retries(max_retries=2, retry_delay_ns=2 * S)
    retries.refused(waits, 0)
    assert retries.after(waits, True, 0, 0.0).delay_ns == 20 * S
    assert (retries.wait_ns(5 * S), retries.wait_ns(30 * S)) == (15 * S, 0)
    retries.refused(Problem("x", "x", True, retry_after_ns=90 * S), 0)
    given_up = Retry(90 * S, "Trying again in 90 s.", gives_up=True)
    assert retries.after(BUSY, False, 0, 0.0) == given_up
    assert retries.rested_ns == 90 * S


def test_after_a_fatal_cause_none_is_made_by_itself() -> None:
    retries = Retries(max_retries=2, retry_delay_ns=2 * S)
    assert retries.after(KEY, True, 0, 0.0) == Retry(None, gives_up=True)
