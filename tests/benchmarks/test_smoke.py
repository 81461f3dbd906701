"""Every benchmark runs, writes a results file that can be read, and leaves no process behind.

No figure is judged, so that a busy machine does not matter.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.report.plots import draw
from benchmarks.report.results import Report, read_json
from benchmarks.rig.helper_process import ROOT, child_environment

pytestmark = pytest.mark.processes

SUBJECTS = {
    "kernels": {"ours", "numpy", "baseline"},
    "bus": {"ours", "libzmq", "libzmq, drained", "zmq.asyncio", "sender"},
    "tick": {"ours"},
    "link": {"ours", "stock aiortc"},
    "profile": {"all"},
    "call": {"up: client → Realtime server", "gateway", "received by clients", "baseline"},
    "idle": {"media_worker child", "openai_link child", "gateway"},
    "loss": {"down: link → client, every frame", "sent by clients"},
    "barge-in": {"last frame of the old reply, last client", "trials without a flush"},
    "kills": {"answered again, everybody", "silence between people", "left at the end"},
    "overload": {"refused", "admitted", "down: RTP packet at the link → client, every frame"},
    "soak": {"up: client → Realtime server", "open files, all processes", "memory growth"},
}
"""Benchmark → subjects that its tables must have."""
DRAW_THEMSELVES = ("kernels", "profile")
"""Benchmarks that get ``--plots``; the others' plots are drawn here, by one matplotlib."""


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory without peers, but with the list of fonts, which takes seconds to make."""
    folder = tmp_path_factory.mktemp("caches")
    fonts = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "matplotlib")
    if fonts.exists():
        shutil.copytree(fonts, folder / "matplotlib")
    return folder


@pytest.mark.parametrize("name", list(SUBJECTS))
def test_it_runs(name: str, tmp_path: Path, caches: Path) -> None:
    report = smoke(name, tmp_path, caches)
    if name not in DRAW_THEMSELVES:
        draw([report], tmp_path / "plots")
    assert {measure.subject for measure in report.measures} >= SUBJECTS[name]
    for measure in report.measures:
        assert measure.unit
        assert all(math.isfinite(value) for value in measure.values.values()), measure
    assert all(math.isfinite(ratio.value) for ratio in report.ratios)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
def test_networks_run_with_the_page(tmp_path: Path, caches: Path) -> None:
    subjects = {measure.subject for measure in smoke("networks", tmp_path, caches).measures}
    assert subjects == {
        *("up: frames lost", "down: frames lost", "down: gaps heard"),
        *("participant kept", "datagrams"),
    }


def test_without_peers_it_says_how_to_get_them(tmp_path: Path, caches: Path) -> None:
    assert len(smoke("peers", tmp_path, caches).notes) == 3


def test_a_checkout_is_compared_with_itself(tmp_path: Path, caches: Path) -> None:
    words = ["compare-trees", str(ROOT), "peers", "--rounds", "1"]
    report = run(words, "compare_trees", tmp_path, caches)
    assert report.options["rounds"] == 1
    assert [note.partition(":")[0] for note in report.notes[:2]] == ["before", "now"]


def smoke(name: str, folder: Path, caches: Path) -> Report:
    """The report of the shortest run of a benchmark."""
    plots = ["--plots", str(folder / "plots")] if name in DRAW_THEMSELVES else []
    return run([name, *plots], name.replace("-", "_"), folder, caches)


def run(words: list[str], name: str, folder: Path, caches: Path) -> Report:
    """The report named ``name`` that a command writes; no process of it is left."""
    file = folder / "result.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words, "--smoke", "--json", str(file)],
        cwd=ROOT,
        env=child_environment(SMOKE_TEST=str(folder), XDG_CACHE_HOME=str(caches)),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    (report,) = read_json(file)
    assert report.benchmark == name
    assert report.options["smoke"] is True
    assert report.machine["cores"] == os.cpu_count()
    assert not left_over(folder), "processes were left behind"
    return report


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
    return found
