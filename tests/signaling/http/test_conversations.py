"""Conversations over HTTP, on a real journal: the one that goes on, lists, search, deleting."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mixer_core.bus import control
from mixer_core.journal import conversations
from mixer_core.journal.file import journal_path
from tests.signaling.edge import Edge, FakeChild, asynchronous, problem, running
from tests.signaling.http.test_transcript_pages import CALL, REPLY, SAID, add, fill

pytestmark = pytest.mark.sockets


async def inhabited(edge: Edge) -> FakeChild:
    """Somebody is in ``kitchen``; returns its link."""
    edge.program("mixer_core")
    edge.add("worker")
    link = edge.add("link")
    await edge.idle(workers=1, links=1)
    assert (await edge.join("kitchen")).status == 201
    await edge.until_get("/rooms/kitchen", lambda a: a.json()["link"]["status"] == "ready")
    return link


@asynchronous
async def test_who_comes_late_is_told_the_conversation_that_goes_on_and_no_other(
    short_dir: Path,
) -> None:
    async with running(short_dir) as edge:
        empty = (await edge.request("GET", "/rooms/kitchen/conversation")).json()
        assert (empty["conversation"], empty["items"]) == (0, []), "nobody is there"
        database = fill(edge, "kitchen", [replace(SAID, text="Of last week")])
        database.execute("UPDATE conversation SET ended_ms = 2")
        await inhabited(edge)
        fresh = (await edge.request("GET", "/rooms/kitchen/conversation")).json()
        assert fresh["items"] == [], "nothing was said yet"
        fill(edge, "kitchen", [SAID, CALL, REPLY]).close()
        now = (await edge.request("GET", "/rooms/kitchen/conversation")).json()
        assert [entry["item"] for entry in now["items"]] == ["u1", "f1", "a1"]
        assert [entry["position"] for entry in now["items"]] == [1, 2, 3]
        assert (now["conversation"], now["ended"], now["is_whole"]) == (2, None, True)
        part = (await edge.request("GET", "/rooms/kitchen/conversation?limit=1")).json()
        assert [entry["item"] for entry in part["items"]] == ["a1"] and not part["is_whole"]
        database.close()


@asynchronous
async def test_a_conversation_in_every_form(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        fill(edge, "kitchen", [replace(SAID, text="Of last week")]).close()
        fill(edge, "kitchen", [SAID, CALL, REPLY]).close()
        for path in ("/rooms/kitchen/transcript", "/rooms/kitchen/conversations/2"):
            srt = await edge.request("GET", f"{path}?format=srt")
            vtt = await edge.request("GET", path, headers={"Accept": "text/vtt"})
            assert (srt.status, srt.content_type) == (200, "application/x-subrip")
            assert (vtt.status, vtt.content_type) == (200, "text/vtt")
            assert "Änne: How late is it?" in srt.text and "last week" not in srt.text
            assert vtt.text.startswith("WEBVTT\n") and "<v Änne>How late is it?" in vtt.text
            assert re.search(r'filename="kitchen-[-\d]{10}-2\.srt"', str(srt.headers))
        text = await edge.request("GET", "/rooms/kitchen/conversations/1?format=text")
        assert text.text.endswith("Änne: Of last week\n")
        problem(await edge.request("GET", "/rooms/kitchen/conversations/9"), 404)
        problem(await edge.request("GET", "/rooms/kitchen/conversations/x"), 404)
        problem(await edge.request("GET", "/rooms/attic/conversations/1"), 404)
        problem(await edge.request("GET", "/rooms/attic/transcript?format=srt"), 404)
        problem(await edge.request("GET", "/rooms/kitchen/transcript?format=pdf"), 400)


@asynchronous
async def test_lists_and_search(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        problem(await edge.request("GET", "/rooms/kitchen/search"), 400)
        nothing = (await edge.request("GET", "/rooms/kitchen/search?q=late")).json()
        assert nothing == {"room": "kitchen", "hits": [], "is_complete": True}
        fill(edge, "kitchen", [SAID, CALL]).close()
        fill(edge, "kitchen", [REPLY]).close()
        listed = (await edge.request("GET", "/rooms/kitchen/conversations")).json()
        newest, oldest = listed["conversations"]
        assert (newest["conversation"], newest["begins_with"]) == (2, "It is")
        assert (oldest["people"], oldest["entries"]) == (["Änne"], 2)
        older = await edge.request("GET", "/rooms/kitchen/conversations?before=2&limit=5")
        assert [one["conversation"] for one in older.json()["conversations"]] == [1]
        found = (await edge.request("GET", "/rooms/kitchen/search?q=LATE+%C3%A4nne")).json()
        (hit,) = found["hits"]
        assert (hit["conversation"], hit["item"], hit["name"]) == (1, "u1", "Änne")
        assert hit["snippet"] == "How late is it?" and found["is_complete"]
        problem(await edge.request("GET", f"/rooms/kitchen/search?q={'x' * 201}"), 400)
        problem(await edge.request("GET", "/rooms/kitchen/search?q=x&limit=0"), 400)


@asynchronous
async def test_a_conversation_is_deleted_for_good_and_the_rooms_link_forgets_it(
    short_dir: Path,
) -> None:
    async with running(short_dir) as edge:
        link = await inhabited(edge)
        database = fill(edge, "kitchen", [SAID])
        path = "/rooms/kitchen/conversations/1"
        answer = await edge.request("DELETE", path)
        assert answer.status == 200 and answer.json()["status"] == "deleted"
        (order,) = [m for m in link.received if isinstance(m, control.Forget)]
        assert order.conversation == 1
        assert (await edge.request("GET", path)).json()["items"] == []
        assert "late" not in (await edge.request("GET", "/rooms/kitchen/transcript")).text
        problem(await edge.request("DELETE", "/rooms/kitchen/conversations/7"), 404)
        problem(await edge.request("DELETE", "/rooms/attic/conversation"), 404)
        database.execute(
            "INSERT INTO conversation (room, began_ms, touched_ms) VALUES ('kitchen', 1, 1)"
        )
        add(database, 2, [REPLY])
        answer = await edge.request("DELETE", "/rooms/kitchen/conversation")
        assert (answer.status, answer.json()["conversation"]) == (200, 2)
        assert not conversations.listed(journal_path(edge.settings.state_dir), "kitchen", 9)
        database.close()


@asynchronous
async def test_a_link_that_does_not_confirm_is_told_and_the_words_are_gone_from_the_file(
    short_dir: Path,
) -> None:
    async with running(short_dir) as edge:
        link = await inhabited(edge)
        fill(edge, "kitchen", [SAID]).close()
        link.reaction = "close"
        told = problem(await edge.request("DELETE", "/rooms/kitchen/conversation"), 503)
        assert "close the room" in told["detail"]
        assert not conversations.listed(journal_path(edge.settings.state_dir), "kitchen", 9)


@asynchronous
async def test_files_that_were_put_aside_are_named(
    short_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(short_dir) as edge:
        fill(edge, "kitchen", [SAID]).close()
        path = journal_path(edge.settings.state_dir)
        path.with_name(f"{path.name}.aside-1").touch()
        assert (await edge.request("DELETE", "/rooms/kitchen/conversations/1")).status == 200
        assert f"{path.name}.aside-1" in caplog.text
