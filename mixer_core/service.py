"""The mixer's shell: polls its sockets, takes the time once, drains, mixes, publishes.

No asyncio, and no libzmq thread between the audio and us: one blocking poll is the cheapest way to
wait. Nothing in the loop logs; trouble is counted and logged with the heartbeat, once a second at
most.

Two processes run this: one mixes, the other has loaded everything and waits for its end (``duty``).
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from .audio_server import AudioServer
from .beats import MIXER, Beats
from .bus import frames
from .duty import KERNELS, Duty, defer
from .numba_cache import load_kernels, prepare_cache
from .runtime import process, process_usage, realtime
from .runtime.bound_path import patiently
from .runtime.errors import FrameError
from .runtime.loading import loading
from .runtime.lock_file import LockFile, path_of
from .runtime.metrics import Metrics
from .runtime.units import MS_NS, S_NS
from .runtime.upkeep import Upkeep
from .settings import Settings
from .start import STANDBY_PROGRAM, check_start
from .voice_file import VoiceFile

if TYPE_CHECKING:
    from .mixer import Mixer

STANDBY_FLAG = "--standby"
"""Of the program that lets the other one begin."""
HEARTBEAT_NS = S_NS
TROUBLE_PAUSE_S = 0.005
"""Pause after a failed turn, so that an error that repeats does not take a whole core."""
HOPELESS_NS = 5 * S_NS
"""When every turn has failed for this time, another process may do better."""
SETTLE_NS = 500 * MS_NS
"""Time in which the streams of a mixer that has ended announce themselves to this one."""


def main() -> int:
    """Run until SIGTERM or SIGINT; the exit code."""
    program = STANDBY_PROGRAM if STANDBY_FLAG in sys.argv[1:] else MIXER
    return process.run(program, Settings, serve, check_start)


def serve(context: process.Context[Settings]) -> None:
    """Compile, wait for the duty, mix."""
    metrics = Metrics()
    mixer = _load_mixer(context, metrics)
    beats = Beats(context, metrics)
    refused = realtime.apply(context.settings.runtime, is_mixer=True)
    if refused:
        context.log.warning("! %s: works as usual", "; ".join(refused))
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        duty = Duty(context.runtime_dir)
        if _on_duty(context, duty, beats, metrics):
            _mix(context, mixer, metrics, beats, duty)
    finally:
        beats.close()
    context.log.info("= stopped")


def _on_duty(
    context: process.Context[Settings], duty: Duty, beats: Beats, metrics: Metrics
) -> bool:
    """Wait until this mixer is the one that works; False: it is to end."""
    waited = False

    def every_second() -> None:
        nonlocal waited
        if not waited:
            waited = True
            context.log.debug("= waits for the mixer that works to end")
        context.upkeep.check()
        beats.waiting()

    if not duty.wait(context.stop_fd, every_second):
        return False
    if waited:
        metrics.count("takeovers_total")
        context.log.warning("! the other mixer has ended: this one goes on")
    return True


def _mix(
    context: process.Context[Settings], mixer: Mixer, metrics: Metrics, beats: Beats, duty: Duty
) -> None:
    # A mixer that is ending lets go of the duty before it lets go of its sockets.
    audio = patiently(lambda: AudioServer(context.runtime_dir))
    voices = VoiceFile(context.runtime_dir, mixer.memory)
    mixer.begin(time.monotonic_ns() + SETTLE_NS, voices.read())
    upkeep = Upkeep(context.log, duty.renew, audio.renew, voices.renew)
    shell = Shell(context, mixer, metrics, audio, beats, upkeep)
    try:
        shell.run()
    finally:
        audio.close()


def _load_mixer(context: process.Context[Settings], metrics: Metrics) -> Mixer:
    """Import the kernels, which compiles them or loads them from the cache.

    Meanwhile a signal ends the process at once: there is nothing to close yet, and an exception
    would get lost inside the compiler.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    if context.program == STANDBY_PROGRAM:
        defer(context.runtime_dir)
    with LockFile(path_of(context.runtime_dir, KERNELS)) as turn:
        turn.wait()
        mixer = _loaded(context, metrics)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # From here on the stop descriptor says so.
    return mixer


def _loaded(context: process.Context[Settings], metrics: Metrics) -> Mixer:
    began_ns = time.monotonic_ns()
    prepared = prepare_cache(context.runtime_dir)
    if not prepared.is_warm:
        context.log.info("= compiling kernels (first start only, takes some seconds)")
    # A compiler makes much garbage; what is only loaded is none.
    with loading() if prepared.is_warm else contextlib.nullcontext():
        trouble = prepared.trouble or load_kernels()
        from .mixer import Mixer
        from .rehearsal import rehearse

    if trouble:
        context.log.warning("! %s; the mixer works without it", trouble)
    rehearse(context.settings.mixer_core)
    mixer = Mixer(context.settings.mixer_core, metrics)
    seconds = (time.monotonic_ns() - began_ns) / S_NS
    metrics.gauge("start_s", round(seconds, 3))
    # People read that the gateway is ready; of the mixer that waits they need to know nothing.
    level = logging.DEBUG if context.program == STANDBY_PROGRAM else logging.INFO
    context.log.log(level, "= ready, kernels loaded in %.1f s", seconds)
    return mixer


class Shell:
    """Sockets around a ``Mixer``."""

    def __init__(
        self,
        context: process.Context[Settings],
        mixer: Mixer,
        metrics: Metrics,
        audio: AudioServer,
        beats: Beats,
        upkeep: Upkeep,
    ) -> None:
        """``upkeep``: of what this mixer has bound and locked."""
        self._context = context
        self._mixer = mixer
        self._metrics = metrics
        self._log = context.log
        self._stop_fd = context.stop_fd
        self._audio = audio
        self._audio.watch(self._stop_fd)
        self._beats = beats
        self._upkeep = upkeep
        self._latency = metrics.histogram("latency_to_publish_ms")
        self._lateness = metrics.histogram("timeout_lateness_ms")
        self._turn = metrics.histogram("turn_duration_ms")
        self._heartbeat_ns = 0
        self._trouble = ""
        self._failing_since_ns = 0
        """Since then every turn has failed; 0: the last one did not."""
        self._now_ns = 0
        self._taken = 0

    def run(self) -> None:
        """Turn until the stop descriptor is readable, or until every turn has failed for long."""
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
                if self._is_hopeless(now_ns):
                    return

    def _is_hopeless(self, now_ns: int) -> bool:
        """Whether no turn has succeeded for long: the heartbeats alone are no work."""
        since_ns = self._failing_since_ns
        if not since_ns or now_ns - since_ns < HOPELESS_NS:
            return False
        self._log.error("! every turn has failed for %d s: ends", HOPELESS_NS // S_NS)
        return True

    def _safely_turn(self, ready: list[int], now_ns: int, due_ns: int | None) -> None:
        """One turn; a bug costs this turn only and is logged with the heartbeat."""
        try:
            if self._take_turn(ready, now_ns, due_ns):
                self._failing_since_ns = 0
        except Exception as error:
            self._metrics.count("turn_errors_total")
            self._trouble = f"{type(error).__name__}: {error}"
            self._failing_since_ns = self._failing_since_ns or now_ns
            time.sleep(TROUBLE_PAUSE_S)

    def _take_turn(self, ready: list[int], now_ns: int, due_ns: int | None) -> bool:
        """False: there was nothing to do."""
        mixer = self._mixer
        late_ns = now_ns - due_ns if due_ns is not None else -1
        taken = self._drain(ready, now_ns)
        if late_ns >= 0:
            self._lateness.observe_ns(late_ns)
            self._publish(mixer.on_timeout(now_ns))
        if not taken and late_ns < 0:
            return False
        self._metrics.count("turns_total")
        self._turn.observe_ns(time.monotonic_ns() - now_ns)
        return True

    def _drain(self, ready: list[int], now_ns: int) -> int:
        """Feed what has arrived to the mixer and publish the results. The number of messages."""
        self._now_ns, self._taken = now_ns, 0
        self._audio.receive(ready, self._take)
        for topic in self._audio.take_deserted():
            self._mixer.deserted(frames.stream_of(topic), now_ns)
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
        """Once a second: signs of life, trouble to the log, garbage to the collector."""
        self._heartbeat_ns = now_ns + HEARTBEAT_NS
        self._context.upkeep.check()
        self._mixer.update_metrics()
        self._metrics.gauge("audio_out_dropped_total", self._audio.dropped)
        self._metrics.gauge("audio_connections_refused_total", self._audio.refused)
        for name, value in process_usage.report().items():
            self._metrics.gauge(name, value)
        self._beats.mixing(self._upkeep.check())
        level = self._beats.told_load()
        if level is not None:
            self._mixer.set_load(level)
        if self._trouble:
            self._log.error("! a turn failed: %s", self._trouble)
            self._trouble = ""
        if self._mixer.next_timeout_ns() is None:
            gc.collect()


_KIND_OFFSET = 5
"""Of the kind byte in a message."""
