"""What is said only once reaches a mixer that stood still, or one that follows it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mixer_core.bus import audio_client
from mixer_core.bus.audio_client import MOST_KEPT, AudioPush
from mixer_core.bus.endpoints import AUDIO_IN
from mixer_core.bus.zmtp import Parser, hello
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.sockets

LINES = [b"typed line", b"interrupt", b"key up"]


class Mixer:
    """The binding end, which reads when it is told to."""

    def __init__(self, folder: Path) -> None:
        AUDIO_IN.path(folder).unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(AUDIO_IN.path(folder)))
        self._listener.listen()
        self._listener.setblocking(False)
        self._peer: socket.socket | None = None
        self._parser = Parser()
        self.heard: list[bytes] = []

    async def greet(self) -> None:
        self._peer, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        self._peer.setblocking(False)
        self._peer.sendall(hello("PULL"))

    def read(self) -> list[bytes]:
        """What has come so far, but for frames."""
        assert self._peer is not None
        try:
            while data := self._peer.recv(65_536):
                self.heard += self._parser.feed(data)
        except BlockingIOError:
            pass
        return [message for message in self.heard if message.strip(b"\0")]

    def close(self) -> None:
        self._listener.close()
        if self._peer is not None:
            self._peer.close()


def run(scenario: Callable[[AudioPush, Mixer], Awaitable[None]], folder: Path) -> None:
    async def main() -> None:
        mixer = Mixer(folder)
        push = AudioPush(asyncio.get_running_loop(), folder)
        try:
            await mixer.greet()
            await until(lambda: push.is_connected, "the connection")
            await asyncio.wait_for(scenario(push, mixer), PATIENCE_S)
        finally:
            push.close()
            mixer.close()

    asyncio.run(main())


def fill(push: AudioPush) -> None:
    """The mixer stands still until its queue is full."""
    while push.send(bytes(984)):
        pass


def test_what_is_said_once_reaches_a_mixer_that_stood_still(short_dir: Path) -> None:
    async def scenario(push: AudioPush, mixer: Mixer) -> None:
        fill(push)
        assert all(push.send_or_keep(line) for line in LINES)
        await asyncio.sleep(3 * audio_client.FIRST_RETRY_S)
        await until(lambda: len(mixer.read()) >= len(LINES), "the lines")
        assert mixer.read() == LINES
        assert push.send_or_keep(b"next")
        await until(lambda: mixer.read() == [*LINES, b"next"], "the next one")

    run(scenario, short_dir)


def test_no_more_are_kept_than_may_be_nor_longer(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio_client, "KEPT_S", 0.0)

    async def scenario(push: AudioPush, mixer: Mixer) -> None:
        fill(push)
        taken = [push.send_or_keep(b"line") for _ in range(MOST_KEPT + 2)]
        assert taken == [True] * MOST_KEPT + [False] * 2
        await until(lambda: push.send_or_keep(b"later") and mixer.read(), "room again")
        assert set(mixer.read()) == {b"later"}

    run(scenario, short_dir)


def test_a_mixer_that_follows_one_that_stood_still_is_first_told_who_we_are(
    short_dir: Path,
) -> None:
    async def scenario(push: AudioPush, mixer: Mixer) -> None:
        fill(push)
        assert all(push.send_or_keep(line) for line in LINES)
        mixer.close()
        other = Mixer(short_dir)
        try:
            await other.greet()
            await until(lambda: push.is_connected, "the other one")
            assert push.send_or_keep(b"last")
            await asyncio.sleep(3 * audio_client.FIRST_RETRY_S)
            assert other.read() == [], "it does not know whose words these are"
            assert push.send(b"who we are")
            push.release()
            await until(lambda: len(other.read()) == 5, "all of it")
            assert other.read() == [b"who we are", *LINES, b"last"]
        finally:
            other.close()

    run(scenario, short_dir)
