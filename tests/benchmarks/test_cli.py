"""The command: what it refuses, and how it reports errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import cli
from benchmarks.report.errors import BenchmarkError
from benchmarks.report.findings import Findings, Options
from benchmarks.report.results import Measure, Report, write_json
from benchmarks.suites import peers


@pytest.fixture
def results(tmp_path: Path) -> Path:
    file = tmp_path / "results.json"
    measure = Measure("one hop", "ours", "us", {"p50": 10.0})
    write_json([Report("bus", "2026-01-02", 1.0, {}, {}, [measure])], file)
    return file


@pytest.mark.parametrize(
    "arguments", [[], ["teapot"], ["compare", "one"], ["compare-trees", "x", "teapot"]]
)
def test_usage_is_shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2
    assert "usage: mixminus bench" in capsys.readouterr().err


def test_help_lists_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"    {name} " in shown for name in (*cli.BENCHMARKS, "compare-trees"))


def test_two_files_are_compared(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", str(results), str(results)]) == 0
    assert "+0.0 %" in capsys.readouterr().out


def test_a_results_file_is_drawn(
    fonts: None, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["plot", str(results), str(tmp_path / "plots")]) == 0
    assert (tmp_path / "plots" / "bus-us.svg").exists()


@pytest.mark.parametrize(
    "arguments",
    [["compare", "missing.json", "missing.json"], ["compare-trees", "missing.json", "call"]],
)
def test_an_error_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("mixminus bench: ") and "missing.json" in shown
    assert shown.count("\n") == 1


def test_an_error_of_a_benchmark_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(options: Options, findings: Findings) -> None:
        raise BenchmarkError("the gateway did not start")

    monkeypatch.setattr(peers, "run", run)
    assert cli.main(["peers", "--smoke"]) == 1
    assert capsys.readouterr().err == "mixminus bench: the gateway did not start\n"
