"""Nodes of two releases that follow each other understand each other.

``samples.json`` has what the last release writes: records, what nodes say to each other, and what
is in the stream of the journals. With each release it is written anew, by
``python -m tests.signaling.cluster.test_skew``, and this one has to read the one before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mixer_core.bus.rules import AdminRules
from mixer_core.cluster.records import NodeRecord, RoomRecord, decode_record, encode_record
from mixer_core.journal import stream_batch
from signaling.access.identity import Vouch
from signaling.cluster import relay_wire
from signaling.cluster.move_wire import MoveAnswer, MoveOrder
from signaling.registry.moves import Moved, Mover

FILE = Path(__file__).with_name("samples.json")
VOUCH = Vouch("192.0.2.7", "gateway.example", True, True)
EXAMPLES: Mapping[str, Any] = {
    "NodeRecord": NodeRecord(
        "a",
        "0000019aa0000001",
        7,
        "https://a.example:8443",
        ("gpu",),
        20,
        0.25,
        3,
        True,
        "1.0.0",
        {"b": "0000019aa0000002"},
        True,
    ),
    "RoomRecord": RoomRecord("home", "a", "0000019aa0000001", 4, "b"),
    "MoveOrder": MoveOrder(
        "prepare",
        "home",
        "a",
        Moved(
            "conference",
            "assistant",
            AdminRules(True, True, "speak", "admin", "always"),
            {"guest": True},
            (Mover("p-00000001", "192.0.2.7", "guest", True),),
        ),
        4,
        True,
    ),
    "MoveAnswer": MoveAnswer(True, "why"),
    "Relayed": relay_wire.Relayed(
        "a", "POST", "/rooms/home/participants", VOUCH, "offer", {"Accept": "*/*"}, b"v=0", 3, "", 1
    ),
    "Replied": relay_wire.Replied(201, {"Location": "/rooms/home/participants/x~a"}, b"v=0", "p"),
    "Wanted": relay_wire.Wanted("p", 1),
    "Piece": relay_wire.Piece(b"rest", True),
    "Message": stream_batch.Message("w", 1, 4, "a", 9, 1, "records", 0, 1, False, b"body"),
    "Tombstone": stream_batch.Tombstone("home", 9, 1, "a"),
}
"""One of each, with a value in every field that is not the default."""
IN_JSON = ("NodeRecord", "RoomRecord", "MoveOrder", "MoveAnswer")


def write(name: str) -> bytes:
    if name in IN_JSON:
        return encode_record(EXAMPLES[name])
    return msgspec.msgpack.encode(EXAMPLES[name])


def fields(name: str, data: bytes) -> dict[str, Any]:
    decode: Callable[[bytes], Any] = (
        msgspec.json.decode if name in IN_JSON else msgspec.msgpack.decode
    )
    return dict(decode(data))


def read(name: str, content: Mapping[str, Any]) -> Any:
    """As the node that gets it reads it."""
    kind = type(EXAMPLES[name])
    if name in IN_JSON:
        return decode_record(msgspec.json.encode(content), kind)
    if kind.__module__ == relay_wire.__name__:
        return relay_wire.decode(msgspec.msgpack.encode(content), kind)
    packed = msgspec.msgpack.encode(content)
    if kind is stream_batch.Tombstone:
        return stream_batch.decode_tombstone(packed)
    return stream_batch.decode(packed)


def samples() -> dict[str, bytes]:
    return {name: bytes.fromhex(text) for name, text in json.loads(FILE.read_text()).items()}


def test_there_is_a_sample_of_each() -> None:
    assert samples().keys() == EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_the_last_release_writes_means_the_same(name: str) -> None:
    assert read(name, fields(name, samples()[name])) == EXAMPLES[name]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_last_release_finds_every_field_that_it_knows(name: str) -> None:
    now, before = fields(name, write(name)), fields(name, samples()[name])
    assert before.keys() <= now.keys()
    assert {key: type(value) for key, value in before.items()}.items() <= {
        key: type(value) for key, value in now.items()
    }.items()


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_field_of_the_next_release_is_passed_over(name: str) -> None:
    content = fields(name, write(name)) | {"of_the_next_release": {"a": [1]}}
    assert read(name, content) == EXAMPLES[name]
    nested = {
        key: value | {"of_the_next_release": 1}
        for key, value in content.items()
        if isinstance(value, dict) and key in ("moved", "vouch")
    }
    assert read(name, content | nested) == EXAMPLES[name]


@pytest.mark.parametrize("name", IN_JSON)
def test_the_version_of_the_next_release_is_read_and_the_one_after_it_is_not(name: str) -> None:
    content = fields(name, write(name))
    assert read(name, content | {"v": content["v"] + 1}).v == content["v"] + 1
    with pytest.raises(Exception, match="cannot be read"):
        read(name, content | {"v": content["v"] + 2})


if __name__ == "__main__":
    FILE.write_text(json.dumps({name: write(name).hex() for name in EXAMPLES}, indent=1) + "\n")
