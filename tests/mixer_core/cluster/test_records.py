"""Records between nodes of two releases, and damaged ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.cluster.records import (
    MAX_RECORD_BYTES,
    VERSION,
    NodeRecord,
    RoomRecord,
    decode_record,
    encode_record,
)
from mixer_core.runtime.errors import RecordError

NODE = NodeRecord(
    *(
        "node-1",
        "8f3a",
        17,
        "https://node-1:8443",
        ("gpu",),
        20,
        0.25,
        6,
        True,
        "1.2",
        {"node-2": "7"},
    )
)
ROOM = RoomRecord("kitchen", "node-1", "8f3a", 3, "node-2")


@pytest.mark.parametrize("record", [NODE, ROOM])
def test_what_is_written_is_read(record: Any) -> None:
    assert decode_record(encode_record(record), type(record)) == record


@pytest.mark.parametrize("record", [NODE, ROOM])
def test_a_newer_node_may_say_more(record: Any) -> None:
    newer = {**json.loads(encode_record(record)), "v": VERSION + 1, "more": {"a": [1]}}
    found = decode_record(json.dumps(newer).encode(), type(record))
    assert encode_record(found) == encode_record(record).replace(b'"v":1', b'"v":2')


def test_an_older_node_may_say_less() -> None:
    found = decode_record(b'{"node":"node-1","incarnation":"x"}', NodeRecord)
    assert found == NodeRecord("node-1", "x")
    assert decode_record(b'{"room":"a","node":"b"}', RoomRecord) == RoomRecord("a", "b")
    assert decode_record(b'{"room":"a"}', RoomRecord) == RoomRecord("a")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("node", value) for value in ("", "Node", "a.b", "x" * 33, None, 1, "n\n")],
        *[("capacity", value) for value in (-1, 1.5, "1", 2**60)],
        *[("load", value) for value in (-0.1, 1e300, None)],
        *[("known", value) for value in ("node", ["n"], {"*": "1"}, {"n": 1})],
        *[("incarnation", value) for value in ("", "x" * 65)],
        ("v", VERSION + 2),
        ("v", 0),
    ],
)
def test_a_damaged_node_is_refused(field: str, value: object) -> None:
    damaged = {**json.loads(encode_record(NODE)), field: value}
    with pytest.raises(RecordError, match="a NodeRecord cannot be read"):
        decode_record(json.dumps(damaged).encode(), NodeRecord)


@pytest.mark.parametrize("epoch", [-1, 2**32])
def test_an_epoch_has_32_bits(epoch: int) -> None:
    damaged = {**json.loads(encode_record(ROOM)), "epoch": epoch}
    with pytest.raises(RecordError):
        decode_record(json.dumps(damaged).encode(), RoomRecord)


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        decode_record(data, RoomRecord)


@pytest.mark.parametrize("data", [b"[" * 100_000, b" " * (MAX_RECORD_BYTES + 1), b"NaN", b"null"])
def test_what_would_end_its_reader_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        decode_record(data, NodeRecord)
