"""``bench link``: what is counted as RTP, and the figures made of latencies."""

from __future__ import annotations

import pytest

from benchmarks.report.plots import curve
from benchmarks.report.results import Measure
from benchmarks.rig.link_end import _is_rtp
from benchmarks.suites.link import latencies_ms


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bytes([0x80, 96]) + bytes(20), True),
        (bytes([0x80, 0x80 | 96]) + bytes(20), True),
        (bytes([0x80, 200]) + bytes(20), False),
        (bytes([0x80, 96]), False),
        (bytes([22, 254]) + bytes(20), False),
        (bytes([0, 1]) + bytes(20), False),
    ],
)
def test_only_srtp_can_be_lost(data: bytes, expected: bool) -> None:
    assert _is_rtp(data) is expected


def test_growth_is_seen_in_start_and_end() -> None:
    values = latencies_ms({"latency_us": [1_000] * 50 + [5_000] * 50})
    assert (values["start"], values["end"], values["max"]) == (1.0, 5.0, 5.0)
    assert len(curve(Measure("", "", "ms", values))) == 4


def test_nothing_heard_has_no_latency() -> None:
    assert latencies_ms({"latency_us": []}) == {}
