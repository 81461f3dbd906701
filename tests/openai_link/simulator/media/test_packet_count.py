"""Expected packets, by their numbers."""

from __future__ import annotations

from openai_link.simulator.media.packet_count import PacketCount


def test_packets_are_counted_over_a_wrap_a_loss_and_a_new_stream() -> None:
    count = PacketCount()
    assert count.expected == 0
    for seq in (65_534, 65_535, 1, 0):  # Out of order over the wrap.
        count.add(seq, 7)
    assert (count.expected, count.received) == (4, 4)
    count.add(5, 7)  # Three are missing.
    assert (count.expected, count.received) == (8, 5)
    count.add(40_000, 8)
    assert (count.expected, count.received) == (9, 6)
