"""The audio sockets among themselves and with libzmq at the other end: one wire, two ways."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from mixer_core.audio_server import AudioServer
from mixer_core.bus import endpoints
from mixer_core.bus.audio_client import KEPT_S, MOST_KEPT, AudioPush, AudioSub, retry_s
from mixer_core.bus.zmtp import Parser, encode, hello, subscribe
from mixer_core.runtime.errors import RuntimeDirError
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.sockets

TOPIC = b"\x07\x00\x00\x00"
FRAME = TOPIC + bytes(980)


class Turning:
    """A server that takes its turns between the loop's."""

    def __init__(self, directory: Path) -> None:
        self.server = AudioServer(directory)
        self.received: list[bytes] = []

    async def until(self, condition: Callable[[], bool]) -> None:
        def turn() -> None:
            self.server.receive(self.server.poll(0), self.received.append)

        await until(condition, turn=turn, step_s=0.001)


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


def test_a_topic_is_deserted_when_its_last_listener_has_gone(short_dir: Path) -> None:
    async def main() -> None:
        turning, loop = Turning(short_dir), asyncio.get_running_loop()
        server, topics = turning.server, server_topics(turning)
        subs = [AudioSub(loop, short_dir, TOPIC, lambda message: None) for _ in range(2)]
        await turning.until(lambda: len(topics.get(TOPIC, ())) == 2)
        subs.pop().close()
        await turning.until(lambda: len(topics[TOPIC]) == 1)
        assert server.take_deserted() == []
        subs.pop().close()
        await turning.until(lambda: TOPIC not in topics)
        assert server.take_deserted() == [TOPIC] and server.take_deserted() == []
        sub = AudioSub(loop, short_dir, TOPIC, lambda message: None)
        await turning.until(lambda: TOPIC in topics)
        sub.close()
        await turning.until(lambda: TOPIC not in topics)
        again = AudioSub(loop, short_dir, TOPIC, lambda message: None)
        await turning.until(lambda: TOPIC in topics)
        assert server.take_deserted() == [], "it listens again"
        again.close()
        server.close()

    asyncio.run(main())


def server_topics(turning: Turning) -> dict[bytes, list[Any]]:
    """Who listens to what."""
    found: dict[bytes, list[Any]] = turning.server._by_topic
    return found


def test_libzmq_may_be_at_the_connecting_end(short_dir: Path) -> None:
    server, received = AudioServer(short_dir), list[bytes]()
    with zmq.Context() as context:
        push = endpoints.open_socket(context, endpoints.AUDIO_IN, short_dir, "connect")
        sub = endpoints.open_socket(context, endpoints.AUDIO_OUT, short_dir, "connect")
        sub.setsockopt(zmq.SUBSCRIBE, TOPIC)
        deadline = time.monotonic() + PATIENCE_S
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
        await until(lambda: push.send(FRAME))
        await until(lambda: endpoints.readable(pull))
        assert pull.recv() == FRAME
        await until(lambda: heard, turn=lambda: pub.send(FRAME))
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
        await until(lambda: not push.send(b"while it was down"))
        again = Turning(short_dir)
        await again.until(lambda: push.send(b"fresh"))
        await again.until(lambda: bool(again.received))
        assert again.received == [b"fresh"]
        push.close()
        again.server.close()

    asyncio.run(main())


def test_both_ends_are_there_again_at_once_and_say_so(short_dir: Path) -> None:
    async def main() -> None:
        turning, said = Turning(short_dir), list[str]()
        loop = asyncio.get_running_loop()
        push = AudioPush(loop, short_dir, lambda: said.append("push"))
        sub = AudioSub(loop, short_dir, TOPIC, lambda _: None, lambda: said.append("sub"))
        for times in range(1, 4):
            await turning.until(lambda: push.is_connected and sub.is_connected)
            assert sorted(said) == ["push"] * times + ["sub"] * times
            turning.server.close()
            turning = Turning(short_dir)
            await until(lambda: not (push.is_connected or sub.is_connected))
        push.close()
        sub.close()
        turning.server.close()

    asyncio.run(main())


def test_what_is_said_only_once_waits_for_a_mixer_and_no_longer_than_people_would(
    short_dir: Path,
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        push = AudioPush(loop, short_dir)
        assert not push.send(b"audio")
        kept = [bytes([number]) for number in range(MOST_KEPT)]
        assert all(push.send_or_keep(message) for message in kept)
        assert not push.send_or_keep(b"one too many")
        turning = Turning(short_dir)
        await turning.until(lambda: push.is_connected)
        push.release()
        push.release()
        await turning.until(lambda: turning.received == kept)
        assert push.send_or_keep(b"now")
        await turning.until(lambda: turning.received == [*kept, b"now"])
        turning.server.close()
        await until(lambda: not push.is_connected)
        assert push.send_or_keep(b"too old")
        clock_s = loop.time
        loop.time = lambda: clock_s() + KEPT_S  # type: ignore[method-assign]
        again = Turning(short_dir)
        await again.until(lambda: push.is_connected)
        push.release()
        assert push.send(b"fresh")
        await again.until(lambda: bool(again.received))
        assert again.received == [b"fresh"]
        push.close()
        again.server.close()

    asyncio.run(main())


def test_a_listener_is_subscribed_before_it_says_that_it_is_there(short_dir: Path) -> None:
    async def main() -> None:
        turning, heard = Turning(short_dir), list[bytes]()
        loop, ready = asyncio.get_running_loop(), list[bool]()
        sub = AudioSub(loop, short_dir, TOPIC, heard.append, lambda: ready.append(True))
        await turning.until(lambda: bool(ready))
        turning.server.receive(turning.server.poll(0), turning.received.append)
        turning.server.publish(FRAME)
        await turning.until(lambda: heard == [FRAME])
        sub.close()
        turning.server.close()

    asyncio.run(main())


def test_both_follow_another_mixer_that_has_taken_the_path_of_one_that_lives(
    short_dir: Path,
) -> None:
    async def main() -> None:
        for name in "ab":
            (short_dir / name).mkdir()
        first, heard = Turning(short_dir / "a"), list[bytes]()
        loop = asyncio.get_running_loop()
        push = AudioPush(loop, short_dir / "a")
        sub = AudioSub(loop, short_dir / "a", TOPIC, heard.append)
        await first.until(lambda: push.is_connected and sub.is_connected)
        push.follow()
        sub.follow()
        second = Turning(short_dir / "b")
        for name in ("audio_in.sock", "audio_out.sock"):
            (short_dir / "b" / name).rename(short_dir / "a" / name)
        push.follow()
        sub.follow()
        assert push.is_connected and push.send(FRAME)  # Until the other one is ready.
        await first.until(lambda: first.received == [FRAME])
        await second.until(lambda: push.send(b"moved") and second.received != [])
        assert first.received == [FRAME] and set(second.received) == {b"moved"}

        def published() -> bool:
            second.server.publish(FRAME)
            return bool(heard)

        await second.until(published)
        for thing in (push, sub, first.server, second.server):
            thing.close()

    asyncio.run(main())


def test_nobody_follows_to_where_nobody_listens(short_dir: Path) -> None:
    async def main() -> None:
        turning = Turning(short_dir)
        push = AudioPush(asyncio.get_running_loop(), short_dir)
        await turning.until(lambda: push.is_connected)
        (short_dir / "audio_in.sock").unlink()
        push.follow()
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(short_dir / "audio_in.sock"))
            push.follow()
            assert push.send(FRAME)
            await turning.until(lambda: turning.received == [FRAME])
        push.close()
        turning.server.close()

    asyncio.run(main())


def test_a_server_whose_paths_are_taken_away_binds_them_again(short_dir: Path) -> None:
    async def main() -> None:
        turning = Turning(short_dir)
        loop = asyncio.get_running_loop()
        push = AudioPush(loop, short_dir)
        await turning.until(lambda: push.is_connected)
        (short_dir / "audio_in.sock").unlink()
        (short_dir / "audio_out.sock").unlink()
        assert turning.server.renew().count("bound again") == 2
        assert turning.server.renew() == ""
        newcomer = AudioPush(loop, short_dir)
        await turning.until(lambda: newcomer.is_connected)
        assert push.send(b"old") and newcomer.send(b"new")
        await turning.until(lambda: set(turning.received) == {b"old", b"new"})
        push.close()
        newcomer.close()
        turning.server.close()

    asyncio.run(main())


def test_attempts_become_rarer_the_longer_the_mixer_is_away() -> None:
    assert retry_s(0.0) == 0.01
    assert [retry_s(away) <= retry_s(away + 1) <= 0.2 for away in range(60)] == [True] * 60


def test_a_full_queue_drops_and_recovers_with_whole_messages(short_dir: Path) -> None:
    async def main() -> None:
        turning = Turning(short_dir)
        push = AudioPush(asyncio.get_running_loop(), short_dir)
        await turning.until(lambda: push.is_connected)
        events = [bytes([n]) * 15_000 for n in range(60)]
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


class Stranger:
    """A peer of the server that does as it is told, byte by byte."""

    def __init__(self, directory: Path, endpoint: endpoints.Endpoint) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(endpoint.path(directory)))
        self.socket.setblocking(False)
        self._parser = Parser()

    def read(self) -> list[bytes]:
        """The messages that have come."""
        try:
            return self._parser.feed(self.socket.recv(1 << 20))
        except BlockingIOError:
            return []

    @property
    def is_out(self) -> bool:
        """Whether the server has ended the connection."""
        try:
            return not self.socket.recv(1 << 20)
        except BlockingIOError:
            return False


@pytest.fixture
def server(short_dir: Path) -> Iterator[AudioServer]:
    server = AudioServer(short_dir, max_connections=3)
    yield server
    server.close()


def turn(server: AudioServer, on_message: Callable[[bytes], None] = lambda _: None) -> None:
    """Take everything that is there already."""
    while ready := server.poll(0):
        server.receive(ready, on_message)


def test_a_stuck_listener_gets_the_end_of_a_message_as_soon_as_it_reads(
    short_dir: Path, server: AudioServer
) -> None:
    listener = Stranger(short_dir, endpoints.AUDIO_OUT)
    listener.socket.send(hello("SUB") + encode(subscribe(TOPIC)))
    turn(server)
    sent = [TOPIC + bytes([n]) * 50_000 for n in range(40)]  # The kernel takes such a part by part.
    got: list[bytes] = []
    for message in sent:
        server.publish(message)
    kept = len(sent) - server.dropped
    assert 1 < kept < len(sent)
    for _ in range(100):
        got += listener.read()
        turn(server)
    assert got == sent[:kept]
    assert not server.poll(0)
    server.publish(FRAME)
    assert listener.read() == [FRAME]
    listener.socket.close()


def test_half_a_hello_holds_nobody_up(short_dir: Path, server: AudioServer) -> None:
    half, whole = (Stranger(short_dir, endpoints.AUDIO_IN) for _ in range(2))
    received: list[bytes] = []
    half.socket.send(hello("PUSH")[:40])
    whole.socket.send(hello("PUSH") + encode(FRAME) + encode(b"second"))
    turn(server, received.append)
    assert received == [FRAME, b"second"] and len(server._senders) == 2
    half.socket.close()
    turn(server)
    assert len(server._senders) == 1 and server.refused == 0
    whole.socket.close()


def test_a_listener_may_go_while_it_is_being_sent_to(short_dir: Path, server: AudioServer) -> None:
    sender = Stranger(short_dir, endpoints.AUDIO_IN)
    listener = Stranger(short_dir, endpoints.AUDIO_OUT)
    listener.socket.send(hello("SUB") + encode(subscribe(TOPIC)))
    sender.socket.send(hello("PUSH"))
    turn(server)
    listener.socket.close()
    sender.socket.send(encode(FRAME))
    sender_first = sorted(server.poll(0), key=server._listeners.__contains__)
    server.receive(sender_first, server.publish)
    assert server.dropped == 1 and not server._listeners and not server._by_topic
    sender.socket.close()


def test_what_a_message_raises_costs_nobody_else(short_dir: Path, server: AudioServer) -> None:
    def refuse(message: bytes) -> None:
        raise ValueError(message)

    senders = [Stranger(short_dir, endpoints.AUDIO_IN) for _ in range(2)]
    received: list[bytes] = []
    turn(server)
    for sender in senders:
        sender.socket.send(hello("PUSH") + encode(FRAME))
    with pytest.raises(ValueError):
        server.receive(server.poll(0), refuse)
    turn(server, received.append)
    assert received == [FRAME]
    for sender in senders:
        sender.socket.send(encode(b"again"))
    turn(server, received.append)
    assert received == [FRAME, b"again", b"again"]
    for sender in senders:
        sender.socket.close()


def test_connections_over_the_limit_are_ended_and_places_become_free(
    short_dir: Path, server: AudioServer
) -> None:
    sender = Stranger(short_dir, endpoints.AUDIO_IN)
    listeners = [Stranger(short_dir, endpoints.AUDIO_OUT) for _ in range(3)]
    turn(server)
    assert server.refused == 1
    for listener in listeners:
        listener.read()
    assert sorted(listener.is_out for listener in listeners) == [False, False, True]
    sender.socket.close()
    turn(server)
    another = Stranger(short_dir, endpoints.AUDIO_OUT)
    turn(server)
    assert server.refused == 1
    for peer in (*listeners, another):
        peer.socket.close()


@pytest.mark.processes
def test_a_process_that_may_open_few_files_still_waits(short_dir: Path) -> None:
    program = (
        "import resource, socket, sys\n"
        "from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))\n"
        "from mixer_core.audio_server import AudioServer\n"
        "from mixer_core.bus import endpoints\n"
        "place = Path(sys.argv[1])\n"
        "server = AudioServer(place)\n"
        "path, peers = str(endpoints.AUDIO_IN.path(place)), []\n"
        "for _ in range(30):\n"
        "    peers.append(socket.socket(socket.AF_UNIX))\n"
        "    peers[-1].connect(path)\n"
        "    server.receive(server.poll(0), print)\n"
        "print(server.refused, server.poll(0))\n"
    )
    command = [sys.executable, "-c", program, str(short_dir)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert ended.stdout == "14 []\n"


def test_a_listener_that_wants_everything_one_by_one_is_shown_the_door(
    short_dir: Path, server: AudioServer
) -> None:
    greedy = Stranger(short_dir, endpoints.AUDIO_OUT)
    wanted = (encode(subscribe(bytes([n] * (n % 8)))) for n in range(255))
    greedy.socket.send(hello("SUB") + b"".join(wanted))
    turn(server)
    assert server.refused == 1
    assert not (server._listeners or server._by_topic or server._by_prefix)
    greedy.socket.close()


def test_a_subscriber_that_closes_itself_hears_no_more(short_dir: Path) -> None:
    async def main() -> None:
        turning, heard = Turning(short_dir), list[bytes]()

        def once(message: bytes) -> None:
            heard.append(message)
            sub.close()

        sub = AudioSub(asyncio.get_running_loop(), short_dir, TOPIC, once)
        await turning.until(lambda: bool(turning.server._by_topic))
        for _ in range(3):
            turning.server.publish(FRAME)
        await turning.until(lambda: not turning.server._listeners)
        assert heard == [FRAME]
        turning.server.close()

    asyncio.run(main())


def test_nothing_is_said_to_a_mixer_that_has_not_said_hello(short_dir: Path) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(str(endpoints.AUDIO_IN.path(short_dir)))
            mute.listen()
            push = AudioPush(asyncio.get_running_loop(), short_dir)
            peer, _ = mute.accept()
            with peer:
                assert not push.send(FRAME) and not push.is_connected
                assert peer.recv(1 << 16) == hello("PUSH")
                peer.send(hello("PULL"))
                await until(lambda: push.is_connected)
                assert push.send(FRAME)
                assert peer.recv(1 << 16) == encode(FRAME)
            push.close()

    asyncio.run(main())
