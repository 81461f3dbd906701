"""What the client for scripts decides, without I/O: pieces and their time, when to try again."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

from signaling.client.errors import Refused, Unreachable
from signaling.client.pacing import Pacer, pieces
from signaling.client.rejoin import S_NS, Heartbeat, RejoinPolicy
from signaling.client.requests import base_and_token
from signaling.client.ways import Ways

MS_NS = 1_000_000


@pytest.mark.parametrize(
    "pcm",
    [
        bytes(2400),
        bytearray(2400),
        array("h", [0] * 1200),
        np.zeros(1200, np.int16),
        np.zeros(2400, np.int16)[::2],
    ],
)
def test_speech_is_cut_into_frames(pcm: bytes) -> None:
    assert [len(piece) for piece in pieces(pcm)] == [960, 960, 480]


@pytest.mark.parametrize("pcm", [np.zeros(480, np.float32), array("f", [0.0]), bytes(3)])
def test_what_is_not_pcm16_is_refused_in_words(pcm: bytes) -> None:
    with pytest.raises(ValueError, match="PCM16"):
        list(pieces(pcm))


def test_pieces_leave_in_real_time_however_late_the_clock_wakes() -> None:
    pacer, frame = Pacer(), bytes(960)
    dues = [pacer.due_ns(frame, now * MS_NS) for now in (1000, 1000, 1035, 1059)]
    assert dues == [at * MS_NS for at in (1000, 1020, 1040, 1060)]
    assert pacer.due_ns(frame, 5000 * MS_NS) == 5000 * MS_NS  # After a pause.


def test_it_tries_again_ever_more_slowly_and_gives_up() -> None:
    policy = RejoinPolicy(10)
    waits = []
    now_ns = 0
    while (wait_ns := policy.failed(0.0, now_ns)) is not None:
        waits.append(wait_ns / S_NS)
        now_ns += wait_ns
    assert waits == [0.0, 0.3, 0.6, 1.2, 2.0, 3.0]


def test_it_does_not_try_again_where_nobody_asked_for_that() -> None:
    assert RejoinPolicy(0).failed(0.0, 0) is None


def test_the_gateway_may_lengthen_a_wait() -> None:
    policy = RejoinPolicy(60)
    assert policy.failed(4.0, 0) == 4 * S_NS
    assert policy.failed(0.1, 0) == 0.3 * S_NS


def test_a_connection_that_held_starts_the_time_anew() -> None:
    policy = RejoinPolicy(5)
    policy.failed(0.0, 0)
    policy.opened(S_NS)
    assert policy.failed(0.0, 100 * S_NS) == 0
    policy.opened(101 * S_NS)
    assert policy.failed(0.0, 102 * S_NS) == 0.3 * S_NS  # It did not hold.


def test_a_gateway_that_says_nothing_is_asked_and_then_gone() -> None:
    heartbeat = Heartbeat(0)
    assert [heartbeat.tick(at * S_NS) for at in (0, 1, 5)] == [
        (False, False),
        (True, False),
        (True, True),
    ]
    heartbeat.heard_ns = 5 * S_NS
    assert heartbeat.tick(5 * S_NS) == (False, False)


@pytest.mark.parametrize(
    ("status", "title", "may_pass"),
    [
        (503, "Full", True),
        (429, "Slow down", True),
        (409, "Leaving", True),
        (409, "Name taken", False),
        (401, "Invitation needed", False),
    ],
)
def test_which_refusals_may_pass(status: int, title: str, may_pass: bool) -> None:
    assert Refused(status, title, "why").may_pass is may_pass


def test_the_link_of_an_invitation_is_an_address_too() -> None:
    assert base_and_token("https://home.example:8443/voice/#invite=a.b") == (
        "https://home.example:8443/voice",
        "a.b",
    )
    assert base_and_token("http://127.0.0.1:8080") == ("http://127.0.0.1:8080", "")
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:8080"):
        base_and_token("localhost:8080")


def test_a_node_that_cannot_serve_is_followed_by_the_next_one() -> None:
    ways = Ways(["http://a", "http://b", "http://a"])
    assert ways.all == ("http://a", "http://b")
    used = [ways.base]
    for event in (Unreachable("nobody"), Refused(503, "Cluster away", "why"), None):
        ways.failed(event) if event is not None else ways.lost()
        used.append(ways.base)
    assert used == ["http://a", "http://b", "http://a", "http://b"]


@pytest.mark.parametrize(
    "refusal",
    [Refused(503, "Full", "wait", ticket="t"), Refused(429, "Slow down", "why")],
    ids=["in the line", "too many"],
)
def test_what_another_node_would_say_too_is_not_asked_again_there(refusal: Refused) -> None:
    ways = Ways(["http://a", "http://b"])
    ways.failed(refusal)
    assert ways.base == "http://a"


def test_one_address_stays_in_use() -> None:
    ways = Ways(["http://a"])
    ways.lost()
    assert (ways.base, ways.are_several) == ("http://a", False)
