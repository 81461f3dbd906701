"""Every frame accounted for: what was sent, what arrived, and who dropped the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .metrics_page import MetricsPage

UPLINK_DROPS = {
    "dropped by workers": ("media_worker", ("frames_overrun_total", "bus_dropped_total")),
    "dropped by the mixer": (
        "mixer_core",
        ("jitter_late_total", "jitter_duplicate_total", "jitter_overflowed_total"),
    ),
    "dropped as surplus by the mixer": ("mixer_core", ("jitter_surplus_total",)),
    "dropped by links": ("openai_link", ("uplink_dropped_frames_total",)),
}
QUIET_DROPS = "uplink_dropped_quiet_frames_total"
"""Part of what links drop: nobody misses it."""
UNSENT = "uplink_unsent_packets_total"
"""Packets of links, silent ones too, that came when there was no connection."""
DOWNLINK_DROPS = {
    "late packets at links": ("openai_link", ("downlink_late_packets_total",)),
    "dropped by links on the way down": ("openai_link", ("mixer_dropped_messages_total",)),
    "dropped by workers, network full": ("media_worker", ("frames_dropped_full_total",)),
    "dropped by workers, stale": ("media_worker", ("frames_dropped_stale_total",)),
    "dropped by workers, interrupted": ("media_worker", ("frames_dropped_epoch_total",)),
}
INVENTED = {
    "concealed by the mixer": ("mixer_core", ("jitter_concealed_total",)),
    "concealed by links": ("openai_link", ("downlink_concealed_frames_total",)),
}


@dataclass(frozen=True, slots=True)
class Ledger:
    """Frames between two quiet moments, both ways."""

    counts: dict[str, float]
    """What happened → frames."""
    lost_in_gateway: float
    """Frames that entered the gateway and did not leave it, other than by an interruption."""
    lost_on_the_way: float
    """Frames lost on the data channels."""


def balance(
    before: MetricsPage,
    after: MetricsPage,
    clients_before: Sequence[dict[str, Any]],
    clients_after: Sequence[dict[str, Any]],
    talkers: int,
) -> Ledger:
    """The ledger of a stretch that began and ended in silence; rooms of ``talkers`` clients each.

    What vanished is counted for both ways together: the mixer's concealment is not told apart by
    way. With several talkers a mix stands for several frames, so that what vanishes between mixer
    and link cannot be told there.
    """
    moved = {
        key: _sum(clients_after, key) - _sum(clients_before, key)
        for key in ("sent_total", "received_total")
    }

    def grown(program: str, *names: str) -> float:
        return sum(after.since(before, program, name) for name in names)

    counts: dict[str, float] = {"sent by clients": moved["sent_total"]}
    up = grown("media_worker", "frames_in_total")
    silent = grown("media_worker", "frames_suppressed_total")
    counts["lost between client and worker"] = moved["sent_total"] - up - silent
    counts["not sent on, silence"] = silent
    drops = {name: grown(program, *names) for name, (program, names) in UPLINK_DROPS.items()}
    at_links = grown("openai_link", "uplink_frames_total", "uplink_held_frames_total")
    counts["encoded by links"] = at_links
    counts |= drops
    gone = 0.0
    if talkers == 1:
        gone = grown("mixer_core", "jitter_concealed_total") + up - sum(drops.values()) - at_links
    quiet, unsent = grown("openai_link", QUIET_DROPS), grown("openai_link", UNSENT)
    counts["dropped by links, quiet ones"] = quiet
    counts["not sent by links, no connection"] = unsent
    lost = sum(drops.values()) - drops["dropped as surplus by the mixer"] - quiet + unsent
    down = grown("openai_link", "downlink_frames_total")
    out = grown("media_worker", "frames_out_total")
    counts["reply frames of links, for all listeners"] = down * talkers
    later = {name: grown(program, *names) for name, (program, names) in DOWNLINK_DROPS.items()}
    counts |= later
    counts["sent by workers"] = out
    gone += down * talkers - out - sum(n for name, n in later.items() if "workers" in name)
    counts["vanished"] = gone
    counts["lost between worker and client"] = out - moved["received_total"]
    counts["received by clients"] = moved["received_total"]
    counts |= {name: grown(program, *names) for name, (program, names) in INVENTED.items()}
    interrupted = later["dropped by workers, interrupted"]
    lost += sum(later.values()) - interrupted + max(0.0, gone)
    on_the_way = counts["lost between client and worker"] + counts["lost between worker and client"]
    return Ledger(counts, lost, on_the_way)


def _sum(clients: Sequence[dict[str, Any]], key: str) -> float:
    return float(sum(client[key] for client in clients))
