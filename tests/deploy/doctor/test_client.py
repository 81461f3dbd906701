"""The doctor's call against gateways that do not do what they should: it ends with a sentence."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from deploy.doctor import client, command
from deploy.doctor.client import CallError, call, is_audible
from tests.support.plain_client import use_loopback

pytestmark = pytest.mark.sockets
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def called(handler: Handler) -> str:
    """The words with which a call ends."""
    app = web.Application()
    app.router.add_post("/rooms/doctor/participants", handler)
    async with TestServer(app) as server:
        with pytest.raises(CallError) as found:
            await call(str(server.make_url("")).rstrip("/"))
    return str(found.value)


def answering(text: str, status: int = 201) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status)

    return handler


async def hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (answering("no room", 503), "the offer is refused \\(503\\): no room"),
        (answering("this is no SDP"), "cannot be used"),
        (answering(""), "cannot be used"),
        (answering("v=0\r\nm=audio x y\r\n"), "cannot be used"),
        (hangs_up, "is not answered"),
    ],
)
def test_an_answer_that_is_none_is_told(handler: Handler, words: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "LIMIT_S", 5.0)
        assert re.search(words, asyncio.run(called(handler)))


@pytest.mark.parametrize("when", ["before it is ready", "while it talks"])
def test_a_call_that_is_ended_in_the_middle_is_told(when: str) -> None:
    use_loopback()
    peers = []

    async def ends(request: web.Request) -> web.StreamResponse:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peers.append(peer)

        def opened(channel: object) -> None:
            if when == "while it talks":
                channel.on("message", lambda _: channel.close())  # type: ignore[attr-defined]
                channel.send('{"assistant": "ready"}')  # type: ignore[attr-defined]
            else:
                channel.close()  # type: ignore[attr-defined]

        peer.on("datachannel", opened)
        await peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return web.Response(text=peer.localDescription.sdp, status=201)

    async def main() -> str:
        try:
            return await called(ends)
        finally:
            await asyncio.gather(*(peer.close() for peer in peers))

    assert "the call was ended" in asyncio.run(main())


def test_sound_of_any_length_is_looked_at() -> None:
    assert is_audible(b"\0\0\xff\x7f\1") and not is_audible(b"\0\0\1") and not is_audible(b"")


def test_a_look_that_fails_itself_costs_that_look_only() -> None:
    unseen: list[str] = []

    def fails() -> int:
        raise KeyError("no such thing")

    assert command.looked("the disk", fails, 7, unseen) == 7
    assert command.looked("the disk", lambda: 8, 7, unseen) == 8
    (words,) = unseen
    assert "the disk could not be looked at: KeyError('no such thing') (test_client.py:" in words
