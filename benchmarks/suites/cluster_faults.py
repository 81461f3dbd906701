"""The faults of ``bench cluster``: what begins, how long it lasts, and what people notice."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..report.findings import Findings, Options
from ..report.results import quantiles
from ..rig import cluster_checks as checks
from ..rig.cluster_rig import NODES, SERVERS, UPSTREAM, ClusterRig

ROOMS, PEOPLE = 6, 2
NEVER_S = 60.0
"""After this time without an answer a fault has ended the call."""
SAYING_S = 0.7
"""From the questions at length to the fault: assistants are in mid-sentence."""
SETTLE_S = 3.0
"""After the last answer: what is still on its way arrives, a frozen session wakes up."""
LATE_S = 30.0
"""So long lines may take to stand in the conversation after all is well again."""
PARTITION_S, OUTAGE_S, FROZEN_S = 20.0, 20.0, 10.0

Begin = Callable[[ClusterRig, str], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to a cluster."""

    begin: Begin
    """With the node that owns the most rooms."""
    end: Begin | None = None
    lasts_s: float = 0.0
    hits_node: bool = False
    """It hits that node alone: the others' rooms should not notice."""
    needs_hosts: bool = False


def _nothing(rig: ClusterRig, node: str) -> None:
    """What a question and its answer take by themselves."""


def _kill_node(rig: ClusterRig, node: str) -> None:
    rig.nodes[node].kill()


def _kill_server(rig: ClusterRig, node: str) -> None:
    leaders = {rig.nats.leader(), rig.nats.stream_leader("KV_mixminus_nodes")}
    rig.nats[next(name for name in SERVERS if name not in leaders)].kill()


def _kill_leader(rig: ClusterRig, node: str) -> None:
    rig.nats[rig.nats.stream_leader("KV_mixminus_nodes") or rig.nats.leader()].kill()


def _kill_all_servers(rig: ClusterRig, node: str) -> None:
    for server in rig.nats:
        server.kill()


def _start_servers(rig: ClusterRig, node: str) -> None:
    rig.nats.launch()


def _cut_from_nats(rig: ClusterRig, node: str) -> None:
    rig.wall([node], SERVERS)


def _leave_browsers_only(rig: ClusterRig, node: str) -> None:
    rig.wall([node], [*SERVERS, UPSTREAM, *NODES])


def _split_nats(rig: ClusterRig, node: str) -> None:
    leader = rig.nats.stream_leader("KV_mixminus_nodes") or rig.nats.leader()
    rig.wall([leader], [name for name in SERVERS if name != leader])


def _heal(rig: ClusterRig, node: str) -> None:
    rig.hosts.heal()


def _freeze(rig: ClusterRig, node: str) -> None:
    rig.nodes[node].freeze()


def _thaw(rig: ClusterRig, node: str) -> None:
    rig.nodes[node].thaw()


FAULTS: dict[str, Fault] = {
    "nothing": Fault(_nothing),
    "node": Fault(_kill_node, hits_node=True),
    "nats-server": Fault(_kill_server, _start_servers, 5.0),
    "nats-leader": Fault(_kill_leader, _start_servers, 10.0),
    "nats-all": Fault(_kill_all_servers, _start_servers, OUTAGE_S),
    "cut-from-nats": Fault(_cut_from_nats, _heal, PARTITION_S, True, True),
    "browsers-only": Fault(_leave_browsers_only, _heal, PARTITION_S, True, True),
    "nats-split": Fault(_split_nats, _heal, PARTITION_S, needs_hosts=True),
    "frozen": Fault(_freeze, _thaw, FROZEN_S, hits_node=True),
}


def rooms(options: Options) -> list[str]:
    """Names of the rooms."""
    return [f"room-{number}" for number in range(2 if options.smoke else ROOMS)]


def people(options: Options) -> int:
    """How many are in each room."""
    return 1 if options.smoke else PEOPLE


def part(name: str) -> Callable[[ClusterRig, Options, Findings], None]:
    """The part of the benchmark with this fault."""
    return partial(_run, name)


def _run(name: str, rig: ClusterRig, options: Options, findings: Findings) -> None:
    fault = FAULTS[name]
    if fault.needs_hosts and not rig.hosts.are_apart:
        findings.notes.append(f"{name}: not tried, network namespaces are not permitted here")
        return
    for number in range(round(options.scaled(5, 1, 1))):
        findings.progress(f"{name}, {number + 1}")
        _once(name, fault, rig, findings)


def _once(name: str, fault: Fault, rig: ClusterRig, findings: Findings) -> None:
    rig.wait_calm()
    rig.people.ask("begin")
    rig.people.ask("outcome", since_ns=time.monotonic_ns(), patience_s=NEVER_S)
    owners = rig.owners()
    node = rig.busiest(owners)
    rig.people.ask("talk", rooms=[])
    time.sleep(SAYING_S)
    rig.people.ask("begin")
    began_ns = time.monotonic_ns()
    fault.begin(rig, node)
    until_ns = began_ns + round(fault.lasts_s * 1e9)
    without_s: dict[str, float] = rig.people.ask("go_on", since_ns=began_ns, until_ns=until_ns)
    seen = outcome(rig, began_ns)
    late: list[dict[str, Any]] = []
    again: list[dict[str, Any]] = []
    if fault.end is not None:
        late = outcome(rig, time.monotonic_ns(), anew=True)
        rig.people.ask("begin")
        ended_ns = time.monotonic_ns()
        fault.end(rig, node)
        again = outcome(rig, ended_ns)
    time.sleep(SETTLE_S)
    rig.wait_calm()
    hit = {room for room, owner in owners.items() if owner == node}
    _report(name, fault, (seen, late, again), hit, findings)
    if fault.end is not None:
        _report_silence(name, without_s, hit, findings)
    report_book(name, rig, began_ns, findings)
    moved = rig.owners()
    findings.progress(f"   {node} had {sorted(hit)}; now {moved}")


def outcome(rig: ClusterRig, since_ns: int, anew: bool = False) -> list[dict[str, Any]]:
    """Ask until everybody has been answered, or ``NEVER_S`` is over; what each has seen."""
    seen: list[dict[str, Any]] = rig.people.ask(
        "outcome", timeout_s=2 * NEVER_S, since_ns=since_ns, patience_s=NEVER_S, anew=anew
    )
    return seen


def _report(
    name: str,
    fault: Fault,
    told: tuple[list[dict[str, Any]], ...],
    hit: set[str],
    findings: Findings,
) -> None:
    """The rows of times. ``told``: at the beginning of the fault, at its end, and after that."""
    seen, late, again = told
    near = [one for one in seen if one["room"] in hit] if fault.hits_node else []
    for words, some in (
        ("rooms hit: talk again", near),
        ("other rooms: talk again", [one for one in seen if one not in near]),
        ("at its end: talk", late),
        ("after its end: talk again", again),
    ):
        if some:
            times = list(checks.talks_again_s(some, NEVER_S).values())
            findings.add(name, words, "s", **_spread(times))
            findings.progress(f"   {words}: {[round(one, 2) for one in times]}")
    everybody = [*seen, *late, *again]
    findings.add(
        name,
        "people",
        "count",
        rooms_hit=len(hit) if fault.hits_node else 0,
        never=sum(one["answered_ms"] is None for one in everybody),
        joined_again=sum(one["joins"] for one in [*(late or seen), *again]),
        questions=sum(one["asked"] for one in [*(late or seen), *again]),
        longest_away_s=round(max(one["away_ms"] for one in everybody) / 1e3, 2),
    )
    refusals = {refusal for one in everybody for refusal in one["refusals"]}
    findings.progress(f"   refusals: {sorted(refusals)[:4]}")


def _report_silence(
    name: str, without_s: dict[str, float], hit: set[str], findings: Findings
) -> None:
    """How long rooms were without an answer while the fault lasted: those of the node, and others.

    An owner that is cut off answers for some seconds, until its lease is over.
    """
    for words, rooms in (("its rooms", hit), ("other rooms", without_s.keys() - hit)):
        times = [s for room, s in without_s.items() if room in rooms]
        if times:
            findings.add(name, f"{words}: longest without an answer", "s", **_spread(times))
            findings.progress(f"   {words}: without: {[round(s, 2) for s in times]}")


def report_book(name: str, rig: ClusterRig, began_ns: int, findings: Findings) -> None:
    """Sessions, words and money."""
    rooms = checks.by_room(one for one in rig.sessions() if one["last_ns"] >= began_ns)
    together = [checks.most_together(of_room) for of_room in rooms.values()]
    findings.add(
        name,
        "sessions of a room",
        "",
        most_at_once=max(most for most, _ in together),
        together_ms=round(max(ms for _, ms in together), 1),
        two_assistants_ms=round(max(map(checks.two_assistants_ms, rooms.values())), 1),
    )
    began_s = time.monotonic()
    while True:  # What NATS could not take waits, and goes out later: also that a line was cut.
        told = [(room, item, text) for room, item, text in rig.people.ask("told")]
        kept = rig.kept()
        lost, twice = checks.words_lost(told, kept), checks.asked_twice(kept)
        late_s = time.monotonic() - began_s
        if not lost or late_s > LATE_S:
            break
        time.sleep(1.0)
    counts = {"told": len(told), "lost": len(lost), "twice": len(twice)}
    findings.add(name, "final lines", "count", **counts, late_s=round(late_s, 1))
    findings.notes.extend(f"{name}: lost: {line}" for line in lost[:10])
    findings.notes.extend(f"{name}: twice: {line}" for line in twice[:10])
    money = rig.money()
    findings.add(name, "money", "$", **{key: round(usd, 4) for key, usd in money.items()})
    findings.progress(f"   together {together}, lost {lost}, twice {twice}, {money}")


def report_end(rig: ClusterRig, findings: Findings) -> None:
    """What must hold over the whole run."""
    rows = findings.measures
    most = [row.values["most_at_once"] for row in rows if "most_at_once" in row.values]
    findings.ratio("sessions of one room at any instant", max(most, default=0), 1)
    lost = [row.values["lost"] for row in rows if row.subject == "final lines"]
    findings.ratio("final lines lost", max(lost, default=0), 0)
    double = [row.values["double"] for row in rows if row.subject == "money"]
    findings.ratio("dollars counted twice", max(double, default=0), 0)
    rig.people.ask("leave")


def _spread(values: list[float]) -> dict[str, float]:
    return {key: round(value, 2) for key, value in quantiles(values, 0.5).items()}
