"""Invitations of two nodes over a real NATS server: one key, one book, one browser."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from mixer_core.cluster import tasks
from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.connection import Connection
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.names import Names
from mixer_core.runtime import logs
from mixer_core.runtime.errors import ProblemError
from signaling.access.book import Book
from signaling.access.desk import REMOVED, Desk
from signaling.access.ledger import KEY_FILE, Ledger
from signaling.cluster.shared_access import SharedAccess
from tests.mixer_core.cluster.test_connection import connected, run
from tests.support.nats_server import NatsServer, needs_nats
from tests.support.waiting import until

pytestmark = [pytest.mark.processes, needs_nats]


class Stumbling(Ledger):
    """Fails once in a way that nobody has thought of, where it is told to."""

    is_to_fail = False

    def change(self, make: Callable[[Book], Book], now_s: int) -> Book:
        if self.is_to_fail:
            self.is_to_fail = False
            raise ValueError("nobody thought of it")
        return super().change(make, now_s)


@asynccontextmanager
async def sharing(
    connection: Connection, names: Names, folder: Path, of: type[Ledger] = Ledger
) -> AsyncIterator[Desk]:
    """One node's desk."""
    ledger = of(folder)
    jetstream = JetStream(connection)
    share = SharedAccess(
        *(Bucket(jetstream, names.access), Bucket(jetstream, names.keys), ledger),
        logs.get("signaling"),
    )
    share.start()
    try:
        await until(lambda: share.has_key)
        yield Desk(ledger)
    finally:
        await share.close()


@asynccontextmanager
async def two_desks(
    server: NatsServer, names: Names, folder: Path
) -> AsyncIterator[tuple[Desk, Desk]]:
    """Those of two nodes."""
    async with (
        connected(server) as first,
        connected(server) as second,
        sharing(first, names, folder / "one") as one,
        sharing(second, names, folder / "two") as two,
    ):
        yield one, two


def now_s() -> int:
    return int(time.time())


def test_what_one_node_gives_out_or_takes_back_counts_on_both(
    nats_server: NatsServer, names: Names, tmp_path: Path
) -> None:
    async def test() -> None:
        early, _ = Desk(Ledger(tmp_path / "two")).invite(
            ["den"], "speak", "", 3_600, False, now_s()
        )
        async with two_desks(nats_server, names, tmp_path) as (one, two):
            assert one.key == two.key == (tmp_path / "two" / KEY_FILE).read_bytes()
            await until(lambda: early.id in one.book().invitations)
            made, token = one.invite(["den"], "speak", "Ada", 3_600, False, now_s())
            await until(lambda: made.id in two.book().invitations)
            identity, cookie = two.exchange(token, "", now_s())
            assert identity.name == "Ada" and one.session(cookie, now_s()).name == "Ada"
            assert one.verdict(identity.subject, "den", now_s()) is None
            # As `mixminus invite --revoke` does it: another process, by the files.
            Desk(Ledger(tmp_path / "two")).revoke(made.id, now_s())
            began_s = time.monotonic()
            await until(lambda: one.verdict(identity.subject, "den", now_s()) is not None)
            print(f"counts on the other node after {time.monotonic() - began_s:.2f} s")
            with pytest.raises(ProblemError, match="revoked"):
                one.session(cookie, now_s())
            _, token = two.invite(["den"], "speak", "", 3_600, False, now_s())
            identity, cookie = two.exchange(token, "", now_s())
            two.ban("den", identity.subject, now_s())
            assert one.verdict("0123.4567", "den", now_s()) is None  # Not heard of yet.
            await until(lambda: one.verdict(identity.subject, "den", now_s()) == REMOVED)
            assert "den" in one.session(cookie, now_s()).banned
            assert two.book() == one.book()

    run(test)


def test_an_invitation_for_one_browser_lets_one_in_on_whichever_node(
    nats_server: NatsServer, names: Names, tmp_path: Path
) -> None:
    async def test() -> None:
        async with two_desks(nats_server, names, tmp_path) as (one, two):
            made, token = one.invite(["den"], "speak", "", 3_600, True, now_s())
            await until(lambda: made.id in two.book().invitations)
            await two.claim(token, "", now_s())
            with pytest.raises(ProblemError, match="one browser") as caught:
                await one.claim(token, "", now_s())  # Before it has heard of that.
            assert caught.value.status == 401
            _, cookie = two.exchange(token, "", now_s())
            await two.claim(token, cookie, now_s())  # The same browser once more.
            assert two.exchange(token, cookie, now_s())[1] == cookie
            await until(lambda: one.book().invitations[made.id].used == 1)
            with pytest.raises(ProblemError, match="one browser"):
                one.exchange(token, "", now_s())
            many, token = one.invite(["den"], "speak", "", 3_600, False, now_s())
            await until(lambda: many.id in two.book().invitations)
            for desk in (one, two, one):
                await desk.claim(token, "", now_s())
                desk.exchange(token, "", now_s())

    run(test)


def test_a_claim_whose_answer_was_lost_is_made_again_and_lets_one_browser_in(
    nats_server: NatsServer, names: Names, tmp_path: Path
) -> None:
    async def test() -> None:
        async with two_desks(nats_server, names, tmp_path) as (one, two):
            made, token = one.invite(["den"], "speak", "", 3_600, True, now_s())
            await until(lambda: made.id in two.book().invitations)
            await two.claim(token, "", now_s())  # Nobody was told.
            await two.claim(token, "", now_s())
            await two.claim(token, "", now_s())  # Another browser, at the same time.
            with pytest.raises(ProblemError, match="one browser"):
                await one.claim(token, "", now_s())
            two.exchange(token, "", now_s())
            with pytest.raises(ProblemError, match="one browser"):
                two.exchange(token, "", now_s())

    run(test)


def test_what_was_heard_while_it_failed_is_not_forgotten(
    nats_server: NatsServer, names: Names, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        monkeypatch.setattr(tasks, "ANEW_S", 0.0)
        async with (
            connected(nats_server) as first,
            connected(nats_server) as second,
            sharing(first, names, tmp_path / "one") as one,
            sharing(second, names, tmp_path / "two", Stumbling) as two,
        ):
            before, _ = one.invite(["den"], "speak", "Ada", 3_600, False, now_s())
            await until(lambda: before.id in two.book().invitations)
            ledger = two.ledger
            assert isinstance(ledger, Stumbling)
            ledger.is_to_fail = True
            made, _ = one.invite(["den"], "speak", "Bob", 3_600, False, now_s())
            await until(lambda: made.id in two.book().invitations)
            assert not ledger.is_to_fail

    run(test)


def test_what_a_later_release_has_written_stays_as_it_is(
    nats_server: NatsServer, names: Names, tmp_path: Path
) -> None:
    async def test() -> None:
        async with connected(nats_server) as connection:
            bucket = Bucket(JetStream(connection), names.access)
            async with sharing(connection, names, tmp_path / "one") as one:
                made, _ = one.invite(["den"], "speak", "", 3_600, False, now_s())
                key = f"i.{made.id}"
                await until(lambda: is_there(bucket, key))
                entry = await bucket.get(key)
                assert entry is not None
                later = msgspec.json.decode(entry.value) | {"of_the_next_release": 1, "used": 2}
                revision = await bucket.update(key, msgspec.json.encode(later), entry.revision)
                await until(lambda: one.book().invitations[made.id].used == 2)
                other, _ = one.invite(["den"], "speak", "", 3_600, False, now_s())
                await until(lambda: is_there(bucket, f"i.{other.id}"))
                entry = await bucket.get(key)
                assert entry is not None and entry.revision == revision

    run(test)


async def is_there(bucket: Bucket, key: str) -> bool:
    return await bucket.get(key) is not None


def test_while_nats_is_away_what_was_last_known_counts(names: Names, tmp_path: Path) -> None:
    async def test() -> None:
        with NatsServer() as server:
            async with (
                connected(server) as first,
                connected(server) as second,
                sharing(first, names, tmp_path / "one") as one,
                sharing(second, names, tmp_path / "two") as two,
            ):
                made, token = one.invite(["den"], "speak", "", 3_600, False, now_s())
                once, once_token = one.invite(["den"], "speak", "", 3_600, True, now_s())
                revoked, revoked_token = one.invite(["den"], "speak", "", 3_600, False, now_s())
                one.revoke(revoked.id, now_s())
                await until(lambda: len(two.book().invitations) == 3)
                await until(lambda: two.book().invitations[revoked.id].revoked)
                server.stop()
                await until(lambda: not second.is_connected)
                await two.claim(token, "", now_s())
                identity, _ = two.exchange(token, "", now_s())
                with pytest.raises(ProblemError, match="cannot be asked") as caught:
                    await two.claim(once_token, "", now_s())
                assert (caught.value.status, caught.value.retry_after_s) == (503, 5)
                with pytest.raises(ProblemError, match="revoked"):
                    await two.claim(revoked_token, "", now_s())
                two.revoke(made.id, now_s())
                assert one.verdict(identity.subject, "den", now_s()) is None
                server.start()
                await until(lambda: one.verdict(identity.subject, "den", now_s()) is not None)
                await two.claim(once_token, "", now_s())
                assert once.id in two.book().invitations

    run(test)
