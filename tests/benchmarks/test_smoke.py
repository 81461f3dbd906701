"""Every benchmark runs, writes a results file that can be read, and leaves no process behind.

No figure is judged, so that a busy machine does not matter.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.report.plots import draw
from benchmarks.report.results import Report, read_json
from benchmarks.rig.helper_process import ROOT, HelperProcess, child_environment

pytestmark = pytest.mark.processes

SUBJECTS = {
    "kernels": {"ours", "numpy", "baseline"},
    "bus": {"ours", "libzmq", "libzmq, drained", "zmq.asyncio", "sender"},
    "tick": {"ours"},
    "levels": {"off the target after 3 s", "learned gain", "gain and gate"},
    "room": {"signal to error", "frames of a person that are wrong", "with the right names"},
    "link": {"ours", "stock aiortc"},
    "profile": {"all"},
    "call": {"up: client → Realtime server", "gateway", "received by clients", "baseline"},
    "idle": {"media_worker child", "openai_link child", "gateway"},
    "own-words": {"openai_link child", "mixer_core", "end of speech to the last words of its line"},
    "loss": {"down: link → client, every frame", "sent by clients"},
    "barge-in": {"last frame of the old reply, last client", "trials without a flush"},
    "journal": {"write → then", "many", "many, pace"},
    "kills": {"answered again, everybody", "silence between people", "left at the end"},
    "overload": {"refused", "admitted", "down: RTP packet at the link → client, every frame"},
    "placement": {"fullest node, mean = 1", "renewals of leases", "rooms there again after"},
    "soak": {"up: client → Realtime server", "open files, all processes", "memory growth"},
}
"""Benchmark → subjects that its tables must have."""
WITH_THE_PAGE = {
    "networks": {
        *("up: frames lost", "down: frames lost", "down: gaps heard"),
        *("participant kept", "datagrams"),
    },
    "speech": {"silence", "last frame, faded", "mixer", "page", "page, its clock alone"},
}
"""The same of those that need a browser; no others."""
DRAW_THEMSELVES = ("kernels", "levels", "placement", "profile")
"""Benchmarks that get ``--plots``; the others' plots are drawn here, by one matplotlib."""


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory without peers, but with the list of fonts, which takes seconds to make."""
    folder = tmp_path_factory.mktemp("caches")
    fonts = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "matplotlib")
    if fonts.exists():
        shutil.copytree(fonts, folder / "matplotlib")
    return folder


@pytest.fixture(scope="module")
def process(caches: Path) -> Iterator[Callable[[], HelperProcess]]:
    """The process that runs benchmarks one after the other; a new one where it has ended."""
    mark = {"SMOKE_TEST": str(caches), "XDG_CACHE_HOME": str(caches)}
    started: list[HelperProcess] = []

    def one() -> HelperProcess:
        if not started or not started[-1].is_alive:
            started.append(HelperProcess("tests.benchmarks.smoke_process", **mark))
        return started[-1]

    yield one
    for helper in started:
        helper.close()


@pytest.fixture
def benchmarks(
    process: Callable[[], HelperProcess], caches: Path
) -> Iterator[Callable[[], HelperProcess]]:
    """The same; what a benchmark leaves behind is its test's failure."""
    yield process
    assert not left_over(caches) - {process().pid}, "processes were left behind"


NEEDS_A_VOICE = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=NEEDS_A_VOICE if name == "levels" else ()) for name in SUBJECTS],
)
def test_it_runs(name: str, tmp_path: Path, benchmarks: Callable[..., HelperProcess]) -> None:
    report = smoke(name, tmp_path, benchmarks)
    if name not in DRAW_THEMSELVES:
        draw([report], tmp_path / "plots")
    assert {measure.subject for measure in report.measures} >= SUBJECTS[name]
    for measure in report.measures:
        assert measure.unit
        assert all(math.isfinite(value) for value in measure.values.values()), measure
    assert all(math.isfinite(ratio.value) for ratio in report.ratios)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
@pytest.mark.parametrize("name", list(WITH_THE_PAGE))
def test_it_runs_with_the_page(
    name: str, tmp_path: Path, benchmarks: Callable[..., HelperProcess]
) -> None:
    subjects = {measure.subject for measure in smoke(name, tmp_path, benchmarks).measures}
    assert subjects == WITH_THE_PAGE[name]


def test_without_peers_it_says_how_to_get_them(
    tmp_path: Path, benchmarks: Callable[..., HelperProcess]
) -> None:
    assert len(smoke("peers", tmp_path, benchmarks).notes) == 3


def test_a_checkout_is_compared_with_itself(tmp_path: Path, caches: Path) -> None:
    file = tmp_path / "result.json"
    words = ["compare-trees", str(ROOT), "peers", "--rounds", "1", "--smoke", "--json", str(file)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        cwd=ROOT,
        env=child_environment(SMOKE_TEST=str(tmp_path), XDG_CACHE_HOME=str(caches)),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    report = report_of("compare_trees", file, done.returncode, done.stdout + done.stderr)
    assert not left_over(tmp_path), "processes were left behind"
    assert report.options["rounds"] == 1
    assert [note.partition(":")[0] for note in report.notes[:2]] == ["before", "now"]


def smoke(name: str, folder: Path, benchmarks: Callable[..., HelperProcess]) -> Report:
    """The report of the shortest run of a benchmark, in the process that runs them all."""
    plots = ["--plots", str(folder / "plots")] if name in DRAW_THEMSELVES else []
    file, printed = folder / "result.json", folder / "printed"
    words = [name, *plots, "--smoke", "--json", str(file)]
    code = benchmarks().ask("run", 280, words=words, printed=str(printed))
    return report_of(name.replace("-", "_"), file, code, printed.read_text())


def report_of(name: str, file: Path, code: int, printed: str) -> Report:
    """The one report in ``file``, of a run that has ended well."""
    assert code == 0, printed
    assert "Traceback" not in printed, printed
    (report,) = read_json(file)
    assert report.benchmark == name
    assert report.options["smoke"] is True
    assert report.machine["cores"] == os.cpu_count()
    return report


def left_over(mark: Path) -> set[int]:
    """Living processes that a benchmark started. (multiprocessing keeps one of its own.)"""
    wanted = f"SMOKE_TEST={mark}".encode()
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            is_ours = wanted in (entry / "environ").read_bytes()
            if is_ours and b"resource_tracker" not in (entry / "cmdline").read_bytes():
                found.add(int(entry.name))
        except OSError:
            continue
    return found
