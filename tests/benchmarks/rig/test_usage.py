"""Processor time and memory of processes."""

from __future__ import annotations

import os

from benchmarks.rig import usage


def test_usage_of_this_process_is_seen() -> None:
    me = usage.Process(1, "nobody"), usage.Process(os.getpid(), "me")
    before = usage.read(me[1:])
    sum(i * i for i in range(300_000))
    used = usage.between(before, usage.read(me[1:]))
    assert used.cpu_percent["me"] > 1
    assert used.total_percent == used.cpu_percent["me"]
    pss, private = usage.memory_mib(me[1].pid)
    assert 0 < private <= pss * 1.5
