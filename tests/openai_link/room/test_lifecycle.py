from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.errors import UpstreamError
from openai_link.realtime.problems import Problem, explain
from openai_link.realtime.session_object import choose_upstream
from openai_link.realtime.upstream import Upstream
from openai_link.room.lifecycle import JOIN_GRACE_NS, SILENCE_NS, STABLE_NS, Lifecycle, Limits
from openai_link.room.lifecycle_actions import (
    Connect,
    Disconnect,
    Exit,
    LifecycleAction,
    Report,
    StateChanged,
)
from openai_link.room.retries import QUICK_RETRIES_NS, SLOW_RETRY_NS, UNREACHED_RETRIES_NS
from openai_link.settings import OpenaiLinkSettings, Settings

S = 1_000_000_000
NET = Problem("unreachable", "Nobody answers.", True)
BUSY = Problem("server_error", "It is overloaded.", True)
KEY = Problem("invalid_api_key", "The key is wrong.", False)


def life(state: str = "connecting", people: int = 1) -> Lifecycle:
    machine = Lifecycle(Limits())
    machine.open(0)
    if state == "ready":
        machine.connected(0)
    machine.roster(people, people > 0, 0)
    return machine


def states(actions: list[LifecycleAction]) -> list[str]:
    return [action.state for action in actions if isinstance(action, StateChanged)]


def next_call(machine: Lifecycle, jitter: float = 0.0) -> int:
    """Let time pass until the next call; returns when that was."""
    for _ in range(20):
        timeout_ns = machine.next_timeout_ns()
        assert timeout_ns is not None
        if any(isinstance(a, Connect) for a in machine.tick(timeout_ns, jitter)):
            return timeout_ns
    raise AssertionError("no call")


def test_limits_come_from_the_settings() -> None:
    settings = OpenaiLinkSettings(connect_timeout_ms=1, retry_delay_ms=2, empty_linger_ms=3)
    assert Limits.of(settings) == Limits(1_000_000, 3, 2_000_000, 3_000_000)


def test_a_room_is_connected() -> None:
    machine = Lifecycle(Limits())
    assert machine.open(0) == [StateChanged("connecting", ""), Connect()]
    assert machine.connected(S) == [StateChanged("ready", "")]
    assert machine.open(S) == machine.connected(S) == []


def test_back_off_doubles_and_then_people_are_told() -> None:
    machine = life()
    now_ns, waits = 0, []
    for _ in range(3):
        actions = machine.failed(NET, now_ns, 0.0)
        assert states(actions) == ["reconnecting"]
        called_ns = next_call(machine)
        waits.append((called_ns - now_ns) // S)
        now_ns = called_ns
    assert waits == [2, 4, 8]
    actions = machine.failed(NET, now_ns, 0.0)
    expected = [
        Disconnect(NET.code),
        StateChanged("failed", NET.message),
        Report(NET.code, NET.message),
    ]
    assert actions == expected


def test_the_wait_is_told_and_grows_by_jitter() -> None:
    (_, change) = life().failed(NET, 0, 1.0)
    assert change == StateChanged("reconnecting", "Nobody answers. Trying again in 2.5 s (1 of 3).")


def test_after_giving_up_it_tries_every_30_s_while_somebody_is_there() -> None:
    machine = life()
    now_ns = 0
    for _ in range(3):
        machine.failed(NET, now_ns, 0.0)
        now_ns = next_call(machine)
    machine.failed(NET, now_ns, 0.0)
    for _ in range(3):
        again_ns = next_call(machine)
        assert again_ns - now_ns == SLOW_RETRY_NS
        now_ns = again_ns
        actions = machine.failed(NET, now_ns, 0.0)
        assert machine.state == "failed"
        assert not any(isinstance(action, Report) for action in actions)
    now_ns = next_call(machine)
    assert machine.connected(now_ns + 1) == [StateChanged("ready", "")]


def test_a_fatal_cause_is_not_retried() -> None:
    machine = life()
    actions = machine.failed(KEY, S, 0.5)
    assert machine.code == KEY.code
    expected = [
        Disconnect(KEY.code),
        StateChanged("failed", KEY.message),
        Report(KEY.code, KEY.message),
    ]
    assert actions == expected
    assert machine.next_timeout_ns() is None
    assert machine.attempts == 1


def test_a_fatal_cause_that_has_passed_is_no_reason_to_wait() -> None:
    machine = life()
    assert machine.retry(S) == []
    machine.failed(KEY, S, 0.5)
    assert machine.retry(2 * S) == [Connect()]
    assert machine.retry(3 * S) == []
    assert machine.connected(4 * S) == [StateChanged("ready", "")]


def test_who_joins_a_failed_room_after_30_s_triggers_one_attempt() -> None:
    machine = life()
    machine.failed(KEY, S, 0.5)
    assert machine.roster(2, True, SLOW_RETRY_NS - 1) == []
    assert machine.roster(2, False, SLOW_RETRY_NS) == []
    assert machine.roster(3, True, SLOW_RETRY_NS) == [Connect()]
    assert machine.roster(4, True, SLOW_RETRY_NS + S) == []
    actions = machine.failed(KEY, SLOW_RETRY_NS + S, 0.5)
    assert Report(KEY.code, KEY.message) in actions


def test_a_call_that_is_not_up_in_time_has_failed() -> None:
    machine = life()
    assert machine.next_timeout_ns() == 10 * S
    actions = machine.tick(10 * S, 0.0)
    assert actions[0] == Disconnect("connect_timeout")
    assert states(actions) == ["reconnecting"]
    assert "10 s" in machine.detail


def test_a_silent_server_is_lost_after_its_limit() -> None:
    machine = life("ready")
    machine.heard(2 * S)
    assert machine.tick(SILENCE_NS, 0.0) == []
    actions = machine.tick(2 * S + SILENCE_NS, 0.0)
    assert states(actions) == ["reconnecting"]
    assert machine.failed(NET, 8 * S, 0.0) == []


def test_a_reconnection_is_not_fresh() -> None:
    machine = life("ready")
    machine.failed(NET, S, 0.0)
    assert machine.tick(3 * S, 0.0) == [Connect()]


def test_a_lost_call_is_made_again_at_once_and_then_with_back_off() -> None:
    machine = life("ready")
    now_ns = S
    for wait_ns in QUICK_RETRIES_NS:
        (_, *change) = machine.failed(NET, now_ns, 0.0)
        assert change in ([StateChanged("reconnecting", "Nobody answers. Calling again.")], [])
        now_ns += wait_ns
        assert next_call(machine) == now_ns
    assert now_ns - S < S, "people hardly notice"
    (_, change) = machine.failed(BUSY, now_ns, 0.0)
    assert isinstance(change, StateChanged) and "(1 of 3)" in change.detail
    assert next_call(machine) == now_ns + 2 * S


def test_a_server_that_nobody_listens_for_may_be_starting_for_some_seconds() -> None:
    machine = life("ready")
    now_ns = S
    for wait_ns in (*QUICK_RETRIES_NS, *UNREACHED_RETRIES_NS):
        machine.failed(NET, now_ns, 0.0)
        now_ns += wait_ns
        assert next_call(machine) == now_ns
    assert 4 * S < now_ns - S < 6 * S
    (_, change) = machine.failed(NET, now_ns, 0.0)
    assert isinstance(change, StateChanged) and "(1 of 3)" in change.detail
    assert next_call(machine) == now_ns + 2 * S


def test_a_server_that_is_quiet_for_long_is_not_cut_again_and_again() -> None:
    machine = life("ready")
    limits = []
    for _ in range(5):
        began_ns = machine._timers["silence"] - machine._silence_ns
        lost_ns = machine._timers["silence"]
        limits.append((lost_ns - began_ns) // S)
        machine.tick(lost_ns, 0.0)
        machine.connected(next_call(machine))
    assert limits == [3, 6, 12, 24, 40]


def test_a_call_that_drops_at_once_counts_on() -> None:
    machine = life("ready")
    now_ns = 0
    for _ in range(4):
        machine.failed(NET, now_ns, 0.0)
        now_ns = next_call(machine)
        machine.connected(now_ns)
    machine.failed(NET, now_ns, 0.0)
    assert machine.state == "failed"


def test_a_stable_call_begins_a_new_count() -> None:
    machine = life("ready")
    machine.failed(NET, S, 0.0)
    now_ns = next_call(machine)
    machine.connected(now_ns)
    machine.heard(now_ns + STABLE_NS)
    machine.tick(now_ns + STABLE_NS, 0.0)
    (_, change) = machine.failed(NET, now_ns + STABLE_NS + S, 0.0)
    assert isinstance(change, StateChanged) and "Calling again" in change.detail


@pytest.mark.parametrize("state", ["connecting", "ready", "reconnecting", "failed"])
def test_an_empty_room_ends_the_link_after_its_linger(state: str) -> None:
    machine = life("ready" if state == "ready" else "connecting")
    if state in ("reconnecting", "failed"):
        machine.failed(NET if state == "reconnecting" else KEY, 0, 1.0)
    assert machine.state == state
    machine.roster(0, False, S)
    machine.heard(2 * S)
    actions = machine.tick(3 * S, 0.0)
    assert actions == [
        Disconnect("the room is empty"),
        StateChanged("closed", "the room is empty"),
        Exit("the room is empty"),
    ]
    assert machine.next_timeout_ns() is None
    assert machine.failed(NET, 4 * S, 0.0) == machine.roster(1, True, 4 * S) == []


def test_who_comes_back_within_the_linger_keeps_the_link() -> None:
    machine = life("ready")
    machine.roster(0, False, S)
    machine.roster(1, True, 2 * S)
    machine.heard(3 * S)
    assert machine.tick(4 * S, 0.0) == []


def test_a_fresh_room_may_be_empty_until_its_browser_is_there() -> None:
    machine = life("ready", people=0)
    machine.heard(JOIN_GRACE_NS)
    assert not any(isinstance(a, Exit) for a in machine.tick(JOIN_GRACE_NS - 1, 0.0))
    assert any(isinstance(a, Exit) for a in machine.tick(JOIN_GRACE_NS, 0.0))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["connected", "net", "key", "join", "leave", "tick", "heard"]),
            st.integers(0, 40),
        )
    ),
    st.floats(0, 1),
)
def test_calls_are_opened_one_at_a_time_and_never_in_a_storm(
    steps: list[tuple[str, int]], jitter: float
) -> None:
    machine = Lifecycle(Limits())
    log = [(0, action) for action in machine.open(0)]
    now_ns, people = 0, 0
    for name, seconds in steps:
        now_ns += seconds * S
        if name == "connected":
            actions = machine.connected(now_ns)
        elif name in ("net", "key"):
            actions = machine.failed(NET if name == "net" else KEY, now_ns, jitter)
        elif name in ("join", "leave"):
            people = people + 1 if name == "join" else max(0, people - 1)
            actions = machine.roster(people, name == "join", now_ns)
        elif name == "tick":
            actions = machine.tick(now_ns, jitter)
        else:
            actions = []
            machine.heard(now_ns)
        log += [(now_ns, action) for action in actions]
    is_open, opened = False, []
    for time_ns, action in log:
        if isinstance(action, Connect):
            assert not is_open
            is_open = True
            opened.append(time_ns)
        elif isinstance(action, Disconnect):
            is_open = False
    gaps = [later - earlier for earlier, later in itertools.pairwise(opened)]
    quick = sum(gap < 2 * S for gap in gaps)
    assert quick <= 1 + now_ns // STABLE_NS
    assert sum(isinstance(action, Exit) for _, action in log) <= 1
    timeout_ns = machine.next_timeout_ns()
    assert timeout_ns is not None or machine.state in ("closed", "failed")


OPENAI = choose_upstream(Settings(), "sk-x")
SIMULATOR = choose_upstream(Settings(), "")


@pytest.mark.parametrize(
    ("error", "upstream", "message"),
    [
        (
            UpstreamError("invalid_api_key", "Incorrect API key provided", 401),
            OPENAI,
            "OpenAI refused the API key (401 invalid_api_key). "
            "Set OPENAI_API_KEY to a valid key and restart the gateway.",
        ),
        (
            UpstreamError("unreachable", "Connection refused"),
            SIMULATOR,
            "The simulator does not answer at http://127.0.0.1:8765/v1.",
        ),
        (
            UpstreamError("unreachable", "no route"),
            OPENAI,
            "OpenAI cannot be reached at api.openai.com: no route.",
        ),
        (
            UpstreamError("server_error", "The server\nhad an error.", 500),
            OPENAI,
            "OpenAI refused the call (500 server_error): The server had an error.",
        ),
        (
            UpstreamError("connection_lost", "the server closed the event channel"),
            OPENAI,
            "The connection to OpenAI was lost: the server closed the event channel.",
        ),
        (
            UpstreamError("connection_lost", "the server closed the event channel"),
            SIMULATOR,
            "The connection to the simulator was lost: the server closed the event channel.",
        ),
    ],
)
def test_problems_are_told_in_words(error: UpstreamError, upstream: Upstream, message: str) -> None:
    problem = explain(error, upstream)
    assert problem.message == message
    assert problem.retryable is error.retryable
