"""A flood of any kind leaves every browser in the room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from media_worker.protocol.room_events import for_browser
from media_worker.webrtc.peer import MAX_CONTROL_BACKLOG_BYTES
from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.room.actions import TellBrowsers
from openai_link.room.tellings import BYTES_AT_ONCE, BYTES_PER_S, LOOK_NS, Tellings

Json = dict[str, Any]
LONG = "word " * 800

KINDS: dict[str, Callable[[int], Json]] = {
    "states": lambda n: {"type": "state", "assistant": f"{n % 2}"},
    "captions": lambda n: caption(f"i{n % 40}", f"{n} {LONG}", False),
    "lines": lambda n: caption(f"i{n}", LONG, True),
    "one line": lambda n: caption("i", f"{n} {LONG}", True),
    "errors": lambda n: {"type": "error", "code": "x", "message": f"{n} {LONG[:500]}"},
    "the same error": lambda n: {"type": "error", "code": "x", "message": "no"},
    "tools": lambda n: {"type": "tool", "call": f"c{n}", "status": "running", "name": LONG[:64]},
    "places": lambda n: {"type": "places", "places": {f"i{k}": n + k for k in range(100)}},
    "usage": lambda n: {"type": "usage", "cost": n},
    "something new": lambda n: {"type": f"new {n}", "text": LONG},
}


def caption(item: str, text: str, final: bool) -> Json:
    return {"type": "caption", "speaker": "a", "item": item, "text": text, "final": final}


def flood(tellings: Tellings, make: Callable[[int], Json], seconds: int = 20) -> list[Json]:
    """A thousand a second; what browsers are told by the end and in the minute after it."""
    told: list[Json] = []
    for number in range(seconds * 1_000):
        now_ns = number * MS_NS
        told += [t.event for t in tellings.tell(TellBrowsers(make(number)), now_ns)]
    now_ns = seconds * S_NS
    while tellings.next_timeout_ns() is not None and now_ns < (seconds + 600) * S_NS:
        now_ns += LOOK_NS
        told += [t.event for t in tellings.tick(now_ns)]
    return told


def size(events: list[Json]) -> int:
    """Bytes of the texts that a worker sends to its browser for these EVENTs."""
    texts = [for_browser(dict(event), "p-1") for event in events]
    return sum(len(text.encode()) for text in texts if text is not None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flood_of_one_kind_has_a_pace(kind: str) -> None:
    tellings = Tellings()
    made = [KINDS[kind](number) for number in range(20_000)]
    told = flood(tellings, KINDS[kind])
    assert told[0] == made[0]
    assert len(told) < 20 * 30
    assert size(told) <= BYTES_AT_ONCE + 60 * BYTES_PER_S
    assert tellings.next_timeout_ns() is None, "nothing waits for ever"
    if kind in ("states", "usage", "one line", "places"):
        assert told[-1] == made[-1], "the newest one counts"


def test_all_kinds_together_never_fill_the_channel_of_a_worker() -> None:
    """It leads to a phone that takes 80 KB a second beside its sound; a worker gives a browser up
    that has 256 KiB waiting."""
    tellings, backlog, most = Tellings(), 0.0, 0.0
    kinds = list(KINDS.values())
    for number in range(60_000):
        backlog = max(0.0, backlog - 80.0)
        event = kinds[number % len(kinds)](number)
        backlog += size([t.event for t in tellings.tell(TellBrowsers(event), number * MS_NS)])
        most = max(most, backlog)
    assert 0 < most < MAX_CONTROL_BACKLOG_BYTES / 2


def test_what_is_not_too_much_goes_out_at_once_and_in_order() -> None:
    tellings = Tellings()
    made = [
        KINDS[kind](number) for number in range(8) for kind in KINDS if kind != "the same error"
    ]
    made = [{**event, "text": "short"} if "text" in event else event for event in made]
    told = [t.event for n, e in enumerate(made) for t in tellings.tell(TellBrowsers(e), n * S_NS)]
    assert told == made


def test_a_line_that_goes_on_gives_way_to_its_end() -> None:
    tellings = Tellings()
    flood(tellings, KINDS["captions"], 1)
    for _ in range(2):
        tellings.tell(TellBrowsers(caption("mine", "so far", False)), S_NS)
    tellings.tell(TellBrowsers(caption("mine", "all of it", True)), S_NS)
    told: list[Json] = []
    for look in range(2_000):
        told += [t.event for t in tellings.tick(S_NS + look * LOOK_NS)]
    mine = [event["text"] for event in told if event.get("item") == "mine"]
    assert mine in ([], ["all of it"]), "it went out before, or is told once"


def test_errors_that_are_left_out_are_counted_for_people() -> None:
    told = flood(Tellings(), KINDS["errors"])
    last = told[-1]
    assert last["code"] == "more_problems"
    left_out = int(last["message"].split()[0])
    earlier = [int(e["message"].split()[0]) for e in told[:-1] if e["code"] == "more_problems"]
    shown = sum(event["code"] == "x" for event in told)
    assert shown + left_out + sum(earlier) == 20_000
    assert len(told) < 40


def test_answers_to_one_browser_are_its_own() -> None:
    tellings = Tellings()
    event = {"type": "error", "code": "not_connected", "message": "no"}
    mine = [tellings.tell(TellBrowsers(event, 7), n * MS_NS) for n in range(1_000)]
    assert 10 <= sum(map(len, mine)) < 15
    assert tellings.tell(TellBrowsers(event, 8), S_NS) == [TellBrowsers(event, 8)]
    assert tellings.tell(TellBrowsers(event), S_NS) == [TellBrowsers(event)]
    assert tellings.left_out == 1_000 - sum(map(len, mine))
