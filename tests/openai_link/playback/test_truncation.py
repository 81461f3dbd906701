"""No truncation leaves that a server must refuse, whatever is said when: a model of the server."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mixer_core.bus.pcm import SILENCE
from mixer_core.runtime.units import MS_NS
from openai_link.facts import (
    Caption,
    ItemTruncated,
    ItemVoiced,
    PlaybackEnded,
    PlaybackStarted,
    ResponseEnded,
)
from openai_link.playback.tracker import PlaybackTracker
from openai_link.playback.truncation import Truncation
from openai_link.realtime.client_events import ClientEvents
from openai_link.turns.actions import Send
from tests.support.tables import examples

LOUD = np.full(480, 1000, np.int16).tobytes()
LATE_MS = 40
"""The server's event may come so long before or after the packets that it is about."""


class Service:
    """One response of several messages, as the service holds and plays it."""

    def __init__(self, lengths_ms: list[int], over_websocket: bool) -> None:
        self.over_websocket = over_websocket
        self.names = [f"i{number}" for number in range(len(lengths_ms))]
        self.audio_ms = dict(zip(self.names, lengths_ms, strict=True))
        """Sound of each message, as it is in the conversation now."""
        self.whole_ms = dict(self.audio_ms)
        self.tracker = PlaybackTracker(ClientEvents(), not over_websocket)
        self.tracker.on_roster(["p"])
        self.now_ms = 0
        self.sent_ms = 0
        """Of the reply."""
        self.ends: dict[str, int] = {}
        """Where people stopped hearing a message, as far as it was told."""

    def take(self, actions: Any) -> None:
        for action in actions:
            if isinstance(action, Truncation):
                self.ends[action.item] = action.audio_end_ms
                continue
            assert isinstance(action, Send)
            item, end_ms = action.event["item_id"], action.event["audio_end_ms"]
            assert 1 <= end_ms < self.audio_ms[item], (item, end_ms, self.audio_ms)
            self.audio_ms[item] = end_ms
            self.fact(ItemTruncated(item, end_ms))

    def fact(self, fact: Any) -> None:
        self.take(self.tracker.on_fact(fact, self.now_ms * MS_NS))

    def generate(self, rate: int) -> None:
        """All messages are made, faster than they are said."""
        for name in self.names:
            self.fact(ItemVoiced("r", name))
            self.fact(Caption("assistant", name, "word " * (self.whole_ms[name] // rate), True))
            if self.over_websocket and self.whole_ms[name]:
                self.tracker.delivered(name, 24 * self.whole_ms[name])

    def play(self, frames: int, skew: int = 0) -> None:
        """Some frames of it, of which the first ``skew`` are silence."""
        whole_ms = sum(self.whole_ms.values())
        for number in range(frames):
            silent = number < skew or self.sent_ms >= whole_ms
            self.tracker.sent(self.now_ms * MS_NS, SILENCE if silent else LOUD)
            self.sent_ms += 0 if number < skew else 20
            self.now_ms += 20

    def truncate(self) -> None:
        """It truncates by itself, to what it has sent (over WebRTC)."""
        left_ms = self.sent_ms
        for name in self.names:
            played_ms = min(self.whole_ms[name], max(0, left_ms))
            left_ms -= self.whole_ms[name]
            if played_ms < self.audio_ms[name]:
                self.audio_ms[name] = played_ms
                self.fact(ItemTruncated(name, played_ms))

    def report(self, behind_ms: int, last: bool) -> None:
        stamp_ms = max(0, self.now_ms - behind_ms) // 20 * 20
        report = {
            "epoch": 0,
            "stamp_ns": stamp_ms * MS_NS,
            "offset_samples": 240,
            "last": last,
        }
        self.take(self.tracker.played("p", report, self.now_ms * MS_NS))


@settings(max_examples=examples(400))
@given(
    lengths=st.lists(st.sampled_from([0, 20, 300, 700, 2_000]), min_size=1, max_size=3),
    over_websocket=st.booleans(),
    frames=st.integers(0, 160),
    skew=st.integers(0, LATE_MS // 20),
    rate=st.sampled_from([150, 300, 900]),
    behind_ms=st.sampled_from([0, 20, 60, 130, 400]),
    starts=st.booleans(),
    stops_early=st.booleans(),
    status=st.sampled_from(["completed", "cancelled", "failed", "incomplete", ""]),
    order=st.permutations(["truncate", "flush", "done", "report"]),
)
def test_whatever_is_said_when_no_truncation_is_refused(
    lengths: list[int],
    over_websocket: bool,
    frames: int,
    skew: int,
    rate: int,
    behind_ms: int,
    starts: bool,
    stops_early: bool,
    status: str,
    order: list[str],
) -> None:
    service = Service(lengths, over_websocket)
    service.generate(rate)
    service.report(0, last=False)
    if starts and sum(lengths):
        service.fact(PlaybackStarted("r"))
        service.play(frames, 0 if over_websocket else skew)
    if stops_early:
        service.fact(PlaybackEnded("r", False))
    for step in order:
        match step:
            case "truncate" if not over_websocket and not stops_early:
                service.truncate()
            case "flush":
                service.take(service.tracker.cut(1, service.now_ms * MS_NS))
            case "done":
                service.fact(ResponseEnded("r", status))
            case "report":
                service.report(behind_ms, last=True)
    service.take(service.tracker.tick((service.now_ms + 300) * MS_NS))
    service.take(service.tracker.end())
    for item, end_ms in service.ends.items():
        assert 0 <= end_ms <= max(service.whole_ms[item], service.sent_ms + 40)
