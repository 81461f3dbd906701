"""What stands in the cluster's buckets, as anybody with a client of NATS sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from .nats_servers import NatsError

TIMEOUT_S = 5.0


def read_bucket(urls: Sequence[str], bucket: str) -> dict[str, Any]:
    """Key → value, read as JSON; empty where there is no such bucket.

    Raises:
        NatsError: NATS does not answer.
    """
    try:
        return asyncio.run(asyncio.wait_for(_read(urls, bucket), 4 * TIMEOUT_S))
    except (OSError, TimeoutError) as error:
        raise NatsError(f"the bucket {bucket} cannot be read: {error!r}") from error


async def _read(urls: Sequence[str], bucket: str) -> dict[str, Any]:
    import nats
    from nats.errors import Error
    from nats.js.errors import KeyDeletedError, KeyNotFoundError, NoKeysError, NotFoundError

    client = await nats.connect(
        list(urls), connect_timeout=TIMEOUT_S, max_reconnect_attempts=3, allow_reconnect=False
    )
    try:
        store = await client.jetstream(timeout=TIMEOUT_S).key_value(bucket)
        found: dict[str, Any] = {}
        for key in await store.keys():
            try:
                found[key] = json.loads((await store.get(key)).value or b"null")
            except (KeyDeletedError, KeyNotFoundError):
                continue
        return found
    except (NotFoundError, NoKeysError):
        return {}
    except Error as error:
        raise NatsError(f"the bucket {bucket} cannot be read: {error!r}") from error
    finally:
        await client.close()
