"""Every frame accounted for: what was sent, what arrived, and where the rest was dropped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
"""The part of what links drop that nobody misses."""
UNSENT = "uplink_unsent_packets_total"
"""Packets of links, silent ones included, while there was no connection."""
DOWNLINK_DROPS = {
    "late packets at links": ("openai_link", ("downlink_late_packets_total",)),
    "dropped by links on the way down": ("openai_link", ("mixer_dropped_messages_total",)),
    "dropped by workers, network full": ("media_worker", ("frames_dropped_full_total",)),
    "dropped by workers, stale": ("media_worker", ("frames_dropped_stale_total",)),
    "dropped by workers, interrupted": ("media_worker", ("frames_dropped_epoch_total",)),
}
CONCEALED = {
    "concealed by the mixer": ("mixer_core", ("jitter_concealed_total",)),
    "concealed by links": ("openai_link", ("downlink_concealed_frames_total",)),
}

Grown = Callable[..., float]
"""(program, counter, …) → by how much the counters have grown, together."""


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

    What vanished is counted for both ways together: the mixer does not tell concealment on the way
    up from that on the way down. With several talkers a mix stands for several frames, so that what
    vanishes between mixer and link is not known.
    """

    def grown(program: str, *names: str) -> float:
        return sum(after.since(before, program, name) for name in names)

    sent = _sum(clients_after, "sent_total") - _sum(clients_before, "sent_total")
    received = _sum(clients_after, "received_total") - _sum(clients_before, "received_total")
    counts, up_lost, up_gone = _uplink(grown, sent, talkers)
    down_counts, down_lost, down_gone = _downlink(grown, received, talkers)
    gone = up_gone + down_gone
    counts |= down_counts | {"vanished": gone}
    counts |= {name: grown(program, *names) for name, (program, names) in CONCEALED.items()}
    on_the_way = counts["lost between client and worker"] + counts["lost between worker and client"]
    return Ledger(counts, up_lost + down_lost + max(0.0, gone), on_the_way)


def _uplink(grown: Grown, sent: float, talkers: int) -> tuple[dict[str, float], float, float]:
    """Counts, frames lost, and frames that vanished."""
    up = grown("media_worker", "frames_in_total")
    silent = grown("media_worker", "frames_suppressed_total")
    at_links = grown("openai_link", "uplink_frames_total", "uplink_held_frames_total")
    drops = {name: grown(program, *names) for name, (program, names) in UPLINK_DROPS.items()}
    quiet, unsent = grown("openai_link", QUIET_DROPS), grown("openai_link", UNSENT)
    counts = {
        "sent by clients": sent,
        "lost between client and worker": sent - up - silent,
        "not sent on, silence": silent,
        "encoded by links": at_links,
        **drops,
        "dropped by links, quiet ones": quiet,
        "not sent by links, no connection": unsent,
    }
    lost = sum(drops.values()) - drops["dropped as surplus by the mixer"] - quiet + unsent
    if talkers > 1:
        return counts, lost, 0.0
    gone = grown("mixer_core", "jitter_concealed_total") + up - sum(drops.values()) - at_links
    return counts, lost, gone


def _downlink(grown: Grown, received: float, talkers: int) -> tuple[dict[str, float], float, float]:
    """Counts, frames lost, and frames that vanished."""
    wanted = grown("openai_link", "downlink_frames_total") * talkers
    out = grown("media_worker", "frames_out_total")
    drops = {name: grown(program, *names) for name, (program, names) in DOWNLINK_DROPS.items()}
    counts = {
        "reply frames of links, for all listeners": wanted,
        **drops,
        "sent by workers": out,
        "lost between worker and client": out - received,
        "received by clients": received,
    }
    lost = sum(drops.values()) - drops["dropped by workers, interrupted"]
    gone = wanted - out - sum(n for name, n in drops.items() if "workers" in name)
    return counts, lost, gone


def _sum(clients: Sequence[dict[str, Any]], key: str) -> float:
    return float(sum(client[key] for client in clients))
