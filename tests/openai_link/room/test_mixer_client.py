from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
import zmq

from mixer_core.bus import endpoints, events, frames
from mixer_core.bus.announcement import RETRY_NS
from mixer_core.bus.events import StreamInfo
from mixer_core.bus.frames import FLAG_PAUSE, Frame, Kind
from mixer_core.bus.pcm import SILENCE
from mixer_core.runtime import logs
from openai_link.room.mixer_client import STATE_EVERY_NS, MixerClient
from tests.support.waiting import until

pytestmark = pytest.mark.sockets

STREAM = 77


class Rig:
    """A line and the mixer's two sockets in one loop."""

    def __init__(self, directory: Path) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.pull = endpoints.open_socket(self.context, endpoints.AUDIO_IN, directory, "bind")
        self.pub = endpoints.open_socket(self.context, endpoints.AUDIO_OUT, directory, "bind")
        self.audio: list[Frame] = []
        self.events: list[dict[str, Any]] = []
        self.line = MixerClient(
            directory,
            STREAM,
            StreamInfo("link", "kitchen"),
            self.audio.append,
            self.events.append,
            logs.get("openai_link"),
        )

    async def next(self) -> Frame:
        await until(lambda: endpoints.readable(self.pull))
        return frames.decode(self.pull.recv())

    async def connected(self) -> None:
        """START until the answer arrives, as the shell would."""
        now_ns = 0
        while not self.line.acknowledged:
            self.line.tick(now_ns)
            now_ns += RETRY_NS
            self.publish(Frame(Kind.START, STREAM, 0))
            await asyncio.sleep(0.005)
        while endpoints.readable(self.pull):
            self.pull.recv()

    def publish(self, frame: Frame) -> None:
        self.pub.send(frames.encode(frame))

    def close(self) -> None:
        self.context.destroy(linger=0)


def with_rig(directory: Path, body: Any) -> None:
    async def main() -> None:
        rig = Rig(directory)
        try:
            await body(rig)
        finally:
            rig.line.close()
            rig.close()

    asyncio.run(main())


def test_start_is_repeated_until_it_is_answered_and_then_kept_up(short_dir: Path) -> None:
    async def body(rig: Rig) -> None:
        now_ns = time.monotonic_ns()
        rig.line.tick(now_ns)
        assert rig.line.next_timeout_ns() == now_ns + RETRY_NS
        await rig.connected()
        rig.line.tick(rig.line.next_timeout_ns())
        start = await rig.next()
        assert start.kind is Kind.START
        assert StreamInfo.decode(start.payload) == StreamInfo("link", "kitchen")

    with_rig(short_dir, body)


def test_identify_is_answered_at_once(short_dir: Path) -> None:
    async def body(rig: Rig) -> None:
        await rig.connected()
        question = events.encode_map({"type": "identify"})
        rig.publish(Frame(Kind.EVENT, STREAM, payload=question))
        assert (await rig.next()).kind is Kind.START
        assert not rig.line.acknowledged
        assert [event["type"] for event in rig.events] == ["identify"]

    with_rig(short_dir, body)


def test_audio_counts_up_and_carries_the_newest_epoch(short_dir: Path) -> None:
    async def body(rig: Rig) -> None:
        await rig.connected()
        rig.publish(Frame(Kind.START, STREAM, 9))
        await until(lambda: rig.line.epoch == 9)
        rig.publish(Frame(Kind.START, STREAM, 8))
        rig.line.audio(SILENCE, 0, 5)
        rig.line.flush(10)
        rig.line.audio(SILENCE, FLAG_PAUSE, 6)
        first, flush, second = [await rig.next() for _ in range(3)]
        assert (first.epoch, first.seq, first.stamp_ns) == (9, 0, 5)
        assert (flush.kind, flush.epoch) == (Kind.FLUSH, 10)
        assert (second.epoch, second.seq, second.flags) == (10, 1, FLAG_PAUSE)

    with_rig(short_dir, body)


def test_audio_and_events_of_the_room_are_handed_on(short_dir: Path) -> None:
    async def body(rig: Rig) -> None:
        await rig.connected()
        rig.pub.send(frames.topic(STREAM) + b"rubbish")
        rig.publish(Frame(Kind.AUDIO, STREAM, 0, 3, 0, 4, SILENCE))
        say = {"type": "say", "text": "Hi.", "participant": "p-1"}
        rig.publish(Frame(Kind.EVENT, STREAM, payload=events.encode_map(say)))
        await until(lambda: bool(rig.events))
        assert rig.events == [say]
        assert [frame.seq for frame in rig.audio] == [3]
        assert rig.line.bad == 1

    with_rig(short_dir, body)


def test_what_the_mixer_cannot_take_is_dropped_and_counted(short_dir: Path) -> None:
    async def body(rig: Rig) -> None:
        await rig.connected()
        before = rig.line.dropped
        for _ in range(500):
            rig.line.audio(SILENCE, 0, 0)
        assert rig.line.dropped > before
        assert rig.line.sent + rig.line.dropped - before == 500

    with_rig(short_dir, body)


def test_an_event_that_no_frame_can_hold_is_left_out(
    short_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(rig: Rig) -> None:
        await rig.connected()
        rig.line.event({"type": "usage", "people": {str(n): 1.0 for n in range(5_000)}})
        rig.line.event({"type": "caption", "text": "half a pair: \ud83d"})
        rig.line.event({"type": "caption", "text": 1 << 70})
        rig.line.event({"type": "state"})
        kept = await rig.next()
        assert events.decode_event(kept.payload) == {"type": "state"}
        assert (rig.line.unsent_events, len(caplog.records)) == (3, 1)

    with_rig(short_dir, body)


def test_closing_says_stop(short_dir: Path) -> None:
    async def body(rig: Rig) -> None:
        await rig.connected()
        rig.line.close()
        assert (await rig.next()).kind is Kind.STOP

    with_rig(short_dir, body)


def test_the_newest_state_is_told_again_because_one_may_be_lost(short_dir: Path) -> None:
    async def body(rig: Rig) -> None:
        await rig.connected()
        rig.line.event({"type": "state", "upstream": "ready"})
        rig.line.event({"type": "state", "upstream": "failed"}, addressee=5)
        rig.line.event({"type": "caption", "text": "Hello."})
        for _ in range(3):
            await rig.next()
        rig.line.tick(time.monotonic_ns() + STATE_EVERY_NS)
        assert (await rig.next()).kind is Kind.START
        again = await rig.next()
        assert (again.kind, again.flags) == (Kind.EVENT, 0)
        assert events.decode_event(again.payload) == {"type": "state", "upstream": "ready"}

    with_rig(short_dir, body)
