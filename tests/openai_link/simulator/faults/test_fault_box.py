"""How many calls a fault hits."""

from __future__ import annotations

from openai_link.simulator.faults.fault_box import FaultBox
from openai_link.simulator.faults.plan import Timed, parse


def test_counts_run_out_and_begin_anew_with_a_switch() -> None:
    box = FaultBox(parse("post_500=2,post_429=1,kill_call_after_ms=5*1"))
    assert [box.next_refusal() for _ in range(4)] == [500, 500, 429, None]
    assert [box.claim("kill_call") for _ in range(2)] == [Timed(5, 1), None]
    assert box.claim("close_channel") is None
    seen: list[bool] = []
    box.watch(lambda: seen.append(True))
    box.switch(parse("post_503,kill_call_after_ms=5"))
    assert [box.next_refusal() for _ in range(3)] == [503] * 3
    assert box.claim("kill_call") == box.claim("kill_call") == Timed(5)
    assert seen == [True]
