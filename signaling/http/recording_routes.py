"""Recordings over HTTP: what there is of a room, its files, deleting; those that are old or left.

Files are read and deleted in a thread of their own: a slow disk holds up nobody's call.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from mixer_core.journal import left_recordings, recordings
from mixer_core.journal.recordings import Listed
from mixer_core.journal.retention import DAY_MS, Look
from mixer_core.runtime import boot_clock
from mixer_core.runtime.errors import ProblemError

from ..access.owners import with_node, without_node
from ..access.permissions import check
from ..registry.names import check_room
from .elsewhere import Cluster
from .requests import identity_of, json_response, known_facts
from .transcript_formats import time_of

SWEEP_S = 3_600.0
_T = TypeVar("_T")


class _Failures:
    """Recordings of which something could not be done, in words."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def add(self, name: str, error: OSError) -> None:
        """``name``: ``room/id``."""
        self.words.append(f"{name}: {error.strerror or error}")


class RecordingShelf:
    """The recordings of a state directory."""

    def __init__(
        self, state_dir: Path, days: float, log: logging.LoggerAdapter[logging.Logger]
    ) -> None:
        """``days``: after which they are deleted."""
        self._state_dir, self._days, self._log = state_dir, days, log
        self._thread = ThreadPoolExecutor(1, "recordings")
        self._sweeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Delete what is old, and close what was left, now and once an hour."""
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep())

    def close(self) -> None:
        """End the thread."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def listed(self, room: str) -> list[Listed]:
        """Those of a room, newest first; what a process has left is closed. Raises ProblemError."""
        cannot = _Failures()

        def look() -> list[Listed]:
            left_recordings.close_left(self._state_dir, room, cannot.add)
            return recordings.listed(self._state_dir, room)

        found = await self._asked(look)
        self._report("closed", cannot)
        return found

    async def file(self, room: str, ident: str, name: str) -> Path | None:
        """The path of a file; None: there is none."""
        return await self._asked(lambda: recordings.file_of(self._state_dir, room, ident, name))

    async def delete(self, room: str, ident: str) -> bool:
        """Delete one; False: there is none. Raises ProblemError: 409 where it goes on."""

        def remove() -> bool:
            try:
                return recordings.delete(self._state_dir, room, ident)
            except BlockingIOError as error:
                words = "this recording goes on: stop it, then delete it"
                raise ProblemError(409, "Recording goes on", words) from error

        return await self._asked(remove)

    async def delete_old(self) -> None:
        """Delete what is too old."""
        look = Look(int(time.time() * 1_000), boot_clock.boot(), boot_clock.now_ns())
        keep_ms = int(self._days * DAY_MS)
        cannot = _Failures()
        gone = await self._run(
            lambda: recordings.delete_old(self._state_dir, keep_ms, look, cannot.add)
        )
        self._report("deleted", cannot)
        if gone:
            words = "= %d recordings over %g days old are deleted: %s"
            self._log.info(words, len(gone), self._days, ", ".join(gone[:5]))

    async def close_left(self) -> None:
        """Close what processes of rooms have left."""
        cannot = _Failures()
        closed = await self._run(lambda: left_recordings.close_all(self._state_dir, cannot.add))
        self._report("closed", cannot)
        if closed:
            words = "= %d recordings whose process ended are closed: %s"
            self._log.info(words, len(closed), ", ".join(closed[:5]))

    async def _sweep(self) -> None:
        while True:
            for work in (self.delete_old, self.close_left):
                try:
                    await work()
                except OSError as error:
                    self._log.warning("! the recordings cannot be looked after: %s", error)
            await asyncio.sleep(SWEEP_S)

    def _report(self, done: str, cannot: _Failures) -> None:
        """Write into the log what could not be ``done``."""
        if cannot.words:
            more = f" and {len(cannot.words) - 5} more" if len(cannot.words) > 5 else ""
            words = "! recordings that cannot be %s: %s%s"
            self._log.warning(words, done, "; ".join(cannot.words[:5]), more)

    async def _asked(self, question: Callable[[], _T]) -> _T:
        try:
            return await self._run(question)
        except OSError as error:
            self._log.warning("! recordings: %s", error)
            words = f"the recordings cannot be read or changed: {error.strerror}"
            raise ProblemError(503, "No recordings", words) from error

    async def _run(self, question: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, question)


class RecordingRoutes:
    """The handlers."""

    def __init__(self, shelf: RecordingShelf | None, cluster: Cluster | None = None) -> None:
        """``shelf``: None: there are no recordings. ``cluster``: None: there is none."""
        self._shelf = shelf
        self._cluster = cluster
        self._node = cluster.node if cluster else ""

    def add_to(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the routes below ``prefix``."""
        room = f"{prefix}/rooms/{{room}}/recordings"
        router.add_get(room, self.listed)
        router.add_get(f"{room}/{{recording}}/{{file}}", self.file)
        router.add_delete(f"{room}/{{recording}}", self.delete)

    async def listed(self, request: web.Request) -> web.Response:
        """GET of a room's recordings, newest first.

        In a cluster each lies on the node that made it, which stands in its id.
        """
        room, shelf = self._checked(request)
        found = [_as_json(one, self._node) for one in await shelf.listed(room)]
        if self._cluster is None or known_facts(request).vouch is not None:
            return json_response({"room": room, "recordings": found})
        others = await self._cluster.gather(request)
        for _, content in sorted(others.contents.items()):
            listed = content.get("recordings")
            if isinstance(listed, list):
                found += [one for one in listed if isinstance(one, dict)]
        found.sort(key=lambda one: str(one.get("began")), reverse=True)
        nodes = others.nodes(self._cluster.node)
        return json_response({"room": room, "recordings": found, "nodes": nodes})

    async def file(self, request: web.Request) -> web.StreamResponse:
        """GET of one file, to be saved."""
        room, shelf = self._checked(request)
        ident, name = self._ident(request), request.match_info["file"]
        path = await shelf.file(room, ident, name)
        if path is None:
            raise ProblemError(404, "No such recording", "there is no such file")
        shown = f"{room}-{ident}-{name}"
        headers = {
            "Content-Disposition": f'attachment; filename="{shown}"',
            "Cache-Control": "no-store",
        }
        response = web.FileResponse(path, headers=headers)
        response.content_type = "audio/flac"
        return response

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE of one recording with all its files."""
        room, shelf = self._checked(request)
        ident = self._ident(request)
        if not await shelf.delete(room, ident):
            raise ProblemError(404, "No such recording", f"room {room!r} has none of that id")
        return json_response({"room": room, "recording": ident, "status": "deleted"})

    def _ident(self, request: web.Request) -> str:
        return without_node(request.match_info["recording"], self._node)

    def _checked(self, request: web.Request) -> tuple[str, RecordingShelf]:
        """Raises ProblemError (400, 403, 404)."""
        room = check_room(request.match_info["room"])
        check(identity_of(request), "record", room)
        if self._shelf is None:
            raise ProblemError(404, "No recordings", "this gateway keeps no recordings")
        return room, self._shelf


def _as_json(one: Listed, node: str) -> dict[str, Any]:
    contents = one.contents
    return {
        "recording": with_node(one.id, node),
        "began": time_of(contents.began_ms),
        "ended": None if contents.ended_ms is None else time_of(contents.ended_ms),
        "by": contents.by,
        "reason": contents.reason,
        "left_out": list(contents.left_out),
        "tracks": [
            {
                "file": track.file,
                "participant": track.participant,
                "name": track.name,
                "start_ms": track.start_ms,
            }
            for track in contents.tracks
        ],
        "files": [{"file": name, "bytes": size} for name, size in one.files.items()],
    }
