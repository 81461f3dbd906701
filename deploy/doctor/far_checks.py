"""Who is far away: the Realtime server, the other nodes of a cluster. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterator

from .facts import Facts
from .findings import Finding


def server(facts: Facts) -> Iterator[Finding]:
    """Key, model, way to the server."""
    if facts.server.trouble:
        yield Finding("server", "error", facts.server.trouble, "see docs/upstreams.md")
    for words in facts.server.rooms_trouble:
        yield Finding("server", "error", words, "correct the room's section (docs/rooms.md)")


def cluster(facts: Facts) -> Iterator[Finding]:
    """The other nodes: NATS, and what they have to agree on."""
    found = facts.cluster
    if found.trouble:
        yield Finding("cluster", "error", found.trouble, "see docs/cluster.md")
        return
    for words in found.silent:
        yield Finding(
            "cluster",
            "warning",
            f"a NATS server cannot be used: {words}",
            "start it, or take it out of [cluster] servers; the others do without it",
        )
    if found.replicas > max(found.servers, 1):
        yield Finding(
            "cluster",
            "error",
            f"[cluster] replicas = {found.replicas}, and NATS has {found.servers} servers: nothing "
            "can be kept",
            "run as many NATS servers, or set replicas to 1",
        )
    if found.servers >= 3 > found.replicas:
        yield Finding(
            "cluster",
            "warning",
            f"NATS has {found.servers} servers, and [cluster] replicas = {found.replicas}: what "
            "the lost one had is lost",
            "set [cluster] replicas = 3",
        )
    if found.namesake:
        yield Finding(
            "cluster",
            "error",
            f"another machine of the cluster has the same name: {found.namesake}",
            "give each its own [cluster] node",
        )
