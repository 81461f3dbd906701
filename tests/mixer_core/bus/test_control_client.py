"""A client of signaling says who it is as soon as signaling is there again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import zmq

from mixer_core.bus import control, control_client
from mixer_core.bus.bound_router import BoundRouter
from mixer_core.bus.control_client import ControlClient
from mixer_core.bus.endpoints import readable
from mixer_core.runtime import logs
from tests.support.waiting import until

pytestmark = pytest.mark.sockets


def test_the_state_is_told_when_signaling_is_back_and_not_at_the_next_second(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_client, "HEARTBEAT_S", 3_600.0)

    async def main() -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        beat = control.Heartbeat("media_worker", 7, ready=True)
        client = ControlClient(
            context, short_dir, "me", lambda: beat, lambda _: None, logs.get("media_worker")
        )
        for _ in range(3):
            router = BoundRouter(context, short_dir)
            await until(lambda: readable(router.socket))  # noqa: B023
            identity, message = router.socket.recv_multipart()
            assert (identity, control.decode(message)) == (b"me", beat)
            router.socket.close()
        client.close()
        context.destroy(linger=0)

    asyncio.run(main())


def test_a_router_whose_path_is_taken_away_is_found_again(short_dir: Path) -> None:
    async def main() -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        (short_dir / "run").mkdir(mode=0o700)
        router = BoundRouter(context, short_dir / "run")
        beat = control.Heartbeat("media_worker", 7, ready=True)
        clients = []
        for name in ("old", "new"):
            clients.append(
                ControlClient(
                    context,
                    short_dir / "run",
                    name,
                    lambda: beat,
                    lambda _: None,
                    logs.get("media_worker"),
                )
            )
            heard = set()
            while name.encode() not in heard:
                await until(lambda: readable(router.socket))
                heard.add(router.socket.recv_multipart()[0])
            (short_dir / "run" / "control.sock").unlink()
            assert "bound again" in router.renew() and router.renew() == ""
        for client in clients:
            client.announce()
        heard = set()
        while heard != {b"old", b"new"}:
            await until(lambda: readable(router.socket))
            heard.add(router.socket.recv_multipart()[0])
        for client in clients:
            client.close()
        router.socket.close()
        context.destroy(linger=0)

    asyncio.run(main())


def test_a_heartbeat_that_fails_is_followed_by_another(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_client, "HEARTBEAT_S", 0.01)
    beats = [control.Heartbeat("media_worker", 1 << 70, ready=True)]  # It has no wire form.
    fine = control.Heartbeat("media_worker", 7, ready=True)
    troubles: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: troubles.append(context["exception"])
        )
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        router = BoundRouter(context, short_dir)
        log = logs.get("media_worker")
        client = ControlClient(
            context, short_dir, "me", lambda: beats.pop() if beats else fine, lambda _: None, log
        )
        await until(lambda: readable(router.socket))
        assert control.decode(router.socket.recv_multipart()[1]) == fine
        router.socket.close()
        client.close()
        context.destroy(linger=0)

    asyncio.run(main())
    assert [type(trouble) for trouble in troubles] == [OverflowError]
