"""What stands in the cluster's buckets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.connection import Connection
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.settings import ClusterSettings
from mixer_core.runtime.errors import ClusterAwayError, ClusterError

from .nats_servers import NatsError

TIMEOUT_S = 10.0


def read_bucket(urls: Sequence[str], bucket: str) -> dict[str, Any]:
    """Key → value, read as JSON; empty where there is no such bucket.

    Raises:
        NatsError: NATS does not answer.
    """
    try:
        return asyncio.run(asyncio.wait_for(_read(urls, bucket), 2 * TIMEOUT_S))
    except (ClusterError, TimeoutError) as error:
        raise NatsError(f"the bucket {bucket} cannot be read: {error!r}") from error


async def _read(urls: Sequence[str], bucket: str) -> dict[str, Any]:
    connection = Connection(ClusterSettings(servers=tuple(urls)), "benchmark")
    connection.start()
    try:
        if not await connection.wait_connected(TIMEOUT_S):
            raise NatsError(f"no NATS server answers: {', '.join(urls)}")
        kept = Bucket(JetStream(connection), bucket)
        try:
            await kept.state()
        except ClusterAwayError:
            raise
        except ClusterError:  # There is none.
            return {}
        return await _entries(kept)
    finally:
        await connection.close()


async def _entries(kept: Bucket) -> dict[str, Any]:
    synced = asyncio.Event()
    watch = kept.watch(lambda key, entry: None, synced.set)
    try:
        await synced.wait()
        return {key: json.loads(entry.value) for key, entry in watch.entries.items()}
    finally:
        await watch.close()
