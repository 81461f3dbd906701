"""A call through the whole gateway, by clients that know the protocol alone."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from deploy import log_commands, status, status_view
from deploy.local_gateway import LocalGateway
from deploy.log_lines import Wanted, parse, pick
from deploy.settings import AllSettings
from mixer_core.runtime.settings import load_all
from tests.support import audio
from tests.support.gateway import ROOT, Gateway
from tests.support.plain_client import PlainClient

pytestmark = pytest.mark.processes

REFUSED = ["Assistant", "\u0410ssistant", "A\u200bda", "\u202eadA", "A\nda", "The Assistant 2"]
"""Names that deceive, for the offer and for the control channel."""
SILENCE_1_S = bytes(48_000)
MOST = 0.6
"""Of what was said. A busy machine may lose frames, and `benchmarks` says how many; these tests say
that what comes through is what was said, at its level, in its order."""


async def connected(gateway: Gateway, room: str, *names: str, mode: str = "") -> list[PlainClient]:
    """Clients in one room whose assistant is ready."""
    clients = [PlainClient(gateway.url, room, name, mode) for name in names]
    for client in clients:
        await client.join()
    for client in clients:
        await client.until(
            lambda c=client: any(m["upstream"] == "ready" for m in c.of_type("state")),
            "the assistant does not become ready",
        )
    return clients


def test_a_plain_client_hears_its_own_sentence_again(gateway: Gateway) -> None:
    original = audio.read_wav(audio.SENTENCE)

    async def call() -> tuple[PlainClient, float]:
        (client,) = await connected(gateway, "plain", "Ada")
        began_s = await client.speak(audio.to_pcm(original) + SILENCE_1_S)
        await client.until(lambda: client.of_type("caption"), "there is no reply")
        await client.quiet()
        await client.close()
        return client, began_s

    client, began_s = asyncio.run(call())
    heard = audio.from_pcm(client.pcm(began_s))
    piece, score = audio.align(heard, original)
    gap_ms = audio.longest_gap_ms(piece, original)
    print({"correlation": round(score, 4), "longest_gap_ms": round(gap_ms, 2)})
    page = gateway.get("/metrics")[1].splitlines()
    assert not [line for line in page if line.endswith("Reported by the programs.")]
    assert audio.share_found(heard, original) >= MOST
    welcome = client.of_type("welcome")[0]
    assert (welcome["room"], welcome["mode"]) == ("plain", "assistant")
    assert any("simulator" in m["text"].lower() for m in client.of_type("caption"))


def test_pieces_of_any_even_size_are_the_same_speech(gateway: Gateway) -> None:
    original = audio.read_wav(audio.SENTENCE)
    pcm = audio.to_pcm(original) + SILENCE_1_S

    async def call() -> bytes:
        (client,) = await connected(gateway, "pieces", "Ada")
        loop = asyncio.get_running_loop()
        began_s, sent = loop.time(), 0
        for size in (2, 1498, 640, 4096) * 200:
            await asyncio.sleep(max(0.0, began_s + sent / 48_000 - loop.time()))
            client.channel.send(pcm[sent : sent + size] or SILENCE_1_S[:size])
            sent += size
            if sent >= len(pcm):
                break
        await client.until(lambda: client.of_type("caption"), "there is no reply")
        await client.quiet()
        await client.close()
        return client.pcm()

    assert audio.share_found(audio.from_pcm(asyncio.run(call())), original) >= MOST


def recorded(gateway: Gateway) -> audio.Samples:
    """What the simulator heard in its newest call."""
    newest = max(gateway.dir.glob("*.wav"), key=lambda path: path.stat().st_mtime_ns)
    return audio.read_wav(newest)


def loud_middle(samples: audio.Samples, seconds: float = 1.0) -> audio.Samples:
    """A piece from the middle of the loud part."""
    loud = np.nonzero(np.abs(samples) > 0.01)[0]
    middle = (loud[0] + loud[-1]) // 2
    half = int(seconds * audio.RATE_HZ / 2)
    return samples[middle - half : middle + half]


def test_two_tones_arrive_at_their_own_levels(gateway: Gateway) -> None:
    async def call() -> None:
        ada, bob = await connected(gateway, "tones", "Ada", "Bob")
        await asyncio.gather(
            ada.speak(audio.to_pcm(audio.tone(600, 3, -20)) + SILENCE_1_S),
            bob.speak(audio.to_pcm(audio.tone(1500, 3, -26)) + SILENCE_1_S),
        )
        await ada.close()
        await bob.close()

    asyncio.run(call())
    gateway.wait(lambda: gateway.json("/rooms")["rooms"] == [], "the room stays")
    piece = loud_middle(recorded(gateway))
    levels = {hz: round(audio.usual_level_dbfs(piece, hz), 2) for hz in (600, 1500)}
    print(levels)
    assert abs(levels[600] + 20) <= 1
    assert abs(levels[1500] + 26) <= 1


def test_in_a_conference_each_hears_the_other_and_not_itself(gateway: Gateway) -> None:
    async def call() -> list[bytes]:
        clients = await connected(gateway, "meeting", "Ada", "Bob", mode="conference")
        assert clients[1].of_type("welcome")[0]["mode"] == "conference"
        tones = (audio.tone(600, 3, -20), audio.tone(1500, 3, -20))
        await asyncio.gather(
            *(
                client.speak(audio.to_pcm(samples))
                for client, samples in zip(clients, tones, strict=True)
            )
        )
        heard = [client.pcm() for client in clients]
        for client in clients:
            await client.close()
        return heard

    pieces = [loud_middle(audio.from_pcm(pcm)) for pcm in asyncio.run(call())]
    own = [audio.usual_level_dbfs(pieces[0], 600), audio.usual_level_dbfs(pieces[1], 1500)]
    other = [audio.usual_level_dbfs(pieces[0], 1500), audio.usual_level_dbfs(pieces[1], 600)]
    print({"own_dbfs": own, "other_dbfs": other})
    assert all(abs(level + 20) <= 1 for level in other)
    assert all(level <= -70 for level in own)


def test_in_assistant_mode_people_do_not_hear_each_other(gateway: Gateway) -> None:
    async def call() -> bytes:
        ada, bob = await connected(gateway, "apart", "Ada", "Bob")
        await ada.speak(audio.to_pcm(audio.tone(600, 1.5, -20)))
        heard = bob.pcm()
        await ada.close()
        await bob.close()
        return heard

    heard = audio.from_pcm(asyncio.run(call()))
    assert len(heard) < 4800 or audio.usual_level_dbfs(heard, 600) < -70


def test_who_is_there_is_told_to_everybody(gateway: Gateway) -> None:
    async def call() -> None:
        ada, bob = await connected(gateway, "names", "Ada", "Bob")
        await ada.until(lambda: len(names(ada)) == 2, "Bob is not announced")
        bob.say(type="hello", name="Robert")
        await ada.until(lambda: names(ada) == {"Ada", "Robert"}, "the new name is not told")
        bob.say(type="mute", muted=True)
        await ada.until(
            lambda: any(p["muted"] for p in ada.of_type("participants")[-1]["participants"]),
            "the mute is not told",
        )
        room = gateway.json("/rooms/names")
        assert len(room["participants"]) == 2
        await bob.close()
        await ada.until(lambda: names(ada) == {"Ada"}, "it is not told that Bob left")
        await ada.close()

    def names(client: PlainClient) -> set[str]:
        newest = (client.of_type("participants") or [{"participants": []}])[-1]
        return {person["name"] for person in newest["participants"]}

    asyncio.run(call())


def test_what_cannot_be_read_is_answered_and_the_call_goes_on(gateway: Gateway) -> None:
    async def call() -> list[str]:
        (client,) = await connected(gateway, "nonsense", "Ada")
        client.channel.send(b"\x01" * 961)
        client.channel.send("{ no json")
        client.say(type="dance")
        client.say(type="mute", muted="perhaps")
        await client.until(lambda: len(client.of_type("error")) >= 4, "errors are missing")
        client.say(type="ping", t=42)
        await client.until(lambda: client.of_type("pong"), "no pong")
        assert client.of_type("pong")[0]["t"] == 42
        await client.close()
        return [error["code"] for error in client.of_type("error")]

    codes = asyncio.run(call())
    assert len(set(codes)) >= 3, codes


async def offer_as(gateway: Gateway, name: str) -> tuple[int, str]:
    """Status and title of the answer to an offer under that name."""
    client = PlainClient(gateway.url)
    await client.pc.setLocalDescription(await client.pc.createOffer())
    body = {"sdp": client.pc.localDescription.sdp, "type": "offer"}
    url = f"{gateway.url}/rooms/deceit/participants"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, params={"name": name}, json=body) as answer,
    ):
        content = await answer.json(content_type=None)
    await client.close()
    return answer.status, content.get("title", "")


def test_no_way_in_takes_a_name_that_deceives(gateway: Gateway) -> None:
    async def call() -> None:
        for name in REFUSED:
            assert await offer_as(gateway, name) == (400, "Bad name"), ascii(name)
        (client,) = await connected(gateway, "deceit", "Ada")
        for name in REFUSED:
            client.say(type="hello", name=name)
        client.say(type="hello", name="  Zo\u0065\u0308 ")
        await client.until(
            lambda: any(
                person["name"] == "Zo\u00eb"
                for message in client.of_type("participants")
                for person in message["participants"]
            ),
            "the good name did not arrive",
        )
        refusals = [m for m in client.of_type("error") if m["code"] == "bad_name"]
        assert len(refusals) == len(REFUSED)
        shown = {
            person["name"]
            for message in client.of_type("participants")
            for person in message["participants"]
        }
        assert shown == {"Ada", "Zo\u00eb"}
        await client.close()

    asyncio.run(call())


def examples(gateway: Gateway) -> list[str]:
    """The scripts in docs/client.md, for this gateway."""
    text = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    found = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [script.replace("http://127.0.0.1:8080", gateway.url) for script in found]


def test_the_scripts_in_the_documents_do_what_they_say(
    gateway: Gateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    audio.write_wav(tmp_path / "question.wav", audio.read_wav(audio.SENTENCE))
    ask, record, invited = (
        compile(script, "docs/client.md", "exec") for script in examples(gateway)
    )
    exec(ask, {"__name__": "__main__"})
    assert "\nAssistant: [simulator] You wrote" in capsys.readouterr().out
    exec(record, {"__name__": "__main__"})
    assert np.abs(audio.read_wav(tmp_path / "answer.wav")).max() > 0.05
    exec(invited, {"__name__": "__main__"})
    assert capsys.readouterr().out == "Bot may speak\n"


def test_a_person_who_looks_in_sees_the_room_and_hears_more_of_it(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``mixminus status``, ``log-level`` and the lines of one room."""
    for name, value in gateway.env.items():
        if name.startswith("MIXMINUS_"):
            monkeypatch.setenv(name, value)
    reading: list[status_view.Reading] = []

    async def call() -> None:
        (client,) = await connected(gateway, "seen", "Ada")
        assert log_commands.level(["debug"]) == 0
        local = LocalGateway(load_all(AllSettings))
        while not any(
            table.title == "Rooms" for table in status_view.tables(None, status.read(local))
        ):
            await asyncio.sleep(0.1)
        reading.append(status.read(local))
        await client.close()

    asyncio.run(call())
    assert log_commands.level(["reset"]) == 0
    tables = {table.title: table for table in status_view.tables(None, reading[0])}
    assert ("seen", "Ada") in [(row[0], row[2]) for row in tables["Rooms"].rows]
    column = tables["Programs"].columns.index("memory")
    memory = {row[0]: row[column] for row in tables["Programs"].rows}
    assert all(memory[name].endswith("MiB") for name in ("signaling", "mixer_core", "media_worker"))
    about = list(pick(gateway.log.splitlines(), Wanted(("seen",))))
    programs = {line.program for text in about if (line := parse(text)) is not None}
    assert programs == {"signaling", "media_worker", "openai_link"}
