"""Buckets of NATS: keys with values, written by compare-and-set. As NATS' own tools know them.

A bucket is a stream with one message per key, so a value's revision is that message's number.
Source: ADR-8 of https://github.com/nats-io/nats-architecture-and-design.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from mixer_core.runtime.errors import ClusterError, ConflictError

from .feed import Feed, Stored
from .jetstream import NOT_FOUND, REQUEST_LIMIT_S, JetStream, StreamShape
from .tasks import end, lasting

log = logging.getLogger("mixminus.cluster")

_OPERATION = "KV-Operation"
_DELETED = ("DEL", "PURGE")
_PAUSE_S = 0.5
"""Before a watch that has ended begins anew."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The value of a key."""

    key: str
    value: bytes
    revision: int
    at_ns: int = field(default=0, compare=False)
    """When it was written, as Unix time by NATS' clock; only a watch knows. 0: not known."""


Changed = Callable[[str, Entry | None], None]
"""A key, and what it has now; None: it was deleted."""


class Bucket:
    """One bucket. Methods raise ClusterAwayError and ClusterError as ``JetStream`` does."""

    def __init__(self, jetstream: JetStream, name: str) -> None:
        self._jetstream = jetstream
        self._stream = f"KV_{name}"
        self._shape: StreamShape | None = None
        self._prefix = f"$KV.{name}."

    async def ensure(self, replicas: int = 1, max_age_s: float = 0.0) -> None:
        """Make the bucket, unless it is there; ``max_age_s``: values that are older go."""
        self._shape = StreamShape(
            self._stream,
            (f"{self._prefix}>",),
            replicas,
            max_age_s,
            max_per_subject=1,
            more={"deny_delete": True, "allow_direct": False},
        )
        await self._jetstream.ensure(self._shape)

    async def ensure_again(self) -> bool:
        """The bucket is missing: make it as it was; False: it was not made here before."""
        if self._shape is None:
            return False
        await self._jetstream.ensure(self._shape)
        return True

    async def is_there(self) -> bool:
        """Whether there is such a bucket."""
        try:
            await self._jetstream.info(self._stream)
        except ClusterError as error:
            if error.code not in NOT_FOUND:
                raise
            return False
        return True

    async def get(self, key: str, timeout_s: float = REQUEST_LIMIT_S) -> Entry | None:
        """What a key has; None: nothing."""
        stored = await self._jetstream.last(self._stream, self._prefix + key, timeout_s)
        return None if stored is None else self._entry(stored)

    async def put(self, key: str, value: bytes, timeout_s: float = REQUEST_LIMIT_S) -> int:
        """Write, whatever is there; return the revision."""
        return await self._jetstream.publish(self._prefix + key, value, timeout_s=timeout_s)

    async def create(self, key: str, value: bytes, timeout_s: float = REQUEST_LIMIT_S) -> int:
        """Write a key that has nothing; return the revision.

        Raises:
            ConflictError: it has something.
        """
        try:
            return await self.update(key, value, 0, timeout_s)
        except ConflictError:
            stored = await self._jetstream.last(self._stream, self._prefix + key, timeout_s)
            if stored is None or self._entry(stored) is not None:
                raise
            return await self.update(key, value, stored.sequence, timeout_s)

    async def update(
        self, key: str, value: bytes, revision: int, timeout_s: float = REQUEST_LIMIT_S
    ) -> int:
        """Write a key whose last revision is ``revision``; return the new one.

        Raises:
            ConflictError: it has another one.
        """
        return await self._jetstream.publish(
            self._prefix + key, value, last_sequence=revision, timeout_s=timeout_s
        )

    async def delete(
        self, key: str, revision: int | None = None, timeout_s: float = REQUEST_LIMIT_S
    ) -> None:
        """Delete what a key has, if its last revision is ``revision`` (None: whatever it is).

        Raises:
            ConflictError: it has another one.
        """
        await self._jetstream.publish(
            self._prefix + key,
            b"",
            last_sequence=revision,
            headers={_OPERATION: "DEL"},
            timeout_s=timeout_s,
        )

    def watch(
        self,
        on_change: Changed,
        on_synced: Callable[[], None] | None = None,
        keys: str = ">",
        on_begun: Callable[[], None] | None = None,
    ) -> Watch:
        """Follow a bucket until ``close``; ``keys`` may have wildcards."""
        return Watch(self, self._jetstream, keys, on_change, on_synced, on_begun)

    def feed(self, keys: str) -> Feed:
        """A new feed of ``keys``."""
        return Feed(self._jetstream.connection, self._stream, self._prefix + keys)

    async def state(self) -> tuple[str, int]:
        """When the bucket was made, and its last revision."""
        info = await self._jetstream.info(self._stream)
        state = info.get("state")
        last = state.get("last_seq") if isinstance(state, dict) else 0
        return str(info.get("created")), last if isinstance(last, int) else 0

    def change(self, stored: Stored) -> tuple[str, Entry | None]:
        """A message of the stream as a change."""
        return stored.subject.removeprefix(self._prefix), self._entry(stored)

    def _entry(self, stored: Stored) -> Entry | None:
        if stored.headers.get(_OPERATION) in _DELETED or "Nats-Marker-Reason" in stored.headers:
            return None
        key = stored.subject.removeprefix(self._prefix)
        return Entry(key, stored.data, stored.sequence, stored.at_ns)


class Watch:
    """The entries of a bucket as they are, and word of each change, over any number of connections.

    The callbacks are called on the loop and should not raise; ``on_synced`` each time that
    ``entries`` has become what the bucket has. A value that is there again after a connection was
    lost is no change. Where the bucket is another one, or has lost its end, revisions are not those
    of before: ``on_begun`` is called, and then each value is a change. A bucket that is missing is
    made, if it was made here before.
    """

    def __init__(
        self,
        bucket: Bucket,
        jetstream: JetStream,
        keys: str,
        on_change: Changed,
        on_synced: Callable[[], None] | None,
        on_begun: Callable[[], None] | None,
    ) -> None:
        self._bucket = bucket
        self._connection = jetstream.connection
        self._keys = keys
        self._on_change = on_change
        self._on_synced = on_synced
        self._on_begun = on_begun
        self._is_another = False
        self._made, self._seen = "", 0
        self._told = ""
        self._absent: set[str] = set()
        """Entries of before that the bucket, while it is read from its beginning, has not told of
        yet, over any number of connections."""
        self.entries: dict[str, Entry] = {}
        self.is_current = False
        """Whether changes are heard now; False: ``entries`` is what was last known."""
        self._task = asyncio.create_task(lasting(self._follow, "following a bucket", log))

    async def close(self) -> None:
        """Hear of nothing more."""
        await end([self._task])

    async def _follow(self) -> None:
        while True:
            while not await self._connection.wait_connected(3_600.0):
                pass
            feed = self._bucket.feed(self._keys)
            try:
                await self._hear(feed)
            except ClusterError as error:
                if self._told != str(error):
                    self._told = str(error)
                    log.info("a bucket is read again: %s", error)
                if error.code in NOT_FOUND:
                    await self._make_again()
            finally:
                self.is_current = False
                await feed.close()
            await asyncio.sleep(_PAUSE_S)

    async def _make_again(self) -> None:
        try:
            if await self._bucket.ensure_again():
                self._made = self._made or "before it was seen"
        except ClusterError as error:
            log.info("a bucket cannot be made: %s", error)

    async def _hear(self, feed: Feed) -> None:
        """From where the last feed ended, or from the beginning where the bucket is another one."""
        made, last = await self._bucket.state()
        goes_on = made == self._made and last >= self._seen > 0
        left = await feed.open(self._seen + 1 if goes_on else 0)
        if not goes_on:
            self._begin(made)
        if left == 0:
            self._synced()
        while True:
            stored = await feed.next()
            key, entry = self._bucket.change(stored)
            self._absent.discard(key)
            self._seen = max(self._seen, stored.sequence)
            self._take(key, entry)
            if stored.pending == 0 and not self.is_current:
                self._synced()

    def _begin(self, made: str) -> None:
        self._is_another = bool(self._made)
        if (
            self._is_another
            and self._on_begun is not None
            and (made, self._seen) != (self._made, 0)
        ):
            self._on_begun()
        self._made, self._seen = made, 0
        self._absent = set(self.entries)

    def _synced(self) -> None:
        absent, self._absent = self._absent, set()
        for key in absent:
            self._take(key, None)
        self.is_current, self._is_another = True, False
        self._told = ""
        if self._on_synced is not None:
            self._on_synced()

    def _take(self, key: str, entry: Entry | None) -> None:
        before = self.entries.get(key)
        if entry is None:
            if self.entries.pop(key, None) is not None:
                self._on_change(key, None)
        elif self._is_another or before is None or before.revision != entry.revision:
            self.entries[key] = entry
            self._on_change(key, entry)
