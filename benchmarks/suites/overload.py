"""``bench overload``: three times the sessions that the processors bear come within a minute.

How many they bear is found by a ramp: people who talk in turns join two by two, each in a room of
their own, until sound is lost or late. Then three times as many come, evenly over a minute, to a
gateway that refuses when it is busy. Who is refused asks again as a page does. At the end half of
those inside leave, and it is measured how soon somebody else gets in.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..report.findings import Findings, Options
from ..rig import ledger
from ..rig.gateway_rig import Rig
from ..rig.helper_process import HelperProcess
from ..rig.metrics_page import MetricsPage
from ..rig.window import spread
from .call_tables import UP_STAGE

TIMES = 3
"""What comes, as a multiple of what the processors bear."""
STEP = 2
"""Sessions that join at once in the ramp."""
MOST_SESSIONS = 60
REPLY_MS = 3_000
LATE_MS = 100.0
LOST_SHARE = 0.005
"""95th percentile of the latency, and share of frames lost, beyond which it is too many."""
HARMLESS = ("dropped as surplus by the mixer", "dropped by workers, interrupted")
PROBE_S = 0.5
TELL_S = 5
SOMEBODY = "until somebody gets in"
DOWN = "down: RTP packet at the link → client, every frame"
UP = ("openai_link", "uplink_latency_ms")


@dataclass
class Minute:
    """What was seen while people came."""

    visitors: list[dict[str, Any]] = field(default_factory=list)
    levels: Counter[int] = field(default_factory=Counter)
    """Seconds at each level of the load."""
    late_ms: list[float] = field(default_factory=list)
    skipped: int = 0
    """Frames that clients and server did not send because they were late themselves."""

    @property
    def admitted(self) -> list[dict[str, Any]]:
        """Those who got in."""
        return [visitor for visitor in self.visitors if visitor["admitted_s"] >= 0]

    @property
    def refusals(self) -> list[dict[str, Any]]:
        """All answers that were no."""
        return [a for v in self.visitors for a in v["answers"] if a["status"] != 201]


def run(options: Options, findings: Findings) -> None:
    """The ramp where it is needed, the minute, the recovery."""
    findings.notes.append(
        "clients and Realtime server run beside the gateway on the same cores, and take about as "
        "much of them; conversation: 3 s of 8; each visitor has an address and a room of its own"
    )
    sessions = options.sessions or (1 if options.smoke else find_sessions(options, findings))
    findings.add("the processors bear", "sessions", "sessions", count=sessions)
    visitors = TIMES * sessions
    seconds = options.scaled(60, 30, 1)
    reply_ms = int(options.scaled(REPLY_MS, REPLY_MS, 300))
    with CrowdRig(visitors + 2, refuses=True, reply_ms=reply_ms) as rig:
        before = rig.metrics()
        minute = come_in(rig, visitors, seconds, findings)
        middle = rig.metrics()
        recovery = recover(rig, options.scaled(60, 60, 1), findings)
        end = calm_down(rig)
    report_visitors(visitors, minute, findings)
    report_sound(minute, before, middle, findings)
    lost = 100 * lost_share(middle, end)
    findings.add("recovery, half of those inside leave", "lost inside", "% of frames", share=lost)
    for subject, values in recovery.items():
        findings.add("recovery, half of those inside leave", subject, "s", once=values)


class CrowdRig(Rig):
    """A gateway, its Realtime server, and a process of visitors."""

    def __init__(self, most: int, *, refuses: bool, reply_ms: int = REPLY_MS) -> None:
        """``most``: visitors."""
        super().__init__(
            [],
            upstream="answer",
            reply_ms=reply_ms,
            SIGNALING__REFUSE_WHEN_BUSY=int(refuses),
            SIGNALING__MAX_PARTICIPANTS=most,
            SIGNALING__MAX_ROOMS=most,
            MEDIA_WORKER__MAX_CHILDREN=min(most + 4, 256),
            OPENAI_LINK__MAX_CHILDREN=min(most + 2, 256),
        )

    def start(self) -> None:
        """Start all processes."""
        super().start()
        self.crowds = [HelperProcess("benchmarks.rig.crowd_process") for _ in range(2)]
        for crowd in self.crowds:
            self._started.callback(crowd.close)
        self.loads += self.crowds

    def offer(self, first: int, count: int, over_s: float) -> None:
        """Let ``count`` visitors come, evenly within ``over_s``; returns at once."""
        for number, crowd in enumerate(self.crowds):
            seats = [
                (f"room-{n}", f"127.1.{n // 200}.{n % 200 + 1}", (n - first) * over_s / count)
                for n in range(first + number, first + count, len(self.crowds))
            ]
            crowd.ask("offer", url=self.gateway.url, visitors=seats, style="conversation")

    def visitors(self) -> list[dict[str, Any]]:
        """What became of everybody."""
        return [visitor for crowd in self.crowds for visitor in crowd.ask("visitors")]


def find_sessions(options: Options, findings: Findings) -> int:
    """How many sessions these processors bear, together with their clients and server."""
    settle_s, window_s = options.scaled(2, 1, 1), options.scaled(8, 4, 1)
    with CrowdRig(MOST_SESSIONS, refuses=False) as rig:
        good = 0
        while good + STEP <= MOST_SESSIONS:
            rig.offer(good, STEP, 1.0)
            time.sleep(1.0 + settle_s)
            rig.look()
            before = rig.metrics()
            time.sleep(window_s)
            late = spread([us / 1000 for look in rig.look()[0] for us in look["late_us"]])
            lost = lost_share(before, rig.metrics())
            late_ms = max(late.get("p95", 0.0), up_ms(before, rig.metrics()))
            sessions = good + STEP
            inside = sum(visitor["admitted_s"] >= 0 for visitor in rig.visitors())
            findings.progress(
                f"ramp: {inside} of {sessions} sessions, p95 {late_ms:.0f} ms, lost {lost:.2%}"
            )
            findings.add("ramp", f"{sessions} sessions, p95", "ms", p95=round(late_ms, 1))
            if late_ms > LATE_MS or lost > LOST_SHARE or inside < sessions:
                break
            good = sessions
    return max(good, 1)


def come_in(rig: CrowdRig, visitors: int, seconds: float, findings: Findings) -> Minute:
    """The minute itself."""
    findings.progress(f"{visitors} visitors within {seconds:g} s")
    minute = Minute()
    rig.look()
    rig.offer(0, visitors, seconds)
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        time.sleep(min(1.0, max(0.0, end_s - time.monotonic())))
        page = rig.metrics_now()
        minute.levels[int(page.value("signaling", "load_level"))] += 1
        if sum(minute.levels.values()) % TELL_S == 0:
            findings.progress(
                f"{page.value('signaling', 'participants'):.0f} inside, {loads(page)}"
            )
    minute.visitors = rig.visitors()
    clients, upstream = rig.look()
    minute.late_ms = [us / 1000 for client in clients for us in client["late_us"]]
    minute.skipped = sum(client["skipped"] for client in clients) + upstream["skipped_slots"]
    return minute


def recover(rig: CrowdRig, longest_s: float, findings: Findings) -> dict[str, float]:
    """Half of those inside leave: how soon somebody who waits gets in, and the load is gone.

    What has not come after ``longest_s`` is left out.
    """

    def inside() -> int:
        return sum(visitor["admitted_s"] >= 0 for visitor in rig.visitors())

    before = inside()
    findings.progress(f"half of {before} leave, {loads(rig.metrics_now())}")
    began_s = time.monotonic()
    for number, crowd in enumerate(rig.crowds):
        crowd.ask("leave", count=(before // 2 + number) // len(rig.crowds))
    found: dict[str, float] = {}
    waits = any(visitor["admitted_s"] < 0 for visitor in rig.visitors())
    while len(found) < 1 + waits and time.monotonic() - began_s < longest_s:
        time.sleep(PROBE_S)
        if inside() > before and SOMEBODY not in found:
            found[SOMEBODY] = round(time.monotonic() - began_s, 1)
            stop(rig)
        if not load_level(rig):
            found.setdefault("until nothing is shed", round(time.monotonic() - began_s, 1))
    stop(rig)
    return found


def stop(rig: CrowdRig) -> None:
    """Nobody tries any more."""
    for crowd in rig.crowds:
        crowd.ask("stop")


def calm_down(rig: CrowdRig) -> MetricsPage:
    """Everybody is silent; the counters at the end."""
    rig.server.ask("style", style="hush")
    rig.behave("quiet")
    return rig.settled_metrics()


def lost_frames(before: MetricsPage, after: MetricsPage) -> dict[str, float]:
    """Where how many frames were dropped inside; what nobody misses is left out."""
    drops = {**ledger.UPLINK_DROPS, **ledger.DOWNLINK_DROPS}
    lost = {
        what: sum(after.since(before, program, name) for name in names)
        for what, (program, names) in drops.items()
        if what not in HARMLESS
    }
    lost["dropped by links"] -= after.since(before, "openai_link", ledger.QUIET_DROPS)
    return {what: max(count, 0.0) for what, count in lost.items()}


def lost_share(before: MetricsPage, after: MetricsPage) -> float:
    """Frames dropped inside, of all that were sent on, both ways."""
    sent = after.since(before, "media_worker", "frames_in_total")
    sent += after.since(before, "openai_link", "downlink_frames_total")
    return sum(lost_frames(before, after).values()) / max(sent, 1.0)


def up_ms(before: MetricsPage, after: MetricsPage) -> float:
    """The 95th percentile of the way up."""
    return after.quantiles(before, *UP, 0.95).get("p95", 0.0)


def loads(page: MetricsPage) -> str:
    """The load by its measures."""
    ratios = (
        f"{name} {page.value('signaling', f'load_{name}_ratio'):.2f}"
        for name in ("processor", "waiting", "lateness", "backlog", "memory")
    )
    return f"level {page.value('signaling', 'load_level'):.0f}: {', '.join(ratios)}"


def load_level(rig: Rig) -> int:
    """The level of the load now."""
    return int(rig.metrics_now().value("signaling", "load_level"))


def report_visitors(visitors: int, minute: Minute, findings: Findings) -> None:
    """Who got in, and what the others were told."""
    inside = minute.admitted
    findings.add("visitors", "came", "visitors", count=visitors)
    findings.add("visitors", "admitted", "visitors", count=len(inside))
    findings.add("visitors", "refused", "visitors", count=visitors - len(inside))
    answers = [v["answers"][-1]["took_ms"] for v in inside]
    findings.add("answer to an offer", "admitted", "ms", **spread(answers))
    refused = [a["took_ms"] for a in minute.refusals if a["status"]]
    findings.add("answer to an offer", "refused", "ms", **spread(refused))
    kinds = Counter((a["status"], a["title"], a["retry_after"]) for a in minute.refusals)
    for (status, title, retry_after), count in kinds.most_common():
        words = f"{status} {title}, Retry-After {retry_after or 'missing'}"
        findings.add("refusals", words, "answers", count=count)
    details = Counter(a["detail"].partition(";")[0] for a in minute.refusals)
    findings.notes += [f"{count} × “{detail}”" for detail, count in details.most_common(6)]
    without = sum(a["status"] != 503 or not a["retry_after"] for a in minute.refusals)
    findings.ratio("refusals that are not 503 with Retry-After", without, 0)
    for level, seconds in sorted(minute.levels.items()):
        findings.add("load while they came", f"level {level}", "s", count=seconds)


def report_sound(
    minute: Minute, before: MetricsPage, middle: MetricsPage, findings: Findings
) -> None:
    """How those fared who got in, while people came."""
    name = "sound of those inside"
    late, stage = spread(minute.late_ms), middle.quantiles(before, *UP, 0.5, 0.95, 0.99)
    findings.add(name, DOWN, "ms", **late)
    findings.add(name, UP_STAGE, "ms", **stage)
    for what, count in lost_frames(before, middle).items():
        if count:
            findings.add(name, what, "frames", count=count)
    lost = 100 * lost_share(before, middle)
    findings.add(name, "lost inside", "% of frames", share=round(lost, 3))
    findings.add(name, "not sent: load generator late", "frames", count=minute.skipped)
    findings.ratio("frames of those inside that were lost, %", lost, 100 * LOST_SHARE)
    for way, values in (("down", late), ("up", stage)):
        if values:
            findings.ratio(f"{way}, p95 ms", values["p95"], LATE_MS)
