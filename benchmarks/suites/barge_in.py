"""``bench barge-in``: somebody speaks over the reply; when has every browser heard the last of it?

From the first loud sample at the microphone (its frame leaves the client 20 ms later) to the
arrival of the last frame of the old epoch at each client, minus the 60 ms of speech that the
server's voice activity detection needs before it decides.
"""

from __future__ import annotations

import time
from typing import Any

from mixer_core.bus.pcm import FRAME_NS
from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.simulator.engine import voice_activity

from ..report.findings import Findings, Options
from ..rig.gateway_rig import Rig
from ..rig.window import spread

CLIENTS = 3
VAD_NS = voice_activity._ATTACK_FRAMES * FRAME_NS
"""Speech that the detection needs before it decides."""
REPLY_MS = 20_000
TURN_FRAMES = 40
"""Length of a turn: 0.8 s."""
HEAR_S = 1.0
"""How long the reply is heard before somebody speaks over it."""
TURN_TIMEOUT_S = 6.0


def run(options: Options, findings: Findings) -> None:
    """Rooms of one and of three; clients take turns in interrupting."""
    trials = int(options.scaled(40, 8, 1))
    for clients in (CLIENTS,) if options.smoke else (1, CLIENTS):
        findings.progress(f"{clients} in the room, {trials} times")
        with Rig([clients], upstream="answer", reply_ms=REPLY_MS) as rig:
            rig.join()
            rig.behave("quiet")
            speak(rig, 0)
            trials_ms = [interrupt(rig, turn % clients) for turn in range(trials)]
        report(f"{clients} in the room", [t for t in trials_ms if t], trials, findings)


def speak(rig: Rig, client: int) -> None:
    """One client speaks; returns once its reply has been heard for ``HEAR_S``."""
    newest = max(heard_until(rig), default=0)
    rig.loads[0].ask("speak", client=client, frames=TURN_FRAMES)
    time.sleep(TURN_FRAMES * FRAME_NS / S_NS)
    deadline_s = time.monotonic() + TURN_TIMEOUT_S
    while time.monotonic() < deadline_s:
        time.sleep(0.05)
        now_ns = time.monotonic_ns()
        fresh = [
            at_ns for at_ns in heard_until(rig) if at_ns > newest and at_ns > now_ns - 100 * MS_NS
        ]
        if fresh:
            break
    time.sleep(HEAR_S)


def interrupt(rig: Rig, client: int) -> dict[str, float]:
    """One trial: ms after the detection could decide; empty if there was no flush."""
    before = epochs(rig)
    old = max(state["epoch"] for state in before)
    speak(rig, client)
    after = epochs(rig)
    loud_ns = after[client]["loud_ns"] - FRAME_NS
    silent_ns = [state["heard_ns"].get(str(old), 0) for state in after]
    flushed_ns = [ns for state in after if (ns := state["flushed_ns"].get(str(old + 1)))]
    if len(flushed_ns) < len(after) or not all(silent_ns):
        return {}
    return {
        "silent": (max(silent_ns) - loud_ns - VAD_NS) / MS_NS,
        "told": (max(flushed_ns) - loud_ns - VAD_NS) / MS_NS,
    }


def report(name: str, trials_ms: list[dict[str, float]], wanted: int, findings: Findings) -> None:
    """The spread over the trials."""
    silent = spread([trial["silent"] for trial in trials_ms])
    told = spread([trial["told"] for trial in trials_ms])
    findings.add(name, "last frame of the old reply, last client", "ms", **silent)
    findings.add(name, "flush announced, last client", "ms", **told)
    findings.add(name, "trials without a flush", "trials", count=wanted - len(trials_ms))
    if silent:
        findings.ratio(f"{name}: old reply silent, p95 ms", silent["p95"], 120.0)


def epochs(rig: Rig) -> list[dict[str, Any]]:
    """What the clients know of epochs."""
    return list(rig.loads[0].ask("epochs"))


def heard_until(rig: Rig) -> list[int]:
    """When each client heard its newest frame (monotonic ns), without those that heard none."""
    return [max(state["heard_ns"].values()) for state in epochs(rig) if state["heard_ns"]]
