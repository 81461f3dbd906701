"""``bench cluster``: three nodes and three NATS servers on one machine, and what happens to calls.

Each host has a network namespace of its own where that is permitted; else faults of the network are
left out. Two people in each of six rooms talk with their assistants. Then, in turn, a node or a
NATS server is killed, cut off or frozen: everybody asks until they have heard an answer, which is
the time to talk again. One Realtime server serves all nodes, so sessions and money are counted in
one place, outside of the cluster. ``--only``: some of the parts; ``--count``: rooms of ``rooms``.
"""

from __future__ import annotations

from collections.abc import Callable

from ..report.errors import BenchmarkError
from ..report.findings import Findings, Options
from ..rig.cluster_rig import ClusterRig
from . import cluster_drain, cluster_faults, cluster_relay, cluster_rooms

PARTS: dict[str, Callable[[ClusterRig, Options, Findings], None]] = {
    **{name: cluster_faults.part(name) for name in cluster_faults.FAULTS},
    "rooms": cluster_rooms.run,
    "relay": cluster_relay.run,
    "drain": cluster_drain.drain,
    "upgrade": cluster_drain.upgrade,
}
SMOKE = ("nothing", "node")


def run(options: Options, findings: Findings) -> None:
    """All parts, or those that were asked for; each of the last four has a cluster of its own."""
    wanted = options.only or (SMOKE if options.smoke else tuple(PARTS))
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        raise BenchmarkError(f"there is no {', '.join(unknown)}: there are {', '.join(PARTS)}")
    faults = [name for name in wanted if name in cluster_faults.FAULTS]
    if faults:
        with ClusterRig() as rig:
            rig.join(cluster_faults.rooms(options), cluster_faults.people(options), hums=True)
            for name in faults:
                PARTS[name](rig, options, findings)
            cluster_faults.report_end(rig, findings)
    for name in wanted:
        if name not in cluster_faults.FAULTS:
            with ClusterRig() as rig:
                PARTS[name](rig, options, findings)
