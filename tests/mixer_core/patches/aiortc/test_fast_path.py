"""The fast path between two real connections, and aiortc's coroutines run without a task."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mixer_core.patches.aiortc.connections import gate
from mixer_core.patches.aiortc.data_channels import backlog_of, drop_waiting_audio, survive_messages
from mixer_core.patches.aiortc.fast_path import FastPath
from mixer_core.patches.aiortc.sctp_wire import HEAD_BYTES, PPID_STRING, TYPE_SACK
from tests.support.loopback import negotiate, pair, run
from tests.support.waiting import until

pytestmark = pytest.mark.sockets

FRAME = 984
SACK_ALONE_BYTES = 28


class Ends:
    """A stock caller and a callee on the fast path, with one channel between them."""

    def __init__(self, caller: Any, callee: Any, **options: Any) -> None:
        self.caller, self.callee = caller, callee
        self.heard: list[bytes] = []
        self.returned: list[bytes | str] = []
        self.bad_texts = self.faults = 0
        self.channel = caller.createDataChannel("audio", **options)
        self.channel.on("message", self.returned.append)
        self.theirs: Any = None
        self.fast: Any = None
        callee.on("datachannel", self._on_channel)

    async def connect(self) -> None:
        """Until the channel is open and the callee is on its fast path."""
        await negotiate(self.caller, self.callee, gathered=self._take_over)
        await until(lambda: self.theirs is not None and self.channel.readyState == "open")

    def _take_over(self) -> None:
        survive_messages(self.callee.sctp, self._on_bad_text, self._on_fault)
        self.fast = FastPath(self.callee.sctp, self._on_fault)

    def _on_channel(self, channel: Any) -> None:
        self.theirs = channel
        channel.on("message", self.heard.append)
        self.fast.listen(channel, self.heard.append)

    def _on_bad_text(self) -> None:
        self.bad_texts += 1

    def _on_fault(self) -> None:
        self.faults += 1


def test_most_packets_of_a_call_are_taken_and_most_acknowledgements_travel_along() -> None:
    async def scenario() -> None:
        async with pair() as (caller, callee):
            ends = Ends(caller, callee)
            await ends.connect()
            transmit, alone = ends.fast._plain._transmit, 0

            def counted(packet: bytes) -> None:
                nonlocal alone
                alone += packet[HEAD_BYTES] == TYPE_SACK and len(packet) == SACK_ALONE_BYTES
                transmit(packet)

            ends.fast._plain._transmit = counted
            for index in range(100):
                ends.channel.send(bytes([index]) * FRAME)
                ends.fast.send(ends.theirs, bytes([index]) * FRAME)
                await until(lambda index=index: len(ends.heard) > index)
            await until(lambda: len(ends.returned) == 100)
            assert ends.heard == ends.returned == [bytes([index]) * FRAME for index in range(100)]
            assert ends.fast._plain.taken_total > 150
            assert alone < 60 and ends.faults == 0
            assert ends.fast.heard_ns > 0

    run(scenario)


def test_the_binary_messages_that_wait_can_be_counted_and_dropped() -> None:
    async def scenario() -> None:
        async with pair() as (caller, callee):
            ends = Ends(caller, callee)
            await ends.connect()
            backlog_bytes = backlog_of(ends.theirs)
            assert backlog_bytes() == 0
            for index in range(200):
                ends.fast.send(ends.theirs, bytes([index]) * FRAME)
            ends.fast.send(ends.theirs, b"text", PPID_STRING)
            assert backlog_bytes() > 150 * FRAME
            assert drop_waiting_audio(ends.theirs) > 150
            assert backlog_bytes() <= 10 * FRAME
            await until(lambda: "text" in ends.returned)
            await until(lambda: backlog_bytes() == 0)
            assert len(ends.returned) < 50

    run(scenario)


def test_messages_that_aiortc_fails_at_are_survived() -> None:
    async def scenario() -> None:
        async with pair() as (caller, callee):
            ends = Ends(caller, callee)
            await ends.connect()
            ends.channel._addBufferedAmount(2)
            caller.sctp._data_channel_queue.append((ends.channel, PPID_STRING, b"\xff\xfe"))
            ends.channel.send("after")
            await until(lambda: ends.bad_texts == 1 and "after" in ends.heard)
            assert ends.faults == 0

    run(scenario)


def test_closing_leaves_the_datagrams_to_aiortc() -> None:
    async def scenario() -> None:
        async with pair() as (caller, callee):
            ends = Ends(caller, callee)
            await ends.connect()
            ends.fast.close()
            taken = ends.fast._plain.taken_total
            ends.channel.send(b"late")
            await until(lambda: ends.heard == [b"late"])
            assert ends.fast._plain.taken_total == taken

    run(scenario)


def test_a_coroutine_that_waits_after_all_goes_on_as_a_task() -> None:
    async def scenario() -> None:
        async with pair() as (caller, callee):
            ends = Ends(caller, callee)
            await ends.connect()
            loop, steps = asyncio.get_running_loop(), []
            first, second = loop.create_future(), loop.create_future()

            async def work() -> None:
                steps.append("begun")
                try:
                    await first
                except ValueError:
                    steps.append("failed")
                steps.append(await second)

            ends.fast._run(work())
            assert steps == ["begun"]
            first.set_exception(ValueError())
            second.set_result("done")
            await until(lambda: steps[-1] == "done")
            assert steps == ["begun", "failed", "done"]

    run(scenario)


def test_only_dtls_of_a_connection_that_is_up_is_taken() -> None:
    async def scenario() -> None:
        async with pair() as (caller, callee):
            caller.createDataChannel("audio")
            made: list[FastPath] = []

            def before() -> None:
                made.append(FastPath(callee.sctp, lambda: None))
                assert not made[0].receive(b"\x16\xfe\xfd"), "the handshake is aiortc's"

            await negotiate(caller, callee, gathered=before)
            assert not made[0].receive(b"\x80\x60"), "RTP"
            # What came before the connection was up is aiortc's, and so is what comes behind it.
            await until(lambda: made[0].receive(b"\x17garbage"), "a bad record is not taken")

    run(scenario)


def test_after_an_outage_the_present_is_heard_and_the_past_is_not() -> None:
    async def scenario() -> None:
        is_shut = False
        async with pair() as (caller, callee):
            ends = Ends(caller, callee, ordered=False, maxPacketLifeTime=150)
            await ends.connect()
            gate(callee, lambda: is_shut)
            ends.fast.send(ends.theirs, b"before")
            await until(lambda: b"before" in ends.returned)
            is_shut = True
            for index in range(30):
                ends.fast.send(ends.theirs, bytes([index]) * FRAME)
            await asyncio.sleep(1.0)  # Longer than the peer is ever quiet.
            is_shut = False
            ends.channel.send(b"there again")
            await until(lambda: b"there again" in ends.heard)
            ends.fast.send(ends.theirs, b"now")
            await until(lambda: b"now" in ends.returned)
            assert ends.returned == [b"before", b"now"]
            assert ends.fast.stale_total > 20
            assert not ends.theirs.bufferedAmount

    run(scenario)


def test_a_peer_that_is_heard_again_is_sent_what_was_lost_at_once() -> None:
    async def scenario() -> None:
        is_shut = False
        async with pair() as (caller, callee):
            ends = Ends(caller, callee)
            await ends.connect()
            gate(callee, lambda: is_shut)
            ends.fast.send(ends.theirs, b"before")
            await until(lambda: b"before" in ends.returned)
            is_shut = True
            callee.sctp._rto = 60.0
            ends.fast.send(ends.theirs, b"reliable")
            await asyncio.sleep(0.8)
            is_shut = False
            ends.channel.send(b"there again")
            await until(lambda: b"reliable" in ends.returned, "without its timer", timeout_s=30)

    run(scenario)
