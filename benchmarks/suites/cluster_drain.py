"""A node of ``bench cluster`` that is drained in mid-sentence, and an upgrade of all, in turn."""

from __future__ import annotations

import time
from typing import Any

from ..report.findings import Findings, Options
from ..report.results import quantiles
from ..rig.cluster_checks import LONG_MS
from ..rig.cluster_rig import NODES, ClusterRig
from . import cluster_faults

ROOMS = 12
"""One person each: four rooms for each node."""
WITHIN_S = 1.0
"""From the question at length to the drain: people hear the first half of the answer."""
FRAMES = LONG_MS // 20


def drain(rig: ClusterRig, options: Options, findings: Findings) -> None:
    """One node with four rooms that are all in mid-sentence."""
    node, hit = _ready(rig, options)
    findings.progress(f"drain of {node} with {sorted(hit)}")
    began_ns = _speak(rig)
    took_s = _drain(rig, node)
    seen = cluster_faults.outcome(rig, began_ns, anew=True)
    _report("drain", [one for one in seen if one["room"] in hit], took_s, findings)
    others = [one for one in seen if one["room"] not in hit]
    findings.add("drain", "other rooms", "count", joined_again=sum(o["joins"] for o in others))
    rig.start_nodes()
    cluster_faults.report_book("drain", rig, began_ns, findings)


def upgrade(rig: ClusterRig, options: Options, findings: Findings) -> None:
    """Every node in turn: drained, ended, started again."""
    _ready(rig, options)
    began_ns = time.monotonic_ns()
    for node in NODES:
        owners = rig.owners()
        hit = {room for room, owner in owners.items() if owner == node}
        findings.progress(f"upgrade of {node} with {sorted(hit)}")
        from_ns = _speak(rig)
        took_s = _drain(rig, node)
        seen = cluster_faults.outcome(rig, from_ns, anew=True)
        _report(f"upgrade, {node}", [one for one in seen if one["room"] in hit], took_s, findings)
        rig.start_nodes()
        rig.wait_calm()
    cluster_faults.report_book("upgrade", rig, began_ns, findings)


def _ready(rig: ClusterRig, options: Options) -> tuple[str, set[str]]:
    """Everybody is there and was answered; the busiest node and its rooms."""
    rig.join([f"room-{number}" for number in range(3 if options.smoke else ROOMS)], 1)
    rig.wait_calm()
    rig.people.ask("begin")
    cluster_faults.outcome(rig, time.monotonic_ns())
    owners = rig.owners()
    node = rig.busiest(owners)
    return node, {room for room, owner in owners.items() if owner == node}


def _speak(rig: ClusterRig) -> int:
    """All assistants begin a long answer; when they were asked."""
    rig.people.ask("begin")
    began_ns = time.monotonic_ns()
    rig.people.ask("talk", rooms=[])
    time.sleep(WITHIN_S)
    return began_ns


def _drain(rig: ClusterRig, node: str) -> float:
    began_s = time.monotonic()
    rig.nodes[node].drain()
    return time.monotonic() - began_s


def _report(case: str, seen: list[dict[str, Any]], took_s: float, findings: Findings) -> None:
    if not seen:
        return
    away = [one["away_ms"] / 1e3 for one in seen]
    gaps = [one["gap_s"] for one in seen]
    findings.add(case, "no connection", "s", **_spread(away))
    findings.add(case, "longest gap heard", "s", **_spread(gaps))
    findings.add(
        case,
        "rooms moved",
        "count",
        people=len(seen),
        joined_again=sum(one["joins"] for one in seen),
        never=sum(one["answered_ms"] is None for one in seen),
        sentences_short=sum(one["loud_frames"] < FRAMES * 0.98 for one in seen),
        took_s=round(took_s, 1),
    )


def _spread(values: list[float]) -> dict[str, float]:
    return {key: round(value, 2) for key, value in quantiles(values, 0.5).items()}
