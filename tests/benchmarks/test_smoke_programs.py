"""Does every component benchmark run, and is its JSON well-formed? No figure is judged."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.report.results import Report, read_json
from benchmarks.rig.helper_process import ROOT, child_environment

pytestmark = pytest.mark.processes


def smoke(name: str, tmp_path: Path) -> Report:
    file = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks", name, "--smoke", "--json", str(file)]
    done = subprocess.run(
        [*command, "--plots", str(tmp_path / "plots")],
        cwd=ROOT,
        env=child_environment(XDG_CACHE_HOME=str(cache(tmp_path))),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (report,) = read_json(file)
    assert report.benchmark == name
    assert report.machine["cores"] > 0
    values = [value for measure in report.measures for value in measure.values.values()]
    assert all(math.isfinite(value) for value in values)
    assert all(math.isfinite(ratio.value) for ratio in report.ratios)
    return report


def cache(tmp_path: Path) -> Path:
    """A cache directory without peers, but with the kernels that are compiled already."""
    place = tmp_path / "cache"
    kernels = Path.home() / ".cache" / "mixminus" / "numba"
    if kernels.exists():
        shutil.copytree(kernels, place / "mixminus" / "numba")
    return place


def subjects(report: Report, words: str) -> set[str]:
    return {measure.subject for measure in report.measures if words in measure.case}


def test_bus(tmp_path: Path) -> None:
    report = smoke("bus", tmp_path)
    everybody = {"zmq.asyncio", "drain on uvloop", "blocking", "each 20 ms"}
    assert subjects(report, "latency") == everybody
    assert subjects(report, "CPU per message") == everybody | {"sender"}


def test_tick(tmp_path: Path) -> None:
    report = smoke("tick", tmp_path)
    cases = " ".join(measure.case for measure in report.measures)
    for words in ("turn duration", "latency to the link", "latency to talkers", "mixer CPU"):
        assert words in cases


def test_link(tmp_path: Path) -> None:
    report = smoke("link", tmp_path)
    assert subjects(report, "CPU") == {"ours", "stock aiortc"}
    assert subjects(report, "receive latency") == {"ours", "stock aiortc"}


def test_profile(tmp_path: Path) -> None:
    report = smoke("profile", tmp_path)
    assert report.measures, report.notes
    if not any("py-spy" in note for note in report.notes):
        assert list((tmp_path / "plots").glob("*.svg"))


def test_peers_without_peers(tmp_path: Path) -> None:
    assert len(smoke("peers", tmp_path).notes) == 3
