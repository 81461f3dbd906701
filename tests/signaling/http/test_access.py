"""Invitations, sessions, roles and removals on real sockets."""

from __future__ import annotations

from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from mixer_core.bus.control import Leave, Offer, OpenLink, SetRoom, Silence
from mixer_core.bus.roles import Role
from tests.signaling.edge import SDP, Edge, FakeChild, HttpAnswer, asynchronous, problem, running
from tests.support.waiting import until

pytestmark = pytest.mark.sockets

GUARDED = {"require_invitation": True, "allowed_hosts": "nano.local"}
HOST = "nano.local"


class Browser:
    """Requests from another machine, with the cookie of a session."""

    def __init__(self, edge: Edge, cookie: str = "") -> None:
        self.edge = edge
        self.cookie = cookie

    async def __call__(self, method: str, path: str, **more: object) -> HttpAnswer:
        given = dict(more.pop("headers", {}))  # type: ignore[call-overload]
        headers = {"Host": HOST, "Cookie": f"mixminus={self.cookie}"} | given
        return await self.edge.request(method, path, headers=headers, **more)

    async def join(self, room: str = "home", name: str = "", **headers: str) -> HttpAnswer:
        more = {"Content-Type": "application/sdp", **headers}
        path = f"/rooms/{room}/participants"
        return await self("POST", path, params={"name": name}, data=SDP, headers=more)


async def guest(edge: Edge, token: str) -> Browser:
    """A browser that opens a link."""
    answer = await Browser(edge)("POST", "/session", json={"token": token})
    assert answer.status == 200, answer.text
    cookie = SimpleCookie(answer.headers["Set-Cookie"])["mixminus"]
    assert cookie["httponly"] and cookie["samesite"] == "Strict" and cookie["path"] == "/"
    return Browser(edge, cookie.value)


async def invited(edge: Edge, role: Role, name: str = "", room: str = "home") -> Browser:
    """A guest with a role."""
    wish = {"role": role, "name": name}
    made = await edge.request("POST", f"/rooms/{room}/invitations", json=wish)
    assert made.status == 201, made.text
    return await guest(edge, made.json()["link"].rpartition("#invite=")[2])


def offers(worker: FakeChild) -> list[Offer]:
    return [message for message in worker.received if isinstance(message, Offer)]


@asynchronous
async def test_from_a_link_into_the_room(short_dir: Path) -> None:
    async with running(short_dir, **GUARDED) as edge:
        worker, link = edge.add("worker"), edge.add("link")
        await edge.idle(1, 1)
        wish = {"role": "speak", "name": "Anna", "once": True, "lifetime_s": 600}
        made = (await edge.request("POST", "/rooms/home/invitations", json=wish)).json()
        assert made["link"].startswith(f"{edge.url}/#invite=") and made["qr"].startswith("<svg")
        assert (made["state"], made["rooms"], made["role"]) == ("open", ["home"], "speak")
        token = made["link"].rpartition("#invite=")[2]

        problem(await Browser(edge).join(), 401)
        anna = await guest(edge, token)
        who = (await anna("GET", "/session")).json()
        assert (who["role"], who["name"], who["verified"]) == ("speak", "Anna", True)
        assert (await anna.join(name="Mallory")).status == 201
        (offer,) = offers(worker)
        assert (offer.name, offer.role, offer.verified) == ("Anna", "speak", True)
        await until(lambda: link.received, "no link is opened")
        assert isinstance(link.received[0], OpenLink) and link.received[0].verify
        listed = (await edge.request("GET", "/rooms/home/invitations")).json()["invitations"]
        assert [(i["id"], i["state"]) for i in listed] == [(made["id"], "used")]
        assert token not in str(listed)
        again = problem(await Browser(edge)("POST", "/session", json={"token": token}), 401)
        assert again["title"] == "Invitation used"


@asynchronous
async def test_a_guest_stays_in_their_room(short_dir: Path) -> None:
    async with running(short_dir, **GUARDED) as edge:
        edge.add("worker")
        await edge.idle(1)
        bob = await invited(edge, "admin", room="kitchen")
        assert problem(await bob.join("attic"), 403)["title"] == "Wrong room"
        for path in ("/rooms/attic", "/rooms/attic/transcript", "/rooms/attic/invitations"):
            assert (
                "your invitation is for the room kitchen"
                in problem(await bob("GET", path), 403)["detail"]
            )
        await edge.join("attic")
        await edge.until_get("/rooms", lambda a: len(a.json()["rooms"]) == 1)
        assert (await bob("GET", "/rooms")).json() == {"rooms": []}
        problem(await bob("GET", "/metrics"), 403)


@asynchronous
async def test_a_revoked_guest_has_to_leave(short_dir: Path) -> None:
    async with running(short_dir, **GUARDED) as edge:
        worker = edge.add("worker")
        await edge.idle(1)
        bob = await invited(edge, "speak")
        assert (await bob.join(name="Bob")).status == 201
        (known,) = (await edge.request("GET", "/rooms/home/invitations")).json()["invitations"]
        revoke = await edge.request("DELETE", f"/rooms/home/invitations/{known['id']}")
        assert revoke.status == 200
        assert problem(await bob("GET", "/session"), 401)["title"] == "Invitation revoked"
        await until(lambda: isinstance(worker.received[-1], Leave), "the call goes on")
        leave = worker.received[-1]
        assert isinstance(leave, Leave) and leave.code == "revoked"
        problem(await edge.request("DELETE", "/rooms/home/invitations/nothing"), 404)


@asynchronous
async def test_a_removed_guest_does_not_come_back(short_dir: Path) -> None:
    async with running(short_dir, **GUARDED) as edge:
        worker = edge.add("worker")
        await edge.idle(1)
        bob, ann = await invited(edge, "speak"), await invited(edge, "speak")
        assert (await bob.join(name="Bob")).status == 201
        (offer,) = offers(worker)
        removed = await edge.request("DELETE", f"/rooms/home/participants/{offer.participant}")
        assert removed.status == 200
        await until(lambda: isinstance(worker.received[-1], Leave), "the worker is not told")
        assert worker.received[-1] == Leave(
            offer.participant, "removed", "an admin has removed you from this room"
        )
        assert problem(await bob.join(), 403)["title"] == "Removed"
        assert (await ann("GET", "/session")).status == 200


@asynchronous
async def test_only_its_owner_or_an_admin_ends_a_participant(short_dir: Path) -> None:
    async with running(short_dir, **GUARDED) as edge:
        worker = edge.add("worker")
        await edge.idle(1)
        bob, eve = await invited(edge, "speak"), await invited(edge, "speak")
        location = (await bob.join(name="Bob")).headers["Location"]
        participant = offers(worker)[0].participant
        plain = f"/rooms/home/participants/{participant}"
        assert location.startswith(f"{plain}.") and len(location) >= len(plain) + 22
        assert problem(await eve("DELETE", plain), 403)["title"] == "Not allowed"
        problem(await eve("DELETE", location[:-1]), 403)
        assert (await Browser(edge, bob.cookie)("DELETE", location)).status == 200


@asynchronous
async def test_two_people_with_one_name(short_dir: Path) -> None:
    async with running(short_dir, **GUARDED) as edge:
        workers = [edge.add("worker") for _ in range(5)]
        await edge.idle(5)
        bob, eve = await invited(edge, "speak"), await invited(edge, "speak")
        await invited(edge, "speak", "Änne")
        first = await bob.join(name="Bob")
        assert first.status == 201
        for taken in ("Bob", "bob ", "B0b", "änne"):
            assert problem(await eve.join(name=taken), 409)["title"] == "Name taken", taken
        assert (await eve.join(name="Eve")).status == 201
        former = first.headers["Location"].rpartition("/")[2]
        again = await bob.join(name="Bob", **{"Mixminus-Replaces": former})
        assert again.status == 201
        for _ in range(2):
            assert (await (await invited(edge, "speak")).join()).status == 201
        names = sorted(offer.name for worker in workers for offer in offers(worker))
        assert names == ["Bob", "Bob", "Eve", "Guest", "Guest 2"]
        room = (await edge.request("GET", "/rooms/home")).json()
        assert [person["name"] for person in room["participants"]].count("Bob") == 1


@asynchronous
async def test_an_admin_mutes_and_closes(short_dir: Path) -> None:
    async with running(short_dir, **GUARDED) as edge:
        worker = edge.add("worker")
        await edge.idle(1)
        admin, bob = await invited(edge, "admin"), await invited(edge, "speak")
        await bob.join(name="Bob")
        participant = offers(worker)[0].participant
        path = f"/rooms/home/participants/{participant}/mute"
        wish = {"muted": True, "locked": True}
        problem(await bob("PUT", path, json=wish), 403)
        assert (await admin("PUT", path, json=wish)).status == 200
        await until(lambda: worker.received[-1] == Silence(participant, True, True), "not muted")
        problem(await admin("PUT", path.replace(participant, "p-0"), json=wish), 404)
        problem(await bob("DELETE", "/rooms/home"), 403)
        assert (await admin("DELETE", "/rooms/home")).status == 200
        await until(lambda: isinstance(worker.received[-1], Leave), "the room is not closed")
        problem(await admin("DELETE", "/rooms/home"), 404)


@asynchronous
async def test_nobody_gives_more_time_than_they_have(short_dir: Path) -> None:
    async with running(short_dir, **GUARDED) as edge:
        admin = await invited(edge, "admin")
        wish = {"lifetime_s": 30 * 86_400}
        made = (await admin("POST", "/rooms/home/invitations", json=wish)).json()
        assert made["expires_s"] - made["created_s"] <= 86_400
        assert made["link"].startswith("http://nano.local/#invite=")


@asynchronous
async def test_a_session_is_forgotten(short_dir: Path) -> None:
    async with running(short_dir, **GUARDED) as edge:
        bob = await invited(edge, "listen")
        answer = await bob("DELETE", "/session")
        assert 'mixminus=""' in answer.headers["Set-Cookie"]
        for bad in ({}, {"token": 5}, {"token": "a" * 5_000}):
            problem(await bob("POST", "/session", json=bad), 400)
        problem(await bob("POST", "/session", data="token"), 415)
        problem(
            await bob("POST", "/session", json={"token": "a"}, headers={"Origin": "http://x"}), 403
        )


@asynchronous
async def test_a_restart_keeps_roles_and_secrets(short_dir: Path) -> None:
    async with running(short_dir, **GUARDED) as edge:
        worker = edge.add("worker")
        await edge.idle(1)
        bob = await invited(edge, "speak", "Bob")
        location = (await bob.join()).headers["Location"]
        offer = offers(worker)[0]
        worker.set(role=offer.role, verified=offer.verified, subject=offer.subject)
        await edge.stop()
        await edge.start(rebuild_ms=1_500)
        (person,) = (await edge.request("GET", "/rooms/home")).json()["participants"]
        assert (person["role"], person["verified"]) == ("speak", True)
        assert (await bob("DELETE", location)).status == 200


@asynchronous
async def test_an_admin_changes_the_mode(short_dir: Path) -> None:
    async with running(short_dir, **GUARDED) as edge:
        worker = edge.add("worker")
        await edge.idle(1)
        bob, admin = await invited(edge, "speak"), await invited(edge, "admin")
        problem(await admin("PATCH", "/rooms/home", json={"mode": "conference"}), 404)
        await bob.join(name="Bob")
        assert offers(worker)[0].mode == "assistant"
        problem(await bob("PATCH", "/rooms/home", json={"mode": "conference"}), 403)
        problem(await admin("PATCH", "/rooms/home", json={"mode": "choir"}), 400)
        assert (await admin("PATCH", "/rooms/home", json={"mode": "conference"})).status == 200
        told = SetRoom(offers(worker)[0].participant, "conference")
        await until(lambda: worker.received[-1] == told, "the worker is not told")
        assert (await edge.request("GET", "/rooms/home")).json()["mode"] == "conference"
