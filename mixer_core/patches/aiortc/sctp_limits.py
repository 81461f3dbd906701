"""Holds one association to its budget (``sctp_budget``), before aiortc sees what came."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from aiortc import RTCSctpTransport

from . import sctp_budget as budget
from .sctp_budget import Budget, Damaged, Verdict
from .sctp_wire import HALF_U32, U32

PPID_DCEP = 50
"""WebRTC DCEP (RFC 8832)."""
OPEN, ACK = 3, 2
OPEN_BYTES = 12
_RECOUNT_NS = 1_000_000_000

Excess = Callable[[str, bool], None]
"""Is told a sentence for people, and whether the connection has to end; called for each excess."""


class SctpLimits:
    """The limits of one association, in place of its receiving functions."""

    def __init__(
        self,
        sctp: RTCSctpTransport,
        on_excess: Excess,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """``sctp``: before its first packet."""
        self._sctp: Any = sctp
        self._on_excess = on_excess
        self._clock_ns = clock_ns
        self._budget = Budget()
        self._counted_ns = clock_ns()
        private: Any = sctp
        self._handle_data = private._handle_data
        self._receive_data = private._receive_data_chunk
        self._receive_sack = private._receive_sack_chunk
        self._receive_forward = private._receive_forward_tsn_chunk
        self._receive_message = private._data_channel_receive
        private._handle_data = self._on_packet
        private._receive_data_chunk = self._on_data
        private._receive_sack_chunk = self._on_sack
        private._receive_forward_tsn_chunk = self._on_forward
        private._data_channel_receive = self._on_message

    @property
    def refused_total(self) -> int:
        """Chunks, packets and datagrams that were dropped."""
        return self._budget.refused_total

    def refuse(self, words: str) -> None:
        """Something of the peer was dropped."""
        may_go_on = self._budget.refuse(self._clock_ns())
        self._on_excess(words, not may_go_on)

    async def _on_packet(self, packet: bytes) -> None:
        try:
            admitted = self._budget.admit(packet, self._clock_ns())
        except Damaged as damage:
            self.refuse(f"a packet could not be read: {damage}")
            return
        if admitted:
            if not budget.begins(packet) or self._may_begin():
                await self._handle_data(packet)
        else:
            self.refuse("more is sent than anybody reads: the rest is dropped")

    def _may_begin(self) -> bool:
        """Whether an INIT counts. A late copy of one changes no association that is up (RFC 9260,
        section 5.2.2); aiortc would count anew, and trip over the chunks that wait for others."""
        sctp, state = self._sctp, self._sctp.State
        opening = (state.CLOSED, state.COOKIE_WAIT, state.COOKIE_ECHOED)
        return sctp._association_state in opening and not sctp._sack_misordered

    async def _on_data(self, chunk: Any) -> None:
        sctp = self._sctp
        ahead = (chunk.tsn - sctp._last_received_tsn) & U32
        if ahead == 0 or ahead >= HALF_U32 or chunk.tsn in sctp._sack_misordered:
            sctp._sack_needed = True
            if len(sctp._sack_duplicates) < budget.MAX_DUPLICATES:
                await self._receive_data(chunk)
            return
        found = self._verdict(chunk, ahead)
        if found is Verdict.REFUSE and self._recount():
            found = self._verdict(chunk, ahead)
        if found is Verdict.KEEP:
            await self._receive_data(chunk)
            return
        sctp._sack_needed = True
        if found is Verdict.IGNORE:
            sctp._mark_received(chunk.tsn)
            self.refuse(f"more than {budget.MAX_STREAMS} channels: their messages are dropped")
        elif found is Verdict.REFUSE:
            self.refuse("parts of messages came without the parts before them: they are dropped")
        else:
            self._on_excess("a message has no end", True)

    def _verdict(self, chunk: Any, ahead: int) -> Verdict:
        sctp = self._sctp
        streams = sctp._inbound_streams
        held = sum(len(stream.reassembly) for stream in streams.values())
        held_bytes = budget.WINDOW_BYTES - sctp._advertised_rwnd
        is_new = chunk.stream_id not in streams and len(streams) >= budget.MAX_STREAMS
        return budget.verdict(ahead, len(chunk.user_data), held, held_bytes, is_new)

    def _recount(self) -> bool:
        """Make the window true again, from time to time: aiortc forgets what a reset has freed."""
        now_ns, sctp = self._clock_ns(), self._sctp
        if now_ns - self._counted_ns < _RECOUNT_NS:
            return False
        self._counted_ns = now_ns
        streams = sctp._inbound_streams.values()
        held = sum(len(chunk.user_data) for stream in streams for chunk in stream.reassembly)
        was_wrong: bool = sctp._advertised_rwnd != budget.WINDOW_BYTES - held
        sctp._advertised_rwnd = budget.WINDOW_BYTES - held
        return was_wrong

    async def _on_sack(self, chunk: Any) -> None:
        sctp = self._sctp
        if budget.acknowledges_what_was_sent(
            chunk.cumulative_tsn, chunk.gaps, sctp._last_sacked_tsn, sctp._local_tsn
        ):
            await self._receive_sack(chunk)
        else:
            self.refuse("an acknowledgement is about messages that were never sent")

    async def _on_forward(self, chunk: Any) -> None:
        sctp = self._sctp
        skipped = (chunk.cumulative_tsn - sctp._last_received_tsn) & U32
        if budget.MAX_SKIP < skipped < HALF_U32:
            self.refuse("more messages were given up than can have been sent")
            return
        known = sctp._inbound_streams
        room = budget.MAX_STREAMS - len(known)
        fresh = {stream for stream, _ in chunk.streams if stream not in known}
        if len(fresh) > room:
            chunk.streams = [entry for entry in chunk.streams if entry[0] in known]
            self.refuse(f"more than {budget.MAX_STREAMS} channels: what they lack is not counted")
        await self._receive_forward(chunk)

    async def _on_message(self, stream_id: int, protocol: int, data: bytes) -> None:
        if protocol == PPID_DCEP and not self._takes_dcep(stream_id, data):
            return
        await self._receive_message(stream_id, protocol, data)

    def _takes_dcep(self, stream_id: int, data: bytes) -> bool:
        channels = self._sctp._data_channels
        kind = data[0] if data else 0
        if kind == ACK:
            return stream_id in channels
        if kind != OPEN or len(data) < OPEN_BYTES or stream_id in channels:
            self.refuse("a channel was opened in a way that cannot be read")
            return False
        if len(data) - OPEN_BYTES > budget.MAX_NAME_BYTES:
            self.refuse(f"a channel's name is longer than {budget.MAX_NAME_BYTES} bytes")
            return False
        if len(channels) >= budget.MAX_CHANNELS:
            self.refuse(f"more than {budget.MAX_CHANNELS} channels: the gateway uses two")
            return False
        if not self._budget.answer(self._clock_ns()):
            self.refuse("channels are opened faster than anybody can use them")
            return False
        return True
