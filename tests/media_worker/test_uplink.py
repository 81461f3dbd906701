"""What both uplinks promise about silence, muting and pauses."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from media_worker.framed_uplink import FramedUplink
from media_worker.plain_uplink import PlainUplink
from media_worker.uplink import Uplink, UplinkFrame
from mixer_core.bus import frames, pcm
from mixer_core.runtime.units import MS_NS

LOUD = b"\x01\x02" * 480
PAUSE = frames.FLAG_PAUSE


def message(seq: int, samples: bytes) -> bytes:
    return frames.encode_audio(0, 0, seq, 0, 99, samples)


@given(
    st.lists(
        st.one_of(st.sampled_from(["loud", "silent", "mute", "unmute"]), st.integers(1, 900)),
        max_size=120,
    ),
    st.booleans(),
)
def test_suppression_keeps_its_promises(steps: list[str | int], is_framed: bool) -> None:
    uplink: Uplink = FramedUplink(100) if is_framed else PlainUplink(100)
    sent: list[UplinkFrame] = []
    now, seq, muted, loud_in = 0, 0, False, 0
    for step in steps:
        now += 20 * MS_NS
        if step in ("mute", "unmute"):
            muted = step == "mute"
            sent += uplink.set_muted(muted, now)
        elif isinstance(step, int):
            now += step * MS_NS
            while (due_ns := uplink.next_timeout_ns()) is not None and due_ns <= now:
                sent += uplink.timeout(now)
        else:
            samples = LOUD if step == "loud" else pcm.SILENCE
            loud_in += step == "loud" and not muted
            sent += uplink.push(message(seq, samples) if is_framed else samples, now)
            seq += 1
    assert sum(frame.pcm == LOUD for frame in sent) == loud_in
    assert all(frames.seq_delta(b.seq, a.seq) > 0 for a, b in pairwise(sent))
    for before, after in pairwise(sent):
        if before.flags & PAUSE:
            assert after.pcm == LOUD
    silent_run = 0
    for frame in sent:
        silent_run = silent_run + 1 if frame.pcm == pcm.SILENCE else 0
        assert silent_run <= 6
    assert uplink.paused == (not sent or bool(sent[-1].flags & PAUSE))
    assert uplink.frames_total == len(sent)
