"""Acknowledgements as Chromium sends them, for an aiortc client.

Stock aiortc answers every packet with a packet of its own. Chromium puts the acknowledgement in
front of its next message, and sends one alone after every second packet or 200 ms (RFC 9260,
section 6.2). A stock client would therefore load the gateway with twice the datagrams. A packet
that is due when the connection has just closed is lost, as it would be on the way; a stock client
ends the task that sends it with an exception that nobody takes.

Patches ``_send_sack`` and ``_send_chunk`` of ``aiortc.rtcsctptransport.RTCSctpTransport`` (1.16).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiortc.rtcsctptransport import SCTP_MAX_PACKET_LENGTH, DataChunk, SackChunk

from mixer_core.runtime.lazy_timer import LazyTimer
from mixer_core.runtime.units import MS_NS

SACK_DELAY_NS = 200 * MS_NS
HEAD_BYTES = 12


class Bundle:
    """Two chunks in one packet: aiortc writes one chunk per packet."""

    def __init__(self, first: Any, second: Any) -> None:
        self._bytes = bytes(first) + bytes(second)

    def __bytes__(self) -> bytes:
        return self._bytes


class ChromiumSacks:
    """Changes when one RTCSctpTransport acknowledges."""

    def __init__(self, sctp: Any) -> None:
        """``sctp``: not started yet."""
        self._sctp = sctp
        self._alone, self._send_chunk = sctp._send_sack, sctp._send_chunk
        self._timer = LazyTimer(sctp._loop, self._due)
        self._tasks: set[asyncio.Task[None]] = set()
        vars(sctp).update(_send_sack=self._on_sack, _send_chunk=self._on_chunk)

    async def _on_sack(self) -> None:
        sctp = self._sctp
        if self._timer.running or sctp._sack_misordered or sctp._sack_duplicates:
            self._timer.stop()
            await self._alone()
        else:
            sctp._sack_needed = False
            self._timer.arm_after(SACK_DELAY_NS)

    async def _on_chunk(self, chunk: Any) -> None:
        if self._timer.running and isinstance(chunk, DataChunk):
            sack = SackChunk()
            sack.cumulative_tsn = self._sctp._last_received_tsn
            sack.advertised_rwnd = max(0, self._sctp._advertised_rwnd)
            if HEAD_BYTES + len(bytes(sack)) + len(bytes(chunk)) <= SCTP_MAX_PACKET_LENGTH:
                self._timer.stop()
                chunk = Bundle(sack, chunk)
        with contextlib.suppress(ConnectionError):  # The far end closed first: nobody reads it.
            await self._send_chunk(chunk)

    def _due(self) -> None:
        task = asyncio.ensure_future(self._alone())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
