"""``bench soak --minutes N``: a household that lives with the gateway, at low load.

Three rooms, four people; they talk in turns, the assistant is the simulator. Every minute somebody
reloads their page, every five minutes a room empties and fills again. Meanwhile everything that
could grow is looked at: memory by role and kind, processes, descriptors, threads, files, the
journal, metrics.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..report.findings import Findings, Options
from ..report.series import Series, draw, growth, spark
from ..rig.footprint import KINDS, Footprint, Watcher
from ..rig.gateway_process import GatewayProcess
from ..rig.helper_process import HelperError, HelperProcess

SEATS = (("kitchen", 0, 2), ("kitchen", 1, 2), ("study", 0, 1), ("attic", 0, 1))
"""Room, place in it, people in it."""
LOOKS = 240
"""At most; a look reads the page tables of every process."""
LEAST_LOOK_S = 5.0
RELOAD_S = 60.0
EMPTY_EVERY = 5
"""Of so many reloads one is of everybody in a room, who are gone for a while."""
SETTLED_S = 900.0
"""Before a quarter of an hour pages shared with the fork servers become private."""
TARGET = 1.03
"""What is settled should not grow by more than this, from its first quarter to its last."""


def run(options: Options, findings: Findings) -> None:
    """One gateway for ``options.minutes``."""
    assert options.minutes is not None
    seconds = options.minutes * 60
    every_s = max(LEAST_LOOK_S if seconds > 120 else 1.0, seconds / LOOKS)
    with _gateway() as gateway:
        load = HelperProcess("benchmarks.rig.load_process")
        try:
            load.ask("join", url=gateway.url, seats=SEATS, framed=True)
            load.ask("behave", style="conversation")
            looks = _live(gateway, load, seconds, every_s, findings)
        finally:
            load.close()
        trouble = [line for line in gateway.log().splitlines() if "Traceback" in line]
    findings.add("whole time", "tracebacks in the log", "lines", count=len(trouble))
    settled_s = SETTLED_S if seconds > 2 * SETTLED_S else seconds / 3
    report(looks, settled_s, findings)
    if options.output_dir is not None:
        file = draw(groups(looks), options.output_dir / "soak-over-time.png")
        findings.notes.append(f"over time: {file}")


def _gateway() -> GatewayProcess:
    gateway = GatewayProcess(
        0,
        OPENAI_LINK__UPSTREAM="simulator",
        SIGNALING__REFUSE_WHEN_BUSY="false",
        SIGNALING__MAX_OFFERS_PER_MINUTE=0,
        SIGNALING__MAX_PENDING_PER_ADDRESS=100,
    )
    gateway.own_directory("TMPDIR", "tmp")
    return gateway


def _live(
    gateway: GatewayProcess,
    load: HelperProcess,
    seconds: float,
    every_s: float,
    findings: Findings,
) -> list[Footprint]:
    """Reload and empty rooms, and take looks, until the time is over."""
    watcher = Watcher(gateway)
    looks = [watcher.look()]
    reload_s = min(RELOAD_S, seconds / 4)
    reloads = failures = 0
    end_s = time.monotonic() + seconds
    while (now_s := time.monotonic()) < end_s:
        if now_s >= end_s - seconds + (reloads + 1) * reload_s:
            failures += _reload(load, reloads)
            reloads += 1
        time.sleep(min(every_s, max(0.0, end_s - time.monotonic())))
        load.ask("look")  # So that the clients forget what they have noted.
        looks.append(watcher.look())
        look = looks[-1]
        findings.progress(
            f"{look.at_s / 60:.1f} min: {look.pss_mib:.0f} MiB, "
            f"{sum(look.processes.values())} processes, "
            f"{look.counts['descriptors']:.0f} descriptors, {reloads} reloads"
        )
    findings.add("whole time", "reloads", "times", count=reloads, failed=failures)
    return looks


def _reload(load: HelperProcess, number: int) -> int:
    """Somebody reloads their page, or a room empties; returns how many did not get in again."""
    client = number % len(SEATS)
    if number % EMPTY_EVERY == EMPTY_EVERY - 1:
        room = SEATS[client][0]
        clients = [index for index, seat in enumerate(SEATS) if seat[0] == room]
    else:
        clients = [client]
    try:
        load.ask("rejoin", clients=clients, style="conversation")
    except HelperError:
        return len(clients)
    return 0


def report(looks: Sequence[Footprint], settled_s: float, findings: Findings) -> None:
    """First and last of every series, its shape, and whether it grows once it is settled."""
    for title, lines in groups(looks).items():
        for name, series in lines.items():
            values = [value for _, value in series]
            findings.add(
                f"{title}: {name}",
                spark(series),
                "MiB" if "memory" in title else "count",
                first=round(values[0], 1),
                last=round(values[-1], 1),
                max=round(max(values), 1),
            )
    total = [(look.at_s, look.pss_mib) for look in looks]
    ratio = growth(total, settled_s)
    if ratio is not None:
        findings.ratio("memory of all processes: last quarter / first, once settled", ratio, TARGET)
    for name in ("descriptors", "threads", "temporary files", "runtime files", "metric lines"):
        ratio = growth(_count(looks, name), settled_s)
        if ratio is not None:
            findings.ratio(f"{name}: last quarter / first, once settled", ratio, TARGET)


def groups(looks: Sequence[Footprint]) -> dict[str, dict[str, Series]]:
    """Plots: title → line → series."""
    roles = sorted({role for look in looks for role in look.memory_mib})
    children = [role for role in roles if role.endswith(" child")]
    result: dict[str, dict[str, Series]] = {
        "memory (PSS), MiB": {
            role: [(look.at_s, look.memory_mib.get(role, {}).get("Pss", 0.0)) for look in looks]
            for role in roles
        }
    }
    for role in children:
        result[f"memory of one {role}, MiB"] = {
            kind: [
                (look.at_s, look.memory_mib[role][kind] / look.processes[role])
                for look in looks
                if role in look.memory_mib
            ]
            for kind in KINDS
        }
    result["processes"] = {
        role: [(look.at_s, float(look.processes.get(role, 0))) for look in looks] for role in roles
    }
    result["descriptors and threads"] = {n: _count(looks, n) for n in ("descriptors", "threads")}
    files = ("temporary files", "runtime files", "state files", "metric lines", "rooms", "people")
    result["files and names"] = {name: _count(looks, name) for name in files}
    kilobytes = ("journal, kB", "journal's log, kB", "log, kB")
    result["kilobytes on the disk"] = {name: _count(looks, name) for name in kilobytes}
    return result


def _count(looks: Sequence[Footprint], name: str) -> Series:
    return [(look.at_s, look.counts[name]) for look in looks]
