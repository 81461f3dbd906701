"""``bench idle``: people who are in a room and say nothing.

``muted``: the page sends nothing but its heartbeat. ``silent``: nothing is said, the microphone is
on, and the page has stopped sending its digital silence. The links still exchange RTP with the
Realtime server, 50 packets a second each way, as that protocol wants it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..rig import usage
from ..rig.gateway_process import GatewayProcess
from ..rig.gateway_rig import Rig
from .call_tables import by_role

if TYPE_CHECKING:
    from ..cli import Findings, Options

SETTLE_S = 7.0


def run(options: Options, findings: Findings) -> None:
    """An empty gateway, then rooms of one, then one room of several."""
    seconds = options.scaled(20, 8, 1.5)
    people = int(options.scaled(10, 4, 1))
    measure_empty(seconds, findings)
    shapes = {f"{people} rooms of one": [1] * people, f"one room of {people}": [people]}
    for name, rooms in shapes.items():
        with Rig(rooms, upstream="hush") as rig:
            rig.join()
            for style in ("muted", "quiet"):
                findings.progress(f"{name}, {style}")
                rig.behave(style)
                time.sleep(SETTLE_S)
                measure(
                    f"{'silent' if style == 'quiet' else style}, {name}", rig, seconds, findings
                )
            report_memory(name, rig, findings)


def measure_empty(seconds: float, findings: Findings) -> None:
    """The gateway without anybody."""
    findings.progress("nobody there")
    with Rig([], upstream="hush") as rig:
        time.sleep(SETTLE_S)
        measure("nobody there", rig, seconds, findings)
        report_memory("nobody there", rig, findings)
        findings.add("nobody there", "start to readiness", "s", once=round(rig.gateway.start_s, 2))


def measure(name: str, rig: Rig, seconds: float, findings: Findings) -> None:
    """Processor time and wake-ups over so many seconds."""
    window = rig.window(seconds)
    people = max(1, rig.sessions)
    for role, (percent, wakeups) in by_role(window.usage).items():
        findings.add(
            name,
            role,
            "% of a core",
            total=round(percent, 3),
            per_person=round(percent / people, 3),
            wakeups_per_s_per_person=round(wakeups / people, 1),
        )
    if rig.sessions:
        share = window.usage.total_percent / people
        findings.ratio(f"{name}: % of a core per participant", share, 1.0)


def report_memory(name: str, rig: Rig, findings: Findings) -> None:
    """PSS by role; of children the mean and the largest."""
    assert isinstance(rig.gateway, GatewayProcess)
    for role, values in sorted(usage.pss_by_role(rig.gateway.processes()).items()):
        findings.add(
            f"memory, {name}",
            role,
            "MiB",
            processes=len(values),
            pss_mean=round(sum(values) / len(values), 1),
            pss_max=round(max(values), 1),
            pss=round(sum(values), 1),
        )
