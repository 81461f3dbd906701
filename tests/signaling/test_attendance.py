"""Who comes and goes is in the log and counted, and whoever waits for the end hears of it."""

from __future__ import annotations

import logging

import pytest

from mixer_core.runtime import logs
from mixer_core.runtime.metrics import Metrics
from mixer_core.runtime.units import S_NS
from signaling.attendance import Attendance
from signaling.limits.limiter import Limiter, Refusal
from signaling.registry.actions import Joined, Left, LinkLost
from tests.signaling.edge import asynchronous


@asynchronous
async def test_every_event_is_counted_logged_and_told(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    attendance = Attendance(metrics, Limiter(1, 1), logs.get("signaling"))
    with caplog.at_level(logging.INFO):
        attendance.note(Joined("home", "p-1", "Ada"))
        attendance.note(Left("home", "p-1", "it left"))
        attendance.note(Left("home", "p-2", "its worker died", lost=True))
        attendance.note(LinkLost("home", "it was killed"))
    assert metrics.values == {"joined_total": 1, "left_total": 2, "links_lost_total": 1}
    ends = attendance.ends
    assert (ends.known("p-1"), ends.known("p-2"), ends.known("p-3")) == ("left", "lost", None)
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said == [
        ("INFO", "= joined as Ada"),
        ("INFO", "= left: it left"),
        ("INFO", "= left: its worker died"),
        ("WARNING", "! the assistant is lost: it was killed"),
    ]


@asynchronous
async def test_an_offer_that_led_to_a_connection_does_not_count() -> None:
    limiter = Limiter(1, 1)
    attendance = Attendance(Metrics(), limiter, logs.get("signaling"))
    now_ns = S_NS
    client = "198.51.100.7"
    limiter.offer(client, now_ns)
    with pytest.raises(Refusal):
        limiter.offer(client, now_ns)
    attendance.note(Joined("home", "p-1", "Ada", client))
    limiter.offer(client, now_ns)
