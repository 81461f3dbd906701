"""``GET /rooms/{room}/transcript``, and the usage in ``GET /rooms/{room}``, from the journal.

The database is read in its own thread, never on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from mixer_core.journal import reading
from mixer_core.journal.file import journal_path, local_day
from mixer_core.journal.reading import MAX_LIMIT, Spent, Transcript
from mixer_core.journal.records import HistoryItem
from mixer_core.runtime.errors import JournalError, NoJournalError, ProblemError

from ..registry.names import check_room

DEFAULT_LIMIT = 200
CHECK_S = 600.0
"""Between two looks whether the whole file is sound."""
RETRY_S = 30
_T = TypeVar("_T")
_ASSISTANT, _SOMEBODY = "Assistant", "Somebody"


class TranscriptReader:
    """Reads the journal of a state directory."""

    def __init__(self, state_dir: Path, log: logging.LoggerAdapter[logging.Logger]) -> None:
        """The journal may be created later."""
        self._path = journal_path(state_dir)
        self._log = log
        self._thread = ThreadPoolExecutor(1, "journal")
        self._error_logged = False
        self._check_s = float("-inf")
        """When the file was last found to be sound."""

    async def respond(self, request: web.Request, room_is_open: bool) -> web.Response:
        """The response; an open room in which nothing was said has an empty transcript.

        Raises:
            ProblemError: 400 for a bad query, 404 for an unknown room, 503 for a broken journal.
        """
        room = check_room(request.match_info["room"])
        as_text = _wants_text(request)
        limit = _number(request.query, "limit", DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
        after = _number(request.query, "after", None, least=0, most=1 << 62)
        try:
            found = await self._read(lambda: self._transcript(room, limit or 1, after))
        except JournalError as error:
            self._log_once(error)
            raise ProblemError(503, "No journal", error.words, RETRY_S) from error
        if found is None and not room_is_open:
            raise ProblemError(404, "No such room", f"there is no transcript of room {room!r}")
        transcript = found or Transcript([], [], 0)
        if as_text:
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
        self._thread.shutdown(wait=False, cancel_futures=True)

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


def _text(transcript: Transcript) -> web.Response:
    lines = [line_of(item) for item in transcript.items]
    headers = {"X-Cursor": str(transcript.cursor)}
    if not transcript.is_damaged:
        return web.Response(text="".join(f"{line}\n" for line in lines), headers=headers)
    lines.insert(0, f"! {_damage(transcript)}")
    headers["Retry-After"] = str(RETRY_S)
    return web.Response(status=503, text="".join(f"{line}\n" for line in lines), headers=headers)


def _damage(transcript: Transcript) -> str:
    return (
        f"the journal is damaged: {len(transcript.items)} entries of this room could be read, and "
        "are here; it is mended when the next conversation begins"
    )


def as_json(room: str, transcript: Transcript) -> dict[str, Any]:
    """The JSON form; its ``cursor`` is meant for ``?after=``."""
    return {
        "room": room,
        "items": [_item_json(item) for item in transcript.items],
        "removed": transcript.removed,
        "cursor": transcript.cursor,
    }


def line_of(item: HistoryItem) -> str:
    """One line of the text form, in local time: ``10:32:05 Anna: …``."""
    clock = datetime.fromtimestamp(item.wall_ms / 1000).strftime("%H:%M:%S")
    if item.kind == "tool":
        result = "…" if item.pending else f"{'' if item.ok else 'failed: '}{item.output}"
        return f"{clock} [{item.tool}({_one_line(item.arguments)}) → {_one_line(result)}]"
    speaker = item.name or (_ASSISTANT if item.role == "assistant" else _SOMEBODY)
    if item.role == "system":
        speaker = "System"
    text = _one_line(item.text)
    if item.heard_ms is not None:
        text = f"{text} — (interrupted)".lstrip()
    elif item.role == "assistant" and item.failure:
        text = f"{text} — (cut off: {_one_line(item.failure)})".lstrip()
    elif not text:
        text = "(not understood)" if item.final else "(no transcript)"
    return f"{clock} {speaker}: {text}"


def _item_json(item: HistoryItem) -> dict[str, Any]:
    content: dict[str, Any] = {
        "item": item.item,
        "time": datetime.fromtimestamp(item.wall_ms / 1000, UTC).isoformat("T", "milliseconds"),
        "kind": item.kind,
        "role": item.role,
        "final": item.final,
    }
    if item.kind == "tool":
        status = "running" if item.ok is None else "done" if item.ok else "failed"
        return content | {
            "call": item.call,
            "name": item.tool,
            "arguments": item.arguments,
            "output": item.output,
            "status": status,
        }
    content |= {"participant": item.participant, "name": item.name, "text": item.text}
    if item.heard_ms is not None:
        content["heard_ms"] = item.heard_ms
    if item.failure:
        content["failure"] = item.failure
    return content


def _spent_json(spent: Spent) -> dict[str, Any]:
    return {
        "tokens": spent.tokens.as_dict(),
        "cost_usd": round(spent.cost_usd, 6),
        "unpriced": spent.unpriced,
        "people": {name: round(usd, 6) for name, usd in spent.people.items()},
    }


def _wants_text(request: web.Request) -> bool:
    """Whether text is wanted, by ``?format=`` or ``Accept``. Raises ProblemError (400)."""
    wanted = request.query.get("format")
    if wanted not in (None, "json", "text"):
        raise ProblemError(400, "Bad format", "format must be json or text")
    if wanted is None:
        accepted = request.headers.get("Accept", "")
        return "text/plain" in accepted and "application/json" not in accepted
    return wanted == "text"


def _number(
    query: Mapping[str, str], key: str, default: int | None, least: int, most: int
) -> int | None:
    """A number in the query. Raises ProblemError (400)."""
    text = query.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or not least <= int(text) <= most:
        raise ProblemError(400, f"Bad {key}", f"{key} must be a number from {least} to {most}")
    return int(text)


def _one_line(text: str) -> str:
    return " ".join(text.split())
