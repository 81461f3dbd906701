"""A bad network loses and delays the share that it is told to."""

from __future__ import annotations

import random

from benchmarks.rig.impairment import Impairment


def test_it_loses_and_delays_its_share() -> None:
    dice = random.Random(1)
    bad = Impairment(loss=0.1, jitter_ms=30)
    delays_s = [bad.delay_s(dice, 0) for _ in range(5_000)]
    assert 400 < delays_s.count(None) == bad.lost < 600
    assert 0.029 < max(delay_s for delay_s in delays_s if delay_s is not None) <= 0.03


def test_an_outage_loses_everything_until_it_ends() -> None:
    bad = Impairment(outage_until_ns=100)
    assert bad.delay_s(random.Random(1), 99) is None
    assert bad.delay_s(random.Random(1), 100) == 0.0
