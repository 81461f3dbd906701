"""The bytes of common SCTP packets, against aiortc's reader."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiortc.rtcsctptransport import DataChunk, SackChunk, parse_packet

from mixer_core.patches.aiortc import sctp_wire as wire


def heads(tag: int = 7) -> tuple[wire.Heads, SimpleNamespace]:
    """Headers between ports 5000 (ours) and 5001, and the transport they follow."""
    sctp = SimpleNamespace(
        _local_port=5000,
        _remote_port=5001,
        _local_verification_tag=tag,
        _remote_verification_tag=9,
    )
    return wire.Heads(sctp), sctp


@pytest.mark.parametrize("size", [1, 2, 3, 4, 984])
def test_aiortc_reads_what_is_written(size: int) -> None:
    ours, _ = heads()
    message = bytes(range(1, 5)) * size
    chunks = wire.sack_chunk(41, 1000) + wire.data_chunk(
        3, 0xFFFF_FFFF, 1, 2, wire.PPID_STRING, message[:size]
    )
    source, destination, tag, (sack, data) = parse_packet(ours.packet(chunks))
    assert (source, destination, tag) == (5000, 5001, 9)
    assert isinstance(sack, SackChunk) and isinstance(data, DataChunk)
    assert (sack.cumulative_tsn, sack.advertised_rwnd, sack.gaps) == (41, 1000, [])
    assert (data.tsn, data.stream_id, data.stream_seq) == (0xFFFF_FFFF, 1, 2)
    assert (data.protocol, data.user_data) == (wire.PPID_STRING, message[:size])


def test_the_peers_packets_are_known_by_ports_tag_and_checksum() -> None:
    ours, sctp = heads()
    peer, _ = heads()
    mirrored = SimpleNamespace(
        _local_port=5001,
        _remote_port=5000,
        _local_verification_tag=9,
        _remote_verification_tag=7,
    )
    packet = wire.Heads(mirrored).packet(wire.sack_chunk(1, 1))
    assert ours.begins(packet) and ours.intact(packet)
    assert not ours.intact(packet[:-1] + b"\1")
    assert not ours.begins(peer.packet(wire.sack_chunk(1, 1)))
    sctp._local_verification_tag = 8
    assert not ours.begins(packet)


def test_chunk_numbers_wrap_around() -> None:
    assert wire.reached(5, 5) and wire.reached(0xFFFF_FFFF, 3)
    assert not wire.reached(6, 5) and not wire.reached(0, 0xFFFF_FFFF)


def test_the_longest_message_fills_a_packet() -> None:
    ours, _ = heads()
    chunk = wire.data_chunk(3, 1, 1, 1, wire.PPID_BINARY, bytes(wire.MAX_MESSAGE_BYTES))
    assert wire.MAX_PACKET_BYTES - 4 < len(ours.packet(chunk)) <= wire.MAX_PACKET_BYTES
