"""``bench profile``: where the processor time of a call goes.

Looks at the busy processes of a gateway that runs a call in this user's runtime directory, or else
starts one with a client that talks all the time; always so with ``--tree``, which names the
checkout to run. py-spy samples the processes from outside; where it is not to be had, the children
of a gateway of our own are run under cProfile.
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
from typing import TYPE_CHECKING

from mixer_core.runtime.settings import CommonSettings, load

from ..rig import stacks, usage
from ..rig.gateway_rig import Rig
from ..rig.profile_python import profile_children

if TYPE_CHECKING:
    from ..cli import Findings, Options

RATE_HZ = 200
BUSY_PERCENT = 1.0
"""A process is looked at where it takes at least so much of a core."""
BUSY_ROLES = ("media_worker child", "openai_link child", "mixer_core")
THREAD_CASE, GROUP_CASE = "{}: thread", "{}: time of all threads"
TOP_FUNCTIONS = 12
LOOK_S = 1.0


class ProfilerError(RuntimeError):
    """py-spy is missing or may not look; the message says why."""


def run(options: Options, findings: Findings) -> None:
    """Profile, print where the time goes, and write stacks and flame graphs."""
    seconds = options.scaled(45, 8, 1)
    folder = options.output_dir or Path(tempfile.mkdtemp(prefix="mixminus-profile-"))
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        processes = [] if options.tree is not None else busy_processes(running())
        if processes:
            findings.notes.append("the gateway that was running already was looked at")
        else:
            findings.progress("starting a gateway and a client that talks")
            rig = stack.enter_context(Rig([1], tree=options.tree))
            rig.join()
            rig.behave("continuous")
            time.sleep(LOOK_S)
            processes = busy_processes(rig.gateway.processes())
        try:
            spy = find_py_spy()
            for process in processes:
                findings.progress(f"sampling {process.role} for {seconds:g} s")
                sample(spy, process, seconds, folder, findings)
            findings.notes.append(f"stacks and flame graphs are in {folder}")
            return
        except ProfilerError as error:
            findings.notes.append(f"py-spy could not be used: {error}")
    findings.progress("profiling with cProfile instead")
    profile_children(seconds, folder, findings)


def running() -> list[usage.Process]:
    """The gateway in this user's runtime directory, where one runs."""
    return usage.processes_with("MIXMINUS_RUNTIME__DIR", str(load(CommonSettings).runtime_dir))


def busy_processes(processes: list[usage.Process]) -> list[usage.Process]:
    """Those of ``processes`` that carry a call, one of each role, the busiest."""
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


def find_py_spy() -> str:
    """Path of py-spy. Raises ProfilerError."""
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        raise ProfilerError("it is not installed (pip install py-spy)")
    return found


def sample(
    spy: str, process: usage.Process, seconds: float, folder: Path, findings: Findings
) -> None:
    """Sample one process, with its C code where py-spy can, and report."""
    name = process.role.replace(" ", "-")
    raw = folder / f"{name}.collapsed.txt"
    cpu_percent = measure_threads(process, seconds / 2, findings)
    record(spy, process.pid, seconds, raw)
    seen = stacks.busy(stacks.parse(raw.read_text(encoding="utf-8", errors="replace")))
    drawn = stacks.plain(seen)
    raw.write_text("".join(f"{';'.join(s)} {n}\n" for s, n in drawn.items()), encoding="utf-8")
    title = f"{process.role}: {cpu_percent:.1f} % of a core, {seen.total()} samples"
    svg = stacks.flame_svg(drawn, title)
    (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    groups = stacks.by_group(seen)
    for group, count in groups.most_common():
        percent = round(cpu_percent * count / seen.total(), 2)
        findings.add(GROUP_CASE.format(process.role), group, "% of a core", mean=percent)
    report(process.role, groups, stacks.by_function(seen), findings)


def measure_threads(process: usage.Process, seconds: float, findings: Findings) -> float:
    """Processor time by name of thread, undisturbed by the profiler; of all, % of a core."""
    before, began_ns = thread_cpu_ns(process.pid), time.monotonic_ns()
    time.sleep(seconds)
    spent, elapsed_ns = thread_cpu_ns(process.pid) - before, time.monotonic_ns() - began_ns
    for thread, cpu_ns in spent.most_common():
        percent = round(100 * cpu_ns / elapsed_ns, 2)
        if percent >= 0.05:
            findings.add(THREAD_CASE.format(process.role), thread, "% of a core", mean=percent)
    total = 100 * spent.total() / elapsed_ns
    findings.add(THREAD_CASE.format(process.role), "all", "% of a core", mean=round(total, 2))
    return total


def record(spy: str, pid: int, seconds: float, raw: Path) -> None:
    """Have py-spy write collapsed stacks to ``raw``. Raises ProfilerError."""
    command = [spy, "record", "--pid", str(pid), "--duration", str(max(1, round(seconds)))]
    command += ["--rate", str(RATE_HZ), "--format", "raw", "--output", str(raw)]
    for extra in (["--native"], []):
        done = subprocess.run(
            [*command, *extra], capture_output=True, text=True, timeout=seconds * 5 + 60
        )
        if done.returncode == 0 and raw.exists():
            return
    raise ProfilerError((done.stderr.strip() or done.stdout.strip()).splitlines()[-1])


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


def report(role: str, groups: Counter[str], functions: Counter[str], findings: Findings) -> None:
    """Add the table of groups and that of functions, in shares of the samples."""
    total = groups.total()
    if not total:
        findings.notes.append(f"{role}: no sample showed it busy")
        return
    for group, count in groups.most_common():
        findings.add(f"{role}: self time", group, "% of samples", share=_percent(count, total))
    for function, count in functions.most_common(TOP_FUNCTIONS):
        findings.add(f"{role}: function", function, "% of samples", share=_percent(count, total))


def _percent(count: int, total: int) -> float:
    return round(100 * count / total, 1)
