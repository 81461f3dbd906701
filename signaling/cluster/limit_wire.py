"""What nodes tell each other of clients that try too often. Sans-I/O.

MessagePack: ``{v, node, news: [[kind, client, count], …]}``. Entries that are of no such form are
passed over, so that a newer node may tell more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import msgpack

from mixer_core.runtime.errors import RecordError, UnreadableError
from mixer_core.runtime.foreign_data import read_packed

from ..limits.limiter import MAX_HEARD, MAX_NEWS, Kind, News

VERSION = 1
MAX_BYTES = 65_536
MAX_CLIENT_CHARACTERS = 64
EVERY_S = 0.2
"""Between two messages of a node, where there are few nodes."""
NODES_AT_ONCE = 10
"""With more nodes each one tells less often: a node never hears more than 50 messages a second."""
_KINDS = frozenset(get_args(Kind))


def pause_s(nodes: int) -> float:
    """Between two messages of one of ``nodes``."""
    return EVERY_S * max(1.0, nodes / NODES_AT_ONCE)


def encode_news(node: str, news: Sequence[News]) -> bytes:
    """A message of ``node``."""
    told = [[one.kind, one.client, one.count] for one in news[:MAX_NEWS]]
    packed: bytes = msgpack.packb({"v": VERSION, "node": node, "news": told})
    return packed


def decode_news(data: bytes) -> tuple[str, list[News]]:
    """Who tells, and what. Raises RecordError."""
    if len(data) > MAX_BYTES:
        raise RecordError(f"{len(data)} bytes of news of clients: that is too long")
    try:
        content = read_packed(data)
    except UnreadableError as error:
        raise RecordError(f"news of clients that are {error}") from error
    node = content.get("node") if isinstance(content, dict) else None
    told = content.get("news") if isinstance(content, dict) else None
    if not isinstance(node, str) or not isinstance(told, list):
        raise RecordError("news of clients without a node, or without a list")
    return node, [News(*one) for one in told[:MAX_NEWS] if _is_news(one)]


def _is_news(one: object) -> bool:
    if not isinstance(one, list) or len(one) != 3:
        return False
    kind, client, count = one
    return (
        isinstance(kind, str)
        and kind in _KINDS
        and isinstance(client, str)
        and 0 < len(client) <= MAX_CLIENT_CHARACTERS
        and type(count) is int
        and 0 < abs(count) <= MAX_HEARD
    )
