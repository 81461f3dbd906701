"""Pictures over HTTP: who may show them, what is refused, and how they reach the link."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from mixer_core.bus.control import MAX_PIECE_BYTES, PicturePiece
from signaling.settings import AssistantSettings
from tests.signaling.edge import Edge, FakeChild, HttpAnswer, asynchronous, problem, running
from tests.signaling.http.test_access import GUARDED, invited
from tests.support.pictures import jpeg, png
from tests.support.waiting import until

pytestmark = pytest.mark.sockets
PICTURE = jpeg(1024, 768, 140_000)


def body(image: bytes = PICTURE, thumbnail: bytes = b"", **more: Any) -> dict[str, Any]:
    encoded = {"image": base64.b64encode(image).decode(), **more}
    return encoded | ({"thumbnail": base64.b64encode(thumbnail).decode()} if thumbnail else {})


class Room:
    """Somebody in a room with a link."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge

    async def open(self, reaction: str = "answer") -> None:
        self.worker, self.link = self.edge.add("worker"), self.edge.add("link", reaction)
        await self.edge.idle(1, 1)
        joined = await self.edge.join(params={"name": "Ada"})
        self.path = joined.headers["Location"] + "/pictures"

        def ready() -> bool:
            return any(v.link.status == "ready" for v in self.edge.gateway.rooms())

        await until(ready, "the room has no link")

    async def show(self, given: Any = None, path: str = "", **more: Any) -> HttpAnswer:
        sent = {"json": body() if given is None else given, **more}
        return await self.edge.request("POST", path or self.path, **sent)

    @property
    def pieces(self) -> list[PicturePiece]:
        return [m for m in self.link.received if isinstance(m, PicturePiece)]


@asynchronous
async def test_a_picture_reaches_the_link_in_pieces(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        room = Room(edge)
        await room.open()
        small = jpeg(160, 120, 3_000)
        answer = await room.show(body(text="  What is this?  ", thumbnail=small))
        assert answer.status == 202
        shape = {"media_type": "image/jpeg", "width_px": 1024, "height_px": 768}
        assert answer.json() == {"status": "shown", "size_bytes": 140_000, **shape}
        pieces = room.pieces
        assert [piece.index for piece in pieces] == [0, 1, 2]
        assert all(len(piece.data) <= MAX_PIECE_BYTES for piece in pieces)
        assert b"".join(piece.data for piece in pieces) == PICTURE
        first, *others = pieces
        assert (first.name, first.text, first.thumbnail) == ("Ada", "What is this?", small)
        assert first.participant.startswith("p-") and first.stream > 0
        assert not any(piece.text or piece.thumbnail for piece in others)


SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
REFUSED: list[tuple[str, Any, int]] = [
    ("svg", body(SVG), 415),
    ("webp", body(b"RIFF\x00\x00\x00\x00WEBPVP8 "), 415),
    ("gif", body(b"GIF89a" + bytes(20)), 415),
    ("nothing", body(b""), 415),
    ("damaged", body(jpeg()[:20]), 400),
    ("too many bytes", body(jpeg(10, 10, 150_001)), 413),
    ("a body that is far too long", body(jpeg(10, 10, 400_000)), 413),
    ("too many pixels", body(png(1025, 4)), 413),
    ("no picture", {}, 400),
    ("no base64", {"image": "%%%"}, 400),
    ("a number", {"image": 7}, 400),
    ("long words", body(text="x" * 2_001), 400),
    ("a thumbnail of many bytes", body(thumbnail=jpeg(10, 10, 6_001)), 400),
    ("a thumbnail of many pixels", body(thumbnail=jpeg(241, 10)), 400),
    ("a thumbnail that is a PNG", body(thumbnail=png()), 400),
    ("a thumbnail that is a page", body(thumbnail=SVG), 415),
    ("half a character", {**body(), "text": "\ud800"}, 400),
]


@asynchronous
async def test_what_is_no_picture_is_refused(short_dir: Path) -> None:
    free = AssistantSettings(images_per_minute=60)
    async with running(short_dir, pictures=free) as edge:
        room = Room(edge)
        await room.open()
        for words, given, status in REFUSED:
            answer = await room.show(given)
            assert answer.status == status, (words, answer.text)
            problem(answer, status)
        problem(await room.show(None, data=PICTURE, json=None), 415)
        assert not room.pieces
        assert (await room.show()).status == 202


@asynchronous
async def test_only_the_owner_shows_pictures_and_only_where_they_are_on(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        room = Room(edge)
        await room.open()
        plain = room.path.partition(".")[0] + "/pictures"
        problem(await room.show(path=plain), 404)
        problem(await room.show(path=room.path.replace("/pictures", "x/pictures")), 404)
        elsewhere = room.path.replace("/rooms/home/", "/rooms/attic/")
        problem(await room.show(path=elsewhere), 404)
        foreign = {"Origin": "https://evil.example"}
        problem(await room.show(headers=foreign), 403)
        assert not room.pieces
    async with running(short_dir, pictures=AssistantSettings(images=False)) as edge:
        room = Room(edge)
        await room.open()
        problem(await room.show(), 403)
        assert not room.pieces


@asynchronous
async def test_listeners_show_nothing(short_dir: Path) -> None:
    async with running(short_dir, **GUARDED) as edge:
        worker, link = edge.add("worker"), edge.add("link")
        await edge.idle(1, 1)
        browser = await invited(edge, "listen", "Eve")
        joined = await browser.join()
        assert joined.status == 201 and worker
        answer = await browser("POST", joined.headers["Location"] + "/pictures", json=body())
        assert "those who may speak" in problem(answer, 403)["detail"]
        assert not any(isinstance(m, PicturePiece) for m in link.received)


@asynchronous
async def test_many_pictures_have_to_wait(short_dir: Path) -> None:
    async with running(short_dir, pictures=AssistantSettings(images_per_minute=2)) as edge:
        room = Room(edge)
        await room.open()
        statuses = [(await room.show()).status for _ in range(3)]
        assert statuses == [202, 202, 429]
        refused = await room.show()
        assert 0 < int(refused.headers["Retry-After"]) <= 60
        assert "wait" in problem(refused, 429)["detail"]
    few = AssistantSettings(images_per_hour_bytes=400_000)
    async with running(short_dir, pictures=few) as edge:
        room = Room(edge)
        await room.open()
        assert [(await room.show()).status for _ in range(2)] == [202, 429]


@asynchronous
async def test_a_link_that_dies_or_says_nothing_is_answered_for(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        room = Room(edge)
        await room.open("ignore")
        showing = asyncio.create_task(room.show())
        await until(lambda: len(room.pieces) == 3, "the picture did not come")
        room.link.set(status="closed")
        lost = await showing
        assert "lost" in problem(lost, 503)["detail"] and lost.headers["Retry-After"]
        again = await room.show()
        assert "not connected" in problem(again, 503)["detail"]


@asynchronous
async def test_the_links_refusal_is_the_answer(short_dir: Path) -> None:
    from mixer_core.bus.control import PictureAnswer

    async with running(short_dir) as edge:
        room = Room(edge)
        await room.open("ignore")
        showing = asyncio.create_task(room.show())
        await until(lambda: len(room.pieces) == 3, "the picture did not come")
        upload = room.pieces[0].upload
        stranger: FakeChild = edge.add("link")
        stranger.client.send(PictureAnswer(upload, 202))
        await asyncio.sleep(0.05)
        assert not showing.done(), "only the link that was asked answers"
        room.link.client.send(PictureAnswer(upload, 409, "No pictures", "the model is blind"))
        assert problem(await showing, 409)["detail"] == "the model is blind"


@asynchronous
async def test_bodies_are_read_one_at_a_time(short_dir: Path) -> None:
    async with running(short_dir, pictures=AssistantSettings(images_per_minute=2)) as edge:
        room = Room(edge)
        await room.open()
        begun = asyncio.Event()

        async def slowly() -> Any:
            yield b'{"image": "'
            begun.set()
            await asyncio.Event().wait()

        headers = {"Content-Type": "application/json"}
        slow = asyncio.create_task(room.show(json=None, data=slowly(), headers=headers))
        await begun.wait()
        await asyncio.sleep(0.05)
        problem(await room.show(), 503)
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)

        async def free() -> bool:
            status = (await room.show()).status
            assert status in (202, 503), "whoever finds it busy has shown nothing"
            return status == 202

        await until(free, "the place of the slow one did not become free")
