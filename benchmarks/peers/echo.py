"""An echo over WebRTC: round trip and processor time, against Pipecat and FastRTC.

The peers take Opus from a client and send it back. The gateway does more: its clients send PCM on a
data channel, and the echo is at the far end of its Opus link, in place of the assistant; every
session is a room with a link of its own. All its processes are counted.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from ..report.errors import BenchmarkError
from ..report.findings import Findings, Options
from ..report.results import quantiles
from ..rig import usage
from ..rig.gateway_process import GatewayProcess, free_port
from ..rig.helper_process import HelperProcess, child_environment
from .install import python
from .people import Marks, People, join_marks

SESSIONS = (1, 10)
PER_PROCESS = 5
SETTLE_S = 2.0
START_TIMEOUT_S = 90.0
OURS = "mixminus"
ROUND_TRIP_TARGET, CPU_TARGET = 0.3, 0.6
Seen = tuple[Marks, float]
"""Marks, and processor time of the server in % of a core."""


class EchoError(BenchmarkError):
    """An echo server did not start; the message has what it printed."""


def run(peers: list[str], options: Options, findings: Findings) -> None:
    """Measure the gateway and every peer in turns, with 1 and with 10 sessions."""
    seconds = options.scaled(15, 6, 2)
    for sessions in SESSIONS[:1] if options.smoke else SESSIONS:
        case, seen = f"echo, {sessions} sessions", dict[str, Seen]()
        for subject in (OURS, *peers):
            findings.progress(f"echo: {subject}, {sessions} sessions")
            if subject == OURS:
                marks, used = ours(sessions, seconds)
                seen[subject] = marks, used.total_percent
                report_roles(case, sessions, used, findings)
            else:
                seen[subject] = theirs(subject, sessions, seconds)
        report(case, sessions, seen, findings)


def ours(sessions: int, seconds: float) -> tuple[Marks, usage.Usage]:
    """The whole gateway, with a room and a link for each session."""
    with ExitStack() as stack:
        upstream = HelperProcess("benchmarks.peers.echo_upstream")
        stack.callback(upstream.close)
        gateway = stack.enter_context(GatewayProcess(upstream.ask("port"), OPENAI_LINK__GREET=0))
        loads = []
        for first in range(0, sessions, PER_PROCESS):
            load = HelperProcess("benchmarks.rig.load_process")
            stack.callback(load.close)
            loads.append(load)
            for index in range(first, min(sessions, first + PER_PROCESS)):
                seats = [(f"echo-{index}", 0, 1)]
                load.ask("join", url=gateway.url, seats=seats, framed=True)
        for load in loads:
            load.ask("behave", style="continuous")
        time.sleep(SETTLE_S)
        for load in loads:
            load.ask("look")
        processes = gateway.processes()
        before = usage.read(processes)
        time.sleep(seconds)
        used = usage.between(before, usage.read(processes))
        looks = [look for load in loads for look in load.ask("look")]
        return join_marks(looks, time.monotonic_ns(), own=True), used


def theirs(peer: str, sessions: int, seconds: float) -> Seen:
    """A peer's server process."""
    port = free_port()
    script = Path(__file__).with_name(f"{peer}_server.py")
    with tempfile.TemporaryFile() as log, People(sessions, talkers=1, data_channel=True) as people:
        server = subprocess.Popen(
            [str(python(peer)), "-P", str(script), str(port)],
            env=child_environment(PYTHONPATH="", GRADIO_ANALYTICS_ENABLED="False"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            wait_for_port(server, port)
            people.join(lambda offer: exchange(port, offer))
            people.talk()
            time.sleep(SETTLE_S)
            people.look()
            process = usage.Process(server.pid, peer)
            before = usage.read([process])
            time.sleep(seconds)
            used = usage.between(before, usage.read([process]))
            return join_marks(people.look(), time.monotonic_ns(), own=True), used.total_percent
        except Exception as error:
            log.seek(0)
            words = log.read()[-2000:].decode("utf-8", "replace")
            raise EchoError(f"{peer}: {error}\n{words}") from error
        finally:
            server.kill()
            server.wait(5)


def wait_for_port(server: subprocess.Popen[bytes], port: int) -> None:
    """Wait until somebody answers HTTP there."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise EchoError("the server did not start")


def exchange(port: int, offer: str) -> str:
    """The server's SDP answer to an offer."""
    body = json.dumps({"sdp": offer, "type": "offer"}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/offer", body, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        sdp: str = json.load(answer)["sdp"]
    return sdp


def report_roles(case: str, sessions: int, used: usage.Usage, findings: Findings) -> None:
    """Which of the gateway's programs take how much per session."""
    for role, percent in sorted(used.cpu_percent.items(), key=lambda item: -item[1]):
        if percent / sessions >= 0.05:
            mean = round(percent / sessions, 2)
            findings.add(f"{case}: CPU per session", f"{OURS}: {role}", "% of a core", mean=mean)


def report(case: str, sessions: int, seen: dict[str, Seen], findings: Findings) -> None:
    """Add measures, and the ratios to each peer."""
    p50: dict[str, float] = {}
    for subject, (marks, _) in seen.items():
        values = quantiles(marks.latencies_ms, 0.5, 0.95)
        rounded = {name: round(value, 2) for name, value in values.items()}
        findings.add(f"{case}: round trip", subject, "ms", **rounded)
        p50[subject] = values.get("p50", 0.0)
        if marks.lost:
            words = f"{marks.lost} marks never came back, {len(marks.latencies_ms)} did"
            findings.notes.append(f"{case}, {subject}: {words}")
    cpu = {subject: percent / sessions for subject, (_, percent) in seen.items()}
    for subject, percent in cpu.items():
        mean = round(percent, 2)
        findings.add(f"{case}: CPU per session", subject, "% of a core", mean=mean)
    for peer in seen:
        if peer == OURS or not p50[peer]:
            continue
        target = ROUND_TRIP_TARGET if peer == "pipecat" else None
        findings.ratio(f"{case}: round trip, mixminus / {peer}", p50[OURS] / p50[peer], target)
        target = CPU_TARGET if peer == "pipecat" and sessions == max(SESSIONS) else None
        findings.ratio(f"{case}: CPU, mixminus / {peer}", cpu[OURS] / cpu[peer], target)
