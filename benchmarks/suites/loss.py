"""``bench loss``: bad networks, at the browsers and at the Realtime server.

Packets of the clients' or the server's process are lost or delayed in both directions (see
``impairment``). Latency is that of every frame of the reply, from the RTP packet's arrival at the
link to the client, and that of marks both ways. Growth is the last third of the time against the
first.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from mixer_core.runtime.units import S_NS

from ..report.findings import Findings, Options
from ..report.results import quantiles
from ..rig import ledger
from ..rig.gateway_rig import Rig
from ..rig.window import Window, spread
from .call_tables import note_if_full

OUTAGE_S = 1.0
RECOVERY_NS = S_NS
CLIENTS = 2


@dataclass(frozen=True, slots=True)
class Network:
    """How bad a network is."""

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
    seconds = options.scaled(30, 10, 1.5)
    networks = NETWORKS[2:3] if options.smoke else NETWORKS
    settle_s = options.scaled(1, 1, 0.3)
    with Rig([1] * CLIENTS, upstream="hush") as rig:
        rig.join()
        for side in ("browsers", "Realtime server"):
            for network in networks:
                findings.progress(f"{network.name}, {side}")
                measure(rig, side, network, settle_s, seconds, findings)


def measure(
    rig: Rig, side: str, network: Network, settle_s: float, seconds: float, findings: Findings
) -> None:
    """One network on one side."""
    before, clients_before = rig.metrics(), rig.look()[0]
    rig.converse("continuous")
    time.sleep(settle_s)
    window, outages_ns = endure(rig, side, network, seconds)
    rig.server.ask("style", style="hush")
    rig.behave("quiet")
    time.sleep(settle_s)
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
        findings.add(name, "down: link → client, except in outages and 1 s after", "ms", **calm)
    counts = ledger.balance(before, after, clients_before, clients_after, talkers=1)
    for subject, count in counts.counts.items():
        if count:
            findings.add(name, subject, "frames", count=count)
    concealed = window.upstream["concealed"]
    findings.add(name, "concealed by the Realtime server", "frames", count=concealed)


def endure(
    rig: Rig, side: str, network: Network, seconds: float
) -> tuple[Window, list[tuple[int, int]]]:
    """A window on a bad network, and its outages: begin and end plus a second (monotonic ns)."""
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
    """The p95 of each third of the time, and the ratio of last to first."""
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
