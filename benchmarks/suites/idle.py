"""``bench idle``: people who are in a room and say nothing.

``muted``: the page sends nothing but its heartbeat. ``silent``: the microphone is on, nobody
speaks, and the page has stopped sending digital silence. The links have had time to make their RTP
sparse.
"""

from __future__ import annotations

import time

from ..report.findings import Findings, Options
from ..rig import usage
from ..rig.gateway_rig import Rig
from .call_tables import by_role


def run(options: Options, findings: Findings) -> None:
    """An empty gateway, people in rooms of their own, and as many in one room."""
    seconds = options.scaled(20, 8, 1.5)
    settle_s = options.scaled(7, 7, 0.5)
    people = int(options.scaled(10, 4, 1))
    shapes = {f"{people} rooms of one": [1] * people}
    if not options.smoke:
        shapes[f"one room of {people}"] = [people]
    for number, (name, rooms) in enumerate(shapes.items()):
        with Rig(rooms, upstream="hush") as rig:
            if number == 0:
                measure_empty(rig, settle_s, seconds, findings)
            rig.join()
            for style, word in (("muted", "muted"), ("quiet", "silent")):
                findings.progress(f"{name}, {word}")
                rig.behave(style)
                time.sleep(settle_s)
                measure(f"{word}, {name}", rig, rig.sessions, seconds, findings)
            report_memory(name, rig, findings)


def measure_empty(rig: Rig, settle_s: float, seconds: float, findings: Findings) -> None:
    """The gateway before anybody joins."""
    name = "nobody there"
    findings.progress(name)
    time.sleep(settle_s)
    measure(name, rig, 0, seconds, findings)
    report_memory(name, rig, findings)
    findings.add(name, "start to readiness", "s", once=round(rig.gateway.start_s, 2))


def measure(name: str, rig: Rig, people: int, seconds: float, findings: Findings) -> None:
    """Processor time and wake-ups over ``seconds``, with ``people`` in the rooms."""
    window = rig.window(seconds)
    sharers = max(1, people)
    for role, (percent, wakeups) in by_role(window.usage).items():
        findings.add(
            name,
            role,
            "% of a core",
            total=round(percent, 3),
            per_person=round(percent / sharers, 3),
            wakeups_per_s_per_person=round(wakeups / sharers, 1),
        )
    if people:
        share = window.usage.total_percent / people
        findings.ratio(f"{name}: % of a core per participant", share, 1.0)


def report_memory(name: str, rig: Rig, findings: Findings) -> None:
    """PSS by role; of children the mean and the largest."""
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
