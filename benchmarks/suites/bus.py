"""``bench bus``: what a message between two processes costs, on our audio sockets and on libzmq's.

One process sends AUDIO frames at 50 Hz per stream through the gateway's own sockets, another
receives them. The receivers take turns in short rounds, so that a busy moment of the machine hits
them alike.
"""

from __future__ import annotations

import multiprocessing
import tempfile
from multiprocessing.connection import Connection
from typing import Any

from mixer_core.runtime.units import US_NS

from ..report.errors import BenchmarkError
from ..report.findings import Findings, Options
from ..report.results import quantiles
from ..rig.bus_ends import OURS, RECEIVERS, Tally, Way, receiving, sending

START_TIMEOUT_S = 90.0


def run(options: Options, findings: Findings) -> None:
    """Measure every receiver on both audio endpoints."""
    rounds = int(options.scaled(3, 2, 1))
    seconds = options.scaled(5, 2, 0.1)
    cases = [(way, streams) for way in RECEIVERS for streams in (1, 10)]
    for way, streams in cases[1::2] if options.smoke else cases:
        case = f"{way}, {streams} × 50 Hz"
        tallies = {name: Tally() for name in RECEIVERS[way]}
        for number in range(rounds):
            findings.progress(f"{case}, round {number + 1} of {rounds}")
            for name in tallies:
                tallies[name].add(one_round(name, way, streams, seconds))
        add_measures(findings, case, tallies)
    findings.notes.append(
        "audio_in is PUSH/PULL toward the mixer, audio_out PUB/SUB from it; one process sends for "
        "all streams, their frames spread evenly over 20 ms; latency is one-way"
    )


def add_measures(findings: Findings, case: str, tallies: dict[str, Tally]) -> None:
    """Processor time and latency of one case, and the ratios of ours to the others."""
    cpu_us = {n: t.cpu_ns / US_NS / t.messages for n, t in tallies.items() if t.messages}
    for name, value in cpu_us.items():
        findings.add(f"{case}: CPU per message", name, "us", mean=round(value, 1))
    for name, tally in tallies.items():
        values = {k: round(v, 1) for k, v in quantiles(tally.latencies_us, 0.5, 0.99).items()}
        findings.add(f"{case}: latency", name, "us", **values)
        if tally.lost:
            findings.notes.append(f"{case}, {name}: {tally.lost} of {tally.messages} lost")
    sent = sum(tally.sent for tally in tallies.values())
    sender_us = sum(tally.sender_cpu_ns for tally in tallies.values()) / US_NS
    mean = round(sender_us / max(1, sent), 1)
    findings.add(f"{case}: CPU per message", "sender", "us", mean=mean)
    for name in cpu_us:
        if name != OURS and OURS in cpu_us:
            findings.ratio(f"{case}: CPU, {OURS} / {name}", cpu_us[OURS] / cpu_us[name])


def one_round(receiver: str, way: Way, streams: int, seconds: float) -> Tally:
    """Start a receiver and a sender, let them run, collect what they saw."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="mm-bus-") as folder:
        ours, theirs = zip(spawn.Pipe(), spawn.Pipe(), strict=True)
        processes = [
            spawn.Process(
                target=receiving, args=(theirs[0], folder, receiver, way, seconds), daemon=True
            ),
            spawn.Process(
                target=sending,
                args=(theirs[1], folder, way, streams, seconds),
                daemon=True,
            ),
        ]
        for process in processes:
            process.start()
        try:
            for pipe in ours:
                await_word(pipe, "ready", START_TIMEOUT_S)
            for pipe in ours:
                pipe.send("go")
            tally = await_word(ours[0], "tally", START_TIMEOUT_S + seconds)
            tally.sent, tally.sender_cpu_ns = await_word(ours[1], "sent", START_TIMEOUT_S)
        finally:
            for process in processes:
                process.kill()
                process.join()
    assert isinstance(tally, Tally)
    return tally


def await_word(pipe: Connection, word: str, timeout_s: float) -> Any:
    """What a child sends with ``word``. Raises BenchmarkError if it does not."""
    if not pipe.poll(timeout_s):
        raise BenchmarkError(f"a child of the benchmark did not say {word!r} in {timeout_s:.0f} s")
    try:
        said, content = pipe.recv()
    except EOFError:
        raise BenchmarkError(f"a child of the benchmark ended before it said {word!r}") from None
    assert said == word
    return content
