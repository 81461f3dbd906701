"""Levels: who has left is silent once and then forgotten; no set is too large to be told."""

from __future__ import annotations

from mixer_core.bus.events import decode_event
from mixer_core.bus.frames import Frame, Kind
from mixer_core.levels import INTERVAL_NS, LevelMeter, encoded
from mixer_core.mixdown import SILENCE_DBFS, Mixdown
from mixer_core.rooms import Room
from mixer_core.runtime.metrics import Metrics
from mixer_core.runtime.units import MS_NS
from tests.mixer_core.mixer_bench import Bench, audio_in, constant

ANN, BEN = 1, 2
MANY = 1_500
"""Of their names, one event holds fewer."""


def set_of(meter: LevelMeter, number: int) -> dict[str, float]:
    due = meter.due(number * INTERVAL_NS, talking=True)
    assert due is not None
    return due


def test_who_has_left_is_silent_in_one_set_and_then_in_none() -> None:
    meter = LevelMeter()
    for voice in ("ann", "ben"):
        meter.tally(voice, 0)[:] = 3_000**2 * 480
    meter.forget("ben")
    meter.forget("nobody")
    assert set_of(meter, 1).keys() == {"ann", "ben"}
    meter.tally("ann", INTERVAL_NS)
    assert set_of(meter, 2).keys() == {"ann"}


def test_who_comes_back_at_once_is_heard_and_who_left_last_is_told_of_too() -> None:
    meter = LevelMeter()
    meter.tally("ann", 0)
    meter.forget("ann")
    meter.tally("ann", 0)[:] = (3_000**2 * 480, 480, 3_000)
    assert set_of(meter, 1)["ann"] > SILENCE_DBFS
    meter.forget("ann")
    assert meter.due(INTERVAL_NS, talking=False) == {"ann": SILENCE_DBFS}
    assert not meter.awake


def test_under_load_who_has_left_is_shown_as_silent() -> None:
    meter = LevelMeter()
    meter.set_load(1)
    meter.tally("ann", 0)
    meter.shown({"ann": -20.0, "ben": -30.0}, INTERVAL_NS)
    meter.forget("ann")
    shown = meter.shown({"ann": SILENCE_DBFS}, 600 * MS_NS)
    assert shown == {"ann": SILENCE_DBFS, "ben": -30.0}


def test_a_set_takes_as_many_events_as_it_needs() -> None:
    levels = {f"p-{n:08x}": -20.5 for n in range(MANY)}
    told = [decode_event(content) for content in encoded(levels)]
    assert len(told) == 2 and {event["type"] for event in told} == {"level"}
    assert told[0]["levels"] | told[1]["levels"] == levels
    assert list(encoded({"x" * 20_000: -1.0})) == []


def test_a_crowd_that_comes_and_goes_costs_nobody_a_frame() -> None:
    bench = Bench()
    for stream in (ANN, BEN):
        bench.start(stream, mode="conference")
    bench.audio(ANN, constant(3_277))
    for n in range(MANY):
        bench.start(10 + n, mode="conference")
        bench.audio(10 + n, constant(9))
        bench.audio(ANN, constant(3_277))
        bench.put(Frame(Kind.STOP, 10 + n))
    bench.published.clear()
    for _ in range(20):
        bench.advance(20)
        bench.audio(ANN, constant(3_277))
    assert len(audio_in(bench.heard_by(BEN))) == 20
    sets = [event["levels"] for event in bench.events_to(BEN, "level")]
    assert sum(isinstance(one, dict) and len(one) > 1 for one in sets) == 2, "the crowd, once"
    assert sets[-1] == {"p-1": -20.0}


def test_an_event_that_is_too_large_is_counted_and_left_out() -> None:
    bench = Bench()
    bench.start(ANN)
    metrics = Metrics()
    room = Room("den", "conference", 0, MS_NS, Mixdown(2), metrics)
    _, ann = bench.mixer._streams[ANN]
    assert len(room.event({"type": "speech"}, [ann], 0)) == 1
    assert room.event({"type": "speech", "voices": {"x": "y" * 20_000}}, [ann], 0) == []
    assert metrics.snapshot()["events_too_large_total"] == 1
