"""A framed client's frames keep its count, and make room for ours."""

from __future__ import annotations

from media_worker.framed_uplink import BURST_FRAMES, FramedUplink
from media_worker.uplink import UplinkFrame
from mixer_core.bus import frames, pcm
from mixer_core.bus.pcm import FRAME_NS
from mixer_core.runtime.units import S_NS

LOUD = b"\x01\x02" * 480
PAUSE = frames.FLAG_PAUSE


def framed() -> FramedUplink:
    return FramedUplink(hangover_ms=400)


def message(seq: int, samples: bytes = LOUD, flags: int = 0) -> bytes:
    return frames.encode_audio(0, 0, seq, flags, 99, samples)


def test_framed_keeps_the_clients_count_and_pause() -> None:
    uplink = framed()
    assert uplink.push(message(500), 3) == [UplinkFrame(500, 0, 3, LOUD)]
    assert uplink.push(message(502), 4) == [UplinkFrame(502, 0, 4, LOUD)]
    assert uplink.push(message(501), 5) == [UplinkFrame(501, 0, 5, LOUD)]
    assert uplink.late_total == 1
    assert uplink.push(message(503, flags=PAUSE), 6) == [UplinkFrame(503, PAUSE, 6, LOUD)]
    assert uplink.push(message(502), 7) == []
    assert uplink.push(message(600), 8) == [UplinkFrame(600, 0, 8, LOUD)]
    assert uplink.next_timeout_ns() is None


def test_framed_mute_slips_a_frame_into_the_count() -> None:
    uplink = framed()
    uplink.push(message(8), 0)
    assert uplink.set_muted(True, 1) == [UplinkFrame(9, PAUSE, 1, pcm.SILENCE)]
    assert uplink.push(message(9), 2) == []
    uplink.set_muted(False, 3)
    assert uplink.push(message(10), 4) == [UplinkFrame(11, 0, 4, LOUD)]


def test_framed_count_wraps() -> None:
    uplink = framed()
    uplink.push(message(frames.U32), 0)
    assert uplink.push(message(0), 1) == [UplinkFrame(0, 0, 1, LOUD)]
    assert uplink.late_total == 0


def test_a_flood_of_frames_is_shaped_before_it_reaches_the_mixer() -> None:
    uplink = framed()
    passed = sum(len(uplink.push(message(seq), seq * 1_000)) for seq in range(1, 2_001))
    assert BURST_FRAMES <= passed < BURST_FRAMES + 3
    assert uplink.dropped_total == 2_000 - passed
    later_ns = 10 * S_NS
    paced = [uplink.push(message(3_000 + n), later_ns + n * FRAME_NS) for n in range(500)]
    assert all(paced), "50 a second for ever"
