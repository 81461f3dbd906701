"""``bench kills``: ``kill -9`` of every kind of process in turn, while three people are in a call.

After each kill the people ask the assistant again and again until each of them has heard it; that
is the time to talk again. Between kills everybody is there, the assistant is quiet and ``/readyz``
is 200. The three send sound all the time and hear each other: the longest gap in what they hear is
the silence, and what did not come is lost. The first kind, ``nothing``, kills nobody: what a
question and its answer take by themselves.

At the end the gateway is stopped as Ctrl-C does it; which processes and files are left is counted.
``--count N``: kills in all. ``--page``: three pages in Chromium in place of clients.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from ..report.findings import Findings, Options
from ..report.results import quantiles
from ..rig.helper_process import HelperProcess
from ..rig.kill_rig import KINDS, KillRig

PEOPLE = 3
TIMEOUT_S = 30.0
"""After this time without an answer a kill has ended the call."""
NOTHING = "nothing"
SMOKE_KINDS = ("media_worker fork server", "openai_link host")
TARGETS_MS = {
    "mixer_core": 300,
    "media_worker child": 1_000,
    "openai_link child": 500,
}
"""Most at the 95th percentile, beyond what an answer takes by itself."""
UNNOTICED = (
    "mixer_core standby",
    "media_worker host",
    "media_worker fork server",
    "openai_link host",
    "openai_link fork server",
)
"""Whose death nobody notices."""
SIMULATOR = "simulator"
SLOW_MS = 1_500
"""Beyond this the lines of the gateway's log are shown; the simulator's own start takes longer."""
SLOW_LINES = 40
CALM_S = 1.2
"""A program that is killed within its first second is taken for one that cannot start."""

Outcome = dict[str, Any]


def run(options: Options, findings: Findings) -> None:
    """All kinds in turn, as often as was asked for."""
    kinds = (NOTHING, *(SMOKE_KINDS if options.smoke else KINDS))
    count = options.count or int(options.scaled(300, 30, len(SMOKE_KINDS)))
    people = 2 if options.smoke else PEOPLE
    callers = HelperProcess("benchmarks.rig.page_process") if options.page else None
    outcomes: dict[str, list[list[Outcome]]] = {kind: [] for kind in kinds}
    with KillRig(callers, people) as rig:
        began = rig.look()
        for number in range(count + -(-count // (len(kinds) - 1))):
            kind = kinds[number % len(kinds)]
            findings.progress(f"{number + 1}: {kind}")
            outcomes[kind].append(kill(rig, kind, findings))
        rig.wait_ready()
        ended = rig.look()
        rig.callers.ask("leave")
        stopped_s, orphans = rig.stop()
        left = rig.leftovers()
        lines = rig.gateway.log().splitlines()
    for kind, kills in outcomes.items():
        if kills:
            report(kind, kills, findings)
    report_end(began, ended, stopped_s, orphans, left, lines, findings)
    judge(outcomes, findings)


def kill(rig: KillRig, kind: str, findings: Findings) -> list[Outcome]:
    """One kill; what each of the people has seen of it."""
    rig.wait_ready()
    time.sleep(CALM_S)
    pid = 0 if kind == NOTHING else rig.victim(kind)
    rig.callers.ask("begin")
    rig.news()
    killed_ns = time.monotonic_ns()
    if pid:
        os.kill(pid, signal.SIGKILL)
    seen: list[Outcome] = rig.callers.ask(
        "outcome", timeout_s=2 * TIMEOUT_S, killed_ns=killed_ns, patience_s=TIMEOUT_S
    )
    words = ", ".join(_words(one) for one in seen)
    findings.progress(f"   {words}")
    if kind != SIMULATOR and max(map(_time, seen)) > SLOW_MS:
        findings.progress("\n".join(["   what the gateway printed:", *rig.news()[-SLOW_LINES:]]))
    return seen


def _words(one: Outcome) -> str:
    answered = "never" if one["answered_ms"] is None else f"{one['answered_ms'] / 1000:.2f} s"
    if not one["joins"]:
        return answered
    refusals = "".join(f", {refusal}" for refusal in one["refusals"])
    return f"{answered} (joined again: {one['joins']}{refusals})"


def report(kind: str, kills: list[list[Outcome]], findings: Findings) -> None:
    """One kind's row in each table."""
    people = [one for seen in kills for one in seen]
    times = [one["answered_ms"] for one in people if one["answered_ms"] is not None]
    worst = [max((_time(one) for one in seen), default=0.0) for seen in kills]
    findings.add(kind, "answered again, everybody", "ms", **_spread(times))
    findings.add(kind, "answered again, the last one", "ms", **_spread(worst))
    findings.add(
        kind, "silence between people", "ms", **_spread([one["silent_ms"] for one in people])
    )
    findings.add(
        kind,
        "in all",
        "count",
        kills=len(kills),
        never=len(people) - len(times),
        joined=sum(one["joins"] for one in people),
        asked=sum(one["asked"] for one in people),
        words_lost=sum(one["words_lost"] for one in people),
        frames_lost=sum(one["frames_lost"] for one in people),
        stale=sum(one["stale"] for one in people),
        old_epoch=sum(one["old_epoch"] for one in people),
    )


def report_end(
    began: dict[str, Any],
    ended: dict[str, Any],
    stopped_s: float,
    orphans: list[str],
    left: list[str],
    lines: list[str],
    findings: Findings,
) -> None:
    """What the gateway was like before and after, and what it has left."""
    findings.add("gateway", "before the first kill", "count", **began)
    findings.add("gateway", "after the last one", "count", **ended)
    findings.add("gateway", "stopped", "s", stopped=round(stopped_s, 2))
    findings.add("gateway", "left at the end", "count", orphans=len(orphans), files=len(left))
    tracebacks = sum(line.startswith("Traceback") for line in lines)
    findings.add("gateway", "tracebacks in its log", "count", tracebacks=tracebacks)
    findings.notes.extend(f"left: {name}" for name in [*orphans, *left])


def judge(outcomes: dict[str, list[list[Outcome]]], findings: Findings) -> None:
    """The aims."""
    everybody = {kind: [one for seen in kills for one in seen] for kind, kills in outcomes.items()}
    usual = _p95(everybody[NOTHING])
    for kind, target_ms in TARGETS_MS.items():
        if everybody.get(kind):
            more = max(0.0, _p95(everybody[kind]) - usual)
            findings.ratio(f"{kind}: answered later than usual, p95 ms", more, target_ms)
    for kind in UNNOTICED:
        if everybody.get(kind):
            more = max(0.0, _p95(everybody[kind]) - usual)
            findings.ratio(f"{kind}: answered later than usual, p95 ms", more, 100)
            joined = sum(one["joins"] for one in everybody[kind])
            findings.ratio(f"{kind}: people who had to join again", joined, 0)
    everyone = [one for people in everybody.values() for one in people]
    findings.ratio("stale frames", sum(one["stale"] for one in everyone), 0)
    findings.ratio("never answered", sum(one["answered_ms"] is None for one in everyone), 0)


def _time(one: Outcome) -> float:
    answered = one["answered_ms"]
    return TIMEOUT_S * 1_000 if answered is None else float(answered)


def _p95(people: list[Outcome]) -> float:
    return quantiles([_time(one) for one in people], 0.95).get("p95", 0.0)


def _spread(values: list[float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in quantiles(values, 0.5, 0.95).items()}
