"""Control messages of the other processes, and what signaling makes of them."""

from __future__ import annotations

from collections.abc import Iterator

from mixer_core.bus import control
from mixer_core.bus.control import LinkState, WorkerState
from mixer_core.bus.rules import AdminRules
from mixer_core.runtime.errors import ControlError
from mixer_core.runtime.ice_servers import IceServer
from mixer_core.runtime.units import S_NS
from signaling.http import metrics_page
from signaling.http.health import Health, as_json
from signaling.registry.actions import Join, Limits, Look, SendToChild
from signaling.registry.rooms import Registry
from signaling.registry.totals import Totals
from tests.fuzz.border import Border
from tests.signaling.worlds import OFFER

IDENTITIES = ("worker-1", "worker-2", "link-1", "media_worker", "stranger")


def attempt(data: bytes) -> None:
    """Only a ControlError; and whoever sends it, signaling answers each request at most once."""
    try:
        message = control.decode(data)
    except ControlError as error:
        assert "\n" not in str(error)
        return
    packed = control.encode(message)
    assert control.encode(control.decode(packed)) == packed
    for identity in IDENTITIES:
        _signaling(identity, message)


def _signaling(identity: str, message: control.Message) -> None:
    now_ns = 10**12
    numbers = iter(range(1, 10**6))
    registry = Registry(Limits(rebuild_ns=0), lambda: next(numbers), now_ns)
    replies: set[int] = set()
    totals, health = Totals(), Health()

    def do(actions: list[object]) -> None:
        assert len(actions) < 50
        for action in actions:
            request = getattr(action, "request", None)
            if isinstance(action, SendToChild):
                control.decode(control.encode(action.message))
            elif request is not None:
                assert request not in replies, "a request is answered twice"
                replies.add(request)

    do(registry.message("worker-1", WorkerState("worker-1", 1, "idle"), now_ns))
    do(registry.message("link-1", LinkState("link-1", 2, "idle"), now_ns))
    do(registry.join(Join(1, "den", "Ada", None, OFFER), now_ns))
    for _ in range(2):
        now_ns += S_NS
        do(registry.message(identity, message, now_ns))
        do(registry.ask(Look(100 + now_ns // S_NS, "den"), now_ns))
        due_ns = registry.next_timeout_ns(now_ns)
        if due_ns is not None:
            do(registry.timeout(max(now_ns, due_ns)))
    registry.rooms()
    if isinstance(message, control.Heartbeat):
        health.heard(message, now_ns)
        as_json(health.programs(registry.counts(), now_ns))
        health.missing(registry.counts(), now_ns)
    if isinstance(message, control.Heartbeat | WorkerState | LinkState):
        totals.heard("x", identity, message.pid, message.metrics, now_ns)
        totals.heard("x", identity, message.pid, {}, now_ns)
        figures = metrics_page.Figures(totals.sums(), totals.gauges(now_ns), registry.counts())
        metrics_page.render(figures)
    do(registry.close())
    assert 1 in replies


def _seeds() -> Iterator[bytes]:
    metrics: control.Metrics = {"frames_in_total": 5, "audio_backlog_ms": 1.5, "wait_ms": [1, 2, 0]}
    ice = (IceServer(("turn:a.example:3478",), "user", "secret"),)
    for message in (
        control.Heartbeat("mixer_core", 7, True, "works", metrics, ("simulator",)),
        WorkerState("worker-1", 1, "connected", "den", "p-00000001", 5, "Ada", metrics=metrics),
        WorkerState("worker-2", 3, "closed", "den", "p-9", 6, "Ben", subject="a.b", detail="left"),
        LinkState("link-1", 2, "ready", "den", 9, "openai", "", metrics),
        control.Offer("p-1", "den", 5, "assistant", "Ada", OFFER, ice_servers=ice),
        control.Answer("p-00000001", OFFER),
        control.Refused("p-00000001", 400, "Bad offer", "no fingerprint"),
        control.Leave("p-1", "removed", "an admin has removed you"),
        control.Silence("p-1", True, True),
        control.SetRoom("p-1", "conference", AdminRules(locked=True)),
        control.Notice("p-1", "stopping", "the gateway stops", 30_000),
        control.OpenLink("den", 9, "assistant", True),
        control.Grant("den", 7, 12_000_000_000),
        control.Yield("den", 1, 20_000),
        control.Yielded("den", 1, True),
        control.Stay("den"),
        control.OwesAnswer("den"),
        control.DrainNode(180_000),
        control.SpentElsewhere("2026-11-22", 1.5, 0.25),
        control.ChildExited("media_worker", "worker-1", -9),
    ):
        yield control.encode(message)


BORDERS = (
    Border(
        "control",
        "control messages between processes",
        "only ControlError in one line; a round trip; the registry, the totals and the metrics "
        "page take whatever could be read; each request gets one reply",
        attempt,
        _seeds,
        (
            *("mixer_core.bus.control", "signaling.registry.rooms", "signaling.registry.dispatch"),
            *("signaling.registry.links", "signaling.registry.children"),
            *("signaling.registry.totals", "signaling.http.metrics_page"),
        ),
        form="msgpack",
        tokens=(b"worker-1", b"p-00000001", b"den", b"idle", b"closed", b"ready", b"metrics"),
        short=150,
    ),
)
