"""The simulator as a process: start, end, and errors at startup."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.gateway import ROOT, free_port
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.processes


def start(runtime_dir: Path, port: int, **more: str) -> subprocess.Popen[str]:
    """Start ``python -m openai_link.simulator`` with its own settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MIXMINUS_")}
    settings = {
        "MIXMINUS_RUNTIME__DIR": str(runtime_dir),
        "MIXMINUS_SIMULATOR__HTTP_PORT": str(port),
        **more,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "openai_link.simulator"],
        cwd=ROOT,
        env={**inherited, **settings},
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_healthy(port: int) -> None:
    def healthy() -> bool:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE_S
            ) as reply:
                return bool(reply.headers["x-simulated"] == "1")
        except OSError:
            return False

    wait_until(healthy, "the simulator does not answer")


def test_it_starts_alone_and_a_second_one_names_the_busy_port(short_dir: Path) -> None:
    port = free_port()
    first = start(short_dir / "a", port)
    try:
        wait_until_healthy(port)
        second = start(short_dir / "b", port)
        _, trouble = second.communicate(timeout=PATIENCE_S)
        assert second.returncode == 78
        assert trouble.count("\n") == 1
        assert f"127.0.0.1:{port}" in trouble and "MIXMINUS_SIMULATOR__HTTP_PORT" in trouble
    finally:
        first.send_signal(signal.SIGTERM)
        _, log = first.communicate(timeout=PATIENCE_S)
    assert first.returncode == 0
    assert "SIMULATOR (not OpenAI)" in log


def test_a_directory_that_cannot_be_made_is_named(short_dir: Path) -> None:
    occupied = short_dir / "file"
    occupied.write_text("x", encoding="ascii")
    process = start(
        short_dir / "a", free_port(), MIXMINUS_SIMULATOR__RECORD_DIR=str(occupied / "deep")
    )
    _, trouble = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 78
    assert trouble.count("\n") == 1 and "record_dir" in trouble
