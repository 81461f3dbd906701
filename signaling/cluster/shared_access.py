"""Invitations of the whole cluster: one key, one book, kept by each node in its own files, too.

Without a cluster the files are all there is, and ``mixminus invite`` writes them in any case. So
this copies both ways: what the files have goes into a bucket, what the bucket has goes into the
files. A revocation is on all nodes within some 0.4 s and ends the calls there within a second more.
While NATS is away the files count: invitations go on to let people in, except one that is for one
browser, since another node may have let somebody in by it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time

from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.tasks import end, lasting
from mixer_core.runtime.errors import (
    ClusterAwayError,
    ClusterError,
    ConflictError,
    ProblemError,
    RuntimeDirError,
)

from ..access import merging
from ..access.book import MAX_BANS, MAX_INVITATIONS, Book
from ..access.ledger import KEY_BYTES, Ledger
from ..access.tokens import ASK

LOOK_S = 0.25
"""Between two looks at the file and at what has come from the bucket."""
RETRY_S = 2.0
KEY, ONCE = "access", "once"
CLAIM_LIMIT_S = 4.0
MAX_KEYS = 2 * (MAX_INVITATIONS + MAX_BANS)
"""Of the bucket: beyond that the invitations that ended first leave it."""


class SharedAccess:
    """From ``start`` to ``close``; the ledger is used by everybody else as ever."""

    def __init__(
        self,
        access: Bucket,
        keys: Bucket,
        ledger: Ledger,
        log: logging.LoggerAdapter[logging.Logger],
        replicas: int = 1,
        node: str = "",
    ) -> None:
        """``access``, ``keys``: buckets; ``ledger``: of this node; ``node``: its name."""
        self._access = access
        self._keys = keys
        self._ledger = ledger
        self._log = log
        self._replicas = replicas
        self._claims_as = f"{node} {secrets.token_hex(8)}".encode()
        """What this process alone writes to claim an invitation."""
        self._has_key = False
        self._heard = True
        self._known: Book | None = None
        self._trouble = ""
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def has_key(self) -> bool:
        """Whether this node has the cluster's key, or has made its own the cluster's."""
        return self._has_key

    def start(self) -> None:
        """Begin to share."""
        self._ledger.claim = self._claim
        self._watch = self._access.watch(
            lambda key, entry: self._mark(), self._mark, on_begun=self._begin_anew
        )
        work = lasting(self._run, "sharing invitations", self._log)
        self._tasks.append(asyncio.create_task(work))

    async def close(self) -> None:
        """Share no more."""
        await end(self._tasks)
        await self._watch.close()

    def _begin_anew(self) -> None:
        """NATS has lost what it had: perhaps the key, too."""
        self._has_key = False

    def _mark(self) -> None:
        self._heard = True

    async def _run(self) -> None:
        while True:
            pause_s = LOOK_S
            try:
                if not self._has_key:
                    await self._adopt()
                await self._share()
                self._trouble = ""
            except Exception as error:
                self._heard = True  # All of it again.
                if not isinstance(error, (ClusterError, RuntimeDirError)):
                    raise
                pause_s = RETRY_S if self._has_key else LOOK_S
                if self._trouble != type(error).__name__:
                    self._trouble = type(error).__name__
                    self._log.warning("! invitations are not shared: %s", error)
            await asyncio.sleep(pause_s)

    async def _adopt(self) -> None:
        await self._keys.ensure(self._replicas)
        await self._access.ensure(self._replicas)
        try:
            await self._keys.create(KEY, self._ledger.key)
        except ConflictError:
            entry = await self._keys.get(KEY)
            if entry is None or len(entry.value) != KEY_BYTES:
                words = "the key of invitations is damaged: delete it from its bucket"
                raise ClusterError(words) from None
            if entry.value != self._ledger.key:
                self._ledger.take_key(entry.value)
                self._log.warning(
                    "= the cluster's key for invitations is in use now: invitations that this "
                    "machine gave out alone have ended"
                )
        self._has_key = True

    async def _share(self) -> None:
        """Both ways, where anything has changed."""
        book = self._ledger.book()
        if not self._watch.is_current or not (self._heard or book is not self._known):
            return
        self._heard = False
        now_s = int(time.time())
        there = dict(self._watch.entries)
        shared = merging.joined([merging.from_entry(k, entry.value) for k, entry in there.items()])
        if merging.merged(book, shared, now_s) != book:
            book = self._ledger.change(lambda ours: merging.merged(ours, shared, now_s), now_s)
        for key, value in merging.entries(merging.merged(book, shared, now_s)).items():
            known = there.get(key)
            if known is None or not merging.says_the_same(key, known.value, value):
                await self._write(key, value, known.revision if known else 0)
        await self._prune(shared)
        self._known = book

    async def _write(self, key: str, value: bytes, revision: int) -> None:
        try:
            if revision:
                await self._access.update(key, value, revision)
            else:
                await self._access.create(key, value)
        except ConflictError:
            pass  # Somebody else wrote it: the watch tells what, and it is merged then.

    async def _prune(self, shared: Book) -> None:
        if len(self._watch.entries) <= MAX_KEYS:
            return
        by_end = sorted(shared.invitations.values(), key=lambda one: one.expires_s)
        for invitation in by_end[: max(0, len(by_end) - MAX_INVITATIONS)]:
            await self._access.delete(f"i.{invitation.id}")
            await self._access.delete(f"{ONCE}.{invitation.id}")

    async def _claim(self, invitation: str) -> None:
        """Be the one node that lets a browser in by an invitation for one. Raises ProblemError.

        A node that has claimed it without being told so may claim it again: which of its browsers
        is let in its own ledger decides.
        """
        try:
            is_ours = await self._is_ours(f"{ONCE}.{invitation}")
        except ClusterAwayError as error:
            raise ProblemError(
                503,
                "Invitation cannot be checked",
                "this invitation is for one browser, and the other machines cannot be asked "
                "whether one has come by it: try again in a few seconds",
                5,
            ) from error
        except ClusterError as error:
            raise ProblemError(503, "Invitation cannot be checked", str(error), 5) from error
        if not is_ours:
            words = f"this invitation was for one browser, and one has come by it: {ASK}"
            raise ProblemError(401, "Invitation used", words)

    async def _is_ours(self, key: str) -> bool:
        """Write a key that has nothing, or find that this process did. Raises ClusterError."""
        try:
            await self._access.create(key, self._claims_as, CLAIM_LIMIT_S)
        except ConflictError:
            entry = await self._access.get(key)
            return entry is not None and entry.value == self._claims_as
        return True
