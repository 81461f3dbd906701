"""``bench profile``: where the processor time of a session goes, by thread and as flame graphs.

Looks at the busy processes of a gateway that runs in this user's runtime directory, or else starts
one with a client and an assistant that both talk all the time. The kernel counts the time of each
thread; py-spy then samples the processes from outside and draws the flame graphs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from mixer_core.runtime.settings import CommonSettings, load

from ..report.findings import Findings, Options
from ..rig import usage
from ..rig.gateway_rig import Rig

RATE_HZ = 200
BUSY_PERCENT = 1.0
"""A process is looked at if it takes at least this share of a core."""
LEAST_PERCENT = 0.05
"""Threads below this are left out of the table."""
BUSY_ROLES = ("media_worker child", "openai_link child", "mixer_core")
LOOK_S = 1.0
HOW_TO_GET = "flame graphs need py-spy: pip install 'mixminus[bench]'"


def run(options: Options, findings: Findings) -> None:
    """Measure the threads, and draw a flame graph of each busy process."""
    seconds = options.scaled(45, 8, 1)
    folder = options.output_dir or Path(tempfile.mkdtemp(prefix="mixminus-profile-"))
    folder.mkdir(parents=True, exist_ok=True)
    spy = find_py_spy()
    with ExitStack() as stack:
        processes = busy_processes(running())
        if processes:
            findings.notes.append("of the gateway that was already running")
        else:
            findings.progress("starting a gateway and a client that talks")
            rig = stack.enter_context(Rig([1]))
            rig.join()
            rig.behave("continuous")
            time.sleep(LOOK_S)
            processes = busy_processes(rig.gateway.processes())
        for process in processes:
            findings.progress(f"{process.role}, {seconds:g} s")
            measure_threads(process, seconds, findings)
            if spy is not None:
                graph = folder / f"{process.role.replace(' ', '-')}.svg"
                findings.notes.append(flame_graph(spy, process, seconds, graph))
    if spy is None:
        findings.notes.append(HOW_TO_GET)


def running() -> list[usage.Process]:
    """The gateway in this user's runtime directory, if one runs."""
    return usage.processes_with("MIXMINUS_RUNTIME__DIR", str(load(CommonSettings).runtime_dir))


def busy_processes(processes: list[usage.Process]) -> list[usage.Process]:
    """The busiest process of each role that carries a session."""
    before = usage.read([p for p in processes if p.role in BUSY_ROLES])
    time.sleep(LOOK_S)
    after = usage.read(before.cpu_ns)
    share = {
        process: (cpu_ns - before.cpu_ns[process]) / (after.at_ns - before.at_ns) * 100
        for process, cpu_ns in after.cpu_ns.items()
    }
    busiest: dict[str, usage.Process] = {}
    for process in sorted(share, key=lambda process: share[process]):
        if share[process] >= BUSY_PERCENT:
            busiest[process.role] = process
    return [busiest[role] for role in BUSY_ROLES if role in busiest]


def measure_threads(process: usage.Process, seconds: float, findings: Findings) -> None:
    """Processor time by name of thread, and of all together."""
    before, began_ns = thread_cpu_ns(process.pid), time.monotonic_ns()
    time.sleep(seconds)
    spent, elapsed_ns = thread_cpu_ns(process.pid) - before, time.monotonic_ns() - began_ns
    case = f"{process.role}: thread"
    for thread, cpu_ns in spent.most_common():
        percent = round(100 * cpu_ns / elapsed_ns, 2)
        if percent >= LEAST_PERCENT:
            findings.add(case, thread, "% of a core", mean=percent)
    total = round(100 * spent.total() / elapsed_ns, 2)
    findings.add(case, "all", "% of a core", mean=total)


def thread_cpu_ns(pid: int) -> Counter[str]:
    """Processor time so far by name of thread."""
    result: Counter[str] = Counter()
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            name = (task / "comm").read_text(encoding="utf-8", errors="replace").strip()
            result[name] += int((task / "schedstat").read_text(encoding="ascii").split()[0])
        except OSError:
            continue
    return result


def find_py_spy() -> str | None:
    """Path of py-spy; None if it is not installed."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def flame_graph(spy: str, process: usage.Process, seconds: float, file: Path) -> str:
    """Have py-spy draw a flame graph, C code included where it can; a note on what came of it."""
    duration_s = max(1, round(seconds))
    command = [spy, "record", "--pid", str(process.pid), "--duration", str(duration_s)]
    command += ["--rate", str(RATE_HZ), "--function", "--format", "flamegraph", "-o", str(file)]
    for extra in (["--native"], []):
        done = subprocess.run(
            [*command, *extra], capture_output=True, text=True, timeout=5 * duration_s + 60
        )
        if done.returncode == 0 and file.exists():
            return f"{process.role}: {file}"
    lines = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()
    return f"{process.role}: py-spy failed: {lines[-1]}"
