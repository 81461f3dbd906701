"""Conversations over HTTP: the one that goes on, those that are over, searching, deleting."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from mixer_core.journal.conversations import (
    MAX_HITS,
    MAX_ITEMS,
    MAX_LISTED,
    MAX_QUERY_CHARS,
    Conversation,
    words_of,
)
from mixer_core.runtime.errors import ProblemError

from ..access.permissions import check
from ..gateway import Gateway
from ..registry.actions import Forget
from ..registry.names import check_room
from .requests import identity_of, json_response
from .transcript_formats import item_json, time_of
from .transcript_pages import TranscriptReader, exported, format_of, number

DEFAULT_LISTED, DEFAULT_HITS = 50, 50


class ConversationRoutes:
    """The handlers."""

    def __init__(self, gateway: Gateway, transcripts: TranscriptReader | None) -> None:
        """``transcripts``: None: no journal is read."""
        self._gateway = gateway
        self._transcripts = transcripts

    def add_to(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the routes below ``prefix``."""
        room = f"{prefix}/rooms/{{room}}"
        router.add_get(f"{room}/transcript", self.transcript)
        router.add_get(f"{room}/conversation", self.running)
        router.add_delete(f"{room}/conversation", self.delete_running)
        router.add_get(f"{room}/conversations", self.listed)
        router.add_get(f"{room}/conversations/{{conversation}}", self.one)
        router.add_delete(f"{room}/conversations/{{conversation}}", self.delete)
        router.add_get(f"{room}/search", self.search)

    async def transcript(self, request: web.Request) -> web.Response:
        """GET of a room's transcript over all its conversations; the room may be empty now.

        Subtitles have one beginning: they are of the newest conversation.
        """
        room = check_room(request.match_info["room"])
        check(identity_of(request), "transcript", room)
        transcripts = self._reader()
        if format_of(request) not in ("srt", "vtt"):
            return await transcripts.respond(request, self._is_open(room))
        wanted = await transcripts.newest(room)
        if wanted is None:
            raise ProblemError(404, "No such room", f"there is no transcript of room {room!r}")
        return await self._export(request, room, wanted)

    async def running(self, request: web.Request) -> web.Response:
        """GET of the conversation that goes on: for those who take part in it, and come late."""
        room = check_room(request.match_info["room"])
        check(identity_of(request), "history", room)
        transcripts = self._reader()
        wanted = await transcripts.running(room) if self._is_open(room) else None
        if wanted is None:
            return exported(room, Conversation(0, 0, None, [], True), format_of(request))
        return await self._export(request, room, wanted)

    async def one(self, request: web.Request) -> web.Response:
        """GET of one conversation."""
        room = check_room(request.match_info["room"])
        check(identity_of(request), "transcript", room)
        return await self._export(request, room, _conversation(request))

    async def listed(self, request: web.Request) -> web.Response:
        """GET of the conversations in which something was said, newest first."""
        room = check_room(request.match_info["room"])
        check(identity_of(request), "transcript", room)
        limit = number(request.query, "limit", DEFAULT_LISTED, least=1, most=MAX_LISTED)
        before = number(request.query, "before", None, least=0, most=1 << 62)
        found = await self._reader().listed(room, limit or 1, before)
        listed = [
            {
                "conversation": one.id,
                "began": time_of(one.began_ms),
                "ended": None if one.ended_ms is None else time_of(one.ended_ms),
                "entries": one.entries,
                "people": one.people,
                "begins_with": one.begins_with,
            }
            for one in found
        ]
        return json_response({"room": room, "conversations": listed})

    async def search(self, request: web.Request) -> web.Response:
        """GET of the entries with all words of ``q``, newest first."""
        room = check_room(request.match_info["room"])
        check(identity_of(request), "transcript", room)
        query = request.query.get("q", "")
        if len(query) > MAX_QUERY_CHARS or not words_of(query):
            words = f"q must be 1 to {MAX_QUERY_CHARS} characters"
            raise ProblemError(400, "Bad q", f"{words}: the words to look for")
        limit = number(request.query, "limit", DEFAULT_HITS, least=1, most=MAX_HITS)
        found = await self._reader().search(room, query, limit or 1)
        hits: list[dict[str, Any]] = []
        for hit in found.hits:
            entry = item_json(hit.item)
            told = {key: entry[key] for key in ("item", "time", "kind", "role", "name")}
            hits.append({"conversation": hit.conversation, **told, "snippet": hit.snippet})
        return json_response({"room": room, "hits": hits, "is_complete": found.is_complete})

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE of one conversation; the assistant forgets it, if it goes on."""
        room = check_room(request.match_info["room"])
        check(identity_of(request), "delete", room)
        transcripts, wanted = self._reader(), _conversation(request)
        if await transcripts.conversation(room, wanted, 1) is None:
            raise _not_found(room, wanted)
        problem = await self._forget(request, room, wanted)
        await transcripts.delete(room, wanted)
        if problem is not None:
            raise problem
        return json_response({"room": room, "conversation": wanted, "status": "deleted"})

    async def delete_running(self, request: web.Request) -> web.Response:
        """DELETE of what was said so far in a room with people, with or without a journal."""
        room = check_room(request.match_info["room"])
        check(identity_of(request), "delete", room)
        if not self._is_open(room):
            raise ProblemError(404, "No such room", "nobody is in that room")
        transcripts = self._transcripts
        wanted = None if transcripts is None else await transcripts.running(room)
        problem = await self._forget(request, room, 0)
        if transcripts is not None and wanted is not None:
            await transcripts.delete(room, wanted)
        if problem is not None:
            raise problem
        return json_response({"room": room, "conversation": wanted, "status": "deleted"})

    async def _forget(
        self, request: web.Request, room: str, conversation: int
    ) -> ProblemError | None:
        """Have a running link forget a conversation; the problem, if that is not certain."""
        if not self._is_open(room):
            return None
        name = identity_of(request).name
        try:
            await self._gateway.ask(lambda number: Forget(number, room, conversation, name))
        except ProblemError as error:
            return None if error.status == 404 else error
        return None

    async def _export(self, request: web.Request, room: str, wanted: int) -> web.Response:
        form = format_of(request)
        limit = number(request.query, "limit", MAX_ITEMS, least=1, most=MAX_ITEMS)
        found = await self._reader().conversation(room, wanted, limit or 1)
        if found is None:
            raise _not_found(room, wanted)
        return exported(room, found, form)

    def _reader(self) -> TranscriptReader:
        """Raises ProblemError (404)."""
        if self._transcripts is None:
            raise ProblemError(404, "No journal", "this gateway keeps no journal")
        return self._transcripts

    def _is_open(self, room: str) -> bool:
        return any(view.room == room for view in self._gateway.rooms())


def _conversation(request: web.Request) -> int:
    """The id in the path. Raises ProblemError (404)."""
    text = request.match_info["conversation"]
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise ProblemError(404, "No such conversation", "the id of a conversation is a number")
    return int(text)


def _not_found(room: str, wanted: int) -> ProblemError:
    words = f"room {room!r} has no conversation {wanted}"
    return ProblemError(404, "No such conversation", words)
