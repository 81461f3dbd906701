"""A whole gateway of its own, with the simulator as the server, and a call through it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from .. import status_view
from .client import CallError, Taken, call
from .facts import Call

START_S, STOP_S = 180.0, 15.0
"""The first start compiles, on a Nano for a minute."""
SETTLE_S = 1.2
"""After which the metrics have what has happened."""
LAST_LINES = 8
STAGES = {
    "microphone to mixer's listeners": ("mixer_core", "latency_to_publish_ms"),
    "to the server": ("openai_link", "uplink_latency_ms"),
    "to the browser": ("media_worker", "downlink_latency_ms"),
}


def look(env: Mapping[str, str]) -> Call:
    """Takes as long as a start of the gateway and five seconds more; raises nothing."""
    with tempfile.TemporaryDirectory(prefix="mixminus-doctor-") as folder:
        try:
            return _measured(Path(folder), env)
        except CallError as error:
            return Call("\n        ".join([str(error), *_last_lines(Path(folder) / "log")]))
        except OSError as error:
            return Call(f"the gateway for the call could not be started: {error}")


def _last_lines(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()[-LAST_LINES:]
    except OSError:
        return []


def environment(folder: Path, env: Mapping[str, str], ports: tuple[int, int]) -> dict[str, str]:
    """That of a gateway that meets nobody: its own directories and ports, no key, no journal."""
    kept = {
        name: value
        for name, value in env.items()
        if not name.startswith("MIXMINUS_") and name != "OPENAI_API_KEY"
    }
    own = {
        "RUNTIME__DIR": str(folder / "run"),
        "RUNTIME__STATE_DIR": str(folder / "state"),
        "RUNTIME__DRAIN_S": "0",
        "SIGNALING__HTTP_PORT": str(ports[0]),
        "SIGNALING__REFUSE_WHEN_BUSY": "0",
        "SIMULATOR__HTTP_PORT": str(ports[1]),
        "SIMULATOR__BRAIN": "tone",
        "SIMULATOR__TONE_MS": "1000",
        "OPENAI_LINK__UPSTREAM": "simulator",
        "OPENAI_LINK__GREET": "0",
        "OPENAI_LINK__JOURNAL": "0",
        "OPENAI_LINK__TOOLS": "[]",
        "MIXER_CORE__STANDBY": "0",
    }
    return kept | {f"MIXMINUS_{name}": value for name, value in own.items()}


def _measured(folder: Path, env: Mapping[str, str]) -> Call:
    ports = _free_port(), _free_port()
    url = f"http://127.0.0.1:{ports[0]}"
    with (folder / "log").open("wb") as log:
        gateway = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "run"],
            env=environment(folder, env, ports),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        try:
            _wait_ready(gateway, url)
            taken = asyncio.run(call(url))
            time.sleep(SETTLE_S)
            return Call(stages_ms=stages(taken, _metrics(f"{url}/metrics")))
        finally:
            _stop(gateway)
            signal.signal(signal.SIGTERM, before)


def stages(taken: Taken, page: str) -> tuple[tuple[str, float], ...]:
    """What each stage took: of frames 19 of 20, by the metrics page."""
    reading = status_view.Reading(0.0, {}, (), status_view.samples_of(page))
    found = [("answer to the offer", taken.answer_ms), ("join", taken.join_ms)]
    for words, (program, name) in STAGES.items():
        counts = status_view.buckets(reading, f"mixminus_{name}_bucket", {"program": program})
        if counts and counts[-1][1]:
            found.append((words, status_view.bound_of(counts, 0.95)))
    return (*found, ("first sound of the answer", taken.reply_ms))


def _wait_ready(gateway: subprocess.Popen[bytes], url: str) -> None:
    deadline_s, words = time.monotonic() + START_S, "it does not answer"
    while time.monotonic() < deadline_s:
        if gateway.poll() is not None:
            raise CallError(f"the gateway for the call ended with exit code {gateway.returncode}")
        try:
            _get(f"{url}/readyz")
        except urllib.error.HTTPError as error:
            with error, contextlib.suppress(ValueError):
                words = str(json.loads(error.read()).get("detail"))
        except (OSError, http.client.HTTPException):
            pass
        else:
            return
        time.sleep(0.1)
    raise CallError(f"the gateway for the call is not ready after {START_S:.0f} s: {words}")


def _metrics(url: str) -> str:
    try:
        return _get(url)
    except (OSError, http.client.HTTPException) as error:
        raise CallError(f"the call worked, and then the gateway went away: {error!r}") from error


def _get(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as response:
        return str(response.read().decode(errors="replace"))


def _stop(gateway: subprocess.Popen[bytes]) -> None:
    gateway.send_signal(signal.SIGTERM)
    try:
        gateway.wait(STOP_S)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(gateway.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # In the kernel, for a disk.
            gateway.wait(STOP_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
