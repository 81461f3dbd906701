"""Rooms of ``bench cluster`` that are all created at once, through all nodes.

Every third room is offered through every node at the same time, the others through one of them in
turn. Nobody connects, so a room whose node has refused its next offer is let go, and may have
another owner later: of such a room answers of as many nodes are right as it has had owners.
"""

from __future__ import annotations

from collections import Counter

from ..report.findings import Findings, Options
from ..rig import cluster_checks as checks
from ..rig.cluster_rig import NODES, PEOPLE, ClusterRig
from ..rig.helper_process import HelperProcess


def run(rig: ClusterRig, options: Options, findings: Findings) -> None:
    """One owner each, and the balance."""
    count = options.count or round(options.scaled(200, 60, 6))
    rooms = [f"many-{number}" for number in range(count)]
    host = rig.hosts[PEOPLE]
    crowd = HelperProcess("benchmarks.rig.offers_process", host.address, prefix=host.prefix)
    try:
        ways = [node.url for node in rig.nodes.values()]
        findings.progress(f"{count} rooms at once")
        with rig.owners_from_now_on() as written:
            told = crowd.ask("offer", 300, rooms=rooms, ways=ways, token=rig.token)
    finally:
        crowd.close()
    rig.rooms += rooms
    owners = rig.owners()
    had = {(record["room"], record["node"], record["epoch"]) for record in written}
    owned = Counter(room for room, _, _ in had)
    nodes_of = {room: set(nodes) for room, nodes in told["nodes"].items()}
    two = sum(len(nodes) > owned[room] for room, nodes in nodes_of.items())
    findings.add(
        "rooms at once",
        "owners",
        "count",
        rooms=count,
        owned=sum(bool(owners.get(room)) for room in rooms),
        answered=sum(bool(nodes) for nodes in nodes_of.values()),
        with_two=two,
        had_another=sum(owned[room] > 1 for room in rooms),
    )
    balance = checks.balance({room: owners.get(room, "") for room in rooms}, NODES)
    findings.add("rooms at once", "balance", "rooms", **balance)
    findings.add("rooms at once", "an offer", "s", **told["seconds"], refused=told["refused"])
    findings.ratio("rooms with two owners at a time", two, 0)
    findings.notes.extend(told["refusals"])
