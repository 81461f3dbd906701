"""``bench call``: the whole gateway with WebRTC clients, and the baseline beside it.

Latency is measured by marks in the sound (see ``signals``): up, from the client's send to the
arrival of the RTP packet at the Realtime server; down, from that server's send to the client's
receipt. Both contain the loopback network and the scheduling of the processes at both ends, so they
are an upper bound of what the gateway adds. The gateway's own histograms split it by stage; where
several talk, they count from the oldest part of a mix, which is an upper bound too. A target is
compared with the smaller of the two.
"""

from __future__ import annotations

import time
from statistics import median

from ..report.findings import Findings, Options
from ..rig import ledger, usage
from ..rig.gateway_rig import Rig
from ..rig.window import spread
from .call_tables import (
    Case,
    compare_with_baseline,
    report_cost,
    report_frames,
    report_latency,
    report_memory,
    report_targets,
)

REST_S = 2.0
"""After the start of a gateway, before joining is timed."""
SETUP_STEPS = {
    "answered": "POST → 201",
    "open": "POST → channel open",
    "ready": "POST → assistant ready",
    "heard": "POST → first reply frame",
}


def run(options: Options, findings: Findings) -> None:
    """All sizes, both styles; the baseline beside one session and beside the room of six."""
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
            findings.progress(f"{case.name}: the baseline")
            measure_baseline(case, options)
            if turn + 1 < rounds:
                measure(case, ("continuous",), options, findings, tell=False)
        compare_with_baseline(case, findings)
    report_memory(cases, findings)
    if not options.smoke:
        measure_setup(int(options.scaled(10, 5, 1)), findings)


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
    """Run our gateway with one case; ``tell``: add what was found to the tables."""
    reply_ms = int(options.scaled(3_000, 3_000, 300))
    with Rig(case.rooms, upstream="hush", reply_ms=reply_ms) as rig:
        rig.join()
        for style in styles:
            findings.progress(f"{case.name}, {style}")
            before, clients_before = rig.metrics(), rig.look()[0]
            rig.converse(style)
            time.sleep(settle_s(options))
            window = rig.window(window_s(style, options))
            case.windows.setdefault(f"ours {style}", []).append(window)
            case.pss_mib = sum(
                sum(values) for values in usage.pss_by_role(rig.gateway.processes()).values()
            )
            backlog = rig.backlog_ms()
            rig.server.ask("style", style="hush")
            rig.behave("quiet")
            time.sleep(settle_s(options))
            after, clients_after = rig.settled_metrics(), rig.look()[0]
            if not tell:
                continue
            name = f"{style}, {case.name}"
            stages = report_latency(name, window, before, after, findings)
            report_cost(name, window, case.sessions, findings)
            frames = ledger.balance(before, after, clients_before, clients_after, case.rooms[0])
            report_frames(name, frames, window, findings)
            for stage, milliseconds in backlog.items():
                findings.add(name, f"backlog: {stage}", "ms", now=milliseconds)
            report_targets(style, case, window, frames, stages, findings)
        if options.smoke:
            report_setup(rig, findings)


def settle_s(options: Options) -> float:
    """Between a change of what clients do and the measurement."""
    return options.scaled(1, 1, 0.3)


def window_s(style: str, options: Options) -> float:
    """Length of a window; of a conversation whole cycles of 8 s."""
    if style == "continuous":
        return options.scaled(20, 8, 1.5)
    return options.scaled(24, 8, 2)


def measure_baseline(case: Case, options: Options) -> None:
    """The same case through the baseline."""
    with Rig(case.rooms, subject="baseline") as rig:
        rig.join()
        rig.behave("continuous")
        time.sleep(settle_s(options))
        window = rig.window(window_s("continuous", options))
        case.windows.setdefault("baseline continuous", []).append(window)


def measure_setup(rounds: int, findings: Findings) -> None:
    """Time to join: one client after the other, each in a room of its own."""
    findings.progress("setup")
    with Rig([1] * rounds) as rig:
        time.sleep(REST_S)
        rig.join(pause_s=1.0)
        report_setup(rig, findings)


def report_setup(rig: Rig, findings: Findings) -> None:
    """The steps of joining, of all clients of ``rig``."""
    setups = [setup for load in rig.loads for setup in load.ask("setup")]
    times = {step: [setup[step] for setup in setups if step in setup] for step in SETUP_STEPS}
    for step, words in SETUP_STEPS.items():
        findings.add(f"setup, {words}", "ours", "ms", **spread(times[step]))
    for step, limit in (("open", 150.0), ("ready", 400.0)):
        if times[step]:
            name = f"setup: {SETUP_STEPS[step]}, median ms"
            findings.ratio(name, median(times[step]), limit)
