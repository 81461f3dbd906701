"""What stands in the cluster's buckets."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mixer_core.cluster.buckets import Bucket, Entry
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


@contextmanager
def followed(urls: Sequence[str], bucket: str) -> Iterator[list[dict[str, Any]]]:
    """All values that are written to a bucket, read as JSON, as they come.

    Raises:
        NatsError: NATS does not answer, or there is no such bucket.
    """
    values: list[dict[str, Any]] = []
    ready, done = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    def note(key: str, entry: Entry | None) -> None:
        record = json.loads(entry.value) if entry is not None else None
        if record:
            values.append(record)

    async def follow() -> None:
        connection = Connection(ClusterSettings(servers=tuple(urls)), "benchmark")
        connection.start()
        kept = Bucket(JetStream(connection), bucket)
        watch = kept.watch(note, ready.set)
        await done.wait()
        await watch.close()
        await connection.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(follow(),))
    thread.start()
    try:
        if not ready.wait(2 * TIMEOUT_S):
            raise NatsError(f"the bucket {bucket} cannot be followed")
        yield values
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


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
