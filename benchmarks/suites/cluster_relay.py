"""What it costs to come into a room through a node that does not have it."""

from __future__ import annotations

import subprocess
from itertools import chain
from typing import Any

from ..report.errors import BenchmarkError
from ..report.findings import Findings, Options
from ..report.results import quantiles
from ..rig.cluster_rig import NODES, PEOPLE, ClusterRig
from ..rig.helper_process import HelperProcess
from ..rig.hosts import Host

ROOM = "relayed"
STAY_S = 1.0
LOOKS = 5
"""At each node in each round."""


def run(rig: ClusterRig, options: Options, findings: Findings) -> None:
    """Joins and looks through the owner and through another node, in turns."""
    rounds = options.count or round(options.scaled(40, 12, 2))
    host = rig.hosts[PEOPLE]
    joins = HelperProcess("benchmarks.rig.joins_process", host.address, prefix=host.prefix)
    try:
        first = next(iter(rig.nodes.values())).url
        stay = joins.ask("stay", way=first, room=ROOM, token=rig.token)
        owner = stay.rpartition("~")[2]
        other = next(name for name in NODES if name != owner)
        _measure(rig, joins, {"owner": owner, "another": other}, rounds, findings)
        joins.ask("leave")
    finally:
        joins.close()


def _measure(
    rig: ClusterRig, joins: HelperProcess, nodes: dict[str, str], rounds: int, findings: Findings
) -> None:
    ways = {name: rig.nodes[node].url for name, node in nodes.items()}
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    looks: dict[str, list[float]] = {name: [] for name in ways}
    before = {name: _datagrams(rig.hosts[node]) for name, node in nodes.items()}
    for number in range(rounds):
        findings.progress(f"round {number + 1} of {rounds}")
        for name in list(ways)[:: 1 if number % 2 else -1]:
            given = {"way": ways[name], "room": ROOM, "token": rig.token}
            told[name].append(joins.ask("join", 60, **given, stay_s=STAY_S))
            looks[name] += joins.ask("look", 60, **given, count=LOOKS)
    after = {name: _datagrams(rig.hosts[node]) for name, node in nodes.items()}
    for what in ("answer_ms", "open_ms", "leave_ms"):
        for name in ways:
            spent = [one[what] for one in told[name]]
            findings.add(f"a join: {what[:-3]}", f"by {name}", "ms", **quantiles(spent, 0.5, 0.95))
    for name in ways:
        findings.add("a look", f"by {name}", "ms", **quantiles(looks[name], 0.5, 0.95))
        heard = [one["frames"] for one in told[name]]
        findings.add("frames in a second", f"by {name}", "count", **quantiles(heard, 0.05, 0.5))
    _check_path(rig, nodes, told, findings)
    if rig.hosts.are_apart:
        findings.add(
            "UDP datagrams in",
            "count",
            "count",
            **{name: after[name] - before[name] for name in ways},
        )
        findings.ratio(
            "UDP datagrams at the node that relays", after["another"] - before["another"], 0
        )


def _check_path(
    rig: ClusterRig,
    nodes: dict[str, str],
    told: dict[str, list[dict[str, Any]]],
    findings: Findings,
) -> None:
    """Media goes to the owner, whoever took the offer."""
    address = rig.hosts[nodes["owner"]].address
    astray = 0
    for one in chain(*told.values()):
        if one["node"] != nodes["owner"]:
            raise BenchmarkError(f"the room has moved to {one['node']} meanwhile")
        astray += one["hosts"] != [address]
    findings.ratio("answers with candidates of other nodes", astray, 0)


def _datagrams(host: Host) -> int:
    """UDP datagrams that a host has received (RFC 4113)."""
    command = [*host.prefix, "cat", "/proc/net/snmp"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names, values = (line.split()[1:] for line in text.splitlines() if line.startswith("Udp:"))
    return int(dict(zip(names, values, strict=True))["InDatagrams"])
