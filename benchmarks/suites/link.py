"""``bench link``: the gateway's Opus link against stock aiortc, on the same Realtime server.

Processor time: the two take turns, each alone with the server in a fresh process. Latency: both at
once, with the same loss; packets are lost in the receiving process as they come off its socket.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import mean

from ..report.findings import Findings, Options
from ..report.results import quantiles
from ..rig import usage
from ..rig.helper_process import HelperProcess

SUBJECTS = ("ours", "stock aiortc")
LOSSES = (0.0, 0.01, 0.02, 0.05)
FRAMES_PER_S = 50
SETTLE_S = 1.0
CPU_TARGET = 0.5


def run(options: Options, findings: Findings) -> None:
    """Measure processor time and memory, then latency under loss."""
    server = HelperProcess("benchmarks.rig.upstream", "talk")
    try:
        url = f"http://127.0.0.1:{server.ask('port')}/v1"
        measure_cpu(url, int(options.scaled(3, 2, 1)), options.scaled(8, 4, 0.5), findings)
        seconds = options.scaled(30, 8, 1)
        for loss in LOSSES[2:3] if options.smoke else LOSSES:
            findings.progress(f"latency at {loss:.0%} loss")
            measure_latency(url, loss, seconds, findings)
    finally:
        server.close()
    findings.notes.append(
        "both encode and decode 50 frames/s of 24 kHz mono PCM on uvloop; latency: from the RTP "
        "packet at the socket to its PCM; memory 'added': private memory of the process once it "
        "is connected, less before"
    )


def start(subject: str, loss: float = 0.0) -> HelperProcess:
    """A process of that subject, not connected yet."""
    return HelperProcess("benchmarks.rig.link_end", subject.split()[0], str(loss))


def measure_cpu(url: str, rounds: int, seconds: float, findings: Findings) -> None:
    """Processor time, wake-ups and memory of each subject, in turns."""
    cpu: dict[str, list[float]] = {subject: [] for subject in SUBJECTS}
    woken: dict[str, list[float]] = {subject: [] for subject in SUBJECTS}
    memory: dict[str, list[tuple[float, float, float]]] = {subject: [] for subject in SUBJECTS}
    for number in range(rounds):
        findings.progress(f"processor time, round {number + 1} of {rounds}")
        for subject in SUBJECTS:
            end = start(subject)
            try:
                end.ask("look")
                _, before_mib = usage.memory_mib(end.pid)
                end.ask("connect", url=url)
                time.sleep(min(SETTLE_S, seconds))
                process = usage.Process(end.pid, subject)
                before = usage.read([process])
                time.sleep(seconds)
                used = usage.between(before, usage.read([process]))
                pss_mib, private_mib = usage.memory_mib(end.pid)
            finally:
                end.close()
            cpu[subject].append(used.cpu_percent[subject])
            woken[subject].append(used.wakeups_per_s[subject])
            memory[subject].append((pss_mib, private_mib, private_mib - before_mib))
    report_use(cpu, woken, memory, findings)


def report_use(
    cpu: dict[str, list[float]],
    woken: dict[str, list[float]],
    memory: dict[str, list[tuple[float, float, float]]],
    findings: Findings,
) -> None:
    """The means over all rounds, and the ratio that has a target."""
    for subject in SUBJECTS:
        values = {"mean": mean(cpu[subject]), "best": min(cpu[subject])}
        rounded = {name: round(value, 2) for name, value in values.items()}
        findings.add("CPU, talking both ways", subject, "% of a core", **rounded)
    for subject in SUBJECTS:
        per_s = round(mean(woken[subject]))
        findings.add("wake-ups, talking both ways", subject, "per s", mean=per_s)
    for subject in SUBJECTS:
        columns = zip(*memory[subject], strict=True)
        pss, private, added = (round(mean(column), 1) for column in columns)
        findings.add("memory", subject, "MiB", pss=pss, private=private, added=added)
    ours, stock = (mean(cpu[subject]) for subject in SUBJECTS)
    findings.ratio("CPU: ours / stock aiortc", ours / stock, CPU_TARGET)


def measure_latency(url: str, loss: float, seconds: float, findings: Findings) -> None:
    """Latency of both subjects over time with one share of loss."""
    ends: list[HelperProcess] = []
    latencies_us: dict[str, list[int]] = {}
    try:
        for subject in SUBJECTS:
            ends.append(start(subject, loss))
            ends[-1].ask("connect", url=url)
        time.sleep(seconds)
        for subject, end in zip(SUBJECTS, ends, strict=True):
            latencies_us[subject] = end.ask("look")
    finally:
        for end in ends:
            end.close()
    medians = {}
    for subject, heard_us in latencies_us.items():
        values = latencies_ms(heard_us)
        findings.add(f"receive latency, {loss:.0%} loss", subject, "ms", **values)
        medians[subject] = values.get("end", 0.0)
        expected = seconds * FRAMES_PER_S * (1 - loss)
        if len(heard_us) < 0.8 * expected:
            words = f"only {len(heard_us)} of about {expected:.0f} packets became sound"
            findings.notes.append(f"{loss:.0%} loss, {subject}: {words}")
    if all(medians.values()):
        ours, stock = (medians[subject] for subject in SUBJECTS)
        findings.ratio(f"receive latency in the end, {loss:.0%} loss: ours / stock", ours / stock)


def latencies_ms(latencies_us: Sequence[int]) -> dict[str, float]:
    """p50, p95, p99 and max of all, and the medians of the first and the last quarter."""
    all_ms = [us / 1000 for us in latencies_us]
    if not all_ms:
        return {}
    quarter = max(1, len(all_ms) // 4)
    values = quantiles(all_ms, 0.5, 0.95, 0.99)
    values["start"] = quantiles(all_ms[:quarter], 0.5)["p50"]
    values["end"] = quantiles(all_ms[-quarter:], 0.5)["p50"]
    return {name: round(value, 2) for name, value in values.items()}
