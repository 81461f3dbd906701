"""Asks each NATS server of the cluster as a node does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import replace

from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.connection import Connection
from mixer_core.cluster.jetstream import NOT_FOUND, JetStream
from mixer_core.cluster.names import Names
from mixer_core.cluster.records import NodeRecord, decode_record
from mixer_core.cluster.settings import ClusterSettings
from mixer_core.cluster.start import this_node
from mixer_core.runtime.errors import ClusterError, RecordError

from .facts import Cluster

CONNECT_S = 5.0
ASK_S = 3.0
SETTLE_S = 0.2
"""Servers tell of others a moment after the connection is made."""


def look(settings: ClusterSettings) -> Cluster:
    """Try all servers at once."""
    return asyncio.run(_look(settings))


async def _look(settings: ClusterSettings) -> Cluster:
    with _quiet(logging.getLogger("mixminus.cluster")):  # It is told below, once.
        tried = await asyncio.gather(*(_try(settings, server) for server in settings.servers))
    silent = tuple(words for words, *_ in tried if words)
    usable = [found for found in tried if not found[0]]
    if not usable:
        return Cluster(trouble=f"no NATS server of the cluster can be used: {'; '.join(silent)}")
    _, servers, namesake, trouble = usable[0]
    return Cluster(trouble, silent, servers, settings.replicas, namesake)


@contextlib.contextmanager
def _quiet(log: logging.Logger) -> Iterator[None]:
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


async def _try(settings: ClusterSettings, server: str) -> tuple[str, int, str, str]:
    """Why a server cannot be used; how many there are; a namesake's URL; what JetStream lacks."""
    connection = Connection(replace(settings, servers=(server,)), "mixminus doctor")
    connection.start()
    try:
        if not await connection.wait_connected(CONNECT_S):
            return connection.why_not or f"{server}: no answer", 0, "", ""
        await asyncio.sleep(SETTLE_S)
        namesake, trouble = await _nodes(settings, connection)
        return "", connection.known_servers, namesake, trouble
    finally:
        await connection.close()


async def _nodes(settings: ClusterSettings, connection: Connection) -> tuple[str, str]:
    """The URL of another node of this one's name, and what JetStream lacks."""
    bucket = Bucket(JetStream(connection), Names(settings.name).nodes)
    try:
        async with asyncio.timeout(ASK_S):
            entry = await bucket.get(this_node(settings))
    except (ClusterError, TimeoutError) as error:
        if isinstance(error, ClusterError) and error.code in NOT_FOUND:
            return "", ""  # No node has ever been started.
        return "", f"NATS answers, and JetStream does not do its work: {error or 'no answer'}"
    if entry is None:
        return "", ""
    try:
        record = decode_record(entry.value, NodeRecord)
    except RecordError as error:
        return "", str(error)
    is_other = not record.gone and record.public_url not in ("", settings.public_url)
    return (record.public_url if is_other else ""), ""
