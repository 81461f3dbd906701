"""The loudspeaker and the microphone of a device: null sinks of a PulseAudio server of its own.

Each device has a server, as it has an operating system: its browser sees one loudspeaker and one
microphone. What is played into the sink ``EAR`` is what the microphone hears.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from mixer_core.runtime.process import die_with_parent

from ..report.errors import BenchmarkError
from .closing import Closing

SPEAKER = "speaker.monitor"
"""The source with what the device plays."""
EAR = "ear"
"""The sink with what its microphone hears."""
MICROPHONE = "ear.monitor"
"""The source with the same."""
START_S = 20.0
POLL_S = 0.05
_SCRIPT = """\
load-module module-native-protocol-unix socket={socket} auth-anonymous=1
load-module module-null-sink sink_name=speaker rate=48000 channels=2
load-module module-null-sink sink_name=ear rate=48000 channels=1
load-module module-remap-source source_name=microphone master=ear.monitor
set-default-sink speaker
set-default-source microphone
"""
_SETTINGS = """\
default-sample-rate = 48000
resample-method = speex-float-2
"""
_WORDS = (
    "--daemonize=no",
    "--exit-idle-time=-1",
    "--use-pid-file=no",
    "--disallow-exit",
    "--realtime=no",
    "--log-level=error",
)


class SoundCard(Closing):
    """``with SoundCard() as card: card.server``, an address for ``PULSE_SERVER``."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mmb-", dir="/tmp"))
        socket = self._folder / "native"
        self.server = f"unix:{socket}"
        self._socket = socket
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and wait until it listens. Raises BenchmarkError."""
        program = shutil.which("pulseaudio")
        if program is None:
            raise BenchmarkError("devices need a sound server: apt install pulseaudio")
        script = self._folder / "devices.pa"
        script.write_text(_SCRIPT.format(socket=self._socket))
        settings = self._folder / "daemon.conf"
        settings.write_text(_SETTINGS)
        own = {"HOME": self._folder, "XDG_RUNTIME_DIR": self._folder, "PULSE_CONFIG": settings}
        log = (self._folder / "log").open("wb")
        with log:
            self._process = subprocess.Popen(
                [program, "-n", "-F", str(script), *_WORDS],
                env=os.environ | {name: str(path) for name, path in own.items()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        end_s = time.monotonic() + START_S
        while not self._socket.exists():
            if self._process.poll() is not None or time.monotonic() > end_s:
                words = (self._folder / "log").read_text(errors="replace")
                raise BenchmarkError(f"the sound server did not start:\n{words}")
            time.sleep(POLL_S)

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
