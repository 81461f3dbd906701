"""A child process: waits for one browser, serves it, ends."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time

import zmq

from mixer_core.bus import control
from mixer_core.bus.control_client import ControlClient
from mixer_core.runtime import logs, process, process_usage, realtime
from mixer_core.runtime.errors import ProblemError
from mixer_core.runtime.parent import Parent

from .session_shell import SessionShell
from .settings import Settings
from .webrtc.peer import prepare_ice

PROGRAM = "media_worker"
FAREWELL_S = 0.02
"""Time for the last messages to leave before the sockets are closed."""


def main(identity: str, settings: Settings, parent: Parent) -> None:
    """Serve one browser, then return (the process ends with 0)."""
    refused = realtime.apply(settings.runtime, is_mixer=False)
    if refused:  # The mixer says the same where people look.
        logs.get(PROGRAM, identity).debug("! %s", "; ".join(refused))
    process.run_on_uvloop(_serve(identity, settings, parent))


async def _serve(identity: str, settings: Settings, parent: Parent) -> None:
    child = Child(identity, settings, parent)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, child.stop)
    gc.disable()  # A session makes no cyclic garbage, and the process ends with it.
    try:
        await child.done.wait()
    finally:
        await child.close()


class Child:
    """Its sockets, and the session once there is one."""

    def __init__(self, identity: str, settings: Settings, parent: Parent) -> None:
        self._identity = identity
        self._settings = settings
        self._parent = parent
        self._log = logs.get(PROGRAM, identity)
        self._loop = asyncio.get_running_loop()
        self.done = asyncio.Event()
        """The child has nothing more to do."""
        self._session: SessionShell | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        prepare_ice(settings.media_worker.network())
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        directory = settings.runtime_dir
        self._control = ControlClient(
            self._context, directory, identity, self._state, self._on_control, self._log
        )

    def stop(self) -> None:
        """Stop serving: the program ends."""
        if self._session is not None:
            self._session.stop(self._parent.end_reason)
        self.done.set()

    async def close(self) -> None:
        """Close the session and the sockets."""
        if self._session is not None:
            await self._session.close()
        await asyncio.sleep(FAREWELL_S)
        self._control.close()
        self._context.destroy()

    def _state(self) -> control.WorkerState:
        self._parent.beat(self._control.sent_ns)
        if self._session is None:
            usage: control.Metrics = {**process_usage.report()}
            return control.WorkerState(self._identity, os.getpid(), "idle", metrics=usage)
        return self._session.state(self._identity)

    def _on_control(self, message: control.Message) -> None:
        match message:
            case control.Offer():
                self._take(message)
            case control.Leave():
                if session := self._serves(message.participant):
                    session.leave(message.code, message.message)
            case control.SetRoom():
                if session := self._serves(message.participant):
                    session.set_room(message)
            case control.Silence():
                if session := self._serves(message.participant):
                    session.silence(message.muted, message.locked)
            case control.Notice():
                if session := self._serves(message.participant):
                    session.notice(message.code, message.message, message.in_ms)
            case _:
                self._log.warning("! < %s is not for a worker", type(message).__name__)

    def _serves(self, participant: str) -> SessionShell | None:
        """The session, if it is that participant's."""
        session = self._session
        return session if session is not None and session.participant == participant else None

    def _take(self, offer: control.Offer) -> None:
        """Begin to serve a browser; what is said of it from now on finds its session."""
        if self._session is not None or self.done.is_set():
            self._refuse(offer, ProblemError(503, "Busy", "this worker has a browser already"))
            return
        log = logs.get(PROGRAM, room=offer.room, participant=offer.participant)
        session = SessionShell(offer, self._settings, log, self._control.announce, self.done.set)
        self._session = session
        self._parent.hold(True)
        task = self._loop.create_task(self._answer(offer, session))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, offer: control.Offer, session: SessionShell) -> None:
        """Answer an offer, or refuse it and stay idle."""
        began_ns = time.monotonic_ns()
        try:
            answer = await session.peer.answer(offer.sdp)
        except ProblemError as error:
            await self._take_back(offer, session, error)
            return
        except Exception:
            self._log.exception("! an offer could not be answered")
            words = "the offer could not be answered: the gateway's log says why"
            await self._take_back(offer, session, ProblemError(500, "Internal error", words))
            return
        if self.done.is_set():  # It had to leave meanwhile.
            return
        self._control.send(control.Answer(offer.participant, answer))
        self._control.announce()
        session.start()
        self._parent.taken()
        took_ms = (time.monotonic_ns() - began_ns) / 1e6
        log = logs.get(PROGRAM, room=offer.room, participant=offer.participant)
        log.info("= answered in %.1f ms by %s", took_ms, self._identity)

    async def _take_back(
        self, offer: control.Offer, session: SessionShell, error: ProblemError
    ) -> None:
        """Refuse the offer and be idle again."""
        self._refuse(offer, error)
        try:
            await session.close()
        finally:
            self._session = None
            self._parent.hold(False)
            gc.collect()
            self._control.announce()

    def _refuse(self, offer: control.Offer, error: ProblemError) -> None:
        self._log.info("> refused %s: %s", offer.participant, error.detail)
        refused = control.Refused(offer.participant, error.status, error.title, error.detail)
        self._control.send(refused)
