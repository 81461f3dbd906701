"""``bench networks``: the real page on networks as they are.

A page in Chromium is behind a relay (``relay``, ``shapes``); another client, on a clean network,
hears it and talks to it. Each shape rules for a while; then come outages, a NAT that gives the flow
another port, and a phone that changes networks in mid-sentence.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from ..report.findings import Findings, Options
from ..rig.gateway_rig import Rig
from ..rig.helper_process import HelperProcess
from ..rig.phone import Phone
from ..rig.shapes import LTE, SHAPES, WIFI, Shape

ROOM = "room-0"
SETTLE_S = 1.5
WATCH_S = 14.0
"""Time in which somebody is to be heard again; where nobody is, it stands for the time."""
BEGIN_S = 3.0
"""A silence that begins later has another cause."""
SETTINGS: dict[str, Any] = {
    "MEDIA_WORKER__ICE_ADDRESSES": "auto",
    "MEDIA_WORKER__PROBE_ADDRESSES": "none",
    "SIGNALING__MODE": "conference",
}


def run(options: Options, findings: Findings) -> None:
    """The shapes, then what interrupts."""
    seconds = options.scaled(40, 12, 2)
    shapes = SHAPES[1:2] if options.smoke else SHAPES
    with Rig([1], upstream="hush", **SETTINGS) as rig:
        rig.join()
        rig.behave("continuous")
        with Phone(rig.gateway.port, rig.gateway.dir) as phone:
            phone.join(ROOM)
            phone.rest(SETTLE_S)
            for shape in shapes:
                findings.progress(shape.name)
                measure_shape(rig, phone, shape, seconds, findings)
            if not options.smoke:
                interrupt(rig, phone, findings, options.quick)
    for shape in shapes:
        findings.notes.append(f"{shape.name}: {shape.source}")


def measure_shape(rig: Rig, phone: Phone, shape: Shape, seconds: float, findings: Findings) -> None:
    """Frames lost both ways while a shape rules, and what the page made of it."""
    who = phone.look()["participant"]
    before = _settled(rig, phone)
    phone.relay.ask("shape", name=shape.name)
    rig.drift(-shape.drift_ppm)  # As the phone sees the other's clock.
    phone.mute(False)
    phone.rest(seconds)
    counts = phone.relay.ask("counts")
    phone.mute(True)
    phone.rest(SETTLE_S)
    phone.relay.ask("shape", name="clean")
    rig.drift(0.0)
    after = _settled(rig, phone)
    phone.mute(False)
    spoken = after["sent"] - before["sent"]
    arrived = after["in"] - before["in"]
    played = after["frames"] - before["frames"]
    findings.add(
        shape.name,
        "up: frames lost",
        "%",
        lost=_share(spoken - arrived, spoken),
        not_sent=_share(after["dropped"] - before["dropped"], spoken),
        frames=spoken,
    )
    lost = after["lost"] + after["late"] - before["lost"] - before["late"]
    findings.add(shape.name, "down: frames lost", "%", lost=_share(lost, played + lost))
    gaps = after["underruns"] - before["underruns"]
    findings.add(
        shape.name,
        "down: gaps heard",
        "a minute",
        underruns=round(60 * gaps / seconds, 1),
        concealed=round(60 * lost / seconds, 1),
    )
    kept = phone.look()["participant"] == who
    findings.add(shape.name, "participant kept", "", kept=int(kept), people=_people(rig))
    network = {key: counts[key] for key in ("up_lost", "down_lost", "too_long", "rebinds")}
    refused = after["refused"] - before["refused"]
    findings.add(shape.name, "datagrams", "", **network, refused_by_worker=refused)


def interrupt(rig: Rig, phone: Phone, findings: Findings, is_quick: bool) -> None:
    """Outages, another port, another network."""
    relay = phone.relay
    for outage_s in (1.0, 5.0) if is_quick else (1.0, 2.0, 3.0, 5.0, 10.0):
        relay.ask("shape", name=LTE.name)
        name = f"LTE, outage of {outage_s:g} s"
        again(rig, phone, name, partial(_ask_ns, relay, "outage", seconds=outage_s), findings)
    relay.ask("shape", name=WIFI.name)
    again(rig, phone, "Wi-Fi, another port", partial(_ask_ns, relay, "rebind"), findings)
    for gap_s in (0.0, 1.0):
        for is_told in (True, False):
            relay.ask("change", name=WIFI.name, gap_s=0.0)
            phone.rest(WATCH_S if not is_quick else 8.0)

            def change(gap_s: float = gap_s, is_told: bool = is_told) -> int:
                up_ns = int(relay.ask("change", name=LTE.name, gap_s=gap_s))
                phone.rest(gap_s + 0.05)
                if is_told:
                    phone.changed()
                return up_ns

            told = "told" if is_told else "not told"
            name = f"Wi-Fi to LTE, {gap_s:g} s between, page {told}"
            again(rig, phone, name, change, findings)
    relay.ask("shape", name="clean")


def _ask_ns(relay: HelperProcess, command: str, **arguments: float) -> int:
    return int(relay.ask(command, **arguments))


def again(rig: Rig, phone: Phone, name: str, event: Callable[[], int], findings: Findings) -> None:
    """How long after an event both sides hear each other again."""
    findings.progress(name)
    phone.rest(3.0)
    before = phone.look()
    people = most = _people(rig)
    rig.look()
    grown_ms: list[float] = [time.monotonic_ns() / 1e6]
    received = before["link"].get("received", 0)

    def watch() -> None:
        nonlocal received, most
        most = max(most, _people(rig))
        now_received = phone.look()["link"].get("received", 0)
        if now_received != received:
            grown_ms.append(time.monotonic_ns() / 1e6)
        received = now_received

    end_ns = event()
    phone.rest((end_ns - time.monotonic_ns()) / 1e9 + WATCH_S, watch)
    arrived_ms = rig.look()[0][0]["arrived_ms"]
    after = phone.look()
    talk_s, silent_s = _silence(arrived_ms, end_ns / 1e6, 0.1)
    hear_s, deaf_s = _silence(grown_ms, end_ns / 1e6, 0.6)  # The page tells four times a second.
    findings.add(name, "again after", "s", talk=talk_s, hear=hear_s, silent=silent_s, deaf=deaf_s)
    kept = after["participant"] == before["participant"]
    count = _people(rig)
    findings.add(name, "participant", "", kept=int(kept), people=count, most=most, before=people)


def _silence(times_ms: Sequence[float], end_ms: float, least_s: float) -> tuple[float, float]:
    """When the longest silence ended, after ``end_ms``; and how long it was. Seconds."""
    spans = [
        (late - early, late)
        for early, late in pairwise(times_ms)
        if late >= end_ms and early <= end_ms + 1000 * BEGIN_S
    ]
    if not spans:
        return WATCH_S, WATCH_S
    longest_ms, until_ms = max(spans)
    if longest_ms < 1000 * least_s:
        return 0.0, 0.0
    return round((until_ms - end_ms) / 1000, 2), round(longest_ms / 1000, 2)


def _settled(rig: Rig, phone: Phone) -> dict[str, float]:
    """Counts while nobody speaks, with everything on the way arrived."""
    phone.mute(True)
    rig.behave("muted")
    phone.rest(SETTLE_S)
    metrics, load = rig.metrics(), rig.look()[0][0]
    rig.behave("continuous")
    look = phone.look()
    link, playback = look["link"], look["playback"]
    others = load["sent_total"]
    counters = ("frames_in_total", "frames_suppressed_total", "frames_overrun_total")
    return {
        "in": sum(metrics.value("media_worker", name) for name in counters) - others,
        "sent": link.get("sent", 0),
        "dropped": link.get("dropped", 0),
        "refused": metrics.value("media_worker", "excess_total"),
        "frames": playback.get("frames", 0),
        "lost": playback.get("lost", 0),
        "late": playback.get("late", 0),
        "underruns": playback.get("underruns", 0),
    }


def _people(rig: Rig) -> int:
    """Who is connected to the room, as signaling tells."""
    status, text = rig.gateway.get(f"/rooms/{ROOM}")
    people = json.loads(text)["participants"] if status == 200 else []
    return sum(person["status"] == "connected" for person in people)


def _share(part: float, whole: float) -> float:
    return round(100 * part / whole, 2) if whole else 0.0
