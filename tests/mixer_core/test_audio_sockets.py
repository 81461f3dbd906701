"""The audio sockets among themselves and with libzmq at the other end: one wire, two ways."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq

from mixer_core.audio_server import AudioServer
from mixer_core.bus import endpoints
from mixer_core.bus.audio_client import AudioPush, AudioSub
from mixer_core.bus.errors import RuntimeDirError

TOPIC = b"\x07\x00\x00\x00"
FRAME = TOPIC + bytes(980)


class Turning:
    """A server that takes its turns between the loop's."""

    def __init__(self, directory: Path) -> None:
        self.server = AudioServer(directory)
        self.received: list[bytes] = []

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.server.receive(self.server.poll(0), self.received.append)
                await asyncio.sleep(0.001)


def test_frames_go_both_ways(short_dir: Path) -> None:
    async def main() -> None:
        turning, heard = Turning(short_dir), list[bytes]()
        loop = asyncio.get_running_loop()
        push, sub = AudioPush(loop, short_dir), AudioSub(loop, short_dir, TOPIC, heard.append)
        await turning.until(lambda: push.send(FRAME))
        await turning.until(lambda: turning.received == [FRAME])

        def published() -> bool:
            turning.server.publish(b"\x08" + FRAME[1:])
            turning.server.publish(FRAME)
            return bool(heard)

        await turning.until(published)
        assert set(heard) == {FRAME}
        push.close()
        sub.close()
        turning.server.close()

    asyncio.run(main())


def test_libzmq_may_be_at_the_connecting_end(short_dir: Path) -> None:
    server, received = AudioServer(short_dir), list[bytes]()
    with zmq.Context() as context:
        push = endpoints.open_socket(context, endpoints.AUDIO_IN, short_dir, "connect")
        sub = endpoints.open_socket(context, endpoints.AUDIO_OUT, short_dir, "connect")
        sub.setsockopt(zmq.SUBSCRIBE, TOPIC)
        deadline = time.monotonic() + 5
        endpoints.try_send(push, FRAME)
        while not (received and sub.poll(0)):
            assert time.monotonic() < deadline
            if not received:
                endpoints.try_send(push, FRAME)
            server.receive(server.poll(1_000_000), received.append)
            server.publish(FRAME)
        assert received[0] == FRAME and sub.recv() == FRAME
        sub.setsockopt(zmq.UNSUBSCRIBE, TOPIC)
        while server._by_topic:
            assert time.monotonic() < deadline
            server.receive(server.poll(1_000_000), received.append)
        push.close()
        sub.close()
    server.close()


def test_libzmq_may_be_at_the_bound_end(short_dir: Path) -> None:
    async def main() -> None:
        context = zmq.Context()
        pull = endpoints.open_socket(context, endpoints.AUDIO_IN, short_dir, "bind")
        pub = endpoints.open_socket(context, endpoints.AUDIO_OUT, short_dir, "bind")
        loop, heard = asyncio.get_running_loop(), list[bytes]()
        push, sub = AudioPush(loop, short_dir), AudioSub(loop, short_dir, TOPIC, heard.append)
        async with asyncio.timeout(5):
            while not push.send(FRAME):
                await asyncio.sleep(0.001)
            while not endpoints.readable(pull):
                await asyncio.sleep(0.001)
            assert pull.recv() == FRAME
            while not heard:
                pub.send(FRAME)
                await asyncio.sleep(0.001)
        assert heard[0] == FRAME
        push.close()
        sub.close()
        context.destroy(linger=0)

    asyncio.run(main())


def test_nothing_waits_for_a_mixer_that_is_not_there(short_dir: Path) -> None:
    async def main() -> None:
        push = AudioPush(asyncio.get_running_loop(), short_dir)
        assert not push.send(b"stale")
        turning = Turning(short_dir)
        await turning.until(lambda: push.is_connected)
        assert push.send(b"fresh")
        await turning.until(lambda: turning.received == [b"fresh"])
        turning.server.close()
        async with asyncio.timeout(5):
            while push.send(b"while it was down"):
                await asyncio.sleep(0.001)
        again = Turning(short_dir)
        await again.until(lambda: push.send(b"fresh"))
        await again.until(lambda: bool(again.received))
        assert again.received == [b"fresh"]
        push.close()
        again.server.close()

    asyncio.run(main())


def test_a_full_queue_drops_and_recovers_with_whole_messages(short_dir: Path) -> None:
    async def main() -> None:
        turning = Turning(short_dir)
        push = AudioPush(asyncio.get_running_loop(), short_dir)
        await turning.until(lambda: push.is_connected)
        events = [bytes([n]) * 9_000 for n in range(60)]
        accepted = [event for event in events if push.send(event)]
        assert 0 < len(accepted) < len(events)
        await turning.until(lambda: turning.received == accepted)
        assert push.send(FRAME)
        await turning.until(lambda: turning.received[-1] == FRAME)
        push.close()
        turning.server.close()

    asyncio.run(main())


def test_the_queue_of_a_sender_is_about_as_deep_as_its_mark(short_dir: Path) -> None:
    async def main() -> None:
        turning = Turning(short_dir)
        push = AudioPush(asyncio.get_running_loop(), short_dir)
        await turning.until(lambda: push.is_connected)
        accepted = sum(push.send(FRAME) for _ in range(500))
        mark = endpoints.AUDIO_IN.high_water_mark
        assert mark <= accepted <= 2 * mark
        push.close()
        turning.server.close()

    asyncio.run(main())


def test_a_listener_that_does_not_read_harms_nobody(short_dir: Path) -> None:
    async def main() -> None:
        turning, heard = Turning(short_dir), list[bytes]()
        loop = asyncio.get_running_loop()
        context = zmq.Context()
        deaf = endpoints.open_socket(context, endpoints.AUDIO_OUT, short_dir, "connect")
        deaf.setsockopt(zmq.SUBSCRIBE, b"")
        sub = AudioSub(loop, short_dir, TOPIC, heard.append)

        def published() -> bool:
            endpoints.readable(deaf)  # libzmq subscribes when its socket is used.
            turning.server.publish(FRAME)
            return turning.server.dropped > 10

        await turning.until(published)
        assert len(heard) > turning.server.dropped
        sub.close()
        context.destroy(linger=0)
        await turning.until(lambda: not turning.server._listeners)
        turning.server.publish(FRAME)
        turning.server.close()

    asyncio.run(main())


def test_a_peer_that_speaks_something_else_is_shown_the_door(short_dir: Path) -> None:
    import socket

    server = AudioServer(short_dir)
    stranger = socket.socket(socket.AF_UNIX)
    stranger.connect(str(endpoints.AUDIO_IN.path(short_dir)))
    stranger.send(b"GET / HTTP/1.1\r\n" + bytes(100))
    for _ in range(4):
        server.receive(server.poll(100_000_000), lambda message: None)
    assert server.refused == 1 and not server._senders
    stranger.close()
    server.close()


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeDirError, match="cannot bind"):
        AudioServer(tmp_path / "gone")
