"""The journal's file with bytes changed, as a failing disk or a stranger leaves it."""

from __future__ import annotations

import functools
import json
import shutil
import struct
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

from mixer_core.journal import conversations, deletion, reading
from mixer_core.journal.file import FILE_NAME
from mixer_core.journal.records import (
    HistoryItem,
    ItemRecord,
    RemovedRecord,
    SessionRecord,
    Tokens,
    UsageRecord,
)
from mixer_core.runtime.errors import JournalError
from openai_link.transcript.journal_store import JournalStore
from signaling.http.transcript_formats import as_srt, as_vtt, item_json, line_of, time_of
from signaling.http.transcript_pages import as_json
from tests.fuzz.border import Border

ROOM, DAY = "den", "2026-11-22"
WALL_MS = 1_800_000_000_000
CHANGE = struct.Struct("<IBB")
"""Where (modulo the length), what (exclusive or), how many bytes."""
PAGE_BYTES = 4_096


@functools.cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(
        prefix="mm-journal-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None
    )
    weakref.finalize(_folder, shutil.rmtree, folder, True)
    return Path(folder)


@functools.cache
def good() -> bytes:
    """A file as the store writes it."""
    path = _folder() / "good" / FILE_NAME
    store = JournalStore(path, ROOM)
    for n in range(30):
        item = HistoryItem(
            f"item_{n}",
            n,
            "tool" if n % 5 == 4 else "message",
            "assistant" if n % 2 else "user",
            "p-1",
            "Ada",
            f"Words of item {n}, " * 6,
            WALL_MS + n,
            True,
            heard_ms=500 if n == 7 else None,
            call=f"call_{n}",
            tool="lights",
            arguments="{}",
            output='{"result":"done"}',
            ok=True if n % 5 == 4 else None,
        )
        usage = UsageRecord(
            f"resp_{n}", "response", "gpt", WALL_MS, DAY, Tokens(5, 1, 6), 0.01, (("p", "A", 1.0),)
        )
        store.write([ItemRecord(item), usage], WALL_MS + n)
    store.write([RemovedRecord("item_3"), SessionRecord("sess", True, WALL_MS)], WALL_MS + 40)
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store._db.close()
    return path.read_bytes()


def attempt(data: bytes) -> None:
    """Reading and writing give what can be shown, or a JournalError."""
    path = _folder() / "bad" / FILE_NAME
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir()
    path.write_bytes(_damaged(data))
    questions = (
        lambda: _shown(reading.transcript(path, ROOM, 50, None)),
        lambda: _shown(reading.transcript(path, ROOM, 50, 5)),
        lambda: json.dumps([spent.people for spent in reading.spent(path, ROOM, DAY)]),
        lambda: [reading.items_of(path, found.id) for found in reading.conversations(path, ROOM)],
        lambda: _exported(path),
        lambda: [
            hit.snippet.encode() for hit in conversations.search(path, ROOM, "words", 50).hits
        ],
        lambda: _written(path),
        lambda: deletion.delete(path, ROOM, 1, WALL_MS),
        lambda: deletion.scrub(path),
    )
    for question in questions:
        try:
            question()
        except JournalError as error:
            assert "\n" not in str(error) and len(str(error)) < 2_000


def _damaged(data: bytes) -> bytes:
    if not data.startswith(b"flip"):
        return data
    file = bytearray(good())
    for at in range(4, len(data) - CHANGE.size + 1, CHANGE.size):
        where, what, count = CHANGE.unpack_from(data, at)
        where %= len(file) + 1
        for place in range(where, min(len(file), where + 1 + count % 32)):
            file[place] ^= what
        if what == 0:  # The file ends here.
            del file[where:]
    return bytes(file)


def _shown(transcript: reading.Transcript | None) -> None:
    """As the page of signaling shows it."""
    if transcript is not None:
        json.dumps(as_json(ROOM, transcript)).encode()
        "".join(line_of(item) for item in transcript.items).encode()


def _found(path: Path) -> None:
    """What a search shows."""
    for hit in conversations.search(path, ROOM, "words", 50).hits:
        json.dumps([hit.snippet, item_json(hit.item)]).encode()


def _exported(path: Path) -> None:
    """The list, and each conversation as subtitles."""
    for one in conversations.listed(path, ROOM, 50):
        json.dumps([one.people, one.begins_with, time_of(one.began_ms)]).encode()
        found = conversations.conversation(path, ROOM, one.id)
        if found is not None:
            (as_srt(found.items) + as_vtt(found.items)).encode()


def _written(path: Path) -> None:
    """As the link goes on after it died."""
    store = JournalStore(path, ROOM)
    try:
        for item in store.recover(WALL_MS - 1_000):
            assert isinstance(item.text, str) and isinstance(item.position, int)
            item.text.encode()
        store.write([ItemRecord(HistoryItem("item_new", 99, "message", "user"))], WALL_MS + 99)
        assert isinstance(store.day_usd(DAY), float)
    finally:
        store._db.close()


def _seeds() -> Iterator[bytes]:
    yield b""
    yield b"flip"
    yield b"no database"
    pages = len(good()) // PAGE_BYTES
    for page in range(pages):
        for within, what in ((0, 0xFF), (8, 1), (40, 0x80), (PAGE_BYTES - 60, 3), (2_000, 0x20)):
            yield b"flip" + CHANGE.pack(page * PAGE_BYTES + within, what, 3)
    for text in (b"Words of item 9", b"lights", b"Ada", b"resp_4", b"message", b"[["):
        at = good().find(text)
        yield b"flip" + CHANGE.pack(at, 0x80, 2)
    yield b"flip" + CHANGE.pack(PAGE_BYTES * 2, 0, 0)


BORDERS = (
    Border(
        "journal",
        "the journal's file",
        "only JournalError in one line; whatever is read can be shown as JSON and text, and the "
        "store recovers and writes or says why not",
        attempt,
        _seeds,
        (
            *("mixer_core.journal.reading", "mixer_core.journal.file"),
            *("mixer_core.journal.conversations", "mixer_core.journal.deletion"),
            "signaling.http.transcript_formats",
            *("openai_link.transcript.journal_store", "signaling.http.transcript_pages"),
        ),
        tokens=(b"flip", b"SQLite format 3\0"),
        most_bytes=600,
        short=60,
    ),
)
