"""The mixer's loop: an error costs a turn; nothing but errors for long ends the process."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixer_core import service
from mixer_core.audio_server import AudioServer
from mixer_core.beats import Beats
from mixer_core.bus.frames import Frame, Kind, encode
from mixer_core.bus.zmtp import encode as framed
from mixer_core.bus.zmtp import hello
from mixer_core.mixer import Mixer
from mixer_core.runtime import logs
from mixer_core.runtime.metrics import Metrics
from mixer_core.runtime.process import Context
from mixer_core.runtime.settings import RuntimeSettings
from mixer_core.runtime.upkeep import Upkeep
from mixer_core.settings import Settings

pytestmark = pytest.mark.sockets
BAD = 66


class Faulty(Mixer):
    """A mixer with a bug in what one stream brings."""

    def on_frame(self, frame: Frame, now_ns: int) -> list[bytes]:
        """Raises for ``BAD``."""
        if frame.stream == BAD:
            raise IndexError("a bug")
        return super().on_frame(frame, now_ns)


class Rig:
    """A shell around a faulty mixer, and a sender."""

    def __init__(self, directory: Path) -> None:
        settings = Settings(runtime=RuntimeSettings(str(directory), str(directory)))
        log = logs.get("mixer_core")
        self._ours, self._stop = socket.socketpair()
        self.metrics = Metrics()
        context = Context("mixer_core", settings, log, Upkeep(log), stop_fd=self._ours.fileno())
        self._audio = AudioServer(directory)
        self._beats = Beats(context, self.metrics)
        mixer = Faulty(settings.mixer_core, self.metrics)
        self.shell = service.Shell(
            context, mixer, self.metrics, self._audio, self._beats, Upkeep(log)
        )
        self._sender = socket.socket(socket.AF_UNIX)
        self._sender.connect(str(directory / "audio_in.sock"))
        self._sender.send(hello("PUSH"))

    def send(self, stream: int) -> None:
        """One frame."""
        self._sender.send(framed(encode(Frame(Kind.STOP, stream))))

    def stop(self) -> None:
        """As SIGTERM does it."""
        self._stop.send(b"\0")

    def close(self) -> None:
        """Close everything."""
        for thing in (self._audio, self._beats, self._sender, self._ours, self._stop):
            thing.close()


@pytest.fixture
def rig(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(service, "HEARTBEAT_NS", 1)
    monkeypatch.setattr(service, "HOPELESS_NS", 0)
    rig = Rig(short_dir)
    yield rig
    rig.close()


def test_a_mixer_of_which_every_turn_fails_ends_and_says_so(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        rig.send(BAD)
        rig.shell.run()
    assert "every turn has failed" in caplog.text and "IndexError: a bug" in caplog.text
    assert rig.metrics.values["turn_errors_total"] == 1
