"""``bench tick``: how late the mixer is and how long it works, with 1, 6 and 20 talkers.

The real mixer runs as a process; talkers in another process send to it over the real sockets, in
one conference room, so that each frame is mixed for everybody. Lateness and duration are what the
mixer itself observes, in nanoseconds; latency is seen from outside, by the frames' stamps.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ..report.errors import BenchmarkError
from ..report.findings import Findings, Options
from ..report.results import quantiles
from ..rig import tick_mixer, usage
from ..rig.helper_process import HelperProcess, child_environment

CASES = ((1, 0.0), (6, 0.0), (6, 0.05), (20, 0.0))
"""Talkers, and the share of their frames that never come, so that the mixer waits in vain."""
START_TIMEOUT_S = 60.0
SETTLE_S = 1.0
SHARES = (0.5, 0.95, 0.99)


def run(options: Options, findings: Findings) -> None:
    """Measure each number of talkers with a mixer of its own."""
    seconds = options.scaled(15, 5, 0.6)
    for talkers, missing in CASES[2:3] if options.smoke else CASES:
        case = f"{talkers} talking" + (f", {missing:.0%} missing" if missing else "")
        findings.progress(case)
        with tempfile.TemporaryDirectory(prefix="mm-tick-") as folder:
            measure(Path(folder), case, talkers, missing, seconds, findings)
    findings.notes.append(
        "lateness: from the deadline to the moment it was served; duration: of one turn (drain, "
        "mix, publish); latency: from a talker's send to the arrival of the mix"
    )


def measure(
    folder: Path,
    case: str,
    talkers: int,
    missing: float,
    seconds: float,
    findings: Findings,
    **variables: str,
) -> None:
    """One mixer, one room, ``seconds`` of everybody talking; ``variables``: its settings."""
    runtime_dir, log_file = folder / "run", folder / "exact.json"
    environment = child_environment(
        MIXMINUS_RUNTIME__DIR=str(runtime_dir),
        MIXMINUS_RUNTIME__LOG_LEVEL="warning",
        **{tick_mixer.FILE_VARIABLE: str(log_file)},
        **variables,
    )
    command = [sys.executable, "-m", "benchmarks.rig.tick_mixer"]
    mixer = subprocess.Popen(command, env=environment, start_new_session=True)
    room = HelperProcess("benchmarks.rig.tick_room")
    try:
        wait_for_mixer(mixer, runtime_dir / "audio_out.sock")
        room.ask("open", directory=str(runtime_dir), talkers=talkers, missing=missing)
        time.sleep(min(SETTLE_S, seconds))
        room.ask("look")
        process = usage.Process(mixer.pid, "mixer")
        before = usage.read([process])
        time.sleep(seconds)
        used = usage.between(before, usage.read([process]))
        seen = room.ask("look")
    finally:
        room.close()
        mixer.send_signal(signal.SIGTERM)
        try:
            mixer.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(mixer.pid, signal.SIGKILL)
            mixer.wait()
    exact = json.loads(log_file.read_text(encoding="ascii"))
    report_times(case, exact["durations_ns"], seen, findings)
    findings.add(
        f"{case}: mixer CPU", "ours", "% of a core", mean=round(used.cpu_percent["mixer"], 2)
    )
    woken_per_s = round(used.wakeups_per_s["mixer"], 1)
    findings.add(f"{case}: mixer wake-ups", "ours", "per s", mean=woken_per_s)
    report_losses(case, exact["counters"], seen, findings)


def wait_for_mixer(mixer: subprocess.Popen[bytes], socket: Path) -> None:
    """Wait until it has bound ``socket``, which takes a while if it compiles its kernels."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not socket.exists():
        if mixer.poll() is not None or time.monotonic() > deadline_s:
            raise BenchmarkError("the mixer did not start")
        time.sleep(0.01)


def report_times(
    case: str,
    durations_ns: dict[str, list[int]],
    seen: dict[str, Any],
    findings: Findings,
) -> None:
    """Lateness and duration (of the second half of the run) and latency."""
    late_ns, turn_ns = durations_ns["timeout_lateness_ms"], durations_ns["turn_duration_ms"]
    tables = {
        "timeout lateness": late_ns[len(late_ns) // 2 :],
        "turn duration": turn_ns[len(turn_ns) // 2 :],
        "latency to the link": seen["latency_ns"]["link"],
        "latency to talkers": seen["latency_ns"]["talkers"],
    }
    for what, values in tables.items():
        us = {key: round(value / 1000, 1) for key, value in quantiles(values, *SHARES).items()}
        if us:
            findings.add(f"{case}: {what}", "ours", "us", **us)


def report_losses(
    case: str, counters: dict[str, float], seen: dict[str, Any], findings: Findings
) -> None:
    """Say what was dropped on the way, if anything was."""
    words = [
        f"{name} {value:g}"
        for name, value in sorted(counters.items())
        if value
        and not name.startswith("heartbeats")  # There is no signaling to take them.
        and any(word in name for word in ("dropped", "lost", "late", "errors", "malformed"))
    ]
    if seen["dropped"]:
        words.append(f"not taken by the socket {seen['dropped']}")
    if words:
        findings.notes.append(f"{case}: {', '.join(words)}; of {seen['sent']} frames sent")
