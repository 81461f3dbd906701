"""``bench bus``: what a message between two processes costs, by how it is received.

One process sends AUDIO frames at 50 Hz per stream through the gateway's own sockets
(``bus.endpoints``), another receives them. The kinds of receivers take turns in short rounds, so
that a busy moment of the machine hits them alike.
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
from ..rig.bus_ends import RECEIVERS, Tally, receiving, sending

START_TIMEOUT_S = 30.0


def run(options: Options, findings: Findings) -> None:
    """Measure every kind of receiver on both audio endpoints."""
    rounds = int(options.scaled(3, 2, 1))
    seconds = options.scaled(5, 2, 0.1)
    cases = [("audio_in", 1), ("audio_in", 10), ("audio_out", 1), ("audio_out", 10)]
    if options.smoke:
        cases = cases[1::2]
    for endpoint, streams in cases:
        tallies = {name: Tally() for name in RECEIVERS}
        for number in range(rounds):
            findings.progress(f"{endpoint}, {streams} × 50 Hz, round {number + 1} of {rounds}")
            for name in RECEIVERS:
                tallies[name].add(one_round(name, endpoint, streams, seconds))
        add_measures(findings, f"{endpoint}, {streams} × 50 Hz", tallies)
    findings.notes.append(
        "audio_in is PUSH/PULL toward the mixer, audio_out PUB/SUB from it; one process sends for "
        "all streams, their frames spread evenly over 20 ms; latency is one-way; with one "
        "stream that of 'each 20 ms' depends on its phase alone"
    )


def add_measures(findings: Findings, case: str, tallies: dict[str, Tally]) -> None:
    """Processor time and latency of one case, and the ratio to zmq.asyncio."""
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
    if cpu_us.get("zmq.asyncio"):
        for name in ("drain on uvloop", "blocking"):
            if name in cpu_us:
                ratio = cpu_us[name] / cpu_us["zmq.asyncio"]
                findings.ratio(f"{case}: CPU, {name} / zmq.asyncio", ratio)


def one_round(receiver: str, endpoint: str, streams: int, seconds: float) -> Tally:
    """Start a receiver and a sender, let them run, collect what they saw."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="mm-bus-") as folder:
        ours, theirs = zip(spawn.Pipe(), spawn.Pipe(), strict=True)
        processes = [
            spawn.Process(
                target=receiving, args=(theirs[0], folder, receiver, endpoint, seconds), daemon=True
            ),
            spawn.Process(
                target=sending,
                args=(theirs[1], folder, endpoint, streams, seconds),
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
