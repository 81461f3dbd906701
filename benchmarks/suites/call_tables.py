"""What ``bench call`` reports: latency, cost, frames, targets, the baseline, memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

from ..report.comparison import FULL
from ..report.findings import Findings
from ..rig import ledger, usage
from ..rig.metrics_page import MetricsPage
from ..rig.window import Window, spread

MAIN_ROLES = ("media_worker child", "openai_link child", "mixer_core", "signaling")
UP_STAGE = "up: browser's frame → RTP packet"
DOWN_STAGE = "down: RTP packet → data channel"
STAGES = {
    "up: browser's frame → mixed (both ways)": ("mixer_core", "latency_to_publish_ms"),
    UP_STAGE: ("openai_link", "uplink_latency_ms"),
    "down: RTP packet → decoded, to the mixer": ("openai_link", "downlink_latency_ms"),
    DOWN_STAGE: ("media_worker", "downlink_latency_ms"),
}
"""Row → program and histogram. Where several talk, they count from the oldest part of a mix."""


@dataclass
class Case:
    """One number of rooms and clients."""

    rooms: list[int]
    """Clients in each room; all rooms have the same size."""
    windows: dict[str, list[Window]] = field(default_factory=dict)
    """``ours continuous``, ``ours conversation``, ``baseline continuous`` → what was measured."""
    pss_mib: float = 0.0
    """PSS of all processes of the gateway."""

    @property
    def sessions(self) -> int:
        """All clients."""
        return sum(self.rooms)

    @property
    def name(self) -> str:
        """For the tables."""
        count, size = len(self.rooms), self.rooms[0]
        if count == 1 and size > 1:
            return f"one room of {size}"
        sessions = f"{self.sessions} session{'s' if self.sessions > 1 else ''}"
        return f"{sessions} in {count} rooms" if size > 1 else sessions


def report_latency(
    name: str, window: Window, before: MetricsPage, after: MetricsPage, findings: Findings
) -> dict[str, dict[str, float]]:
    """Both ways end to end and by stage; returns the quantiles of the stages, ms."""
    for subject, (latencies, lost) in ways(window).items():
        findings.add(name, subject, "ms", **spread(latencies), lost_marks=lost)
    every = "down: RTP packet at the link → client, every frame"
    findings.add(name, every, "ms", **spread(window.late_ms))
    stages = {
        stage: after.quantiles(before, program, histogram, 0.5, 0.95, 0.99)
        for stage, (program, histogram) in STAGES.items()
    }
    for stage, values in stages.items():
        findings.add(name, stage, "ms", **values)
    return stages


def ways(window: Window) -> dict[str, tuple[list[float], int]]:
    """Subject → latencies (ms) and lost marks, up and down."""
    return {
        "up: client → Realtime server": window.uplink_ms(),
        "down: Realtime server → client": window.downlink_ms(),
    }


def report_cost(name: str, window: Window, sessions: int, findings: Findings) -> None:
    """Processor time and wake-ups by role; those of clients and server apart."""
    note_if_full(name, window, findings)
    for role, (percent, wakeups) in by_role(window.usage).items():
        findings.add(
            name,
            role,
            "% of a core",
            total=round(percent, 2),
            per_session=round(percent / sessions, 3),
            wakeups_per_s=round(wakeups, 1),
        )
    beside = {
        "clients": window.load_percent,
        "Realtime server": window.upstream_percent,
        "whole machine": window.machine_percent,
    }
    for subject, percent in beside.items():
        findings.add(name, f"({subject})", "% of a core", total=round(percent, 2))


def note_if_full(name: str, window: Window, findings: Findings) -> None:
    """Say so if the machine had no time left."""
    if window.machine_full:
        findings.notes.append(f"{name}: {FULL}, which makes these latencies meaningless")


def by_role(used: usage.Usage) -> dict[str, tuple[float, float]]:
    """Role → (% of a core, wake-ups per second): the main roles, the rest, and all together."""
    result = {
        role: (used.cpu_percent.get(role, 0.0), used.wakeups_per_s.get(role, 0.0))
        for role in MAIN_ROLES
    }
    named = list(result.values())
    total = used.total_percent, sum(used.wakeups_per_s.values())
    rest = (
        total[0] - sum(percent for percent, _ in named),
        total[1] - sum(wakeups for _, wakeups in named),
    )
    return {**result, "hosts, fork servers, supervisord": rest, "gateway": total}


def report_frames(name: str, frames: ledger.Ledger, window: Window, findings: Findings) -> None:
    """The ledger without the lines that are zero."""
    for subject, count in frames.counts.items():
        if count:
            findings.add(name, subject, "frames", count=count)
    findings.add(name, "lost in the gateway", "frames", count=frames.lost_in_gateway)
    skipped = sum(client["skipped"] for client in window.clients)
    late = skipped + window.upstream["skipped_slots"]
    findings.add(name, "not sent: load generator late", "frames", count=late)


def report_targets(
    style: str,
    case: Case,
    window: Window,
    frames: ledger.Ledger,
    stages: dict[str, dict[str, float]],
    findings: Findings,
) -> None:
    """The ratios that have targets."""
    per_session = window.usage.total_percent / case.sessions
    limit = 6.0 if style == "continuous" else 4.0
    findings.ratio(f"{case.name}, {style}: % of a core per session", per_session, limit)
    findings.ratio(f"{case.name}, {style}: frames lost in gateway", frames.lost_in_gateway, 0)
    if style != "continuous":
        return
    up = least(spread(window.uplink_ms()[0]), stages[UP_STAGE])
    down = least(spread(window.downlink_ms()[0]), stages[DOWN_STAGE])
    alone = case.rooms[0] == 1
    if up and alone:
        findings.ratio(f"{case.name}: added on the way up, p50 ms", up["p50"], 2.0)
    if up:
        limit = 5.0 if alone else 25.0
        findings.ratio(f"{case.name}: added on the way up, p95 ms", up["p95"], limit)
    if down:
        findings.ratio(f"{case.name}: added on the way down, p95 ms", down["p95"], 30.0)


def least(first: dict[str, float], second: dict[str, float]) -> dict[str, float]:
    """Statistic by statistic the smaller of two upper bounds."""
    both = first.keys() & second.keys()
    return {**first, **second} | {name: min(first[name], second[name]) for name in both}


def compare_with_baseline(case: Case, findings: Findings) -> None:
    """Ours against the baseline: the median of all windows of each."""
    medians: dict[str, dict[str, float]] = {}
    for subject in ("ours", "baseline"):
        windows = case.windows[f"{subject} continuous"]
        figures = {
            "% of a core per session": [w.usage.total_percent / case.sessions for w in windows],
            "up, p50 ms": [spread(w.uplink_ms()[0]).get("p50", 0.0) for w in windows],
            "up, p95 ms": [spread(w.uplink_ms()[0]).get("p95", 0.0) for w in windows],
            "down, p50 ms": [spread(w.downlink_ms()[0]).get("p50", 0.0) for w in windows],
            "down, p95 ms": [spread(w.downlink_ms()[0]).get("p95", 0.0) for w in windows],
        }
        medians[subject] = {name: median(values) for name, values in figures.items()}
    for name, ours in medians["ours"].items():
        baseline = medians["baseline"][name]
        unit = "ms" if name.endswith("ms") else "% of a core"
        case_name = f"against the baseline, {case.name}: {name}"
        findings.add(case_name, "ours", unit, median=round(ours, 2))
        findings.add(case_name, "baseline", unit, median=round(baseline, 2))
        if baseline:
            findings.ratio(f"{case.name}: {name}: ours / baseline", ours / baseline)


def report_memory(cases: list[Case], findings: Findings) -> None:
    """PSS of one more browser, and of one more room."""
    sole = next((case for case in cases if case.rooms == [1]), None)
    group = next((case for case in cases if len(case.rooms) == 1 and case.sessions > 1), None)
    many = next((case for case in cases if len(case.rooms) > 1 and case.rooms[0] == 1), None)
    for case in cases:
        findings.add(f"memory, {case.name}", "gateway", "MiB", pss=round(case.pss_mib, 1))
    if sole is None or group is None or many is None:
        return
    browser = (group.pss_mib - sole.pss_mib) / (group.sessions - 1)
    room = (many.pss_mib - sole.pss_mib) / (many.sessions - 1) - browser
    findings.ratio("memory: PSS of a further browser, MiB", browser, 15.0)
    findings.ratio("memory: PSS of a further room's link, MiB", room, 20.0)
