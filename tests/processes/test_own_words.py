"""Exact words of each person through the whole gateway: names, captions, journal, cost."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rig.talkers import made_up
from mixer_core.journal.file import journal_path
from tests.processes.looking import joined, simulator_calls
from tests.support import audio
from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient, use_loopback
from tests.support.waiting import until

pytestmark = pytest.mark.processes

SPOKEN_S = {"Ada": 1.2, "Ben": 2.6, "Cem": 4.0}
"""Whose words they are is told by their length: the simulator writes down how long somebody
spoke."""
MORE_S = 1.2
"""A session hears a little before and after."""
WRITTEN = re.compile(r"\[simulator\] ([0-9.]+) s of speech")
Words = list[tuple[str, str]]
"""Lines of people: names and text."""


def speech(name: str) -> bytes:
    """What that person says, for as long as they speak."""
    voice = made_up(list(SPOKEN_S).index(name))
    return audio.to_pcm(voice[: int(SPOKEN_S[name] * audio.RATE_HZ)])


def own_sessions(gateway: Gateway) -> list[list[str]]:
    """What each of the sessions for one person has written down, in order."""
    return [
        [str(item["content"][0]["transcript"]) for item in call["items"]]
        for call in simulator_calls(gateway)
        if call["type"] == "transcription"
    ]


def journal(gateway: Gateway) -> Words:
    items = gateway.json("/rooms/team/transcript")["items"]
    return [(item["name"], item["text"]) for item in items if item["role"] == "user"]


def captions(client: PlainClient) -> Words:
    """The newest form of each line of people, in the order of their beginning."""
    lines = {m["item"]: m for m in client.of_type("caption") if m["speaker"] != "assistant"}
    return [(line["name"], line["text"]) for line in lines.values()]


def spoken_s(words: str) -> float:
    """For how long, by the words."""
    return sum(float(length) for length in WRITTEN.findall(words))


def is_of(name: str, words: str) -> bool:
    return SPOKEN_S[name] - 0.3 < spoken_s(words) < SPOKEN_S[name] + MORE_S


def by_name(names: str, line: str) -> Words:
    """The words of each who spoke in a turn; none where it still has those of the mix."""
    several = names.split(", ")
    if len(several) == 1:
        return [(names, line)]
    parts = [part.partition(": ") for part in line.split(" / ")]
    return [(name, words) for name, _, words in parts if name in several]


async def alone(gateway: Gateway, client: PlainClient, name: str) -> str:
    """``name`` speaks; their own words, once the journal has them."""
    before = {line for lines in own_sessions(gateway) for line in lines}
    known = len(journal(gateway))
    await client.speak(speech(name))

    def written() -> str:
        new = [line for lines in own_sessions(gateway) for line in lines if line not in before]
        own = " ".join(new)
        return own if new and journal(gateway)[known:] == [(name, own)] else ""

    return str(await until(written, f"{name}'s words do not come", lambda: journal(gateway)))


def costs(gateway: Gateway) -> tuple[float, list[tuple[str, float, list[Any]]]]:
    """Dollars of everything in the journal; key, dollars and shares of each transcription."""
    path = journal_path(Path(gateway.env["MIXMINUS_RUNTIME__STATE_DIR"]))
    with closing(sqlite3.connect(path)) as db:
        (total,) = db.execute("SELECT sum(cost_usd) FROM usage").fetchone()
        rows = db.execute("SELECT key, cost_usd, shares FROM usage WHERE kind = 'transcription'")
        return total, [(key, usd, json.loads(shares)) for key, usd, shares in rows]


def test_everybodys_own_words_have_their_names_and_are_paid_once() -> None:
    use_loopback()
    with Gateway(
        OPENAI_LINK__GREET=0,
        OPENAI_LINK__TRANSCRIPTION_MODEL="gpt-4o-mini-transcribe",
        ROOMS__TEAM__TRANSCRIBE_EACH="true",
        SIMULATOR__BRAIN="tone",
        SIMULATOR__TONE_MS=300,
    ) as gateway:
        asyncio.run(_call(gateway))


async def _call(gateway: Gateway) -> None:
    people = {name: await joined(gateway, "team", name) for name in SPOKEN_S}
    ada = people["Ada"]
    await ada.until(lambda: len(ada.of_type("participants")[-1]["participants"]) == 3, "not three")
    for name, client in people.items():
        words = await alone(gateway, client, name)
        assert is_of(name, words), (name, words)
        await ada.quiet()
    await asyncio.gather(*(client.speak(speech(name)) for name, client in people.items()))
    alone_lines = captions(ada)

    def at_once() -> list[Words]:
        return [by_name(names, line) for names, line in captions(ada)[len(alone_lines) :]]

    def are_own() -> bool:
        """However many turns the server made of it, each has the words of those who spoke in it."""
        said = dict.fromkeys(SPOKEN_S, "")
        for name, words in (pair for line in at_once() for pair in line):
            said[name] += words
        return all(is_of(name, words) for name, words in said.items())

    await until(are_own, "not everybody's own words", at_once)
    await ada.quiet()
    assert are_own() and any(len(line) > 1 for line in at_once()), at_once()
    assert [name for name, _ in alone_lines] == list(SPOKEN_S)
    for client in people.values():
        await client.until(lambda c=client: captions(c) == captions(ada), "others see other words")
    assert journal(gateway) == captions(ada)
    sessions = own_sessions(gateway)
    assert len(sessions) == 3, "one for each who has spoken"
    await _paid_once(gateway, ada, sum(map(len, sessions)))
    for client in people.values():
        await client.close()


async def _paid_once(gateway: Gateway, client: PlainClient, own_count: int) -> None:
    """What is told is the journal's sum; each own utterance is in it once, for its speaker."""

    def shown() -> bool:
        usage = gateway.json("/rooms/team")["usage"]
        told = [usage, client.of_type("usage")[-1]]
        total, _ = costs(gateway)
        return all(abs(each["room"]["cost_usd"] - total) < 1e-5 for each in told)

    await until(shown, "the room's figure is another", lambda: costs(gateway))
    _, written = costs(gateway)
    assert len({key for key, _, _ in written}) == len(written)
    assert all(usd > 0 for _, usd, _ in written)
    turns = len(journal(gateway))
    assert len(written) == own_count + turns, "one of each utterance, one of each turn of the mix"
    alone = [shares[0][1] for _, _, shares in written if len(shares) == 1]
    assert {name: alone.count(name) >= 2 for name in SPOKEN_S} == dict.fromkeys(SPOKEN_S, True)
