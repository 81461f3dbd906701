"""The real mixer process over real ZeroMQ sockets.

Nothing here depends on speed: deadlines are set far away, and every wait is for a message.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq
from numpy.typing import NDArray

from mixer_core.bus import control, endpoints
from mixer_core.bus.events import StreamInfo, StreamRole, encode_map
from mixer_core.bus.frames import Frame, Kind, decode, encode, topic
from mixer_core.bus.pcm import FRAME_SAMPLES, SAMPLE_RATE_HZ
from mixer_core.numba_cache import folder_of

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 90
"""A cold start compiles; slow machines take tens of seconds."""
PATIENT = {
    "MIXMINUS_MIXER_CORE__DEADLINE_MS": "60000",
    "MIXMINUS_MIXER_CORE__STREAM_TIMEOUT_MS": "600000",
}


class Gateway:
    """A mixer process and the sockets of everybody around it."""

    def __init__(self, directory: Path, **env: str) -> None:
        self.directory = directory
        self._env = {**os.environ, **PATIENT, **env, "MIXMINUS_RUNTIME__DIR": str(directory)}
        self.zmq: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.control = endpoints.open_socket(self.zmq, endpoints.CONTROL, directory, "bind")
        self.process = self.launch()

    def launch(self) -> subprocess.Popen[str]:
        """Start the mixer."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mixer_core"],
            cwd=ROOT,
            env=self._env,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.process

    def heartbeat(self, accept: Callable[[control.Heartbeat], bool]) -> control.Heartbeat:
        """The first heartbeat that is accepted."""
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            if self.control.poll(100):
                message = control.decode(self.control.recv_multipart()[-1])
                if isinstance(message, control.Heartbeat) and accept(message):
                    return message
        raise AssertionError("no such heartbeat came")

    def close(self) -> None:
        """End the process and the sockets."""
        self.process.kill()
        self.process.communicate()
        self.zmq.destroy(linger=0)


class Peer:
    """A worker or link: introduces itself until it is answered, sends and receives audio."""

    def __init__(self, gateway: Gateway, stream: int, role: StreamRole) -> None:
        self.stream = stream
        self._info = StreamInfo(role, "den", f"p-{stream}" if role == "browser" else "")
        self._push = endpoints.open_socket(
            gateway.zmq, endpoints.AUDIO_IN, gateway.directory, "connect"
        )
        self._sub = endpoints.open_socket(
            gateway.zmq, endpoints.AUDIO_OUT, gateway.directory, "connect"
        )
        self._sub.setsockopt(zmq.SUBSCRIBE, topic(stream))
        self._seq = 0

    def introduce(self) -> None:
        """START until the mixer's answer comes."""
        start = encode(Frame(Kind.START, self.stream, payload=self._info.encode()))
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            endpoints.try_send(self._push, start)
            while self._sub.poll(50):
                if decode(self._sub.recv()).kind is Kind.START:
                    return
        raise AssertionError("the mixer did not answer")

    def send(self, pcm: bytes) -> None:
        """The next AUDIO frame."""
        now_ns = time.monotonic_ns()
        frame = Frame(Kind.AUDIO, self.stream, 0, self._seq, 0, now_ns, pcm)
        self._seq += 1
        self._push.send(encode(frame))

    def send_raw(self, message: bytes) -> None:
        """Any bytes."""
        self._push.send(message)

    def settle(self, link: Peer) -> None:
        """Return when all that was sent so far has reached the mixer: an event follows it."""
        payload = encode_map({"type": "ptt", "down": True})
        self._push.send(encode(Frame(Kind.EVENT, self.stream, payload=payload)))
        while link.next(Kind.EVENT).payload != payload:
            pass

    def next(self, kind: Kind) -> Frame:
        """The next message of this kind; others are skipped."""
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            if self._sub.poll(100):
                frame = decode(self._sub.recv())
                if frame.kind is kind:
                    return frame
        raise AssertionError("nothing was heard")

    def hear(self) -> bytes:
        """The samples of the next AUDIO frame."""
        return self.next(Kind.AUDIO).payload


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    directory = Path(tempfile.mkdtemp(prefix="mm-"))
    gateway = Gateway(directory)
    yield gateway
    gateway.close()
    shutil.rmtree(directory)


def tone(frequency_hz: int, amplitude: float) -> NDArray[np.int16]:
    """One second."""
    time_s = np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    wave = amplitude * np.sin(2 * np.pi * frequency_hz * time_s)
    return np.round(wave).astype(np.int16)


def level_db(signal_: NDArray[np.int16], frequency_hz: int) -> float:
    """Level of one frequency (whole periods fit the signal) relative to amplitude 1."""
    time_s = np.arange(len(signal_)) / SAMPLE_RATE_HZ
    phasor = np.exp(-2j * np.pi * frequency_hz * time_s)
    return float(20 * np.log10(2 * abs(np.mean(signal_ * phasor))))


def frames_of(signal_: NDArray[np.int16]) -> list[bytes]:
    return [row.tobytes() for row in signal_.reshape(-1, FRAME_SAMPLES)]


@pytest.mark.processes
def test_two_tones_reach_the_link_at_their_own_levels_and_its_voice_reaches_both(
    gateway: Gateway,
) -> None:
    ann, ben = Peer(gateway, 1, "browser"), Peer(gateway, 2, "browser")
    link = Peer(gateway, 9, "link")
    for peer in (ann, ben, link):
        peer.introduce()
    low, high = tone(450, 3_000), tone(1_000, 1_500)
    ann.send(bytes(960))
    link.hear()
    ben.send(bytes(960))
    ben.settle(link)
    ann.send(bytes(960))
    link.hear()
    heard = []
    for index, (one, two) in enumerate(zip(frames_of(low), frames_of(high), strict=True)):
        ben.send(two)
        ann.send(one)
        heard.append(link.hear())
        link.send(frames_of(low)[index])
        assert ann.hear() == ben.hear() == frames_of(low)[index]
    mixed = np.frombuffer(b"".join(heard), np.int16)
    assert level_db(mixed, 450) == pytest.approx(level_db(low, 450), abs=0.1)
    assert level_db(mixed, 1_000) == pytest.approx(level_db(high, 1_000), abs=0.1)
    assert np.array_equal(mixed, low + high)


QUIET_PEAK = 150
QUIET_WORDS = ([QUIET_PEAK] * 4 + [5] * 4) * 12 + [QUIET_PEAK] * 4
"""Peaks of frames that rise and fall like syllables at -47 dBFS."""


def heard_peak(ann: Peer, link: Peer, peak: int) -> int:
    """Of what the link hears of a frame with this peak."""
    ann.send(np.tile(np.array([peak, -peak], np.int16), FRAME_SAMPLES // 2).tobytes())
    return int(np.abs(np.frombuffer(link.hear(), np.int16).astype(int)).max())


@pytest.mark.processes
def test_a_killed_mixer_is_healed_by_introductions_and_goes_on_as_loud_as_before(
    gateway: Gateway,
) -> None:
    ann, link = Peer(gateway, 1, "browser"), Peer(gateway, 9, "link")
    for peer in (ann, link):
        peer.introduce()
    raised = [heard_peak(ann, link, peak) for peak in QUIET_WORDS]
    assert raised[-1] > 8 * QUIET_PEAK
    sent = len(QUIET_WORDS)
    gateway.heartbeat(lambda beat: beat.metrics.get("frames_in_total", 0) >= sent)
    gateway.process.kill()
    gateway.process.communicate()
    gateway.launch()
    for peer in (ann, link):
        peer.introduce()
    assert heard_peak(ann, link, QUIET_PEAK) == pytest.approx(raised[-1], rel=0.2)


@pytest.mark.processes
def test_it_announces_itself_counts_garbage_and_ends_at_once_on_sigterm(gateway: Gateway) -> None:
    beat = gateway.heartbeat(lambda beat: beat.ready)
    assert (beat.program, beat.pid) == ("mixer_core", gateway.process.pid)
    ann = Peer(gateway, 1, "browser")
    ann.introduce()
    for garbage in (b"", b"x" * 23, b"x" * 984):
        ann.send_raw(garbage)
    beat = gateway.heartbeat(lambda beat: beat.metrics.get("frames_malformed_total") == 3)
    assert beat.metrics["streams"] == 1
    orders = (control.encode(control.LoadLevel(3)), b"\xc1", control.encode(control.Leave("p-1")))
    for order in orders:
        gateway.control.send_multipart([beat.program.encode(), order])
    beat = gateway.heartbeat(lambda beat: beat.metrics.get("control_errors_total") == 1)
    assert beat.metrics.get("turn_errors_total", 0) == 0
    gateway.process.send_signal(signal.SIGTERM)
    _, log = gateway.process.communicate(timeout=START_TIMEOUT_S)
    assert gateway.process.returncode == 0
    assert "= ready, kernels loaded in" in log
    assert "Traceback" not in log


@pytest.mark.processes
def test_a_second_mixer_on_the_same_directory_says_so_in_one_line(gateway: Gateway) -> None:
    gateway.heartbeat(lambda beat: beat.ready)
    first = gateway.process
    _, log = gateway.launch().communicate(timeout=START_TIMEOUT_S)
    assert gateway.process.returncode == 1
    assert log.count("\n") == 1
    assert "already runs" in log
    gateway.process = first


@pytest.mark.processes
def test_it_starts_with_a_damaged_cache_of_kernels(short_dir: Path) -> None:
    folder = folder_of(short_dir / "cache" / "mixminus" / "numba")
    folder.mkdir(parents=True)
    (folder / "kernels.mix-1.py311.nbi").touch()
    cache = {"NUMBA_CACHE_DIR": "", "XDG_CACHE_HOME": str(short_dir / "cache")}
    gateway = Gateway(short_dir, **cache, NUMBA_OPT="0")  # The fast code takes longer to compile.
    try:
        gateway.heartbeat(lambda beat: beat.ready)
        gateway.process.terminate()
        _, log = gateway.process.communicate(timeout=START_TIMEOUT_S)
    finally:
        gateway.close()
    warnings = [line for line in log.splitlines() if "cannot be used" in line]
    assert len(warnings) == 1 and "the mixer works without it" in warnings[0]
    assert "Traceback" not in log
