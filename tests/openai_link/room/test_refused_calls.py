"""What a room does with a refusal: it waits as the server wants, and does not ask for ever."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from mixer_core.runtime.errors import UpstreamError
from mixer_core.runtime.units import S_NS
from openai_link.realtime.problems import Problem, explain
from openai_link.realtime.upstream import Upstream
from openai_link.room.actions import Action, RememberTransport
from openai_link.room.lifecycle import Lifecycle, Limits
from openai_link.room.lifecycle_actions import Connect, LifecycleAction, StateChanged
from openai_link.room.rollover import RETRY_NS, DropNext, OpenNext, Rollover
from openai_link.settings import OpenaiLinkSettings
from openai_link.transport.selection import TransportSelection
from tests.openai_link.room.world import PARTICIPANT, Scene, World, say, until, wait

SERVER = Upstream("voice.example", "https://voice.example/v1", "sk", False)


def limited(seconds: float, status: int = 429) -> UpstreamError:
    return UpstreamError("rate_limit_exceeded", "Slow down.", status, retry_after_s=seconds)


def problem(error: UpstreamError) -> Problem:
    return explain(error, SERVER)


def room(transport: str = "webrtc") -> Lifecycle:
    """A room with somebody in it that is calling."""
    settings = OpenaiLinkSettings(transport=transport)  # type: ignore[arg-type]
    life = Lifecycle(Limits(), TransportSelection(settings))
    life.open(0)
    life.roster(1, True, 0)
    return life


def attempts_ns(life: Lifecycle, error: UpstreamError, until_ns: int) -> list[int]:
    """When the room calls, while every call is refused with ``error``."""
    calls, now_ns = [0], 0
    actions: list[LifecycleAction] = []
    life.failed(problem(error), 0, 0.0)
    while (due_ns := life.next_timeout_ns()) is not None and due_ns < until_ns:
        now_ns = due_ns
        actions = life.tick(now_ns, 0.0)
        if any(isinstance(action, Connect) for action in actions):
            calls.append(now_ns)
            life.failed(problem(error), now_ns, 0.0)
    return calls


@pytest.mark.parametrize("seconds", [3.0, 20.0, 90.0, 3600.0])
@pytest.mark.parametrize("transport", ["webrtc", "websocket", "auto"])
@pytest.mark.parametrize("status", [429, 503])
def test_no_attempt_is_made_before_the_server_wants_one(
    seconds: float, transport: str, status: int
) -> None:
    limit_ns = int(20 * seconds * S_NS)
    calls = attempts_ns(room(transport), limited(seconds, status), limit_ns)
    gaps = [later - sooner for sooner, later in itertools.pairwise(calls)]
    assert gaps and all(gap >= seconds * S_NS for gap in gaps)


def test_whoever_joins_does_not_hurry_the_server() -> None:
    life = room()
    life.failed(problem(limited(90.0)), 0, 0.0)
    assert life.state == "failed" and "Trying again in 90 s" in life.detail
    assert life.roster(2, True, 60 * S_NS) == []
    assert life.retry(70 * S_NS) == []
    assert life.next_timeout_ns() == 90 * S_NS
    assert any(isinstance(action, Connect) for action in life.tick(90 * S_NS, 0.0))


def test_a_room_that_is_opened_again_waits_too() -> None:
    life = Lifecycle(Limits(), TransportSelection(OpenaiLinkSettings()), allowed_ns=9 * S_NS)
    (told,) = life.open(2 * S_NS)
    assert isinstance(told, StateChanged) and told.state == "reconnecting" and "7 s" in told.detail
    life.roster(1, True, 3 * S_NS)
    assert life.next_timeout_ns() == 9 * S_NS
    assert any(isinstance(action, Connect) for action in life.tick(9 * S_NS, 0.0))
    life = Lifecycle(Limits(), TransportSelection(OpenaiLinkSettings()), allowed_ns=1)
    assert any(isinstance(action, Connect) for action in life.open(2))


def test_other_rooms_learn_of_the_wait() -> None:
    world = World(Scene("refused", ()))
    remembered: list[RememberTransport] = []
    carry_out = world._do

    def watch(action: Action) -> None:
        if isinstance(action, RememberTransport):
            remembered.append(action)
        carry_out(action)

    world._do = watch  # type: ignore[method-assign]
    world.refuse = limited(20.0)
    world.run(200)
    (told,) = remembered
    assert 20 * S_NS <= told.allowed_ns <= 21 * S_NS


def test_a_session_that_was_up_waits_too() -> None:
    life = room()
    life.connected(S_NS)
    life.failed(problem(limited(7.0)), 2 * S_NS, 0.0)
    assert "Trying again in 7 s (1 of 3)" in life.detail
    assert life.next_timeout_ns() == 9 * S_NS


@pytest.mark.parametrize("way", ["resume", "afresh", "roster", "retry"])
def test_nothing_that_happens_hurries_the_server(way: str) -> None:
    life = room()
    life.connected(S_NS)
    if way == "afresh":
        life.refused(problem(limited(120.0)), 2 * S_NS)
        actions = life.afresh("forgotten", "Deleted.", 3 * S_NS)
    else:
        life.failed(problem(limited(120.0)), 2 * S_NS, 0.0)
        actions = life.suspend("lease", "x") if way == "resume" else []
        actions += life.resume("lease", 3 * S_NS)
        actions += life.roster(2, True, 60 * S_NS) if way == "roster" else []
        actions += life.retry(3 * S_NS) if way == "retry" else []
    assert not any(isinstance(action, Connect) for action in actions)
    if way in ("resume", "afresh"):
        assert "wants no call yet. Calling in 119 s." in life.detail
    assert not any(isinstance(a, Connect) for a in life.tick(122 * S_NS - 1, 0.0))
    assert any(isinstance(action, Connect) for action in life.tick(122 * S_NS, 0.0))


def test_a_refusal_of_the_next_session_counts_for_the_room() -> None:
    world = World(Scene("standby", (wait(300), say("Good morning.")), session_limit_s=40))
    for _ in world.steps():
        pass
    world.refuse = limited(600.0)
    while world.opened < 2:
        world.run(200)
    world.run(1_000)
    world.refuse = None
    world.lose_all()
    world.run(30_000)
    assert world.opened == 2 and "Trying again in 5" in world.state["detail"]


def test_the_next_session_of_a_rollover_waits_too() -> None:
    rollover = Rollover(OpenaiLinkSettings())
    rollover.began(1_000, 0.0, 0)
    due_ns = rollover.next_timeout_ns()
    assert due_ns is not None and isinstance(rollover.tick(due_ns)[0], OpenNext)
    rollover.next_failed(due_ns, 2 * RETRY_NS)
    assert rollover.next_timeout_ns() == due_ns + 2 * RETRY_NS
    assert DropNext() not in rollover.tick(due_ns + RETRY_NS)


@pytest.mark.parametrize(
    "code",
    [
        *("insufficient_quota", "unsupported_country_region_territory", "invalid_model"),
        *("model_not_found", "invalid_api_key", "account_deactivated"),
    ],
)
@pytest.mark.parametrize("transport", ["webrtc", "websocket", "auto"])
def test_what_only_people_can_change_is_tried_again_when_somebody_joins(
    code: str, transport: str
) -> None:
    error = UpstreamError(code, "No.", 429)
    life = room(transport)
    assert attempts_ns(life, error, 3600 * S_NS) == [0]
    assert life.state == "failed" and life.code == code
    actions = life.roster(2, True, 60 * S_NS)
    assert any(isinstance(action, Connect) for action in actions)


def test_whoever_joins_too_soon_is_served_a_little_later() -> None:
    life = room()
    life.failed(problem(UpstreamError("insufficient_quota", "No.", 429)), 0, 0.0)
    assert life.next_timeout_ns() is None
    assert life.roster(2, True, 5 * S_NS) == []
    assert life.next_timeout_ns() == 30 * S_NS
    assert any(isinstance(action, Connect) for action in life.tick(30 * S_NS, 0.0))
    life.failed(problem(UpstreamError("insufficient_quota", "No.", 429)), 31 * S_NS, 0.0)
    assert life.next_timeout_ns() is None, "and then there is peace again"


def test_whoever_opened_the_room_does_not_count_as_one_who_joins() -> None:
    settings = OpenaiLinkSettings(transport="websocket")
    life = Lifecycle(Limits(), TransportSelection(settings))
    life.open(0)
    life.failed(problem(UpstreamError("insufficient_quota", "No.", 429)), 1, 0.0)
    life.roster(1, True, 2)
    assert life.next_timeout_ns() is None


def other_way(code: str, words: str, status: int, specific: bool = True) -> UpstreamError:
    error = UpstreamError(code, words, status)
    error.other_way, error.is_specific = True, specific
    return error


def test_a_server_that_takes_no_calls_is_reached_by_websocket_at_once() -> None:
    selection = TransportSelection(OpenaiLinkSettings())
    life = Lifecycle(Limits(), selection)
    life.open(0)
    life.failed(problem(other_way("http_415", "No.", 415)), 5, 0.0)
    assert life.state == "reconnecting" and life.detail.endswith("Trying by WebSocket.")
    assert life.tick(5, 0.0) == [Connect("websocket")]
    life.connected(6)
    assert selection.choose(6 + 3600 * S_NS) == "websocket", "it is the server, not the network"


def refuse_both(first: UpstreamError, second: UpstreamError) -> Lifecycle:
    life = room("auto")
    life.failed(problem(first), 0, 0.0)
    life.tick(0, 0.0)
    life.failed(problem(second), 1, 0.0)
    return life


def test_of_two_refusals_the_one_with_words_is_told() -> None:
    words = other_way("auth_error", "Wrong proxy key.", 401)
    nothing = UpstreamError("http_404", "Not Found", 404)
    nothing.is_specific = False
    life = refuse_both(words, nothing)
    assert life.state == "failed" and "Wrong proxy key." in life.detail
    life = refuse_both(words, UpstreamError("invalid_model", "No such model.", 400))
    assert "No such model." in life.detail
    life = refuse_both(other_way("http_404", "Not Found", 404, specific=False), nothing)
    assert "Not Found" in life.detail


def test_a_websocket_that_was_learnt_and_is_gone_gives_way_to_a_call() -> None:
    selection = TransportSelection(OpenaiLinkSettings(), websocket_until_ns=99 * S_NS)
    life = Lifecycle(Limits(), selection)
    life.open(0)
    life.failed(problem(UpstreamError("http_404", "Not Found", 404)), 1, 0.0)
    assert life.detail.endswith("Trying by WebRTC.")
    assert life.tick(1, 0.0) == [Connect("webrtc")]


def test_the_whole_room_tells_the_refusal_once_and_goes_on_when_it_is_over() -> None:
    world = World(Scene("refused", ()))
    world.refuse = limited(20.0)
    world.run(19_000)
    assert world.opened == 1
    assert "too many requests" in world.state["detail"] and "Slow down." in world.state["detail"]
    world.refuse = None
    world.run(2_000)
    assert world.opened == 2 and world.state["upstream"] == "ready"
    world.scene = Scene("refused", (say("Hello"), until("speaking"), until("idle")))
    world.finish()
    assert any(caption["speaker"] == "assistant" for caption in world.of("caption"))


def test_the_whole_room_asks_again_for_quota_when_somebody_joins() -> None:
    world = World(Scene("quota", ()))
    world.refuse = UpstreamError("insufficient_quota", "You exceeded your current quota.", 429)
    world.run(600_000)
    assert world.opened == 1
    (told,) = world.of("error")
    assert told["code"] == "insufficient_quota" and "current quota" in told["message"]
    world.refuse = None
    world.roster(PARTICIPANT, "p-2")
    world.run(1_000)
    assert world.opened == 2 and world.state["upstream"] == "ready"


def first_words(**error: Any) -> World:
    """A room whose server accepts the connection and then says only that."""
    world = World(Scene("refused", ()))
    world.run(40)
    event = {"type": "error", "error": error}
    world.do(world.engine.server_event(1, event, world.now_ns))
    return world


@pytest.mark.parametrize(
    ("error", "words", "opened"),
    [
        ({"code": "insufficient_quota", "message": "You exceeded your quota."}, "its quota", 1),
        ({"code": "401", "type": "auth_error", "message": "Wrong key."}, "API key", 1),
        ({"type": "odd_error", "message": "Not today."}, "Not today.", 2),
    ],
)
def test_a_session_whose_first_word_is_a_refusal_is_refused(
    error: dict[str, Any], words: str, opened: int
) -> None:
    world = first_words(**error)
    assert words in world.state["detail"]
    world.run(5_000)
    assert world.opened == opened


def test_a_server_that_complains_of_the_session_and_goes_on_is_believed_and_people_know() -> None:
    world = World(Scene("half taken", ()))
    world.run(40)
    session = world.engine._sessions.active
    assert session is not None
    session.must_be_told = True
    created = {"type": "session.created", "session": {"id": "sess_x"}}
    world.do(world.engine.server_event(1, created, world.now_ns))
    error = {"type": "error", "error": {"type": "internal_error", "message": "No such voice."}}
    world.do(world.engine.server_event(1, error, world.now_ns))
    assert world.opened == 1
    world.run(1_000)
    (told,) = world.of("error")
    assert told["code"] == "internal_error" and "No such voice." in told["message"]
    assert "leave_out" in told["message"]
