"""Sessions of a few seconds: the room moves from one to the next, and nobody hears it.

``MIXMINUS_LONG=1`` runs ten rollovers of 20 s sessions instead of two of 8 s. How long the gaps are
that people hear is a figure, printed and not judged: it depends on the machine.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from mixer_core.journal.file import journal_path
from tests.processes.looking import joined, link_metrics, simulator_calls, words
from tests.support import audio
from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient, use_loopback

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]

IS_LONG = bool(os.environ.get("MIXMINUS_LONG"))
ROLLOVERS, SESSION_S = (10, 20) if IS_LONG else (2, 8)
TONE_MS = 2_500
PAUSE_S = 2.0
FRAME = 480
BLOCK = 240
MOST = 0.8
"""Of the frames, both ways; a busy machine may lose some."""


def noise(seconds: float) -> bytes:
    """Speech-band noise whose every second is unlike every other one; never silent."""
    rng = np.random.default_rng(7)
    spectrum = np.fft.rfft(rng.standard_normal(int(seconds * audio.RATE_HZ)))
    hz = np.fft.rfftfreq(int(seconds * audio.RATE_HZ), 1 / audio.RATE_HZ)
    spectrum[(hz < 300) | (hz > 3_000)] = 0
    samples = np.fft.irfft(spectrum)
    return audio.to_pcm(0.2 * samples / np.abs(samples).max())


def is_loud(pcm: bytes) -> bool:
    """Whether the tone is in it."""
    return bool(np.abs(audio.from_pcm(pcm)).max(initial=0) > 0.05)


def longest_gap_ms(client: PlainClient, since_s: float) -> float:
    """Longest time between two audible messages of one reply."""
    loud = [at for at, pcm in client.heard if at >= since_s and is_loud(pcm)]
    gaps = [later - earlier for earlier, later in pairwise(loud)]
    return round(1000 * max((gap for gap in gaps if gap < PAUSE_S / 2), default=0.0), 1)


def place(original: audio.Samples, probe: audio.Samples) -> int:
    """Where in ``original`` the samples of ``probe`` are, by correlation."""
    size = 1 << (len(original) + len(probe)).bit_length()
    spectrum = np.fft.rfft(original, size) * np.conj(np.fft.rfft(probe, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: len(original)]))


def is_same(one: audio.Samples, other: audio.Samples) -> bool:
    """Whether two pieces of sound are alike."""
    if len(one) != len(other):
        return False
    return bool(np.dot(one, other) > 0.8 * np.linalg.norm(one) * np.linalg.norm(other) > 0)


def shift(original: audio.Samples, heard: audio.Samples, first: int, last: int) -> int | None:
    """How far a part of ``heard`` is from its place; None: it is like no part of ``original``."""
    probe = heard[first:last]
    found = place(original, probe)
    return found - first if is_same(probe, original[found : found + len(probe)]) else None


def positions(gateway: Gateway, original: audio.Samples) -> tuple[list[tuple[int, int]], int]:
    """Which part of ``original`` each session has heard, by its recording, in samples.

    Sessions that have lost frames where they begin or end, as on a busy machine, are left out: how
    many that are comes second. Those that have heard less than a second do not count.
    """
    found, unlike = [], 0
    for path in gateway.dir.glob("*.wav"):
        heard = audio.read_wav(path)
        loud = np.flatnonzero(np.abs(heard) > 0.02)
        if len(loud) < audio.RATE_HZ:
            continue
        first, last, half = int(loud[0]), int(loud[-1]), audio.RATE_HZ // 2
        early = shift(original, heard, first + half, first + 2 * half)
        late = shift(original, heard, last - 2 * half, last - half)
        if early is None or late is None:
            unlike += 1
            continue
        while not is_same(heard[last - BLOCK : last], original[last - BLOCK + late : last + late]):
            last -= BLOCK // 4  # The codec's click at the end of the silence after the last frame.
        found.append((first + early, last + late))
    return sorted(found), unlike


def session_ends(gateway: Gateway) -> list[str | None]:
    """Why each session ended, by the journal, in order; None: it did not."""
    connection = sqlite3.connect(journal_path(gateway.dir / "state"))
    rows = connection.execute("SELECT ended_ms, reason FROM session ORDER BY started_ms").fetchall()
    connection.close()
    return [reason if ended_ms else None for ended_ms, reason in rows]


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_a_room_moves_from_session_to_session_unheard(transport: str) -> None:
    use_loopback()
    sound = noise(ROLLOVERS * SESSION_S)
    gateway = Gateway(
        OPENAI_LINK__GREET=0,
        OPENAI_LINK__EMPTY_LINGER_MS=200,
        OPENAI_LINK__TRANSPORT=transport,
        OPENAI_LINK__CREATE_RESPONSE=0,
        OPENAI_LINK__INTERRUPT_RESPONSE=0,
        SIMULATOR__BRAIN="tone",
        SIMULATOR__TONE_MS=TONE_MS,
        SIMULATOR__SESSION_MAX_S=SESSION_S,
    )
    gateway.env["MIXMINUS_SIMULATOR__RECORD_DIR"] = str(gateway.dir)

    async def call() -> dict[str, Any]:
        client = await joined(gateway, "long")
        speaking = asyncio.create_task(client.speak(sound))
        began_s = time.monotonic()
        said = 0
        while not speaking.done():
            said += 1
            client.say(type="say", text=f"Question {said}.")
            await asyncio.sleep(TONE_MS / 1000 + PAUSE_S)
        await client.quiet()
        await asyncio.sleep(1.5)  # Link metrics travel once a second.
        metrics, calls = link_metrics(gateway), simulator_calls(gateway)
        states = {m["upstream"] for m in client.of_type("state") if m["at"] > began_s}
        tone_s = sum(len(pcm) for at, pcm in client.heard if at > began_s and is_loud(pcm)) / 48_000
        gap_ms = longest_gap_ms(client, began_s)
        await client.close()
        return {
            "metrics": metrics,
            "calls": calls,
            "states": states,
            "said": said,
            "tone_s": tone_s,
            "gap_ms": gap_ms,
        }

    with gateway:
        seen = asyncio.run(call())
        gateway.wait(
            lambda: all(call["state"] == "ended" for call in simulator_calls(gateway)),
            "the calls do not end",
        )
        gateway.wait(lambda: all(session_ends(gateway)), "the journal does not tell every end")
        log = gateway.log
        ends = session_ends(gateway)
        parts, unlike = positions(gateway, audio.from_pcm(sound))
    lost = [later[0] - earlier[1] - 1 for earlier, later in pairwise(parts)]
    metrics = seen["metrics"]
    print(
        {
            "transport": transport,
            "rollovers": metrics["rollovers_total"],
            "frames_spoken": len(sound) // 960,
            "frames_sent": metrics["uplink_frames_total"],
            "samples_between_sessions": lost,
            "sessions": {"compared": len(parts), "unlike": unlike},
            "longest_gap_down_ms": seen["gap_ms"],
            "reply_s": [round(seen["tone_s"], 2), round(seen["said"] * TONE_MS / 1000, 2)],
        }
    )
    assert metrics["rollovers_total"] >= ROLLOVERS, log
    assert seen["states"] == {"ready"}, log
    spoken = len(sound) // 960
    assert MOST * spoken < metrics["uplink_frames_total"] <= spoken + 1  # A last one may be silent.
    assert unlike or len(parts) > ROLLOVERS, parts
    assert unlike or all(abs(samples) < FRAME for samples in lost), (parts, log)
    assert seen["tone_s"] > MOST * seen["said"] * TONE_MS / 1000
    assert ends == ["rollover"] * int(metrics["rollovers_total"]) + ["the room is empty"], ends
    asked = [text for text in words(seen["calls"][-1], "user") if text]  # What was said has none.
    assert asked == [f"Question {n + 1}." for n in range(seen["said"])], asked
    assert "Traceback" not in log, log
