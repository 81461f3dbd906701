"""``kill -9`` of each process in turn during a call: the call is talking again.

Before and after it only its owner holds a secret.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time

import aiohttp
import psutil
import pytest

from tests.processes.looking import until_said
from tests.processes.secrets_held import HOLDERS, PROGRAMS, SECRETS, check
from tests.support import audio
from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient, use_loopback
from tests.support.waiting import until

pytestmark = pytest.mark.processes

ASK_AGAIN_S = 0.5


class Caller:
    """A person whose client joins again when it is told that its call is lost.

    (A page does so after some silence, too. On a busy machine that may be silence of its own.)
    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.client: PlainClient | None = None
        self.joins = 0
        self._end: asyncio.Task[None] | None = None

    async def tick(self) -> PlainClient | None:
        """Join again where the call has ended. None while there is no call."""
        if self.client is not None and self._end is not None and not self._end.done():
            return self.client
        if self.client is not None:
            await self.client.close()
        self.client = PlainClient(self.gateway.url, "killed", "Ada")
        try:
            await self.client.join()
        except (OSError, AssertionError, TimeoutError, aiohttp.ClientError):
            self.client = None
            return None
        self.joins += 1
        self._end = asyncio.create_task(self._lost(self.client))
        await self.client.until(lambda: self.client.of_type("welcome"), "no welcome")  # type: ignore[union-attr]
        return self.client

    async def _lost(self, client: PlainClient) -> None:
        """Wait until the gateway tells that the call has ended, whoever dies meanwhile."""
        while client.channel.readyState == "open":
            try:
                async with (
                    aiohttp.ClientSession() as session,
                    session.get(f"{client.location}/end") as answer,
                ):
                    if answer.ok and (await answer.json())["status"] == "lost":
                        return
            except aiohttp.ClientError:  # Signaling itself is missing.
                pass
            await asyncio.sleep(0.1)

    async def talking_again(self, since_s: float) -> float:
        """Ask by text until a reply is heard; returns seconds since ``since_s``."""
        asked_s = since_s

        async def answered() -> float:
            nonlocal asked_s
            client = await self.tick()
            if client is None:
                return 0.0
            loud = [at for at, pcm in client.heard if at > since_s and any(pcm)]
            if loud and any(m["at"] > since_s for m in client.of_type("caption")):
                return loud[0] - since_s
            if time.monotonic() - asked_s > ASK_AGAIN_S:  # Nobody hears it while one is missing.
                asked_s = time.monotonic()
                client.say(type="say", text="are you there")
            return 0.0

        return await until(answered, "no reply", lambda: self.gateway.log, step_s=0.05)

    async def is_heard(self) -> bool:
        """Speak; whether the reply is the sentence."""
        original = audio.read_wav(audio.SENTENCE)
        assert self.client is not None
        await self.client.quiet(1.0)
        began_s = await self.client.speak(audio.to_pcm(original) + bytes(40_000))
        await until_said(self.client, "I heard", began_s)
        await self.client.quiet(0.8)
        heard = audio.from_pcm(self.client.pcm(began_s))
        return audio.share_found(heard, original) >= 0.6


def test_every_process_may_be_killed_during_a_call_and_only_owners_hold_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    use_loopback()
    victims = {
        "mixer_core": lambda g: g.program("mixer_core"),
        "signaling": lambda g: g.program("signaling"),
        "simulator": lambda g: g.program("openai_link.simulator"),
        "openai_link": lambda g: g.program("openai_link"),
        "media_worker": lambda g: g.program("media_worker"),
        "child of openai_link": lambda g: g.children("openai_link")[0],
        "child of media_worker": lambda g: g.children("media_worker")[0],
    }
    assert victims.keys() >= HOLDERS.keys()
    figures: dict[str, float] = {}
    joins: dict[str, int] = {}
    killed: dict[str, int] = {}

    async def call(gateway: Gateway) -> None:
        caller = Caller(gateway)
        await caller.talking_again(time.monotonic())
        await asyncio.to_thread(gateway.wait_ready)
        counts = await asyncio.to_thread(check, gateway)
        assert set(counts) == {*PROGRAMS, "supervisord"}
        assert counts["openai_link"] >= 3 and counts["media_worker"] >= 4, counts
        with capsys.disabled():
            print("\nprocesses:", counts)
        for name, find in victims.items():
            before = caller.joins
            assert caller.client is not None
            await caller.client.quiet(0.7)
            pid = killed[name] = find(gateway)
            os.kill(pid, signal.SIGKILL)
            figures[name] = round(await caller.talking_again(time.monotonic()), 2)
            assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"
            joins[name] = caller.joins - before
            await asyncio.to_thread(gateway.wait_ready)
        assert all(gateway.program(name) != killed[name] for name in HOLDERS), "not started again"
        await asyncio.to_thread(check, gateway)
        assert await caller.is_heard(), gateway.log
        assert caller.client is not None
        before = len(gateway.log)
        await asyncio.to_thread(gateway.interrupt)
        assert " was lost" not in gateway.log[before:], "links hang up before the simulator ends"
        await caller.client.close()

    gateway = Gateway(
        OPENAI_LINK__GREET=0, OPENAI_LINK__UPSTREAM="simulator", MIXER_CORE__STANDBY=1
    )
    gateway.env |= SECRETS
    with gateway:
        asyncio.run(call(gateway))
        assert "Traceback" not in gateway.log, gateway.log
        assert gateway.processes() == []
    assert not [value for value in SECRETS.values() if value in gateway.log]
    print(figures, {"rejoined": joins})
    assert joins["signaling"] == joins["mixer_core"] == 0
    assert joins["openai_link"] == joins["media_worker"] == 0
