"""A recording through the real processes: asked for, told, heard, kept, objected to, downloaded."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from datetime import datetime
from typing import Any

import aiohttp
import av
import numpy as np
import numpy.typing as npt
import pytest

from mixer_core.journal.left_recordings import REASON
from openai_link.recording.tone import PITCHES_HZ
from signaling.client import join
from tests.processes.looking import settle
from tests.support.audio import to_pcm, tone
from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient

pytestmark = pytest.mark.processes


def test_a_room_is_recorded_until_somebody_objects(gateway: Gateway) -> None:
    settle(gateway)  # Only this room's process will have worked.
    asyncio.run(_recorded(gateway))


def sound(hz: float, seconds: float) -> bytes:
    return to_pcm(tone(hz, seconds, -12.0))


def phase(client: PlainClient) -> str:
    told = client.of_type("state")
    return str(told[-1]["recording"]["phase"]) if told else ""


def why(client: PlainClient) -> str:
    return str(client.of_type("state")[-1]["recording"]["words"])


async def _recorded(gateway: Gateway) -> None:
    ada, ben = (PlainClient(gateway.url, "studio", name) for name in ("Ada", "Ben"))
    await ada.join()
    await ben.join()
    await ada.until(lambda: phase(ben) == "off" and phase(ada), "no link")
    ada.say(type="record", on=True)
    await ada.speak(sound(500, 0.4))  # Before anybody could object: it is not kept.
    await ada.until(lambda: phase(ben) == "soon", "Ben was not told")
    await ada.until(lambda: _has_tone(ben.pcm()), "Ben has heard no tone")
    await ada.until(lambda: phase(ben) == "on", "it does not begin")
    await asyncio.gather(ada.speak(sound(400, 1.5)), ben.speak(sound(1_000, 1.5)))
    await ada.quiet()
    ben.say(type="record", on=False)
    await ada.until(lambda: phase(ada) == "off", "it goes on")
    assert "Ben" in ada.of_type("state")[-1]["recording"]["words"]
    one = await _finished(gateway)
    voices = {track["name"]: await _file(gateway, one, track["file"]) for track in one["tracks"]}
    assert {"Ada", "Ben", "Assistant"} >= voices.keys() >= {"Ada", "Ben"}
    assert _strongest_hz(voices["Ada"]) == pytest.approx(400, abs=5)
    assert _strongest_hz(voices["Ben"]) == pytest.approx(1_000, abs=5)
    assert abs(_begins(one, voices, "Ada") - _begins(one, voices, "Ben")) < 0.25  # As they spoke.
    mix = await _file(gateway, one, "mix.flac")
    assert len(mix) / 24_000 == pytest.approx(_lasted(one), abs=0.15)

    def notes() -> list[dict[str, Any]]:
        items = gateway.json("/rooms/studio/transcript")["items"]
        return [item for item in items if item["role"] == "system"]

    await ada.until(lambda: len(notes()) > 1, "the journal has no note of the end")
    assert ["records this room" in note["text"] for note in notes()] == [True, False]
    path = f"{gateway.url}/rooms/studio/recordings/{one['recording']}"
    async with aiohttp.ClientSession() as http:
        for status in (200, 404):
            async with http.delete(path) as answer:
                assert answer.status == status
        async with http.get(f"{path}/mix.flac") as answer:
            assert answer.status == 404
    await _left_by_a_killed_process(gateway, ada, ben)
    for client in (ada, ben):
        await client.close()


async def _left_by_a_killed_process(gateway: Gateway, ada: PlainClient, ben: PlainClient) -> None:
    async with join(gateway.url, room="studio", name="Cem") as script:
        await script.record(True)
        await ada.until(lambda: phase(ben) == "soon", "a script cannot ask for it")
        assert why(ben).startswith("Cem"), why(ben)
        await script.record(False)
        await ada.until(lambda: phase(ben) == "off", "a script cannot object")
        await script.record(True)
        await ada.until(lambda: phase(ben) == "on", "it does not begin again")
    await ada.speak(sound(400, 1.5))
    os.kill(gateway.children("openai_link")[0], signal.SIGKILL)
    await ada.until(
        lambda: phase(ben) == "off" and why(ben) == REASON, "Ben is not told why it ends"
    )
    one = await _finished(gateway)
    assert one["reason"] == REASON and _lasted(one) >= 0

    def last() -> str:
        return str(gateway.json("/rooms/studio/transcript")["items"][-1]["text"])

    wanted = f"The recording has ended: {REASON}."
    await ada.until(lambda: last() == wanted, "the journal has no note of it")


async def _finished(gateway: Gateway) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            (one,) = gateway.json("/rooms/studio/recordings")["recordings"]
            if one["ended"]:
                return dict(one)
            await asyncio.sleep(0.1)


async def _file(gateway: Gateway, one: dict[str, Any], name: str) -> npt.NDArray[np.int16]:
    url = f"{gateway.url}/rooms/studio/recordings/{one['recording']}/{name}"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert answer.status == 200 and answer.content_type == "audio/flac"
        data = await answer.read()
    with av.open(io.BytesIO(data)) as container:
        return np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])


def _lasted(one: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(one[key]) for key in ("began", "ended"))
    return (ended - began).total_seconds()


def _begins(one: dict[str, Any], voices: dict[str, Any], name: str) -> float:
    (track,) = (track for track in one["tracks"] if track["name"] == name)
    return float(track["start_ms"] / 1_000 + np.flatnonzero(np.abs(voices[name]) > 500)[0] / 24_000)


def _strongest_hz(samples: npt.NDArray[np.int16]) -> float:
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64)))
    return float(np.argmax(spectrum) * 24_000 / len(samples))


def _has_tone(pcm: bytes) -> bool:
    samples = np.frombuffer(pcm[-2 * 48_000 :], "<i2").astype(np.float64)
    if len(samples) < 4_800:
        return False
    spectrum = np.abs(np.fft.rfft(samples))
    return all(
        spectrum[int(hz * len(samples) / 24_000) - 3 :][:7].max() > 20 * np.median(spectrum)
        for hz in PITCHES_HZ
    )
