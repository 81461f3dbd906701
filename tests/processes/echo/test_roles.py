"""Roles in a real gateway: a listener who sends audio, and somebody who was removed."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp
import pytest

from tests.docs import commands
from tests.support import audio
from tests.support.gateway import LOOK_S, Gateway
from tests.support.plain_client import PlainClient
from tests.support.waiting import until

pytestmark = pytest.mark.processes
Session = Callable[[], aiohttp.ClientSession]


class Desk:
    """The gateway's own screen."""

    def __init__(self, gateway: Gateway, http: aiohttp.ClientSession) -> None:
        self._url = gateway.url
        self._http = http
        self.tokens: list[str] = []

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """Status and JSON of a request."""
        async with self._http.request(method, self._url + path, **more) as answer:
            return answer.status, await answer.json()

    async def guest(self, room: str, role: str, name: str = "") -> Session:
        """What makes HTTP sessions of somebody who came by a link."""
        wish = {"role": role, "name": name}
        _, made = await self.ask("POST", f"/rooms/{room}/invitations", json=wish)
        token = made["link"].rpartition("#invite=")[2]
        self.tokens.append(token)
        async with aiohttp.ClientSession() as fresh:
            url = f"{self._url}/session"
            async with fresh.post(url, json={"token": token}) as answer:
                value = answer.cookies["mixminus"].value
        self.tokens.append(value)
        return partial(aiohttp.ClientSession, headers={"Cookie": f"mixminus={value}"})


def test_a_listener_who_sends_audio_is_not_heard(gateway: Gateway) -> None:
    async def check() -> None:
        async with aiohttp.ClientSession() as http:
            desk = Desk(gateway, http)
            olga = PlainClient(gateway.url, "quiet", "Olga", "conference")
            await olga.join()
            session = await desk.guest("quiet", "listen")
            ben = PlainClient(gateway.url, "quiet", "Ben", http=session)
            await ben.join()
            await ben.until(lambda: ben.of_type("welcome"), "no welcome")
            assert ben.of_type("welcome")[0]["role"] == "listen"
            await olga.quiet()
            heard_before = len(olga.heard)
            await ben.speak(audio.to_pcm(audio.read_wav(audio.SENTENCE)))
            refusals = [e for e in ben.of_type("error") if e["code"] == "not_allowed"]
            assert len(refusals) == 1 and "dropped" in refusals[0]["message"]
            loud = [pcm for _, pcm in olga.heard[heard_before:] if len(pcm.strip(b"\0")) > 8]
            assert loud == []
            people = olga.of_type("participants")[-1]["participants"]
            (entry,) = [person for person in people if person["name"] == "Ben"]
            assert (entry["role"], entry["muted"]) == ("listen", True)
            page = gateway.get("/metrics")[1]
            (line,) = [
                row for row in page.splitlines() if row.startswith("mixminus_frames_refused")
            ]
            assert float(line.split()[-1]) > 50
            for kind in ("say", "interrupt"):
                ben.say(type=kind, text="hello")
            await ben.until(lambda: len(ben.of_type("error")) >= 3, "not refused")
            for client in (olga, ben):
                await client.close()
            assert not any(token in gateway.log for token in desk.tokens)

    asyncio.run(check())


def test_somebody_who_was_removed_is_told_and_does_not_come_back(gateway: Gateway) -> None:
    async def check() -> None:
        async with aiohttp.ClientSession() as http:
            desk = Desk(gateway, http)
            session = await desk.guest("den", "speak", "Bob")
            bob = PlainClient(gateway.url, "den", http=session)
            await bob.join()
            await bob.until(lambda: bob.of_type("welcome"), "no welcome")
            participant = bob.of_type("welcome")[0]["participant"]
            status, _ = await desk.ask("DELETE", f"/rooms/den/participants/{participant}")
            assert status == 200
            await bob.until(lambda: bob.of_type("bye"), "nobody tells him")
            assert bob.of_type("bye")[0]["code"] == "removed"
            await bob.close()
            again = PlainClient(gateway.url, "den", http=session)
            with pytest.raises(AssertionError, match="removed you from den"):
                await again.join()
            await again.close()

            async def empty() -> bool:
                return (await desk.ask("GET", "/rooms/den"))[0] == 404

            await until(empty, "he is still there", step_s=LOOK_S)

    asyncio.run(check())


def test_the_requests_of_the_documents_work(gateway: Gateway) -> None:
    found = list(commands.requests())
    assert len(found) >= 4
    for words, answer in found:
        line = [
            word.replace(commands.ADDRESS, gateway.url).replace("$MIXMINUS_TOKEN", "")
            for word in words
        ]
        done = subprocess.run([*line, "--silent"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        if answer is not None:
            assert json.loads(answer).keys() <= json.loads(done.stdout).keys(), words


def test_the_mode_changes_during_a_call(gateway: Gateway) -> None:
    async def check() -> None:
        async with aiohttp.ClientSession() as http:
            desk = Desk(gateway, http)
            ann, ben = (PlainClient(gateway.url, "hall", name) for name in ("Ann", "Ben"))
            for client in (ann, ben):
                await client.join()
                await client.until(lambda one=client: one.of_type("welcome"), "no welcome")
            await ben.quiet()
            status, _ = await desk.ask("PATCH", "/rooms/hall", json={"mode": "conference"})
            assert status == 200
            await ben.until(lambda: ben.of_type("room"), "not told")
            await ann.speak(audio.to_pcm(audio.read_wav(audio.SENTENCE)))
            await ben.until(
                lambda: any(len(pcm.strip(b"\0")) > 8 for _, pcm in ben.heard), "Ann is not heard"
            )
            for client in (ann, ben):
                await client.close()

    asyncio.run(check())
