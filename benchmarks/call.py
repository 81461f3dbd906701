"""``bench call``: the whole gateway with real WebRTC clients, and the seed's design beside it.

Latency is measured by marks in the sound (see ``signals``): up, from the client's sending to the
arrival of the RTP packet at the Realtime server; down, from that server's sending to the client's
receipt. Both contain the loopback network and the scheduling of the processes at both ends, so they
are an upper bound of what the gateway adds. The gateway's own histograms split it by stage.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from . import ledger, usage
from .metrics_page import MetricsPage
from .rig import Rig, Window, spread

if TYPE_CHECKING:
    from .cli import Findings, Options

SETTLE_S = 1.0
REST_S = 2.0
"""After the start of a gateway, before joining is timed."""
MAIN_ROLES = ("media_worker child", "openai_link child", "mixer_core", "signaling")
STAGES = {
    "up: browser's frame → mixed (both ways)": ("mixer_core", "latency_to_publish_ms"),
    "up: browser's frame → RTP packet": ("openai_link", "uplink_latency_ms"),
    "down: RTP packet → decoded, to the mixer": ("openai_link", "downlink_latency_ms"),
    "down: RTP packet → data channel": ("media_worker", "downlink_latency_ms"),
}
"""What a row is called → program and histogram."""
SETUP_STEPS = {
    "answered": "POST → 201",
    "open": "POST → channel open",
    "ready": "POST → assistant ready",
    "heard": "POST → first reply frame",
}


@dataclass
class Case:
    """One size of call."""

    rooms: list[int]
    """Clients in each room; all rooms have the same size."""
    windows: dict[str, list[Window]] = field(default_factory=dict)
    """``ours continuous``, ``ours conversation``, ``seed continuous`` → what was measured."""
    pss_mib: float = 0.0
    """All processes of the gateway."""

    @property
    def sessions(self) -> int:
        """Clients in all."""
        return sum(self.rooms)

    @property
    def name(self) -> str:
        """For the tables."""
        count, size = len(self.rooms), self.rooms[0]
        if count == 1 and size > 1:
            return f"one room of {size}"
        sessions = f"{self.sessions} session{'s' if self.sessions > 1 else ''}"
        return f"{sessions} in {count} rooms" if size > 1 else sessions


def run(options: Options, findings: Findings) -> None:
    """All sizes, both styles; the seed's design next to one session and to the room of six."""
    findings.notes.append(
        "clients and Realtime server run beside the gateway on the same cores; "
        "their processor time is listed apart"
    )
    findings.notes.append("conversation: everybody in a room speaks at the same time, 3 s of 8")
    cases = [Case(rooms) for rooms in sizes(options)]
    rounds = int(options.scaled(3, 1, 1))
    for case in cases:
        measure(case, ("continuous", "conversation"), options, findings)
        if len(case.rooms) > 1:
            continue
        for turn in range(rounds):
            findings.progress(f"{case.name}: the seed's design")
            measure_seed(case, options)
            if turn + 1 < rounds:
                measure(case, ("continuous",), options, findings, tell=False)
        compare_with_seed(case, findings)
    report_memory(cases, findings)
    measure_setup(options, findings)


def sizes(options: Options) -> list[list[int]]:
    """Rooms of the cases."""
    if options.smoke:
        return [[1]]
    if options.quick:
        return [[1], [1] * 4, [6]]
    return [[1], [1] * 5, [1] * 10, [2] * 10, [6]]


def measure(
    case: Case,
    styles: tuple[str, ...],
    options: Options,
    findings: Findings,
    tell: bool = True,
) -> None:
    """Run our gateway with one size of call; ``tell``: add what was found to the tables."""
    with Rig(case.rooms, upstream="hush") as rig:
        rig.join()
        for style in styles:
            findings.progress(f"{case.name}, {style}")
            before, clients_before = rig.metrics(), rig.look()[0]
            rig.converse(style)
            time.sleep(SETTLE_S)
            seconds = window_s(style, options)
            window = rig.window(seconds)
            case.windows.setdefault(f"ours {style}", []).append(window)
            case.pss_mib = sum(
                sum(values) for values in usage.pss_by_role(rig.gateway.processes()).values()
            )
            backlog = rig.metrics().backlog_ms
            rig.server.ask("style", style="hush")
            rig.behave("quiet")
            time.sleep(SETTLE_S)
            after, clients_after = rig.metrics(), rig.look()[0]
            if not tell:
                continue
            name = f"{style}, {case.name}"
            report_latency(name, window, before, after, findings)
            report_cost(name, window, case.sessions, findings)
            frames = ledger.balance(before, after, clients_before, clients_after, case.rooms[0])
            report_frames(name, frames, window, findings)
            for stage, milliseconds in backlog.items():
                findings.add(name, f"backlog: {stage}", "ms", now=milliseconds)
            report_targets(style, case, window, frames, findings)


def window_s(style: str, options: Options) -> float:
    """How long to measure; a conversation in whole cycles of 8 s."""
    if style == "continuous":
        return options.scaled(20, 8, 2)
    return options.scaled(24, 8, 4)


def measure_seed(case: Case, options: Options) -> None:
    """The same call through the seed's design."""
    with Rig(case.rooms, subject="seed") as rig:
        rig.join()
        rig.behave("continuous")
        time.sleep(SETTLE_S)
        window = rig.window(window_s("continuous", options))
        case.windows.setdefault("seed continuous", []).append(window)


def report_latency(
    name: str, window: Window, before: MetricsPage, after: MetricsPage, findings: Findings
) -> None:
    """Both ways from end to end, and by stage."""
    for subject, (latencies, lost) in ways(window).items():
        findings.add(name, subject, "ms", **spread(latencies), lost_marks=lost)
    every = "down: RTP packet at the link → client, every frame"
    findings.add(name, every, "ms", **spread(window.late_ms))
    for stage, (program, histogram) in STAGES.items():
        values = after.quantiles(before, program, histogram, 0.5, 0.95, 0.99)
        findings.add(name, stage, "ms", **values)


def ways(window: Window) -> dict[str, tuple[list[float], int]]:
    """Latencies and lost marks, up and down."""
    return {
        "up: client → Realtime server": window.uplink_ms(),
        "down: Realtime server → client": window.downlink_ms(),
    }


def report_cost(name: str, window: Window, sessions: int, findings: Findings) -> None:
    """Processor time and wake-ups by role; clients and server apart."""
    for role, (percent, wakeups) in by_role(window.usage).items():
        findings.add(
            name,
            role,
            "% of a core",
            total=round(percent, 2),
            per_session=round(percent / sessions, 3),
            wakeups_per_s=round(wakeups, 1),
        )
    beside = {"clients": window.load_percent, "Realtime server": window.upstream_percent}
    for subject, percent in beside.items():
        findings.add(name, f"({subject})", "% of a core", total=round(percent, 2))


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
    """The ledger; what did not happen is left out."""
    for subject, count in frames.counts.items():
        if count:
            findings.add(name, subject, "frames", count=count)
    findings.add(name, "lost in the gateway", "frames", count=frames.lost_in_gateway)
    skipped = sum(client["skipped"] for client in window.clients)
    late = skipped + window.upstream["skipped_slots"]
    findings.add(name, "not sent: load generator late", "frames", count=late)


def report_targets(
    style: str, case: Case, window: Window, frames: ledger.Ledger, findings: Findings
) -> None:
    """What issue and README promise."""
    per_session = window.usage.total_percent / case.sessions
    limit = 6.0 if style == "continuous" else 4.0
    findings.ratio(f"{case.name}, {style}: % of a core per session", per_session, limit)
    findings.ratio(f"{case.name}, {style}: frames lost in gateway", frames.lost_in_gateway, 0)
    if style != "continuous":
        return
    up, down = spread(window.uplink_ms()[0]), spread(window.downlink_ms()[0])
    if not up or not down:
        return
    if case.rooms[0] == 1:
        findings.ratio(f"{case.name}: up, p50 ms", up["p50"], 2.0)
    findings.ratio(f"{case.name}: up, p95 ms", up["p95"], 5.0 if case.rooms[0] == 1 else 25.0)
    findings.ratio(f"{case.name}: down, p95 ms", down["p95"], 30.0)


def compare_with_seed(case: Case, findings: Findings) -> None:
    """Ours against the seed's design; the median of all windows of each."""
    medians: dict[str, dict[str, float]] = {}
    for subject in ("ours", "seed"):
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
        seed = medians["seed"][name]
        unit = "ms" if name.endswith("ms") else "% of a core"
        case_name = f"against the seed's design, {case.name}: {name}"
        findings.add(case_name, "ours", unit, median=round(ours, 2))
        findings.add(case_name, "seed", unit, median=round(seed, 2))
        if seed:
            findings.ratio(f"{case.name}: {name}: ours / seed", ours / seed)


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


def measure_setup(options: Options, findings: Findings) -> None:
    """How long joining takes, each client in a room of its own, one after the other."""
    rounds = int(options.scaled(10, 5, 1))
    findings.progress("setup")
    with Rig([1] * rounds) as rig:
        time.sleep(REST_S)
        rig.join(pause_s=1.0)
        setups = [setup for load in rig.loads for setup in load.ask("setup")]
    for step, words in SETUP_STEPS.items():
        times = [setup[step] for setup in setups if step in setup]
        findings.add(f"setup, {words}", "ours", "ms", **spread(times))
    for step, limit in (("open", 150.0), ("ready", 400.0)):
        times = [setup[step] for setup in setups if step in setup]
        if times:
            findings.ratio(f"setup: {SETUP_STEPS[step]}, median ms", median(times), limit)
