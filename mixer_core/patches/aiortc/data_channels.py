"""What waits in front of a data channel, and messages that aiortc cannot read."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from aiortc import RTCDataChannel, RTCSctpTransport

from .sctp_wire import PPID_BINARY


def backlog_of(channel: RTCDataChannel) -> Callable[[], int]:
    """A function that returns the bytes of an open channel that wait for the network.

    They wait in the channel, and in SCTP before their first sending.
    """
    queue: deque[Any] = channel.transport._outbound_queue

    def backlog_bytes() -> int:
        waiting: int = channel.bufferedAmount
        return waiting + sum(len(chunk.user_data) for chunk in queue) if queue else waiting

    return backlog_bytes


class Perishable(bytes):
    """A message that nobody wants any more after a while."""

    until_ns = 0
    """Monotonic."""


def drop_waiting_audio(channel: RTCDataChannel) -> int:
    """Remove the binary messages that SCTP has not been given yet; returns how many."""
    if not channel.bufferedAmount:
        return 0

    def is_audio(owner: RTCDataChannel, protocol: int, data: bytes) -> bool:
        return owner is channel and protocol == PPID_BINARY

    return _drop(channel.transport, is_audio)


def drop_perished(sctp: RTCSctpTransport, now_ns: int) -> int:
    """Remove the messages whose time is over, and that were not sent yet; returns how many."""

    def is_over(owner: RTCDataChannel, protocol: int, data: bytes) -> bool:
        return isinstance(data, Perishable) and data.until_ns < now_ns

    return _drop(sctp, is_over)


def _drop(
    transport: RTCSctpTransport, unwanted: Callable[[RTCDataChannel, int, bytes], bool]
) -> int:
    sctp: Any = transport
    kept: deque[Any] = deque()
    dropped = 0
    for item in sctp._data_channel_queue:
        if unwanted(*item):
            item[0]._addBufferedAmount(-len(item[2]))
            dropped += 1
        else:
            kept.append(item)
    sctp._data_channel_queue = kept
    return dropped


def survive_messages(
    sctp: RTCSctpTransport, on_bad_text: Callable[[], None], on_fault: Callable[[], None]
) -> None:
    """Keep aiortc's receiving task alive through messages that it fails at.

    ``on_bad_text``: a text was not UTF-8. ``on_fault`` is called within ``except``, for the rest.
    """
    private: Any = sctp
    receive = private._data_channel_receive

    async def guarded(stream_id: int, protocol: int, data: bytes) -> None:
        try:
            await receive(stream_id, protocol, data)
        except UnicodeDecodeError:
            on_bad_text()
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            on_fault()

    private._data_channel_receive = guarded
