"""``bench soak``: twenty sessions in ten rooms for ten minutes, in conversation.

With ``--minutes`` or ``--hours`` it is a household instead (``household``): low load, for long.

Memory, open files, frames and latency are measured in equal steps of whole conversation cycles
(about a minute in a full run), which shows what grows.
"""

from __future__ import annotations

import time

import numpy as np

from ..report.findings import Findings, Options
from ..rig import ledger, usage
from ..rig.gateway_rig import Rig
from ..rig.window import Window, spread
from . import household
from .call_tables import note_if_full


def run(options: Options, findings: Findings) -> None:
    """One rig, several windows; with ``options.minutes`` a household."""
    if options.minutes is not None:
        household.run(options, findings)
        return
    steps = int(options.scaled(10, 3, 2))
    step_s = options.scaled(64, 8, 1.5)
    settle_s = options.scaled(1, 1, 0.3)
    rooms = [2] * int(options.scaled(10, 10, 1))
    reply_ms = int(options.scaled(3_000, 3_000, 300))
    memory_mib: list[float] = []
    windows: list[Window] = []
    findings.notes.append("conversation: everybody in a room speaks at the same time, 3 s of 8")
    findings.progress(f"{sum(rooms)} sessions join")
    with Rig(rooms, upstream="hush", reply_ms=reply_ms) as rig:
        rig.join()
        before, clients_before = rig.metrics(), rig.look()[0]
        rig.converse("conversation")
        time.sleep(settle_s)
        for step in range(steps):
            findings.progress(f"step {step + 1} of {steps}")
            windows.append(rig.window(step_s))
            processes = rig.gateway.processes()
            memory_mib.append(sum(sum(v) for v in usage.pss_by_role(processes).values()))
            backlog = max(rig.backlog_ms().values(), default=0.0)
            name = f"step {step + 1} ({step_s:g} s)"
            report_step(name, windows[-1], rig.sessions, findings)
            findings.add(name, "memory, all processes", "MiB", pss=round(memory_mib[-1], 1))
            files = usage.open_files(processes)
            findings.add(name, "open files, all processes", "files", count=files)
            findings.add(name, "largest backlog", "ms", now=backlog)
        rig.server.ask("style", style="hush")
        rig.behave("quiet")
        time.sleep(settle_s)
        after, clients_after = rig.settled_metrics(), rig.look()[0]
    counts = ledger.balance(before, after, clients_before, clients_after, talkers=rooms[0])
    report_end(counts, memory_mib, step_s, windows, findings)


def report_step(name: str, window: Window, sessions: int, findings: Findings) -> None:
    """One step's latency and cost."""
    up, up_lost = window.uplink_ms()
    down, down_lost = window.downlink_ms()
    findings.add(name, "up: client → Realtime server", "ms", **spread(up), lost_marks=up_lost)
    findings.add(name, "down: Realtime server → client", "ms", **spread(down), lost_marks=down_lost)
    percent = window.usage.total_percent
    findings.add(
        name,
        "gateway",
        "% of a core",
        total=round(percent, 1),
        per_session=round(percent / sessions, 2),
    )
    note_if_full(name, window, findings)
    beside = window.load_percent + window.upstream_percent
    findings.add(name, "(clients and Realtime server)", "% of a core", total=round(beside, 1))
    findings.add(name, "(whole machine)", "% of a core", total=round(window.machine_percent, 1))


def report_end(
    counts: ledger.Ledger,
    memory_mib: list[float],
    step_s: float,
    windows: list[Window],
    findings: Findings,
) -> None:
    """Frames and growth over the whole time."""
    for subject, count in counts.counts.items():
        if count:
            findings.add("whole time", subject, "frames", count=count)
    late = sum(c["skipped"] for w in windows for c in w.clients)
    late += sum(w.upstream["skipped_slots"] for w in windows)
    findings.add("whole time", "not sent: load generator late", "frames", count=late)
    findings.ratio("frames lost in the gateway", counts.lost_in_gateway, 0)
    hours = np.arange(len(memory_mib)) * step_s / 3600
    slope = float(np.polyfit(hours, memory_mib, 1)[0]) if len(memory_mib) > 1 else 0.0
    findings.add("whole time", "memory growth", "MiB per hour", slope=round(slope, 1))
    ways = {
        "up": ([window.uplink_ms()[0] for window in windows], 25.0),
        "down": ([window.downlink_ms()[0] for window in windows], 30.0),
    }
    for way, (latencies, limit) in ways.items():
        p95 = [spread(step)["p95"] for step in latencies if step]
        if p95:
            findings.ratio(f"{way}, p95 ms of the worst step", max(p95), limit)
            findings.ratio(f"{way}, p95 of the last step / first", p95[-1] / p95[0])
