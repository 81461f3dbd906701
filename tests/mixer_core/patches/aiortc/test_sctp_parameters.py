"""Parameters of SCTP chunks: aiortc's own reader never ends where a length is zero."""

from __future__ import annotations

import aiortc.rtcsctptransport as library
import pytest
from google_crc32c import value as crc32c
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.patches.aiortc.sctp_parameters import check_parameters, decode_params

INIT, HEARTBEAT, ABORT, ERROR, RECONFIG = 1, 4, 6, 9, 130


def packet(kind: int, body: bytes) -> bytes:
    """With one chunk."""
    chunk = bytes((kind, 0)) + (4 + len(body)).to_bytes(2, "big") + body
    head = bytes(8)
    checksum: int = crc32c(head + bytes(4) + chunk)
    return head + checksum.to_bytes(4, "little") + chunk


@pytest.mark.parametrize("length", [0, 1, 3, 9, 0xFFFF])
@pytest.mark.parametrize("kind", [INIT, 2, HEARTBEAT, 5, ABORT, ERROR, RECONFIG])
def test_a_packet_whose_parameters_make_no_sense_is_dropped(
    monkeypatch: pytest.MonkeyPatch, kind: int, length: int
) -> None:
    monkeypatch.setattr(library, "decode_params", library.decode_params)  # Back at the end.
    check_parameters()
    body = bytes(16 if kind in (1, 2) else 0) + b"\x00\x07" + length.to_bytes(2, "big") + bytes(4)
    with pytest.raises(ValueError, match="impossible length"):
        library.parse_packet(packet(kind, body))


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=5))
def test_what_aiortc_writes_is_read(params: list[tuple[int, bytes]]) -> None:
    assert decode_params(library.encode_params(params)) == params
