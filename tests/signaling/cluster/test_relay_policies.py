"""What is said between nodes, how much goes at once, and who is believed on the private port."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.errors import ProblemError, RecordError
from signaling.access.identity import Vouch
from signaling.cluster.relay_wire import (
    MAX_BODY_BYTES,
    Piece,
    Relayed,
    Replied,
    Wanted,
    chosen,
    decode,
    encode,
)
from signaling.cluster.slots import AT_THE_ENTRY, Slots
from signaling.cluster.trust import SECRET_HEADER, RelayTrust

VOUCH = Vouch("203.0.113.7", "mix.example", secure=True, base="/voice")
MESSAGES = (
    Relayed("a", "POST", "/rooms/x", VOUCH, "offer", {"Accept": "*/*"}, b"v=0", 9, "1f", 500),
    Replied(201, {"Location": "/x"}, b"\x00\xff", "1f", let_go=True),
    Wanted("1f", 3),
    Piece(b"\x00" * 9, True),
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_what_is_said_is_read(message: Relayed) -> None:
    assert decode(encode(message), type(message)) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_nodes_of_two_releases_understand_each_other(message: Relayed) -> None:
    fields = msgpack.unpackb(encode(message))
    newer = msgpack.packb({**fields, "v": 2, "colour": "green"})
    assert decode(newer, type(message)).v == 2


@given(st.binary(max_size=80), st.sampled_from(MESSAGES), st.integers(0, 200), st.binary())
def test_what_is_damaged_is_refused(
    noise: bytes, message: Relayed, place: int, more: bytes
) -> None:
    whole = encode(message)
    for data in (noise, whole[:place] + more + whole[place + 1 :]):
        try:
            decode(data, type(message))
        except RecordError:
            continue


@pytest.mark.parametrize(
    "change",
    [
        *({"node": "a.b"}, {"node": "*"}, {"size": MAX_BODY_BYTES + 1}, {"limit_ms": 0}),
        *({"headers": {"x": "y" * 20_000}}, {"path": "no slash"}, {"path": "//host/x"}),
        {"kind": "x"},
    ],
)
def test_what_would_go_astray_is_refused(change: dict[str, object]) -> None:
    fields = msgpack.unpackb(encode(MESSAGES[0]))
    with pytest.raises(RecordError):
        decode(msgpack.packb(fields | change), Relayed)


def test_only_what_is_named_is_handed_on() -> None:
    given = {"Cookie": "a", "Host": "x", "Mixminus-Relay-Secret": "y", "Range": "\udcff"}
    assert chosen(given, ("Cookie", "Range")) == {"Cookie": "a", "Range": "?"}


def test_nobody_takes_all_places_and_each_is_given_back() -> None:
    slots, most = Slots(AT_THE_ENTRY), AT_THE_ENTRY["usual"]
    assert sum(slots.take("usual", "one") for _ in range(500)) == most.per_client
    others = [f"client {number}" for number in range(500)]
    taken = [client for client in others if slots.take("usual", client)]
    assert len(slots) == most.in_all
    assert slots.take("wait", "one"), "those that wait for an end have places of their own"
    slots.give("usual", taken[0])
    assert slots.take("usual", "somebody else")
    assert not slots.take("usual", "yet another")


def test_a_stranger_at_the_private_port_is_refused_and_the_gateway_itself_is_believed() -> None:
    trust, other = RelayTrust(), RelayTrust()
    asker = trust.asker("127.0.0.1", trust.headers(VOUCH), False)
    assert (asker.address, asker.host, asker.secure) == ("203.0.113.7", "mix.example", True)
    assert asker.vouch == VOUCH
    for headers in ({}, other.headers(VOUCH), {SECRET_HEADER: ""}, {SECRET_HEADER: "\udcff"}):
        with pytest.raises(ProblemError, match="for the gateway itself") as refusal:
            trust.asker("127.0.0.1", headers, False)
        assert refusal.value.status == 403
