"""The parameters of SCTP chunks (RFC 9260, section 3.2.1), for all associations of a process.

aiortc's own reader goes on by the length that a parameter gives, and never ends where that is
zero: one packet of a peer would take its process for good.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

import aiortc.rtcsctptransport

_HEAD = Struct("!HH")
"""Type, and length with this head."""


def decode_params(body: bytes) -> list[tuple[int, bytes]]:
    """Type and value of each parameter; padding follows each but the last.

    Raises:
        ValueError: a length is impossible. aiortc drops such a packet.
    """
    params: list[tuple[int, bytes]] = []
    at = 0
    while at + _HEAD.size <= len(body):
        kind, length = _HEAD.unpack_from(body, at)
        if length < _HEAD.size or at + length > len(body):
            raise ValueError(f"an SCTP parameter has an impossible length of {length} bytes")
        params.append((kind, body[at + _HEAD.size : at + length]))
        at += (length + 3) // 4 * 4
    return params


def check_parameters() -> None:
    """Have aiortc read parameters so from now on."""
    library: Any = aiortc.rtcsctptransport
    library.decode_params = decode_params
