"""Messages of the journal's stream: there and back, in pieces, damaged, of other releases."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.journal.records import (
    ClosedRecord,
    ForgottenRecord,
    HistoryItem,
    ItemRecord,
    Record,
    RemovedRecord,
    SessionRecord,
    Tokens,
    UsageRecord,
)
from mixer_core.journal.stream_batch import (
    ENVELOPE_BYTES,
    EPOCH_S,
    LEAST_PIECE_BYTES,
    MAX_PIECES,
    PARTITIONS,
    Batch,
    Message,
    Reader,
    StreamId,
    Tombstone,
    TooNewError,
    cut,
    decode,
    decode_tombstone,
    encode,
    encode_records,
    is_local,
    local_id,
    pieces,
    spent_at,
)
from mixer_core.runtime.errors import RecordError

STREAM = StreamId(EPOCH_S + 60_000_000, 5)
ITEM = ItemRecord(HistoryItem("i1", 2, "tool", "user", text="Grüße", call="c", ok=None))
USAGE = UsageRecord("r", "response", "m", 7, "2026-11-22", Tokens(3, seconds=1.5), 0.25)
ALL: tuple[Record, ...] = (
    ITEM,
    RemovedRecord("i0"),
    SessionRecord("s", True, 9, "why"),
    replace(USAGE, shares=(("p", "Ann", 1.0),), cost_usd=None),
    ForgottenRecord(11),
    ClosedRecord(12, "empty"),
)
MESSAGE = Message("w", 4, 2, "a", wall_ms=99)


def sent(records: tuple[Record, ...], payload: int = 1 << 20, **more: int) -> list[bytes]:
    message = replace(MESSAGE, **more)
    return [encode(piece) for piece in pieces(message, encode_records(records), payload)]


def read(reader: Reader, messages: list[bytes], first_seq: int = 10) -> list[Batch | None]:
    return [reader.add(seq, data) for seq, data in enumerate(messages, first_seq)]


def test_what_is_written_is_read() -> None:
    (batch,) = read(Reader(STREAM), sent(ALL))
    assert batch is not None
    assert batch.records == ALL
    assert batch.conversation == STREAM.conversation(10)
    assert (batch.first_seq, batch.seq, batch.unknown) == (10, 10, 0)
    assert (batch.message.epoch, batch.message.node, batch.message.wall_ms) == (2, "a", 99)


@given(st.integers(0, 5_000), st.integers(0, 3_000))
def test_a_long_batch_is_cut_and_whole_again(length: int, payload: int) -> None:
    records = (replace(ITEM, item=replace(ITEM.item, text="x" * length)),)
    made = pieces(MESSAGE, encode_records(records), payload)
    most = max(payload - ENVELOPE_BYTES, LEAST_PIECE_BYTES)
    assert all(len(piece.body) <= most for piece in made)
    assert [piece.number for piece in made] == list(range(4, 4 + len(made)))
    reader = Reader(STREAM)
    *early, last = read(reader, [encode(piece) for piece in made])
    assert early == [None] * len(early)
    assert last is not None and last.records == records and last.first_seq == 10
    assert reader.known_seq == last.seq


def test_a_message_leaves_room_for_its_headers() -> None:
    long = ItemRecord(replace(ITEM.item, text="x" * 5_000))
    worst = replace(MESSAGE, writer="w" * 64, node="n" * 32, number=1 << 53, conversation=1 << 53)
    for piece in pieces(worst, encode_records((long,)), 2_048):
        assert len(encode(piece)) + 400 < 2_048


def test_more_than_any_number_of_messages_take_is_refused() -> None:
    with pytest.raises(ValueError, match="more than one commit"):
        pieces(MESSAGE, b"x" * (LEAST_PIECE_BYTES * MAX_PIECES + 1), 0)


def test_pieces_of_a_writer_that_died_are_given_up() -> None:
    reader = Reader(STREAM)
    long = (ItemRecord(replace(ITEM.item, text="x" * 900)),)
    first, *_ = sent(long, 0)
    later = [encode(m) for m in pieces(replace(MESSAGE, writer="other"), encode_records(ALL), 9999)]
    assert reader.add(10, first) is None
    assert reader.known_seq == 9, "whoever reads on later has to begin with the first piece"
    assert reader.add_gone(11, encode(Tombstone("home", 3))) is not None
    assert reader.known_seq == 9
    batch = reader.add(12, later[0])
    assert batch is not None and batch.records == ALL
    assert reader.known_seq == 12


def test_a_piece_without_the_first_is_nothing() -> None:
    _, second, *_ = sent((ItemRecord(replace(ITEM.item, text="x" * 900)),), 0)
    (batch,) = read(Reader(STREAM), [second])
    assert batch is not None and not batch.records and batch.unknown == 1


@given(st.binary(max_size=200))
def test_what_is_no_message_does_not_stop_the_others(data: bytes) -> None:
    reader = Reader(STREAM)
    try:
        reader.add(9, data)
    except TooNewError:
        return
    (batch,) = read(reader, sent(ALL))
    assert batch is not None and batch.records == ALL


@given(st.data())
def test_a_damaged_body_is_no_harm(data: st.DataObject) -> None:
    body = bytearray(encode_records(ALL))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    (message,) = pieces(MESSAGE, bytes(body), 1 << 20)
    (batch,) = read(Reader(STREAM), [encode(message)])
    assert batch is not None and len(batch.records) + batch.unknown <= len(ALL)


def test_a_later_release_may_say_more() -> None:
    extra = msgspec.to_builtins(MESSAGE) | {"v": 2, "colour": "red"}
    record = msgspec.to_builtins(ITEM)
    record["item"]["mood"] = "good"
    extra["body"] = msgspec.msgpack.encode([("item", record), ("smell", {"x": 1}), ("removed", 3)])
    (batch,) = read(Reader(STREAM), [msgspec.msgpack.encode(extra)])
    assert batch is not None
    assert (batch.records, batch.unknown) == ((ITEM,), 2)


def test_an_earlier_release_may_say_less() -> None:
    least = msgspec.msgpack.encode({"writer": "w", "number": 1, "epoch": 1})
    assert decode(least) == Message("w", 1, 1)


def test_a_message_of_another_kind_is_passed_over() -> None:
    (batch,) = read(Reader(STREAM), [encode(replace(MESSAGE, what="dance", body=b"\xc1"))])
    assert batch is not None and not batch.records and batch.unknown == 1


def test_a_release_that_is_too_new_is_told() -> None:
    too_new = encode(replace(MESSAGE, v=3))
    with pytest.raises(TooNewError, match="update mixminus"):
        Reader(STREAM).add(1, too_new)
    with pytest.raises(TooNewError, match="update mixminus"):
        Reader(STREAM).add_gone(1, encode(Tombstone("home", 1, v=3)))
    with pytest.raises(RecordError):
        decode_tombstone(b"\xc1")


def test_a_conversation_ends_its_message() -> None:
    item, closed, forgotten = ITEM, ClosedRecord(1), ForgottenRecord(2)
    assert cut([item, item]) == 2
    assert cut([item, closed, item]) == 2
    assert cut([item, forgotten, item]) == 1, "what deletes words has none"
    assert cut([forgotten, item]) == 1


def test_ids_are_those_of_no_file_and_of_no_other_stream() -> None:
    first = STREAM.conversation(1)
    assert 1 << 40 < first < STREAM.conversation(2) < 1 << 53
    assert STREAM.first_seq(first) == 1
    assert StreamId(STREAM.created_s, 6).first_seq(first) is None
    later = StreamId(STREAM.created_s + 10, 5)
    assert later.conversation(1) > STREAM.conversation(9_999)
    assert StreamId(0).conversation(1) > 1 << 40, "a server whose clock began in 1970"
    far = StreamId(EPOCH_S + 100 * 365 * 86_400, 127)
    assert far.conversation(1 << 32) < 1 << 53


def test_a_file_gives_ids_that_no_stream_gives() -> None:
    assert [local_id(0), local_id(41)] == [1, 42]
    highest, given_ = STREAM.conversation(7), set()
    for _ in range(1_000):
        highest = local_id(highest)
        given_.add(highest & 255 < 128)
    assert given_ == {False}


def test_what_another_node_spent_is_an_account_of_its_own() -> None:
    assert spent_at(USAGE, "b").day == "2026-11-22@b"
    assert spent_at(replace(USAGE, day="2026-11-22~sim"), "b").day == "2026-11-22@b~sim"


@given(st.integers(0, 1 << 52), st.integers(1, 1 << 30), st.integers(0, PARTITIONS - 1))
def test_an_id_says_whether_others_can_have_it(highest: int, seq: int, partition: int) -> None:
    assert is_local(local_id(highest))
    assert not is_local(StreamId(STREAM.created_s, partition).conversation(seq))
