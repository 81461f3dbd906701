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

from . import ledger
from .report import quantiles
from .rig import Rig, Window, spread

if TYPE_CHECKING:
    from .cli import Findings, Options

SETTLE_S = 1.0
OUTAGE_S = 1.0
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
    window = endure(rig, side, network, seconds)
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
    report_growth(name, side, network, window, findings)
    counts = ledger.balance(before, after, clients_before, clients_after, talkers=1)
    for subject, count in counts.counts.items():
        if count:
            findings.add(name, subject, "frames", count=count)
    concealed = window.upstream["concealed"]
    findings.add(name, "concealed by the Realtime server", "frames", count=concealed)


def endure(rig: Rig, side: str, network: Network, seconds: float) -> Window:
    """A window in which the network is bad."""

    def set_network(loss: float, jitter_ms: float) -> None:
        if side == "browsers":
            rig.network(loss=loss, jitter_ms=jitter_ms)
        else:
            rig.server.ask("network", loss=loss, jitter_ms=jitter_ms)

    def outage() -> None:
        if side == "browsers":
            for load in rig.loads:
                load.ask("outage", seconds=OUTAGE_S)
        else:
            rig.server.ask("outage", seconds=OUTAGE_S)

    set_network(network.loss, network.jitter_ms)
    try:
        every_s = network.outage_every_s
        return rig.window(seconds, meanwhile=outage if every_s else None, every_s=every_s)
    finally:
        set_network(0.0, 0.0)


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
    if thirds[0]:
        findings.ratio(f"{name}: down, p95 of the last third / first", thirds[2] / thirds[0])
