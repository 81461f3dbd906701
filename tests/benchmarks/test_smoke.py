"""Every benchmark of the whole gateway runs, writes readable JSON, and leaves nothing behind."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.report import results
from benchmarks.rig import helper_process

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

EXPECTED = {
    "call": {"up: client → Realtime server", "gateway", "received by clients", "seed"},
    "idle": {"media_worker child", "openai_link child", "gateway"},
    "loss": {"down: link → client, every frame", "sent by clients"},
    "barge-in": {"last frame of the old reply, last client", "trials without a flush"},
    "soak": {"up: client → Realtime server", "open files, all processes", "memory growth"},
}
"""Benchmark → subjects that its tables must have."""


@pytest.mark.parametrize("name", list(EXPECTED))
def test_smoke(name: str, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    command = [sys.executable, "-m", "benchmarks", name, "--smoke", "--json", str(file)]
    environment = helper_process.child_environment(SMOKE_TEST=str(tmp_path))
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=220, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    (result,) = results.read_json(file)
    assert result.benchmark == name.replace("-", "_")
    assert result.options["smoke"] is True
    assert {measure.subject for measure in result.measures} >= EXPECTED[name]
    for measure in result.measures:
        assert measure.unit
        assert all(math.isfinite(value) for value in measure.values.values()), measure
    assert not left_over(tmp_path), "processes were left behind"


def left_over(mark: Path) -> list[int]:
    """Living processes that a benchmark started."""
    wanted = f"SMOKE_TEST={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]
