"""``GET /rooms/{room}/transcript`` and the money of a room, on a real journal."""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mixer_core.journal.file import journal_path, local_day, open_writer
from mixer_core.journal.reading import ITEM_COLUMNS
from mixer_core.journal.records import HistoryItem
from mixer_core.runtime import logs
from signaling.http.transcript_formats import line_of
from signaling.http.transcript_pages import TranscriptReader
from tests.signaling.edge import Edge, asynchronous, problem, running

pytestmark = pytest.mark.sockets

NOW_MS = 1_790_000_000_123
SAID = HistoryItem("u1", 1, "message", "user", "p-1", "Änne", "How late\nis it?", NOW_MS, True)
CALL = HistoryItem(
    "f1", 2, "tool", "assistant", wall_ms=NOW_MS, call="c1", tool="get_time", arguments="{}"
)
REPLY = HistoryItem("a1", 3, "message", "assistant", text="It is", wall_ms=NOW_MS, heard_ms=400)


def fill(edge: Edge, room: str, items: Sequence[HistoryItem]) -> sqlite3.Connection:
    """Write a conversation by SQL, as signaling may not know the link's writer."""
    database = open_writer(journal_path(edge.settings.state_dir)).db
    cursor = database.execute(
        "INSERT INTO conversation (room, began_ms, touched_ms) VALUES (?, 1, 1)", (room,)
    )
    assert cursor.lastrowid is not None
    add(database, cursor.lastrowid, items)
    return database


def add(database: sqlite3.Connection, conversation: int, items: Sequence[HistoryItem]) -> None:
    names = ITEM_COLUMNS.split(", ")
    for item in items:
        values = [getattr(item, name) for name in names]
        database.execute(
            f"INSERT OR REPLACE INTO item (conversation, revision, {ITEM_COLUMNS}) "
            f"VALUES (?, (SELECT ifnull(max(revision), 0) + 1 FROM item), "
            f"{', '.join('?' * len(names))})",
            (conversation, *values),
        )


@asynchronous
async def test_a_transcript_as_json_and_what_came_since(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        database = fill(edge, "kitchen", [SAID, CALL, REPLY])
        answer = await edge.request("GET", "/rooms/kitchen/transcript")
        assert (answer.status, answer.content_type) == (200, "application/json")
        content = answer.json()
        said, call, reply = content["items"]
        assert (said["name"], said["role"], said["final"]) == ("Änne", "user", True)
        assert said["time"].endswith(".123+00:00")
        assert (call["name"], call["status"], call["call"]) == ("get_time", "running", "c1")
        assert (reply["text"], reply["heard_ms"], reply["final"]) == ("It is", 400, False)
        assert content["removed"] == []
        (newest,) = (await edge.request("GET", "/rooms/kitchen/transcript?limit=1")).json()["items"]
        assert newest["item"] == "a1"
        add(database, 1, [replace(CALL, output="noon", ok=True)])
        path = f"/rooms/kitchen/transcript?after={content['cursor']}"
        later = (await edge.request("GET", path)).json()
        (changed,) = later["items"]
        assert (changed["item"], changed["output"], changed["status"]) == ("f1", "noon", "done")
        assert later["cursor"] > content["cursor"]
        database.close()


@asynchronous
async def test_a_transcript_as_text(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        fill(edge, "kitchen", [SAID, CALL, REPLY]).close()
        by_query = await edge.request("GET", "/rooms/kitchen/transcript?format=text")
        accept = {"Accept": "text/plain"}
        by_header = await edge.request("GET", "/rooms/kitchen/transcript", headers=accept)
        assert by_query.text == by_header.text and by_query.content_type == "text/plain"
        said, call, reply = by_query.text.splitlines()
        assert re.fullmatch(r"\d\d:\d\d:\d\d Änne: How late is it\?", said)
        assert call.endswith("[get_time({}) → …]")
        assert reply.endswith("Assistant: It is — (interrupted)")


def test_lines_of_other_items() -> None:
    def words(item: HistoryItem) -> str:
        return line_of(item).partition(" ")[2]

    assert words(replace(SAID, name="", text="")) == "Somebody: (not understood)"
    cut = HistoryItem("a", 2, "message", "assistant", text="It is", final=True, failure="failed")
    assert words(cut) == "Assistant: It is — (cut off: failed)"
    assert words(replace(cut, text="")) == "Assistant: — (cut off: failed)"
    assert words(replace(SAID, text="", final=False)) == "Änne: (no transcript)"
    assert words(replace(SAID, role="system", name="", text="x")) == "System: x"
    assert words(replace(CALL, ok=False, output="no")) == "[get_time({}) → failed: no]"


@asynchronous
async def test_where_nothing_is_known_it_is_404(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        problem(await edge.request("GET", "/rooms/kitchen/transcript"), 404)
        fill(edge, "bath", [SAID]).close()
        problem(await edge.request("GET", "/rooms/kitchen/transcript"), 404)
        edge.add("worker")
        await edge.idle(1)
        await edge.join("kitchen")
        answer = await edge.request("GET", "/rooms/kitchen/transcript")
        assert (answer.status, answer.json()["items"]) == (200, [])


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "limit=9999", "after=-1", "format=xml", "after=²"]
)
def test_bad_queries_are_400(short_dir: Path, query: str) -> None:
    @asynchronous
    async def run() -> None:
        async with running(short_dir) as edge:
            problem(await edge.request("GET", f"/rooms/kitchen/transcript?{query}"), 400)
            problem(await edge.request("GET", "/rooms/Kitchen!/transcript"), 400)

    run()


@asynchronous
async def test_a_journal_that_cannot_be_read_is_503(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        path = journal_path(edge.settings.state_dir)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"no database" * 1_000)
        problem(await edge.request("GET", "/rooms/kitchen/transcript"), 503)


@asynchronous
async def test_a_transcript_needs_the_token(short_dir: Path) -> None:
    env = {"MIXMINUS_TOKEN": "correct-horse-battery"}
    async with running(short_dir, env, allowed_hosts="gate.example") as edge:
        fill(edge, "kitchen", [SAID]).close()
        headers = {"Host": "gate.example"}
        path = "/rooms/kitchen/transcript"
        problem(await edge.request("GET", path, headers=headers), 401)
        headers["Authorization"] = "Bearer correct-horse-battery"
        assert (await edge.request("GET", path, headers=headers)).status == 200


@asynchronous
async def test_a_room_tells_what_it_and_the_day_cost(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        edge.add("worker")
        await edge.idle(1)
        await edge.join("kitchen")
        database = fill(edge, "kitchen", [SAID])
        now_ms = int(time.time() * 1000)
        for key, cost_usd in (("r1", 0.5), ("r2", None)):
            database.execute(
                "INSERT INTO usage VALUES (1, 'response', ?, 'm', ?, ?, 10, 0, 20, 5, 0, 0, 1, 2, "
                "0, ?, ?, '')",
                (key, now_ms, local_day(now_ms), cost_usd, '[["p-1", "Änne", 1.0]]'),
            )
        usage = (await edge.request("GET", "/rooms/kitchen")).json()["usage"]
        tokens = {"text_in": 20, "audio_in": 40, "audio_cached": 10, "text_out": 2, "audio_out": 4}
        room = {"tokens": tokens, "cost_usd": 0.5, "unpriced": 1, "people": {"Änne": 0.5}}
        assert usage == {"room": room, "day": {"day": local_day(now_ms)} | room}
        database.close()


@asynchronous
async def test_a_damaged_journal_is_told_with_what_can_be_read(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        items = [replace(SAID, item=f"u{n}", position=n, text=f"word {n} " * 40) for n in range(99)]
        fill(edge, "kitchen", items).close()
        path = journal_path(edge.settings.state_dir)
        content = bytearray(path.read_bytes())
        middle = content.find(b"word 40 ") // 4096 * 4096
        content[middle : middle + 4096] = bytes(4096)
        path.write_bytes(content)
        answer = await edge.request("GET", "/rooms/kitchen/transcript?limit=1000")
        told = problem(answer, 503)
        assert "damaged" in told["detail"] and str(path.parent) not in answer.body.decode()
        assert 60 < len(told["items"]) < 99 and told["items"][0]["item"] == "u0"
        text = await edge.request("GET", "/rooms/kitchen/transcript?format=text&limit=1000")
        first, *lines = text.body.decode().splitlines()
        assert text.status == 503 and "damaged" in first and len(lines) == len(told["items"])


@asynchronous
async def test_a_lost_index_does_not_hide_what_was_said(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        database = fill(edge, "kitchen", [SAID, REPLY])
        root = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'item_order'")
        start = (root.fetchone()[0] - 1) * 4096
        database.close()
        path = journal_path(edge.settings.state_dir)
        empty_index = b"\x0a" + bytes(4) + b"\x10\x00" + bytes(4_089)
        content = path.read_bytes()
        path.write_bytes(content[:start] + empty_index + content[start + 4096 :])
        told = problem(await edge.request("GET", "/rooms/kitchen/transcript"), 503)
        assert [item["item"] for item in told["items"]] == ["u1", "a1"]


@asynchronous
async def test_whatever_is_in_its_place_is_told_without_a_path(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        path = journal_path(edge.settings.state_dir)
        path.parent.mkdir(exist_ok=True)
        for make, words in (
            (lambda: path.mkdir(), "a directory in its place"),
            (lambda: os.mkfifo(path), "a pipe in its place"),
            (lambda: path.symlink_to(path.name), "cannot be read"),
            (lambda: path.symlink_to("nothing"), "a link to nothing"),
            (lambda: path.write_bytes(b"x" * 9_000), "damaged"),
        ):
            make()
            answer = await edge.request("GET", "/rooms/kitchen/transcript")
            assert words in problem(answer, 503)["detail"]
            assert str(short_dir) not in answer.body.decode()
            path.rmdir() if path.is_dir() else path.unlink()
        problem(await edge.request("GET", "/rooms/kitchen/transcript"), 404)


def test_what_a_disk_refuses_is_tried_less_and_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try to remove what was deleted writes the whole file anew."""
    waits: list[float] = []

    async def sleep(wait_s: float) -> None:
        waits.append(wait_s)
        if len(waits) == 12:
            raise asyncio.CancelledError

    async def run() -> None:
        reader = TranscriptReader(tmp_path, logs.get("signaling"))
        journal_path(tmp_path).write_text("no journal")
        monkeypatch.setattr(asyncio, "sleep", sleep)
        await asyncio.wait([reader.scrub()])
        reader.close()

    asyncio.run(run())
    assert waits == [2.0**number for number in range(1, 10)] + [600.0] * 3
