"""Frames are accounted for."""

from __future__ import annotations

from benchmarks.rig import ledger
from benchmarks.rig.metrics_page import MetricsPage


def counters(**values: int) -> MetricsPage:
    """A page with these counters, named ``program__counter``."""
    return MetricsPage(
        "".join(
            f"# TYPE mixminus_{name} counter\n"
            f'mixminus_{name}_total{{program="{program}"}} {value}\n'
            for (program, name), value in ((key.split("__"), n) for key, n in values.items())
        )
    )


def test_the_ledger_names_what_was_lost_between_client_and_worker() -> None:
    before, after = counters(), counters(media_worker__frames_in=97)
    clients = [{"sent_total": 0, "received_total": 0}], [{"sent_total": 100, "received_total": 0}]
    result = ledger.balance(before, after, *clients, talkers=1)
    assert result.counts["lost between client and worker"] == 3
    assert result.counts["vanished"] == 97
    assert result.lost_in_gateway == 97


def test_the_ledger_accounts_for_quiet_frames_that_a_link_dropped() -> None:
    before = counters()
    after = counters(
        media_worker__frames_in=100,
        openai_link__uplink_frames=93,
        openai_link__uplink_dropped_frames=7,
        openai_link__uplink_dropped_quiet_frames=5,
        openai_link__uplink_unsent_packets=1,
    )
    clients = [{"sent_total": 0, "received_total": 0}], [{"sent_total": 100, "received_total": 0}]
    result = ledger.balance(before, after, *clients, talkers=1)
    assert result.counts["vanished"] == 0
    assert result.lost_in_gateway == 3
    assert result.lost_on_the_way == 0
