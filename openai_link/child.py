"""A link child: waits for a room, holds its link, ends with it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any

import zmq

from mixer_core.bus import control
from mixer_core.bus.control_client import ControlClient
from mixer_core.runtime import logs, process_usage
from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.parent import Parent
from mixer_core.runtime.process import run_on_uvloop
from mixer_core.runtime.settings import load

from .realtime.session_object import choose_upstream
from .room.shell import RoomShell
from .room_settings import RoomSettings, followed
from .secrets import KEY_VARIABLE, named_variables, with_secrets
from .settings import Settings

CLOSE_TIMEOUT_S = 1.5
"""Longest that hanging up may delay the end of the process."""
END_S = 4.0
"""Longest time from there to the end of the process, whatever does not let go of it."""
FAREWELL_S = 0.02
"""For the last message to leave."""


_OfCluster = control.Grant | control.Yield | control.Stay | control.OwesAnswer


def child_main(identity: str, settings: Settings, parent: Parent) -> None:
    """Entry point of a child of the fork pool; returns when the room is empty or on SIGTERM."""
    run_on_uvloop(_Child(identity, settings, parent).run())


class _Child:
    def __init__(self, identity: str, settings: Settings, parent: Parent) -> None:
        self._identity = identity
        named = named_variables(settings.openai_link)
        logs.conceal(os.environ.get(name, "").strip() for name in named)
        self._settings = with_secrets(settings, os.environ)
        self._parent = parent
        self._upstream = choose_upstream(self._settings, os.environ.get(KEY_VARIABLE, ""))
        self._log = logs.get("openai_link", identity.removeprefix("openai_link-"))
        self._order: control.OpenLink | None = None
        self._link: RoomShell | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._load = 0
        """How loaded the gateway is."""
        self._spent: control.SpentElsewhere | None = None
        """Of other nodes of a cluster; None: nothing was heard."""
        self._is_reading = False
        """Changed settings are being read."""

    async def run(self) -> None:
        """Until there is nothing left to do."""
        self._stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop.set)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._control = ControlClient(
            self._context,
            self._settings.runtime_dir,
            self._identity,
            self._state,
            self._message,
            self._log,
        )
        await self._stop.wait()
        if reason := self._parent.end_reason:
            self._log.info("= ends: %s", reason)
        self._parent.end_within(END_S)
        await self._close()

    async def _close(self) -> None:
        if self._link is not None:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._link.close()
            except TimeoutError:
                self._log.warning("! the call did not close within %s s", CLOSE_TIMEOUT_S)
            self._control.announce()
            await asyncio.sleep(FAREWELL_S)
        self._control.close()
        self._context.destroy()

    def _message(self, message: control.Message) -> None:
        if isinstance(message, control.OpenLink):
            self._open(message)
        elif isinstance(message, control.LoadLevel):
            self._set_load(message.level)
        elif isinstance(message, control.SpentElsewhere):
            self._spent_elsewhere(message)
        elif isinstance(message, control.PicturePiece):
            self._picture(message)
        elif isinstance(message, control.Forget):
            self._start(self._forget(message))
        elif isinstance(message, _OfCluster):
            self._move(message)
        elif isinstance(message, control.Leave):
            self._log.info("= told to leave")
            self._stop.set()
        else:
            self._log.warning("! < a link expects no %s", type(message).__name__)

    def _open(self, order: control.OpenLink) -> None:
        if self._order is not None:
            self._log.warning("! < OpenLink for %s: already in %s", order.room, self._order.room)
            return
        self._order = order
        self._parent.taken()
        self._log = logs.get("openai_link", room=order.room)
        self._link = RoomShell(
            order,
            self._upstream,
            self._settings,
            self._log,
            on_change=self._changed,
            on_exit=self._stop.set,
            on_picture=self._control.send,
            on_yielded=self._control.send,
        )
        self._link.set_load(self._load)
        if self._spent is not None:
            self._link.spent_elsewhere(self._spent)
        self._control.announce()

    async def _read_settings(self) -> None:
        """The room goes on with what it takes of changed settings; in a thread: it is a file."""
        self._parent.read_settings()
        try:
            fresh = await asyncio.to_thread(load, Settings, os.environ)
        except SettingsError as error:
            self._log.warning("! the changed settings cannot be used, all stay: %s", error)
            return
        finally:
            self._is_reading = False
        self._settings = followed(self._settings, fresh)
        if self._link is not None and self._order is not None:
            self._link.change_rules(RoomSettings.of(self._settings, self._order.room))

    def _set_load(self, level: int) -> None:
        self._load = level
        if self._link is not None:
            self._link.set_load(level)

    def _spent_elsewhere(self, spent: control.SpentElsewhere) -> None:
        self._spent = spent
        if self._link is not None:
            self._link.spent_elsewhere(spent)

    def _move(
        self, message: control.Grant | control.Yield | control.Stay | control.OwesAnswer
    ) -> None:
        """The room is granted, goes to another machine, or has come from one."""
        if self._link is None or self._order is None or self._order.room != message.room:
            self._log.warning("! < %s for a room that is not here", type(message).__name__)
        elif isinstance(message, control.Grant):
            self._link.ownership.grant(message)
        elif isinstance(message, control.Yield):
            self._link.ownership.leave(message)
        elif isinstance(message, control.Stay):
            self._link.ownership.stay()
        else:
            self._link.ownership.owe_answer()

    def _picture(self, piece: control.PicturePiece) -> None:
        if self._link is not None:
            self._link.picture_piece(piece)
        elif not piece.index:
            detail = "the assistant is not connected: try again"
            self._control.send(control.PictureAnswer(piece.upload, 503, "Not connected", detail))

    async def _forget(self, order: control.Forget) -> None:
        if self._link is not None:
            await self._link.forget(order.conversation, order.name)
        self._control.send(control.Forgotten(order.order))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _changed(self) -> None:
        if self._link is not None:
            self._control.announce()

    def _state(self) -> control.LinkState:
        self._parent.beat(self._control.sent_ns)
        if self._parent.has_new_settings and self._order is not None and not self._is_reading:
            self._is_reading = True
            self._start(self._read_settings())
        link, order = self._link, self._order
        if link is None or order is None:
            usage: control.Metrics = {**process_usage.report()}
            name = self._upstream.name
            return control.LinkState(
                self._identity, os.getpid(), "idle", upstream=name, metrics=usage
            )
        link.update_metrics()
        return control.LinkState(
            self._identity,
            os.getpid(),
            link.status,
            order.room,
            order.stream,
            self._upstream.name,
            link.detail,
            link.metrics.snapshot(),
        )
