"""Measure this machine. Without --quick a benchmark takes minutes."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from mixer_core.numba_cache import prepare_cache

from .peers import install
from .report import comparison, machine
from .report.errors import BenchmarkError
from .report.findings import Findings, Options
from .report.plots import draw
from .report.results import Report, read_json, write_json
from .report.tables import compare, text
from .rig.checkouts import Checkouts

BENCHMARKS = {
    "kernels": "mixing and limiting: ns per frame against NumPy, the baseline and C",
    "bus": "one hop between two processes, ours against libzmq: processor time, latency",
    "tick": "the mixer's deadlines by number of talkers: lateness, duration, latency",
    "levels": "loud and quiet voices, noise and music through the mixer: loudness, gains, cost",
    "realtime": "the mixer beside four busy programs, with and without a raised priority",
    "link": "our Opus link against stock aiortc: processor time, memory, latency under loss",
    "instructions": "instructions per frame of each stage, counted by valgrind",
    "profile": "where the processor time of a session goes: threads, flame graphs by py-spy",
    "peers": "against Janus, Pipecat and FastRTC, where installed: latency, processor time",
    "room": "six people who talk at once: each one's mix, who speaks when, names of captions",
    "own-words": "everybody written down by themselves: processor time, and when the words come",
    "call": "the whole gateway with WebRTC clients: latency, processor time, memory, frames",
    "idle": "people who are there and say nothing: processor time, wake-ups, memory",
    "loss": "bad networks on both sides: frames lost, and whether latency grows",
    "networks": "Wi-Fi, LTE, VPN, outages and a change of networks, with the page in Chromium",
    "speech": "how speech with lost frames sounds (PESQ), and playback while clocks drift apart",
    "echo": "devices in one physical room: self-interruptions, false holds, cost of the detector",
    "devices": "the same with real parts: two pages in Chromium on sound devices, in real time",
    "barge-in": "speaking over the reply: how soon it is silent at every browser",
    "kills": "kill -9 of every process in turn: time until all are answered again, words lost",
    "journal": "what is said, safe in a file or in NATS: from write to then, cost, filling a node",
    "cluster": "three nodes and three NATS servers: faults, rooms at once, drain, upgrade",
    "overload": "three times the sessions that the processors bear: who gets in, and how they fare",
    "life": "2,000 joins in 200 rooms, reloads, rotation, a full disk: what is left at the end",
    "placement": "10,000 nodes and 1,000,000 rooms in virtual time: balance, moves, time to heal",
    "soak": "many sessions for a long time: memory, files, frames and latency by minute",
}
"""Name → what it measures; its module in ``suites`` has ``run(options, findings)``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    given = _parser().parse_args(arguments)
    prepare_cache(Path(tempfile.gettempdir()))  # Before a suite loads the kernels.
    try:
        return int(given.action(given))
    except BenchmarkError as error:
        print(f"mixminus bench: {error}", file=sys.stderr)
        return 1


def run(name: str, options: Options) -> Report:
    """Run one benchmark, showing progress on stderr and the tables on stdout."""
    about = machine.describe()
    print(f"{name}: {BENCHMARKS[name]}\n{machine.summary(about)}", flush=True)
    started = datetime.now().astimezone()
    began_s = time.monotonic()
    findings = Findings(_progress)
    module = name.replace("-", "_")
    import_module(f"benchmarks.suites.{module}").run(options, findings)
    report = Report(
        benchmark=module,
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mixminus bench", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    kind = argparse.ArgumentParser(add_help=False)
    kind.add_argument("--quick", action="store_true", help="rougher figures in less time")
    kind.add_argument("--smoke", action="store_true", help="only test that it runs")
    kind.add_argument("--json", type=Path, metavar="FILE", help="write the results to FILE")

    def add(name: str, words: str, action: Any, *parents: Any) -> argparse.ArgumentParser:
        aliases = [name.replace("-", "_")] if "-" in name and name in BENCHMARKS else []
        command = commands.add_parser(
            name, help=words, description=words, parents=parents, aliases=aliases
        )
        command.set_defaults(action=action)
        return command

    for name, words in {**BENCHMARKS, "all": "all of these"}.items():
        command = add(name, words, _run_and_write, kind)
        command.set_defaults(names=list(BENCHMARKS) if name == "all" else [name])
        command.add_argument("--plots", type=Path, metavar="DIR", help="draw plots into DIR")
        if name == "overload":
            words = "sessions that these processors bear; found by a ramp unless told"
            command.add_argument("--sessions", type=int, default=0, help=words)
        if name == "soak":
            words = "live like a household, at low load, for so long"
            command.add_argument("--minutes", type=float, help=words)
            command.add_argument("--hours", type=float, help="the same in hours")
        if name == "devices":
            command.add_argument("--only", default="", help="replies or talk")
            words = "how long people talk over the assistant, in all"
            command.add_argument("--minutes", type=float, help=words)
        if name == "peers":
            command.add_argument("--install", choices=install.PEERS, help="get a peer")
        if name == "life":
            command.add_argument("--count", type=int, default=0, help="joins in all")
        if name == "room":
            words = "once more in real time, with two pages in Chromium"
            command.add_argument("--page", action="store_true", help=words)
        if name == "cluster":
            command.add_argument("--count", type=int, default=0, help="rooms created at once")
            words = "parts, separated by commas, such as node,nats-all,drain"
            command.add_argument("--only", default="", help=words)
        if name == "kills":
            command.add_argument("--count", type=int, default=0, help="kills in all")
            command.add_argument("--page", action="store_true", help="the page in Chromium")
    command = add("compare", "two results files", _compare_files)
    command.add_argument("before", type=Path)
    command.add_argument("after", type=Path)
    words = "benchmarks of another checkout and of this one, in turns"
    command = add("compare-trees", words, _compare_trees, kind)
    command.add_argument("before", type=Path, help="directory of the other checkout")
    command.add_argument("names", nargs="+", choices=list(BENCHMARKS), metavar="NAME")
    command.add_argument("--rounds", type=int, default=4, help="4 unless told")
    command.add_argument("--at-once", action="store_true", help="both at the same time, as pairs")
    command = add("plot", "plots of a results file", _plot_file)
    command.add_argument("file", type=Path)
    command.add_argument("folder", type=Path)
    return parser


def _run_and_write(given: argparse.Namespace) -> int:
    if getattr(given, "install", None):
        print(f"{given.install} is in {install.install(given.install)}")
        return 0
    count, page = getattr(given, "count", 0), getattr(given, "page", False)
    sessions = getattr(given, "sessions", 0)
    minutes, hours = getattr(given, "minutes", None), getattr(given, "hours", None)
    minutes = hours * 60 if hours is not None else minutes
    only = tuple(filter(None, getattr(given, "only", "").split(",")))
    options = Options(given.quick, given.smoke, given.plots, count, page, sessions, minutes, only)
    reports = [run(name, options) for name in given.names]
    _write(reports, given.json)
    if given.plots is not None:
        _draw(reports, given.plots)
    return 0


def _compare_files(given: argparse.Namespace) -> int:
    print(compare(read_json(given.before), read_json(given.after)))
    return 0


def _compare_trees(given: argparse.Namespace) -> int:
    kinds = {"--quick": given.quick, "--smoke": given.smoke}
    checkouts = Checkouts(given.before, [flag for flag, wanted in kinds.items() if wanted])
    about, started = machine.describe(), datetime.now().astimezone()
    began_s = time.monotonic()
    print("\n".join([machine.summary(about), *checkouts.names()]), flush=True)
    runs: list[tuple[comparison.Side, Report]] = []
    try:
        measure = checkouts.at_once if given.at_once else checkouts.interleave
        for run in measure(given.names, given.rounds, _progress):
            runs.append(run)
    finally:  # What was measured before a failure is worth keeping.
        found = comparison.figures(runs, is_paired=given.at_once)
        report = Report(
            benchmark="compare_trees",
            started=started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - began_s, 1),
            machine=about,
            options={
                "rounds": given.rounds,
                "quick": given.quick,
                "smoke": given.smoke,
                "at_once": given.at_once,
            },
            measures=comparison.measures(found),
            notes=[*checkouts.revisions(), *comparison.conditions(runs)],
        )
        notes = "\n".join(f"note: {note}" for note in report.notes)
        print(f"\n{comparison.text(found)}\n\n{notes}\n", flush=True)
        _write([report], given.json)
    return 0


def _plot_file(given: argparse.Namespace) -> int:
    _draw(read_json(given.file), given.folder)
    return 0


def _write(reports: Sequence[Report], file: Path | None) -> None:
    if file is not None:
        write_json(reports, file)
        print(f"written: {file}")


def _draw(reports: Sequence[Report], folder: Path) -> None:
    for file in draw(reports, folder):
        print(f"drawn: {file}")


def _progress(words: str) -> None:
    print(f"  … {words}", file=sys.stderr, flush=True)
