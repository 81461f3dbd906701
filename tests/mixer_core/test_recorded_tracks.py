"""A link that records gets each voice by itself, as the others hear it; nobody else does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mixer_core.bus.events import StreamInfo
from mixer_core.bus.frames import HEADER, Frame, Kind, decode
from mixer_core.bus.pcm import FRAME_BYTES
from mixer_core.runtime.errors import FrameError
from tests.mixer_core.mixer_bench import Bench, audio_in, constant

ANN, BEN, LINK, NEWER = 11, 12, 99, 98


def announce(bench: Bench, records: bool, stream: int = LINK, opened_ns: int = 0) -> None:
    info = StreamInfo("link", "den", mode=bench_mode(bench), records=records, opened_ns=opened_ns)
    bench.put(Frame(Kind.START, stream, payload=info.encode()))


def bench_mode(bench: Bench) -> str:  # type: ignore[type-arg]
    return getattr(bench, "mode", "assistant")


def room(mode: str = "assistant", records: bool = True) -> Bench:
    bench = Bench()
    bench.mode = mode  # type: ignore[attr-defined]
    for stream in (ANN, BEN):
        bench.start(stream, mode=mode)  # type: ignore[arg-type]
    announce(bench, records)
    return bench


def tracks(bench: Bench) -> list[tuple[str, int, set[int]]]:
    """Participant, slot, samples; all go to the link."""
    found = [frame for frame in bench.published if frame.kind is Kind.TRACK]
    assert {frame.stream for frame in found} <= {LINK}
    return [
        (f.payload[FRAME_BYTES:].decode(), f.seq, set(memoryview(f.payload[:960]).cast("h")))
        for f in found
    ]


@pytest.mark.parametrize("mode", ["assistant", "conference"])
def test_each_voice_of_a_slot_comes_by_itself(mode: str) -> None:
    bench = room(mode)
    for _ in range(3):
        bench.audio(ANN, constant(100))
        bench.audio(BEN, constant(20))
        bench.audio(LINK, constant(7))
        bench.advance(20)
    bench.advance(100)
    found = tracks(bench)
    whole = {(who, *values) for who, _, values in found if len(values) == 1}  # Not concealed.
    assert whole >= {("p-11", 100), ("p-12", 20), ("", 7)}
    assert {who for who, *_ in found} == {"p-11", "p-12", ""}
    people = {slot for who, slot, _ in found if who}
    both = [s for s in people if {w for w, slot, _ in found if slot == s} >= {"p-11", "p-12"}]
    assert len(both) >= 2, found
    own = {slot for who, slot, _ in found if not who}
    assert bool(own & people) == (mode == "conference")


def test_what_everybody_hears_is_the_same_with_and_without() -> None:
    heard = []
    for records in (False, True):
        bench = room(records=records)
        for value in range(30):
            bench.audio(ANN, constant(100 * value))
            bench.audio(BEN, constant(-50 * value))
            bench.audio(LINK, constant(value))
            bench.advance(20)
        heard.append([replace(frame, stamp_ns=0) for frame in audio_in(bench.published)])
        assert bool(tracks(bench)) == records
    assert heard[0] == heard[1]


def test_it_can_be_turned_on_and_off_while_people_talk() -> None:
    bench = room(records=False)
    for records in (True, False, True):
        announce(bench, records)
        bench.published.clear()
        bench.audio(ANN, constant(5))
        bench.advance(100)
        assert bool(tracks(bench)) == records


def test_a_link_that_was_replaced_gets_nothing_more() -> None:
    bench = room()
    announce(bench, False, NEWER, opened_ns=5)
    bench.published.clear()
    bench.audio(ANN, constant(5))
    bench.advance(100)
    assert tracks(bench) == []


def test_a_track_that_is_too_short_is_refused() -> None:
    with pytest.raises(FrameError, match="TRACK"):
        decode(HEADER.pack(LINK, 1, Kind.TRACK, 0, 0, 0, 0) + bytes(FRAME_BYTES - 1))
