"""The mixer's shell: polls its sockets, takes the time once, drains, mixes, publishes.

No asyncio, and no libzmq thread between the audio and us: one blocking poll is the cheapest way to
wait. Nothing in the loop logs; trouble is counted and logged with the heartbeat, once a second at
most.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from typing import TYPE_CHECKING

import zmq

from .audio_server import AudioServer
from .bus import control, endpoints, frames
from .numba_cache import prepare_cache
from .runtime import process, processor_time
from .runtime.errors import ControlError, FrameError
from .runtime.metrics import Metrics
from .runtime.units import S_NS
from .settings import Settings

if TYPE_CHECKING:
    from .mixer import Mixer

PROGRAM = "mixer_core"
HEARTBEAT_NS = S_NS
TROUBLE_PAUSE_S = 0.005
"""Pause after a failed turn, so that an error that repeats does not take a whole core."""


def main() -> int:
    """Run until SIGTERM or SIGINT; the exit code."""
    return process.run(PROGRAM, Settings, serve)


def serve(context: process.Context[Settings]) -> None:
    """Compile, announce, mix."""
    metrics = Metrics()
    mixer = _load_mixer(context, metrics)
    shell = Shell(context, mixer, metrics)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        shell.run()
    finally:
        shell.close()
    context.log.info("= stopped")


def _load_mixer(context: process.Context[Settings], metrics: Metrics) -> Mixer:
    """Import the kernels, which compiles them or loads them from the cache.

    Meanwhile a signal ends the process at once: there is nothing to close yet, and an exception
    would get lost inside the compiler.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    began_ns = time.monotonic_ns()
    prepared = prepare_cache(context.runtime_dir)
    if not prepared.is_warm:
        context.log.info("= compiling kernels (first start only, takes some seconds)")
    from .kernels import CACHE
    from .mixer import Mixer

    trouble = prepared.trouble or CACHE.trouble
    if trouble:
        context.log.warning("! %s; the mixer works without it", trouble)
    mixer = Mixer(context.settings.mixer_core, metrics)
    seconds = (time.monotonic_ns() - began_ns) / S_NS
    metrics.gauge("start_s", round(seconds, 3))
    context.log.info("= ready, kernels loaded in %.1f s", seconds)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # From here on the stop descriptor says so.
    return mixer


class Shell:
    """Sockets around a ``Mixer``."""

    def __init__(self, context: process.Context[Settings], mixer: Mixer, metrics: Metrics) -> None:
        self._mixer = mixer
        self._metrics = metrics
        self._log = context.log
        self._stop_fd = context.stop_fd
        self._zmq: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        directory = context.runtime_dir
        self._audio = AudioServer(directory)
        self._audio.watch(self._stop_fd)
        self._control = endpoints.open_socket(
            self._zmq, endpoints.CONTROL, directory, "connect", PROGRAM
        )
        self._latency = metrics.histogram("latency_to_publish_ms")
        self._lateness = metrics.histogram("timeout_lateness_ms")
        self._turn = metrics.histogram("turn_duration_ms")
        self._heartbeat_ns = 0
        self._trouble = ""
        self._now_ns = 0
        self._taken = 0

    def run(self) -> None:
        """Turn until the stop descriptor is readable."""
        while True:
            due_ns = self._mixer.next_timeout_ns()
            wake_ns = self._heartbeat_ns if due_ns is None else min(due_ns, self._heartbeat_ns)
            ready = self._audio.poll(wake_ns - time.monotonic_ns())
            if self._stop_fd in ready:
                return
            now_ns = time.monotonic_ns()
            self._safely_turn(ready, now_ns, due_ns)
            if now_ns >= self._heartbeat_ns:
                self._beat(now_ns)

    def close(self) -> None:
        """Close the sockets at once, dropping what they hold."""
        self._audio.close()
        self._zmq.destroy(linger=0)

    def _safely_turn(self, ready: list[int], now_ns: int, due_ns: int | None) -> None:
        """One turn; a bug costs this turn only and is logged with the heartbeat."""
        try:
            self._take_turn(ready, now_ns, due_ns)
        except Exception as error:
            self._metrics.count("turn_errors_total")
            self._trouble = f"{type(error).__name__}: {error}"
            time.sleep(TROUBLE_PAUSE_S)

    def _take_turn(self, ready: list[int], now_ns: int, due_ns: int | None) -> None:
        mixer = self._mixer
        late_ns = now_ns - due_ns if due_ns is not None else -1
        taken = self._drain(ready, now_ns)
        if late_ns >= 0:
            self._lateness.observe_ns(late_ns)
            self._publish(mixer.on_timeout(now_ns))
        if taken or late_ns >= 0:
            self._metrics.count("turns_total")
            self._turn.observe_ns(time.monotonic_ns() - now_ns)

    def _drain(self, ready: list[int], now_ns: int) -> int:
        """Feed what has arrived to the mixer and publish the results. The number of messages."""
        self._now_ns, self._taken = now_ns, 0
        self._audio.receive(ready, self._take)
        if self._taken:
            self._metrics.count("frames_in_total", self._taken)
        return self._taken

    def _take(self, message: bytes) -> None:
        self._taken += 1
        try:
            frame = frames.decode(message)
        except FrameError:
            self._metrics.count("frames_malformed_total")
            return
        out = self._mixer.on_frame(frame, self._now_ns)
        if out:
            self._publish(out)

    def _publish(self, messages: list[bytes]) -> None:
        """Publish; a listener whose queue is full misses the message."""
        publish = self._audio.publish
        for message in messages:
            publish(message)
        published_ns = time.monotonic_ns()
        for message in messages:
            if message[_KIND_OFFSET] == frames.Kind.AUDIO:
                stamp_ns = frames.HEADER.unpack_from(message)[-1]
                self._latency.observe_ns(published_ns - stamp_ns)
        self._metrics.count("messages_out_total", len(messages))

    def _beat(self, now_ns: int) -> None:
        """Once a second: heartbeat to signaling, trouble to the log, garbage to the collector."""
        self._heartbeat_ns = now_ns + HEARTBEAT_NS
        self._mixer.update_metrics()
        self._metrics.gauge("audio_out_dropped_total", self._audio.dropped)
        self._metrics.gauge("audio_connections_refused_total", self._audio.refused)
        for name, value in processor_time.counters().items():
            self._metrics.gauge(name, value)
        heartbeat = control.Heartbeat(
            PROGRAM, os.getpid(), ready=True, metrics=self._metrics.snapshot()
        )
        if not endpoints.try_send(self._control, control.encode(heartbeat)):
            self._metrics.count("heartbeats_dropped_total")
        if self._trouble:
            self._log.error("! a turn failed: %s", self._trouble)
            self._trouble = ""
        self._obey()
        if self._mixer.next_timeout_ns() is None:
            gc.collect()

    def _obey(self) -> None:
        """Signaling says how loaded the gateway is, and nothing else."""
        while endpoints.readable(self._control):
            try:
                message = control.decode(self._control.recv(zmq.NOBLOCK))
            except ControlError:
                self._metrics.count("control_errors_total")
                continue
            if isinstance(message, control.LoadLevel):
                self._mixer.set_load(message.level)


_KIND_OFFSET = 5
"""Of the kind byte in a message."""
