"""``mixminus replay ROOM``: replays a recorded conversation against a Realtime server.

What people said is sent as text, turn by turn, over a WebSocket; tool calls are answered with the
recorded outputs, and nothing is executed. The exit code is 0 if the assistant did the same again, 1
if it did not, or if nothing could be replayed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp

from mixer_core.journal import reading
from mixer_core.journal.file import journal_path
from mixer_core.journal.reading import StoredConversation
from mixer_core.runtime.errors import JournalError, MixminusError, SettingsError, UpstreamError
from mixer_core.runtime.secrets import secret
from mixer_core.runtime.settings import load

from ..realtime.client_events import ClientEvents, greeting
from ..realtime.event_fields import event_of
from ..realtime.session_object import choose_upstream
from ..secrets import KEY_VARIABLE, with_secrets
from ..settings import OpenaiLinkSettings, Settings
from ..transport.refused_requests import request_rules
from .replay_turns import RecordedResults, Turn, as_json, lines, step_of, turns_of

ANSWER_TIMEOUT_S = 60.0
"""Timeout of a server that falls silent in the middle of a turn."""
MAX_ROUNDS = 16
"""Responses in one turn at most: each may call tools again."""
MAX_MESSAGE_BYTES = 16 << 20
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ENDED = frozenset({aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR})


@dataclass(frozen=True, slots=True)
class Server:
    """The server to replay against."""

    base_url: str
    """With ``/v1``."""
    api_key: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """All headers of a request; empty: only the key."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        settings = load(Settings)
        conversation, turns = asyncio.run(_run(settings, options))
    except MixminusError as error:
        print(f"mixminus: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
    except KeyboardInterrupt:
        return 1
    return _report(conversation, turns, options.json)


async def replay(
    server: Server, settings: OpenaiLinkSettings, turns: Sequence[Turn], results: RecordedResults
) -> None:
    """Replay ``turns`` and fill in ``replayed``. Raises UpstreamError."""
    url = f"{server.base_url.rstrip('/')}/realtime?{urlencode({'model': settings.model})}"
    headers = server.headers or {"Authorization": f"Bearer {server.api_key}"}
    async with aiohttp.ClientSession(trace_configs=request_rules()) as http:
        try:
            async with http.ws_connect(
                url, headers=headers, max_msg_size=MAX_MESSAGE_BYTES
            ) as socket:
                player = _Player(socket, settings, results)
                await player.begin()
                for turn in turns:
                    await player.play(turn)
        except aiohttp.WSServerHandshakeError as error:
            words = f"{url} is no WebSocket: {error.message} ({error.status})"
            raise UpstreamError("bad_answer", words) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            words = f"{server.base_url} does not answer: start it, or give another --url"
            raise UpstreamError("unreachable", words) from error


class _Player:
    """One session: sends what people said, and collects what the assistant does."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        settings: OpenaiLinkSettings,
        results: RecordedResults,
    ) -> None:
        self._socket = socket
        self._settings = settings
        self._results = results
        self._events = ClientEvents("replay")

    async def begin(self) -> None:
        """Wait for the session, and make it a text session without turn detection."""
        await self._until("session.created")
        session: dict[str, Any] = {
            "instructions": self._settings.instructions,
            "output_modalities": ["text"],
            "audio": {"input": {"turn_detection": None}},
        }
        tools = self._results.tools()
        await self._send(self._events.update_session(session | ({"tools": tools} if tools else {})))
        await self._until("session.updated")

    async def play(self, turn: Turn) -> None:
        """Send what was said, and go on until the assistant is done."""
        for item in turn.asked:
            if item.text:
                await self._send(self._events.user_text(item.text))
        if turn.skipped:
            return
        how = None if turn.asked else greeting(self._settings.instructions)
        for _ in range(MAX_ROUNDS):
            await self._send(self._events.create_response(how))
            if not await self._answer(turn):
                return
            how = None

    async def _answer(self, turn: Turn) -> bool:
        """One response; True if it called tools, which have been answered."""
        done = await self._until("response.done")
        response = done.get("response", {})
        if response.get("status") == "failed":
            error = (response.get("status_details") or {}).get("error") or {}
            raise UpstreamError(
                error.get("code") or "response_failed", f"a response failed: {error.get('message')}"
            )
        called = False
        for content in response.get("output", []):
            step = step_of(content)
            if step is None:
                continue
            turn.replayed.append(step)
            if step.tool:
                called = True
                output = self._results.take(step.tool, step.arguments)
                call = str(content.get("call_id"))
                await self._send(self._events.function_output(call, output))
        return called

    async def _send(self, event: dict[str, Any]) -> None:
        await self._socket.send_json(event)

    async def _until(self, kind: str) -> dict[str, Any]:
        """The next event of that type. Raises UpstreamError: ``error``, the end, or silence."""
        while True:
            message = await self._socket.receive(ANSWER_TIMEOUT_S)
            if message.type in _ENDED:
                raise UpstreamError(
                    "connection_lost",
                    f"the server closed the WebSocket ({self._socket.close_code})",
                )
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            event = event_of(message.data)
            if event is None:
                continue
            if event.get("type") == "error":
                error = event.get("error") or {}
                words = f"the server reports an error: {error.get('message')}"
                raise UpstreamError(error.get("code") or "unknown", words)
            if event.get("type") == kind:
                return dict(event)


async def _replayed(
    server: Server, settings: OpenaiLinkSettings, turns: Sequence[Turn], results: RecordedResults
) -> None:
    """As ``replay``; a refusal names the server."""
    try:
        await replay(server, settings, turns, results)
    except UpstreamError as error:
        if not error.status or error.code == "redirected":
            raise
        words = f"{server.base_url} refused the WebSocket ({error.status} {error.code}): {error}"
        raise UpstreamError(error.code, words, error.status) from error


async def _run(
    settings: Settings, options: argparse.Namespace
) -> tuple[StoredConversation, list[Turn]]:
    server = _server(settings, options.url)
    path = journal_path(settings.state_dir)
    known = reading.conversations(path, options.room)
    if not known:
        raise JournalError(f"the journal {path} has no room {options.room!r}")
    if not 1 <= options.session <= len(known):
        raise JournalError(f"--session must be 1 to {len(known)} for room {options.room!r}")
    conversation = known[options.session - 1]
    items = reading.items_of(path, conversation.id)
    turns = turns_of(items)
    if any(not turn.skipped for turn in turns):
        await _replayed(server, settings.openai_link, turns, RecordedResults(items))
    return conversation, turns


def _server(settings: Settings, url: str | None) -> Server:
    """The simulator, or the server of ``--url``; a server on this host never gets the real key.

    Raises:
        SettingsError: a key is needed and not set, or cannot be used.
    """
    section = settings.simulator
    base_url = url or section.base_url
    if (urlsplit(base_url).hostname or "") in {*_LOOPBACK, urlsplit(section.base_url).hostname}:
        return Server(base_url, section.api_key.strip() or "simulator")
    key = secret(os.environ, KEY_VARIABLE)
    if not key:
        raise SettingsError(f"{KEY_VARIABLE} is not set: {base_url} needs it")
    if urlsplit(base_url).netloc != urlsplit(settings.openai_link.base_url).netloc:
        return Server(base_url, key)  # The headers of the settings are for another server.
    link = replace(settings.openai_link, upstream="openai")
    filled = with_secrets(replace(settings, openai_link=link), os.environ)
    return Server(base_url, key, choose_upstream(filled, key).headers())


def _report(conversation: StoredConversation, turns: Sequence[Turn], json_wanted: bool) -> int:
    """Print the comparison; returns the exit code."""
    played = [turn for turn in turns if not turn.skipped]
    different = [turn for turn in played if turn.differences()]
    if json_wanted:
        content = {
            "room": conversation.room,
            "conversation": conversation.id,
            "began_ms": conversation.began_ms,
            "turns": as_json(turns),
            "played": len(played),
            "skipped": len(turns) - len(played),
            "different": len(different),
        }
        print(json.dumps(content, ensure_ascii=False, indent=2))
    else:
        clock = time.strftime("%Y-%m-%d %H:%M", time.localtime(conversation.began_ms / 1000))
        print(f"{conversation.room}, {clock} (= the same, - recorded, + replayed)\n")
        print("\n".join(lines(turns)))
        skipped = f", {len(turns) - len(played)} not replayed" if len(turns) > len(played) else ""
        print(f"\nTurns: {len(played)} replayed, {len(different)} different{skipped}")
    return 0 if played and not different else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mixminus replay",
        description="Replay a recorded conversation against the simulator or another server. "
        "Tools are not run: their recorded outputs are used.",
    )
    parser.add_argument("room", help="name of the room")
    parser.add_argument(
        "--session",
        type=int,
        default=1,
        metavar="N",
        help="the N-th newest conversation (default: 1)",
    )
    parser.add_argument("--url", help="base URL with /v1 (default: the local simulator)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
