"""``GET /rooms/{room}/transcript``, and the usage in ``GET /rooms/{room}``, from the journal.

The database is read in its own thread, never on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from aiohttp import web

from mixer_core.journal import conversations, deletion, place, reading
from mixer_core.journal.conversations import Conversation, Hits, Listed
from mixer_core.journal.file import journal_path, local_day
from mixer_core.journal.reading import MAX_LIMIT, Spent, Transcript
from mixer_core.runtime.errors import JournalError, NoJournalError, ProblemError

from ..registry.names import check_room
from .transcript_formats import (
    FORMATS,
    SUFFIXES,
    Format,
    as_srt,
    as_text,
    as_vtt,
    item_json,
    time_of,
)

DEFAULT_LIMIT = 200
CHECK_S = 600.0
"""Between two looks whether the whole file is sound."""
RETRY_S = 30
SCRUB_WAIT_S = 5.0
"""Longest that a deletion waits for the file to be free of its words; they are out of sight."""
SCRUB_RETRY_S, SCRUB_MOST_S = 1.0, 600.0
"""Between two tries, while others use the file; at most, where the disk refuses: each try writes
the whole file anew, which a disk that is nearly full must not have to bear each second."""
_T = TypeVar("_T")


class SharedJournal(Protocol):
    """What a cluster has beside this machine's file."""

    async def fill(self, room: str) -> None:
        """Have in the file what was said in a room on other machines. Raises ProblemError (503)."""

    async def bury(self, room: str, conversation: int, wall_ms: int) -> None:
        """Have a conversation deleted on all machines. Raises ProblemError (503)."""


class TranscriptReader:
    """Reads the journal of a state directory, and deletes from it."""

    def __init__(self, state_dir: Path, log: logging.LoggerAdapter[logging.Logger]) -> None:
        """The journal may be created later."""
        self._path = journal_path(state_dir)
        self._log = log
        self._thread = ThreadPoolExecutor(1, "journal")
        self._error_logged = False
        self._check_s = float("-inf")
        """When the file was last found to be sound."""
        self._scrubbing: asyncio.Task[None] | None = None
        self._shared: SharedJournal | None = None

    def join(self, shared: SharedJournal) -> None:
        """This machine is one of several."""
        self._shared = shared

    def start(self) -> None:
        """Remove what deletions of an earlier run may have left."""
        self.scrub()

    async def respond(self, request: web.Request, room_is_open: bool) -> web.Response:
        """The response; an open room in which nothing was said has an empty transcript.

        Raises:
            ProblemError: 400 for a bad query, 404 for an unknown room, 503 for a broken journal.
        """
        room = check_room(request.match_info["room"])
        form = format_of(request)
        limit = number(request.query, "limit", DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
        after = number(request.query, "after", None, least=0, most=1 << 62)
        found = await self._of(room, lambda: self._transcript(room, limit or 1, after))
        if found is None and not room_is_open:
            raise ProblemError(404, "No such room", f"there is no transcript of room {room!r}")
        transcript = found or Transcript([], [], 0)
        if form == "text":
            return _text(transcript)
        if transcript.is_damaged:
            content = as_json(room, transcript)
            raise ProblemError(503, "Damaged journal", _damage(transcript), RETRY_S, content)
        return web.json_response(as_json(room, transcript))

    def _transcript(self, room: str, limit: int, after: int | None) -> Transcript | None:
        """In the thread. A damaged index hides entries without an error: so all is checked."""
        try:
            if time.monotonic() >= self._check_s + CHECK_S:
                reading.check(self._path)
                self._check_s = time.monotonic()
            return reading.transcript(self._path, room, limit, after)
        except JournalError as error:
            if not error.is_damage:
                raise
            self._log_once(error)
            self._check_s = float("-inf")
            return reading.salvaged(self._path, room, limit)

    # -- conversations ----------------------------------------------------------------------------

    async def newest(self, room: str) -> int | None:
        """Id of the newest conversation of a room. Raises ProblemError (503), like the others."""
        return await self._of(room, lambda: conversations.newest(self._path, room))

    async def running(self, room: str) -> int | None:
        """Id of the conversation that goes on in a room with people."""
        return await self._of(room, lambda: conversations.running(self._path, room))

    async def conversation(self, room: str, wanted: int, limit: int) -> Conversation | None:
        """One conversation; None: the room has none with that id."""
        path = self._path
        return await self._of(room, lambda: conversations.conversation(path, room, wanted, limit))

    async def listed(self, room: str, limit: int, before: int | None) -> list[Listed]:
        """The conversations of a room, newest first."""
        path = self._path
        found = await self._of(room, lambda: conversations.listed(path, room, limit, before))
        return found or []

    async def search(self, room: str, query: str, limit: int) -> Hits:
        """Where words were said."""
        found = await self._of(room, lambda: conversations.search(self._path, room, query, limit))
        return found or Hits([], True)

    async def delete(self, room: str, conversation: int) -> bool:
        """Delete a conversation from the file; False: there is none with that id.

        What the file keeps of its words in gaps is gone when it returns, or soon after.
        """
        wall_ms = int(time.time() * 1000)
        path = self._path
        is_found = await self._asked(lambda: deletion.delete(path, room, conversation, wall_ms))
        self._log.info("= conversation %d is deleted", conversation, extra={"room": room})
        if aside := [file.name for file in place.put_aside(path)]:
            words = "! files of a damaged journal that were put aside may still have it: %s"
            self._log.warning(words, ", ".join(aside))
        await asyncio.wait([self.scrub()], timeout=SCRUB_WAIT_S)
        if self._shared is not None:
            await self._shared.bury(room, conversation, wall_ms)
        return bool(is_found)

    def scrub(self) -> asyncio.Task[None]:
        """Remove what the file has kept of words that were deleted; the task ends with that."""
        if self._scrubbing is not None:
            self._scrubbing.cancel()
        self._scrubbing = asyncio.get_running_loop().create_task(self._scrub())
        return self._scrubbing

    async def _scrub(self) -> None:
        """Until nothing is left of what was deleted."""
        path, wait_s = self._path, SCRUB_RETRY_S
        while True:
            try:
                if await self._read(lambda: deletion.scrub(path)) is not False:
                    return
                wait_s = SCRUB_RETRY_S
            except JournalError as error:  # Whoever writes to the journal mends it, or cannot.
                self._log_once(error)
                wait_s = min(2 * wait_s, SCRUB_MOST_S)
            await asyncio.sleep(wait_s)

    async def usage(self, room: str) -> dict[str, Any]:
        """Tokens and cost of the room's conversation and of the day (all rooms).

        Empty without a journal.
        """
        day = local_day(int(time.time() * 1000))
        try:
            found = await self._read(lambda: reading.spent(self._path, room, day))
        except JournalError as error:
            self._log_once(error)
            return {}
        if found is None:
            return {}
        return {"room": _spent_json(found[0]), "day": {"day": day} | _spent_json(found[1])}

    def close(self) -> None:
        """End the thread."""
        if self._scrubbing is not None:
            self._scrubbing.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _of(self, room: str, question: Callable[[], _T]) -> _T | None:
        """As ``_asked``, with what was said in ``room`` on other machines."""
        if self._shared is not None:
            await self._shared.fill(room)
        return await self._asked(question)

    async def _asked(self, question: Callable[[], _T]) -> _T | None:
        """As ``_read``. Raises ProblemError (503)."""
        try:
            return await self._read(question)
        except JournalError as error:
            self._log_once(error)
            raise ProblemError(503, "No journal", error.words, RETRY_S) from error

    async def _read(self, question: Callable[[], _T]) -> _T | None:
        """The result of ``question``; None if there is no journal yet."""
        loop = asyncio.get_running_loop()
        try:
            result = await loop.run_in_executor(self._thread, question)
        except NoJournalError:
            return None
        if not (isinstance(result, Transcript) and result.is_damaged):
            self._error_logged = False
        return result

    def _log_once(self, error: JournalError) -> None:
        """Log an error once, until reading works again."""
        if not self._error_logged:
            self._error_logged = True
            self._log.warning("! %s", error)


def exported(room: str, found: Conversation, form: Format) -> web.Response:
    """One conversation in one of the forms; to be saved as a file, if it is opened by itself."""
    if form == "json":
        content: dict[str, Any] = {
            "room": room,
            "conversation": found.id,
            "began": time_of(found.began_ms) if found.id else None,
            "ended": None if found.ended_ms is None else time_of(found.ended_ms),
            "is_whole": found.is_whole,
            "items": [item_json(item) for item in found.items],
        }
        response = web.json_response(content)
    else:
        text = {"text": as_text, "srt": as_srt, "vtt": as_vtt}[form](found.items)
        response = web.Response(text=text, content_type=FORMATS[form], charset="utf-8")
    day = time_of(found.began_ms)[:10] if found.id else "nothing"
    name = f"{room}-{day}-{found.id}.{SUFFIXES[form]}"
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    return response


def format_of(request: web.Request) -> Format:
    """The form that is wanted, by ``?format=`` or ``Accept``. Raises ProblemError (400)."""
    wanted = request.query.get("format")
    if wanted is None:
        accepted = request.headers.get("Accept", "")
        by_type = (form for form, media_type in FORMATS.items() if media_type in accepted)
        return next(by_type, "json")
    if wanted not in FORMATS:
        names = f"{', '.join(list(FORMATS)[:-1])} or {list(FORMATS)[-1]}"
        raise ProblemError(400, "Bad format", f"format must be {names}")
    return wanted


def number(
    query: Mapping[str, str], key: str, default: int | None, least: int, most: int
) -> int | None:
    """A number in the query. Raises ProblemError (400)."""
    text = query.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or not least <= int(text) <= most:
        raise ProblemError(400, f"Bad {key}", f"{key} must be a number from {least} to {most}")
    return int(text)


def as_json(room: str, transcript: Transcript) -> dict[str, Any]:
    """The JSON form; its ``cursor`` is meant for ``?after=``."""
    return {
        "room": room,
        "items": [item_json(item) for item in transcript.items],
        "removed": transcript.removed,
        "cursor": transcript.cursor,
    }


def _text(transcript: Transcript) -> web.Response:
    text = as_text(transcript.items)
    headers = {"X-Cursor": str(transcript.cursor)}
    if not transcript.is_damaged:
        return web.Response(text=text, headers=headers)
    headers["Retry-After"] = str(RETRY_S)
    return web.Response(status=503, text=f"! {_damage(transcript)}\n{text}", headers=headers)


def _damage(transcript: Transcript) -> str:
    return (
        f"the journal is damaged: {len(transcript.items)} entries of this room could be read, and "
        "are here; it is mended when the next conversation begins"
    )


def _spent_json(spent: Spent) -> dict[str, Any]:
    return {
        "tokens": spent.tokens.as_dict(),
        "cost_usd": round(spent.cost_usd, 6),
        "unpriced": spent.unpriced,
        "people": {name: round(usd, 6) for name, usd in spent.people.items()},
    }
