"""``bench loss``: bad networks, at the browsers and at the Realtime server.

Packets of the clients' or the server's own process are lost or delayed in both directions (see
``impairment``). Latency is that of the reply, every frame, from the RTP packet's arrival at the
link to the client; on the server's side, where the loss is before that, marks are timed instead.
"Grows" compares the last third of the time with the first.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..report.results import quantiles
from ..rig import ledger
from ..rig.gateway_rig import Rig
from ..rig.window import Window, spread
from .call_tables import note_if_full

if TYPE_CHECKING:
    from ..cli import Findings, Options

SETTLE_S = 1.0
OUTAGE_S = 1.0
RECOVERY_NS = 1_000_000_000
CLIENTS = 2


@dataclass(frozen=True, slots=True)
class Network:
    """One kind of badness."""

    name: str
    loss: float = 0.0
    jitter_ms: float = 0.0
    outage_every_s: float = 0.0


NETWORKS = (
    Network("good network"),
    Network("1 % loss", loss=0.01),
    Network("2 % loss", loss=0.02),
    Network("5 % loss", loss=0.05),
    Network("30 ms jitter", jitter_ms=30.0),
    Network("one-second outages", outage_every_s=5.0),
)


def run(options: Options, findings: Findings) -> None:
    """Each network, first at the clients, then at the server."""
    seconds = options.scaled(30, 10, 2)
    networks = NETWORKS[2:3] if options.smoke else NETWORKS
    for side in ("browsers", "Realtime server"):
        with Rig([1] * CLIENTS, upstream="hush") as rig:
            rig.join()
            for network in networks:
                findings.progress(f"{network.name}, {side}")
                measure(rig, side, network, seconds, findings)


def measure(rig: Rig, side: str, network: Network, seconds: float, findings: Findings) -> None:
    """One network on one side."""
    before, clients_before = rig.metrics(), rig.look()[0]
    rig.converse("continuous")
    time.sleep(SETTLE_S)
    window, outages_ns = endure(rig, side, network, seconds)
    rig.server.ask("style", style="hush")
    rig.behave("quiet")
    time.sleep(SETTLE_S)
    after, clients_after = rig.metrics(), rig.look()[0]
    name = f"{network.name} at the {side}"
    up, up_lost = window.uplink_ms()
    down, down_lost = window.downlink_ms()
    findings.add(name, "up: client → Realtime server", "ms", **spread(up), lost_marks=up_lost)
    findings.add(name, "down: Realtime server → client", "ms", **spread(down), lost_marks=down_lost)
    findings.add(name, "down: link → client, every frame", "ms", **spread(window.late_ms))
    note_if_full(name, window, findings)
    report_growth(name, side, network, window, findings)
    if outages_ns:
        calm = spread(window.late_outside(outages_ns))
        findings.add(name, "down: link → client, but for outages and 1 s after", "ms", **calm)
    counts = ledger.balance(before, after, clients_before, clients_after, talkers=1)
    for subject, count in counts.counts.items():
        if count:
            findings.add(name, subject, "frames", count=count)
    concealed = window.upstream["concealed"]
    findings.add(name, "concealed by the Realtime server", "frames", count=concealed)


def endure(
    rig: Rig, side: str, network: Network, seconds: float
) -> tuple[Window, list[tuple[int, int]]]:
    """A window in which the network is bad; and from when to when nothing passed, plus a second."""
    helpers = rig.loads if side == "browsers" else [rig.server]
    outages_ns: list[tuple[int, int]] = []

    def set_network(loss: float, jitter_ms: float) -> None:
        for helper in helpers:
            helper.ask("network", loss=loss, jitter_ms=jitter_ms)

    def outage() -> None:
        began_ns = time.monotonic_ns()
        ends_ns = [int(helper.ask("outage", seconds=OUTAGE_S)) for helper in helpers]
        outages_ns.append((began_ns, max(ends_ns) + RECOVERY_NS))

    set_network(network.loss, network.jitter_ms)
    try:
        every_s = network.outage_every_s
        window = rig.window(seconds, meanwhile=outage if every_s else None, every_s=every_s)
    finally:
        set_network(0.0, 0.0)
    return window, outages_ns


def report_growth(
    name: str, side: str, network: Network, window: Window, findings: Findings
) -> None:
    """The p95 of the thirds of the time, and their ratio."""
    thirds = [quantiles(third, 0.95).get("p95", 0.0) for third in window.late_thirds()]
    names = ("first_third", "second_third", "last_third")
    values = {key: round(value, 3) for key, value in zip(names, thirds, strict=True)}
    findings.add(name, "down: link → client, p95 over time", "ms", **values)
    if side != "browsers" or not window.late_ms:
        return
    if network.loss == 0.02:
        p95 = spread(window.late_ms)["p95"]
        findings.ratio(f"{name}: down, p95 ms", p95, 60.0)
    if thirds[0] and not network.outage_every_s:
        findings.ratio(f"{name}: down, p95 of the last third / first", thirds[2] / thirds[0])
