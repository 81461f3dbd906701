"""Six people who all talk in one conference: the gateway against Janus's AudioBridge.

Latency from mouth to ear and the server's processor time per participant, in turns. Janus takes and
sends Opus, the gateway PCM, as their browsers do. The rooms mix at 24 kHz.
"""

from __future__ import annotations

import time

from ..report.findings import Findings, Options
from ..report.results import quantiles
from ..rig import usage
from ..rig.gateway_rig import Rig
from .janus import ROOM_DEFAULT, ROOM_QUICK, Janus
from .people import PER_PROCESS, Marks, People, join_marks

PEOPLE = 6
SETTLE_S = 1.0
JITTER_MS = 30
LATENCY_TARGET, CPU_TARGET = 0.4, 1.5
CASE = f"conference of {PEOPLE}"
OURS = "mixminus"
ROOMS = {f"janus, prebuffer {ROOM_QUICK}": ROOM_QUICK, "janus, default": ROOM_DEFAULT}
LINK_ROLES = ("openai_link", "simulator")
"""What serves the assistant and has no counterpart in a conference bridge."""


def run(options: Options, findings: Findings) -> None:
    """Measure all subjects in turns, then once more on a network with jitter."""
    rounds = int(options.scaled(3, 2, 1))
    seconds = options.scaled(20, 6, 2)
    subjects = (OURS, *(list(ROOMS)[:1] if options.smoke else ROOMS))
    marks = {subject: Marks() for subject in subjects}
    cpu: dict[str, list[float]] = {subject: [] for subject in subjects}
    extra: list[float] = []
    for number in range(rounds):
        for subject in subjects:
            findings.progress(f"{CASE}: {subject}, round {number + 1} of {rounds}")
            seen, percent, link_percent = measure(subject, seconds, 0)
            marks[subject].add(seen)
            cpu[subject].append(percent / PEOPLE)
            if subject == OURS:
                extra.append(link_percent)
    report(marks, cpu, extra, findings)
    for subject in () if options.smoke else subjects:
        findings.progress(f"{CASE}: {subject}, with jitter")
        seen, _, _ = measure(subject, seconds, JITTER_MS)
        report_marks(f"{CASE}, {JITTER_MS} ms jitter", subject, seen, findings)
    findings.notes.append(
        "mouth to ear: from a frame's sending to the arrival of the packet in which another person "
        "first hears it; what a listener buffers comes on top for all"
    )


def measure(subject: str, seconds: float, jitter_ms: int) -> tuple[Marks, float, float]:
    """Marks, and the server's processor time without and of the assistant's link (% of a core)."""
    return (
        ours(seconds, jitter_ms) if subject == OURS else janus(ROOMS[subject], seconds, jitter_ms)
    )


def ours(seconds: float, jitter_ms: int) -> tuple[Marks, float, float]:
    """Marks, processor time without and of the assistant's link (% of a core)."""
    with Rig(
        [PEOPLE], upstream="hush", per_process=PER_PROCESS, SIGNALING__MODE="conference"
    ) as rig:
        rig.join()
        for load in rig.loads:
            load.ask("network", jitter_ms=jitter_ms)
        rig.behave("continuous")
        time.sleep(SETTLE_S)
        window = rig.window(seconds)
    link = sum(
        percent for role, percent in window.usage.cpu_percent.items() if role.startswith(LINK_ROLES)
    )
    marks = join_marks(window.clients, window.ended_ns)
    return marks, window.usage.total_percent - link, link


def janus(room: int, seconds: float, jitter_ms: int) -> tuple[Marks, float, float]:
    """Marks, processor time (% of a core), and 0: it has no link to an assistant."""
    with Janus() as server, People(PEOPLE) as people:
        people.join(lambda offer: server.join(server.attach(), room, offer))
        people.network(jitter_ms)
        people.talk()
        time.sleep(SETTLE_S)
        process = usage.Process(server.pid, "janus")
        people.look()
        before = usage.read([process])
        time.sleep(seconds)
        used = usage.between(before, usage.read([process]))
        return join_marks(people.look(), time.monotonic_ns()), used.total_percent, 0.0


def report(
    marks: dict[str, Marks], cpu: dict[str, list[float]], extra: list[float], findings: Findings
) -> None:
    """Add measures and the two ratios that have targets."""
    p50: dict[str, float] = {}
    for subject, seen in marks.items():
        p50[subject] = report_marks(CASE, subject, seen, findings)
    best_cpu = {subject: min(values) for subject, values in cpu.items()}
    for subject, values_list in cpu.items():
        mean = round(sum(values_list) / len(values_list), 2)
        best = round(best_cpu[subject], 2)
        findings.add(f"{CASE}: CPU per participant", subject, "% of a core", mean=mean, best=best)
    link_percent = round(sum(extra) / len(extra), 2)
    findings.add(f"{CASE}: the assistant's link", OURS, "% of a core", mean=link_percent)
    peers = [subject for subject in marks if subject != OURS and p50[subject]]
    if peers and p50[OURS]:
        best_peer = min(p50[subject] for subject in peers)
        name = f"{CASE}: mouth to ear, mixminus / best of janus (p50)"
        findings.ratio(name, p50[OURS] / best_peer, LATENCY_TARGET)
        cheapest = min(best_cpu[subject] for subject in peers)
        name = f"{CASE}: CPU per participant, mixminus / janus"
        findings.ratio(name, best_cpu[OURS] / cheapest, CPU_TARGET)


def report_marks(case: str, subject: str, seen: Marks, findings: Findings) -> float:
    """Add latency and losses of one subject; returns the median in ms, 0 where there is none."""
    values = quantiles(seen.latencies_ms, 0.5, 0.95, 0.99)
    rounded = {name: round(value, 2) for name, value in values.items()}
    findings.add(f"{case}: mouth to ear", subject, "ms", **rounded)
    findings.add(f"{case}: marks not heard", subject, "%", mean=round(seen.lost_percent, 2))
    return values.get("p50", 0.0)
