"""The benchmark command: ``python -m benchmarks NAME`` and ``mixminus bench NAME``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path

from .report import machine
from .report.results import Measure, Ratio, Report, compare, read_json, text, write_json


@dataclass(frozen=True, slots=True)
class Options:
    """What every benchmark is told."""

    quick: bool = False
    """Minutes become seconds; figures are rougher."""
    smoke: bool = False
    """The shortest run that touches everything; figures mean nothing."""
    output_dir: Path | None = None
    """Where plots and flame graphs go; None: none are drawn."""
    tree: Path | None = None
    """The checkout whose gateway ``profile`` looks at; None: this one, or what runs already."""

    def scaled(self, full: float, quick: float, smoke: float) -> float:
        """The amount (seconds, rounds) for this kind of run."""
        return smoke if self.smoke else quick if self.quick else full


@dataclass
class Findings:
    """What a benchmark fills in while it runs."""

    measures: list[Measure]
    ratios: list[Ratio]
    notes: list[str]
    progress: Callable[[str], None]
    """Tells the user what is being measured now."""

    def add(self, case: str, subject: str, unit: str, **values: float) -> Measure:
        """Add one measure and return it."""
        measure = Measure(case, subject, unit, values)
        self.measures.append(measure)
        return measure

    def ratio(self, name: str, value: float, target: float | None = None) -> None:
        """Add one ratio."""
        self.ratios.append(Ratio(name, value, target))


BENCHMARKS = {
    "kernels": "mixing and limiting: nanoseconds per frame against NumPy, the seed's way and C",
    "bus": "one hop between two processes: processor time and latency by way of receiving",
    "tick": "the mixer's time-outs: lateness, duration and latency by number of talkers",
    "link": "our Opus link against stock aiortc: processor time, memory, latency under loss",
    "instructions": "instructions per frame of each stage, counted by valgrind",
    "profile": "where the processor time of a call goes, as tables and flame graphs",
    "peers": "beside Janus, Pipecat and FastRTC, where they are installed: latency and CPU",
    "call": "the whole gateway with WebRTC clients: latency, processor time, memory, every frame",
    "idle": "people who are there and say nothing: processor time, wake-ups and memory of each",
    "loss": "bad networks on both sides: frames lost, and whether latency grows",
    "barge_in": "speaking over the reply: how soon the old reply is silent at every browser",
    "soak": "many sessions for a long time: memory, files, frames lost and latency by minute",
}
"""Name → what it measures; the module ``benchmarks.<name>`` has ``run(options, findings)``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mixminus bench", description=__doc__)
    parser.add_argument("name", nargs="?", default="all", help="all, compare, or: " + _list())
    parser.add_argument("files", nargs="*", type=Path, help="two JSON files for compare")
    parser.add_argument("--quick", action="store_true", help="rougher figures in less time")
    parser.add_argument("--smoke", action="store_true", help="only: does it run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw plots into that directory")
    parser.add_argument("--tree", type=Path, metavar="DIR", help="profile another checkout")
    parser.add_argument("--install", metavar="PEER", help="install a peer for the benchmark peers")
    given = parser.parse_args(arguments)
    if given.install:
        from .peers.__main__ import main as peers

        return peers(["--install", given.install])
    if given.name == "compare":
        return _compare(parser, given.files)
    names = list(BENCHMARKS) if given.name == "all" else [given.name.replace("-", "_")]
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {unknown.pop()!r}; there are {', '.join(BENCHMARKS)}")
    options = Options(given.quick, given.smoke, given.plots, given.tree and given.tree.resolve())
    reports = [run(name, options) for name in names]
    if given.json is not None:
        write_json(reports, given.json)
        print(f"written: {given.json}")
    return _draw(reports, given.plots) if given.plots is not None else 0


def _draw(reports: Sequence[Report], folder: Path) -> int:
    from .report.plots import draw

    try:
        for file in draw(reports, folder):
            print(f"drawn: {file}")
    except ModuleNotFoundError as error:
        print(f"mixminus bench: {error}", file=sys.stderr)
        return 1
    return 0


def run(name: str, options: Options) -> Report:
    """Run one benchmark, showing progress on stderr and the tables on stdout."""
    about = machine.describe()
    print(f"{name}: {BENCHMARKS[name]}\n{machine.summary(about)}", flush=True)
    started = datetime.now().astimezone()
    began_s = time.monotonic()
    findings = Findings([], [], [], _progress)
    import_module(f"benchmarks.suites.{name}").run(options, findings)
    report = Report(
        benchmark=name,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began_s, 1),
        machine=about,
        options={"quick": options.quick, "smoke": options.smoke},
        measures=findings.measures,
        ratios=findings.ratios,
        notes=findings.notes,
    )
    print(f"\n{text(report)}\n", flush=True)
    return report


def _progress(words: str) -> None:
    print(f"  … {words}", file=sys.stderr, flush=True)


def _compare(parser: argparse.ArgumentParser, files: Sequence[Path]) -> int:
    if len(files) != 2:
        parser.error("compare takes two JSON files: BEFORE AFTER")
    try:
        print(compare(read_json(files[0]), read_json(files[1])))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return 0


def _list() -> str:
    return ", ".join(BENCHMARKS)
