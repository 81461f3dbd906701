"""Any node takes any request: two gateways, one NATS server, and browsers at the wrong one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mixer_core.bus.control import Leave, Offer, PicturePiece, Silence
from mixer_core.bus.roles import Role
from mixer_core.cluster.messages import Message
from mixer_core.cluster.names import Names
from mixer_core.journal import recordings
from signaling.access.identity import Vouch
from signaling.cluster.relay import MAX_TRIES
from signaling.cluster.relay_wire import PIECE_BYTES
from signaling.cluster.slots import AT_THE_ENTRY
from signaling.cluster.trust import RelayTrust
from signaling.http import limiting, listeners
from signaling.http.api import HttpApi, PageParts
from signaling.http.forwarded import Proxies
from signaling.http.lan_pages import LanPages, Listening
from signaling.http.listen_routes import ListenRoutes
from tests.signaling.cluster.relay_nodes import Node, Table, nodes, staffed
from tests.signaling.edge import SDP, HttpAnswer, asynchronous, problem
from tests.signaling.http.test_access import GUARDED, Browser, invited
from tests.signaling.http.test_pictures import body, jpeg
from tests.signaling.http.test_transcript_pages import CALL, REPLY, SAID, fill
from tests.support.nats_server import NatsServer
from tests.support.waiting import until

pytestmark = pytest.mark.sockets


@asynchronous
async def test_a_whole_stay_through_another_node(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with nodes(short_dir, nats_server, names, public_path="/voice") as cluster:
        a, b = cluster["a"], cluster["b"]
        cluster.table.rooms["kitchen"] = "b"
        await staffed(b)
        offered = {"data": SDP, "headers": {"Content-Type": "application/sdp"}}
        path = "/voice/rooms/kitchen/participants?name=%C3%84nne&mode=conference"
        answer = await a.request("POST", path, **offered)
        assert (answer.status, answer.text) == (201, "v=0 answer to Änne")
        location = answer.headers["Location"]
        assert location.startswith("/voice/rooms/kitchen/participants/p-")
        assert location.endswith("~b"), "its last part names the node"
        for node in (a, b):
            room = (await node.request("GET", "/rooms/kitchen")).json()
            assert [p["name"] for p in room["participants"]] == ["Änne"]
            assert room["mode"] == "conference"
        looks = cluster.table.looks
        del cluster.table.rooms["kitchen"]  # As after a move: the address knows the way.
        assert (await a.request("DELETE", location)).status == 200
        assert (await a.request("GET", f"{location}/end")).json()["status"] == "left"
        problem(await a.request("DELETE", location), 404)
        assert cluster.table.looks == looks, "nothing was looked up"
        assert a.counted("joined_total") == 0 and b.counted("joined_total") == 1
        assert a.counted("relayed_total") == b.counted("replayed_total") == 5


@asynchronous
async def test_an_end_is_told_through_another_node_while_somebody_waits_for_it(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with nodes(short_dir, nats_server, names) as cluster:
        a, b = cluster["a"], cluster["b"]
        cluster.table.rooms["home"] = "b"
        await staffed(b)
        location = (await a.join()).headers["Location"]
        waiting = asyncio.create_task(a.request("GET", f"{location}/end"))
        await until(lambda: b.counted("replayed_total") == 2, "nobody waits at the owner")
        assert (await b.request("DELETE", location)).status == 200
        assert (await waiting).json()["status"] == "left"


@asynchronous
async def test_a_stay_at_another_node_is_no_stay_here_and_its_replacement_is_an_ordinary_join(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with nodes(short_dir, nats_server, names) as cluster:
        a, b = cluster["a"], cluster["b"]
        await staffed(a, workers=2)
        await staffed(b, workers=2)
        cluster.table.rooms["home"] = "b"
        former = (await a.join()).headers["Location"].rpartition("/")[2]
        cluster.table.rooms["home"] = "a"
        replaces = {"Content-Type": "application/sdp", "Mixminus-Replaces": former}
        moved = await b.join(headers=replaces)
        assert moved.status == 201 and moved.headers["Location"].endswith("~a")
        assert len(b.gateway.rooms()[0].participants) == 1, "that one ends by itself"
        again = {**replaces, "Mixminus-Replaces": moved.headers["Location"].rpartition("/")[2]}
        third = await b.join(headers=again)
        assert third.status == 201
        await until(lambda: len(a.gateway.rooms()[0].participants) == 1, "the former one stays")


@asynchronous
async def test_limits_count_at_the_owner_once_for_the_address_that_the_browser_has(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    settings = {"trusted_proxies": "127.0.0.1", "max_offers_per_minute": 2}
    async with nodes(short_dir, nats_server, names, **settings, answer_timeout_ms=20) as cluster:
        a = cluster["a"]
        cluster.table.rooms["home"] = "b"

        async def offer(address: str) -> HttpAnswer:
            headers = {"Content-Type": "application/sdp", "X-Forwarded-For": address}
            path = "/rooms/home/participants?token=wrong-token-of-nobody"
            return await a.request("POST", path, data="v=1", headers=headers)

        for _ in range(2):
            problem(await offer("203.0.113.7"), 401)
        told = problem(await offer("203.0.113.7"), 429)
        assert "203.0.113.7" in told["detail"]
        problem(await offer("203.0.113.8"), 401)


@asynchronous
async def test_roles_and_what_admins_do_are_the_owner_s(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with nodes(short_dir, nats_server, names, **GUARDED) as cluster:
        a, b = cluster["a"], cluster["b"]
        cluster.table.rooms["home"] = "b"
        worker, _ = await staffed(b)
        anna, chief = await invited(a, "speak", "Anna"), await invited(a, "admin")
        problem(await Browser(a).join(), 401)
        joined = await anna.join(name="Mallory")
        assert joined.status == 201, joined.text
        offer = next(m for m in worker.received if isinstance(m, Offer))
        assert (offer.name, offer.role, offer.verified) == ("Anna", "speak", True)
        person = f"/rooms/home/participants/{offer.participant}"
        told = problem(await anna("PUT", f"{person}/mute", json={"muted": True}), 403)
        assert "only an admin may mute others" in told["detail"]
        muted = await chief("PUT", f"{person}/mute", json={"muted": True, "locked": True})
        assert muted.status == 200
        await until(lambda: any(isinstance(m, Silence) for m in worker.received))
        changed = await chief("PATCH", "/rooms/home", json={"mode": "conference"})
        assert changed.json()["mode"] == "conference"
        assert (await chief("DELETE", person)).status == 200
        await until(lambda: any(isinstance(m, Leave) for m in worker.received))
        told = problem(await anna.join(), 403)
        assert told["title"] == "Removed"
        assert (await a.request("DELETE", "/rooms/home")).status == 404, "it is empty"


@asynchronous
async def test_a_picture_goes_in_pieces_and_comes_as_it_was(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with nodes(short_dir, nats_server, names) as cluster:
        a, b = cluster["a"], cluster["b"]
        cluster.table.rooms["home"] = "b"
        _, link = await staffed(b)
        location = (await a.join()).headers["Location"]
        await until(lambda: any(v.link.status == "ready" for v in b.gateway.rooms()))
        picture = jpeg(1024, 768, 148_000)
        shown = await a.request("POST", f"{location}/pictures", json=body(picture))
        assert shown.status == 202, shown.text
        assert shown.json()["size_bytes"] == len(picture)
        pieces = [m for m in link.received if isinstance(m, PicturePiece)]
        assert b"".join(piece.data for piece in pieces) == picture
        too_large = await a.request("POST", f"{location}/pictures", data=b" " * 300_000)
        problem(too_large, 413)


@asynchronous
async def test_a_room_of_nobody_goes_where_it_is_placed_and_to_the_next_where_it_is_not_taken(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    own = {
        "a": {"max_offers_per_minute": 1},
        "b": {"max_participants": 0},
        "c": {"max_participants": 2, "max_percent_per_address": 0},
    }
    which = ("a", "b", "c")
    async with nodes(short_dir, nats_server, names, *which, own=own) as cluster:
        a, c = cluster["a"], cluster["c"]
        cluster.table.placed = ["b", "c"]
        await staffed(c, workers=2)
        for room in ("kitchen", "attic"):
            answer = await a.join(room)
            assert answer.status == 201, "what others count does not count here"
            assert answer.headers["Location"].endswith("~c")
        assert cluster.table.rooms == {"kitchen": "c", "attic": "c"}
        assert cluster["b"].counted("replayed_total") == 2
        cluster.table.placed = ["b"]
        assert problem(await c.join("hall"), 503)["title"] == "Full"
        assert "hall" not in cluster.table.rooms, "nobody could take it: it is nobody's"


@asynchronous
async def test_strangers_and_bad_offers_make_no_rooms(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with nodes(short_dir, nats_server, names, **GUARDED) as cluster:
        a = cluster["a"]
        cluster.table.placed = ["b"]
        problem(await Browser(a).join("attic"), 401)
        problem(await a.join("attic", data="nonsense"), 400)
        foreign = {"Content-Type": "application/sdp", "Origin": "http://evil.example"}
        problem(await a.join("attic", headers=foreign), 403)
        cluster.table.rooms["home"] = "b"
        problem(await a.join("home", headers=foreign), 403)
        assert cluster["b"].counted("replayed_total") == 0, "a foreign page gets nowhere"
        assert cluster.table.rooms == {"home": "b"}


@asynchronous
async def test_what_is_relayed_is_never_relayed_again(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    """The nodes disagree for ever: each says that the other one has the room."""
    async with nodes(short_dir, nats_server, names) as cluster:
        a, b = cluster["a"], cluster["b"]
        for node, other in ((a, "b"), (b, "a")):
            node.owners.table = Table({"home": other})
        for answer in (await a.join(), await a.request("GET", "/rooms/home")):
            assert problem(answer, 503)["title"] == "Moving"
            assert int(answer.headers["Retry-After"]) > 0
        assert b.counted("replayed_total") == 2 * MAX_TRIES
        assert a.counted("replayed_total") == 0
        b.owners.table.rooms = {"home": "b"}  # It has moved there at last.
        problem(await a.request("GET", "/rooms/home"), 404)
        a.owners.table.rooms = {"home": "a"}
        problem(await a.request("GET", "/rooms/home"), 404)


@asynchronous
async def test_who_does_not_answer_is_named_in_words_with_a_time_to_try_again(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with nodes(short_dir, nats_server, names) as cluster:
        a = cluster["a"]
        cluster.table.rooms |= {"home": "nobody", "hall": "deaf"}
        nobody = await a.join()
        assert "nobody" in problem(nobody, 503)["detail"] and nobody.headers["Retry-After"] == "2"
        heard: list[Message] = []

        async def keep(message: Message) -> None:
            heard.append(message)

        await a.connection.subscribe(names.of_node("deaf", "http"), keep)
        waiting = asyncio.create_task(a.request("GET", "/rooms/hall"))
        end = "/rooms/hall/participants/p-1.secret~deaf/end"
        watching = asyncio.create_task(a.request("GET", end))
        await until(lambda: len(heard) == 2, "it was not asked")
        cluster.table.gone.add("deaf")
        a.relay.node_lost("deaf")
        answer = await waiting
        told = problem(answer, 504)
        assert "the machine deaf" in told["detail"] and answer.headers["Retry-After"] == "2"
        assert (await watching).json() == {"participant": "p-1", "status": "lost"}
        assert (await a.request("GET", end)).json()["status"] == "lost", "it is known to be gone"
        problem(await a.request("DELETE", end.removesuffix("/end")), 404)
        cluster.table.away = "NATS cannot be reached"
        unknown = await a.request("GET", "/rooms/home")
        assert problem(unknown, 503)["detail"].startswith("NATS cannot be reached")
        assert unknown.headers["Retry-After"] == "3"
        assert a.counted("relay_failed_total") == 3


@asynchronous
async def test_what_goes_on_here_is_served_while_nobody_knows_whose_it_is(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with nodes(short_dir, nats_server, names) as cluster:
        a = cluster["a"]
        await staffed(a, workers=2)
        location = (await a.join()).headers["Location"]
        cluster.table.away = "NATS cannot be reached"
        assert (await a.request("GET", "/rooms/home")).status == 200
        problem(await a.join(), 503)
        assert (await a.request("DELETE", location)).status == 200


@asynchronous
async def test_strangers_are_not_believed_on_any_port(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with nodes(short_dir, nats_server, names, **GUARDED) as cluster:
        a = cluster["a"]
        vouch = Vouch("127.0.0.1", "localhost", is_own_screen=True)
        forged = RelayTrust().headers(vouch) | {"Host": "nano.local"}
        problem(await a.request("GET", "/rooms", headers=forged), 401)
        for url in a.relaying.private_urls:
            for path in ("/", "/rooms", "/rooms/home", "/listen/rooms/home/participants"):
                for headers in (forged, {}):
                    async with a.http.post(url + path, headers=headers) as answer:
                        assert answer.status in (403, 404, 405), (url, path)
                        assert answer.status == 403 or "relay" not in await answer.text()
            async with a.http.get(f"{url}/rooms", headers=forged) as answer:
                assert answer.status in (403, 404)


@asynchronous
async def test_who_listens_without_https_does_so_through_any_node(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with nodes(short_dir, nats_server, names, **GUARDED) as cluster:
        a, b = cluster["a"], cluster["b"]
        cluster.table.rooms["home"] = "b"
        worker, _ = await staffed(b)
        async with plain_port(a) as url:

            async def ask(method: str, path: str, bearer: str, **more: Any) -> HttpAnswer:
                headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/sdp"}
                async with a.http.request(method, url + path, headers=headers, **more) as got:
                    return HttpAnswer(got.status, got.headers, await got.read())

            def invitation(role: Role) -> str:
                return a.gate.desk.invite(["home"], role, "", 600, False, int(time.time()))[1]

            opened = await ask("POST", "/listen/session", invitation("listen"))
            joined = await ask(
                "POST", "/listen/rooms/home/participants", opened.json()["session"], data=SDP
            )
            assert joined.status == 201, joined.text
            (offer,) = [m for m in worker.received if isinstance(m, Offer)]
            assert offer.role == "listen"
            location = f"/listen{joined.headers['Location']}"
            assert location.endswith("~b")
            left = await ask("DELETE", location, opened.json()["session"])
            assert left.status == 200, left.text
            _, session = a.gate.desk.exchange(invitation("speak"), "", int(time.time()))
            refused = await ask("POST", "/listen/rooms/home/participants", session, data=SDP)
            assert "not encrypted" in problem(refused, 403)["detail"]


@asynccontextmanager
async def plain_port(node: Node) -> AsyncIterator[str]:
    """That of the local network, as the service opens it."""
    parts = PageParts(cluster=node.relay)
    api = HttpApi(node.gateway, node.gate, node.settings.signaling, node.log, parts)
    routes = ListenRoutes(api.rooms, node.gate.desk)
    limit = limiting.middleware(node.gateway.allowances.limiter, Proxies(""), node.log)
    listening = Listening(routes, [node.relay.middleware(routes.vouch), limit])
    pages = LanPages(lambda: None, 8443, lambda: ("mixminus.local",), node.log, listening)
    listener = listeners.Listener(pages.application())
    (socket,) = listeners.bind("127.0.0.1", 0)
    await listener.start([socket])
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        await listener.stop()


@asynchronous
async def test_too_many_at_once_are_told_so(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with nodes(short_dir, nats_server, names) as cluster:
        a = cluster["a"]
        cluster.table.rooms["home"] = "deaf"
        heard: list[Message] = []

        async def keep(message: Message) -> None:
            heard.append(message)

        await a.connection.subscribe(names.of_node("deaf", "http"), keep)
        most = AT_THE_ENTRY["usual"].per_client
        waiting = [asyncio.create_task(a.request("GET", "/rooms/home")) for _ in range(most)]
        await until(lambda: len(heard) == most, "they are not on their way")
        answer = await a.request("GET", "/rooms/home")
        assert problem(answer, 503)["title"] == "Busy" and answer.headers["Retry-After"] == "1"
        a.relay.node_lost("deaf")
        assert {(await one).status for one in waiting} == {504}


@asynchronous
async def test_lists_are_of_all_nodes_and_say_who_is_missing(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with nodes(short_dir, nats_server, names) as cluster:
        a, b = cluster["a"], cluster["b"]
        for node, room in ((a, "attic"), (b, "bath")):
            cluster.table.rooms[room] = node.node
            await staffed(node)
            assert (await node.join(room)).status == 201
        a.others.append("c")
        found = (await a.request("GET", "/rooms")).json()
        assert {room["room"]: room["node"] for room in found["rooms"]} == {
            "attic": "a",
            "bath": "b",
        }
        told = {one["node"]: one["answered"] for one in found["nodes"]}
        assert told == {"a": True, "b": True, "c": False}
        (silent,) = (one for one in found["nodes"] if not one["answered"])
        assert "c" in silent["why"]
        metrics = (await a.request("GET", "/metrics")).text
        assert 'mixminus_node_info{node="a"} 1.0' in metrics
        ready = (await a.request("GET", "/readyz")).json()
        assert ready["cluster"]["node"] == "a" and ready["cluster"]["others"] == ["b", "c"]


@asynchronous
async def test_recordings_lie_on_their_nodes_and_are_listed_and_fetched_through_any(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    sound = bytes(range(256)) * 1_500  # Three pieces.
    async with nodes(short_dir, nats_server, names, shared=False) as cluster:
        a, b = cluster["a"], cluster["b"]
        for node, began_ms in ((a, 1_000), (b, 2_000)):
            contents = recordings.Contents("home", began_ms, "Ada", ended_ms=began_ms + 1)
            folder = recordings.make(node.settings.state_dir, "home", began_ms, "0" * 6)
            recordings.write(folder, contents)
            (folder / recordings.MIX).write_bytes(sound)
        found = (await a.request("GET", "/rooms/home/recordings")).json()
        idents = [one["recording"] for one in found["recordings"]]
        assert [ident.rpartition("~")[2] for ident in idents] == ["b", "a"], "newest first"
        assert all(one["answered"] for one in found["nodes"])
        for ident in idents:
            path = f"/rooms/home/recordings/{ident}/{recordings.MIX}"
            whole = await a.request("GET", path)
            assert (whole.status, whole.content_type) == (200, "audio/flac")
            assert whole.body == sound and "~" not in whole.headers["Content-Disposition"]
            part = await a.request("GET", path, headers={"Range": "bytes=2-4"})
            assert (part.status, part.body) == (206, sound[2:5])
            head = await a.request("HEAD", path)
            assert head.headers["Content-Length"] == str(len(sound)) and not head.body
        assert (await a.request("DELETE", f"/rooms/home/recordings/{idents[0]}")).status == 200
        left = (await b.request("GET", "/rooms/home/recordings")).json()["recordings"]
        assert [one["recording"] for one in left] == idents[1:]


@asynchronous
async def test_a_download_through_another_node_takes_as_long_as_its_browser(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    """``Parcels`` bounds the wait for each piece, nothing the whole."""
    async with nodes(short_dir, nats_server, names) as cluster:
        limits = cluster["a"].relaying._replayer._http.timeout
        assert limits.total is None and limits.sock_read is None
        assert limits.sock_connect is not None


@asynchronous
async def test_transcripts_in_every_form_are_to_the_byte_what_the_owner_says(
    short_dir: Path, nats_server: NatsServer, names: Names
) -> None:
    async with nodes(short_dir, nats_server, names, shared=False) as cluster:
        a, b = cluster["a"], cluster["b"]
        cluster.table.rooms["kitchen"] = "b"
        long = [replace(SAID, item=f"u{n}", text="How late is it? " * 120) for n in range(100)]
        fill(b, "kitchen", [*long, CALL, REPLY]).close()
        asked = [
            *(f"transcript?format={form}&limit=1000" for form in ("json", "text", "srt", "vtt")),
            *(
                "conversations",
                "conversations/1",
                "search?q=late",
                "search?q=",
                "transcript?limit=x",
            ),
        ]
        for path in asked:
            there, here = [await n.request("GET", f"/rooms/kitchen/{path}") for n in (b, a)]
            assert (here.status, here.body) == (there.status, there.body), path
            assert here.headers.get("Content-Type") == there.headers.get("Content-Type")
        assert a.counted("relayed_total") == len(asked)
        longest = await a.request("GET", f"/rooms/kitchen/{asked[0]}")
        assert len(longest.body) > PIECE_BYTES
        gone = await a.request("DELETE", "/rooms/kitchen/conversations/1")
        assert (gone.status, gone.json()["status"]) == (200, "deleted")
        left = await b.request("GET", "/rooms/kitchen/conversations/1")
        assert left.json()["items"] == []
