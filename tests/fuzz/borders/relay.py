"""What another node of the cluster relays, and what a stranger says at the private port."""

from __future__ import annotations

from collections.abc import Iterator

from mixer_core.runtime.errors import ProblemError, RecordError
from signaling.access.identity import Vouch
from signaling.cluster import relay_wire
from signaling.cluster.relay_wire import Piece, Relayed, Replied, Wanted
from signaling.cluster.routing import node_of, route
from signaling.cluster.trust import SECRET_HEADER, VOUCH_HEADER, RelayTrust
from tests.fuzz.border import Border

KINDS = (Relayed, Replied, Wanted, Piece)
PERSON = "/rooms/{room}/participants/{participant}"
TRUST = RelayTrust()


def attempt(data: bytes) -> None:
    """Only a RecordError; nobody is believed without the secret, and no name leads astray."""
    for kind in KINDS:
        try:
            message = relay_wire.decode(data, kind)
        except RecordError as error:
            assert "\n" not in str(error)
            continue
        assert relay_wire.decode(relay_wire.encode(message), kind) == message
        if isinstance(message, Relayed):
            _is_harmless(message)
    text = data.decode("utf-8", "surrogateescape")
    going = route("DELETE", PERSON, {"room": "den", "participant": text}, "a")
    assert going.node == node_of(text) or node_of(text) == "a"
    try:
        TRUST.asker("127.0.0.1", {SECRET_HEADER: text, VOUCH_HEADER: text}, False)
    except ProblemError as error:
        assert error.status == 403
    else:
        raise AssertionError("a stranger was believed")


def _is_harmless(message: Relayed) -> None:
    """It stays at this process's own port, and in NATS at one node's subject."""
    assert message.path.startswith("/") and not message.path.startswith("//")
    assert message.path.isascii() and message.path.isprintable() and " " not in message.path
    assert message.node.replace("-", "").isalnum() and message.node == message.node.lower()


def _seeds() -> Iterator[bytes]:
    vouch = Vouch("203.0.113.7", "mix.example", secure=True, base="/voice")
    offer = Relayed("a", "POST", "/rooms/den/participants?name=Ada", vouch, "offer", {}, b"v=0", 3)
    yield relay_wire.encode(offer)
    whole = Relayed("b-2", "GET", "/rooms", vouch, headers={"Accept": "*/*"}, parcel="1f", size=9)
    yield relay_wire.encode(whole)
    headers = {"Location": "/rooms/den/participants/p-1.s~b-2"}
    yield relay_wire.encode(Replied(201, headers, b"v=0", let_go=True))
    yield relay_wire.encode(Wanted("1f", 3))
    yield relay_wire.encode(Piece(b"\x00\xff", True))


BORDERS = (
    Border(
        "relay",
        "what other nodes of a cluster relay, and strangers at the private port",
        "only RecordError in one line; a round trip; paths and nodes lead nowhere else; nobody is "
        "believed without the secret",
        attempt,
        _seeds,
        (
            *("signaling.cluster.relay_wire", "signaling.cluster.routing"),
            "signaling.cluster.trust",
        ),
        form="msgpack",
        tokens=(b"~b-2", b"path", b"node", b"/rooms/den", b"vouch", b"kind", b"parcel"),
        short=150,
    ),
)
