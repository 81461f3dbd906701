"""policy.js: reconnecting, heartbeat, microphone watchdog; time is an argument everywhere."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser


def test_back_off_grows_to_five_seconds_and_stays(run: Run) -> None:
    delays = run(
        "session/policy.js",
        "const p = new m.ReconnectPolicy(); return Array.from({length: 9}, () => p.failed(1000));",
    )
    assert delays == [300, 600, 1200, 2000, 3000, 5000, 5000, 5000, 5000]


def test_an_attempt_is_due_once(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const p = new m.ReconnectPolicy(); p.failed(1000);
        return [p.due(1299), p.due(1300), p.due(1301), p.attempt];""",
    )
    assert result == [False, True, False, 1]


def test_retry_after_lengthens_the_wait_only(run: Run) -> None:
    result = run(
        "session/policy.js",
        "const p = new m.ReconnectPolicy(); return [p.failed(0, 4000), p.failed(0, 100)];",
    )
    assert result == [4000, 600]


def test_only_a_stable_connection_starts_the_count_again(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const p = new m.ReconnectPolicy(); p.failed(0); p.failed(300); p.opened(1000);
        const flapping = p.failed(2000); p.opened(5000); const stable = p.failed(8000);
        return [flapping, stable, p.attempt];""",
    )
    assert result == [1200, 300, 1]


def test_the_network_coming_back_hurries_and_leaving_cancels(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const p = new m.ReconnectPolicy(); p.hurry(0); const idle = p.due(0);
        p.failed(0, 9000); p.hurry(10); const hurried = p.due(10);
        p.failed(20); p.cancel(); return [idle, hurried, p.due(99999)];""",
    )
    assert result == [False, True, False]


def test_heartbeat_pings_each_second_and_gives_up_after_two_and_a_half(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const h = new m.Heartbeat(0); const seen = [];
        for (let t = 0; t <= 4000; t += 250) { if (t === 1250) h.heard(t);
          const {ping, gone} = h.tick(t); if (ping) seen.push(t); if (gone) return [seen, t]; }""",
    )
    assert result == [[0, 1000, 2000, 3000], 3750]


def test_a_page_that_slept_asks_before_it_judges(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const h = new m.Heartbeat(0); h.tick(0);
        const first = h.tick(60000); const later = [];
        for (let t = 60250; t <= 62000; t += 250) if (h.tick(t).gone) later.push(t);
        return [first, later[0]];""",
    )
    assert result == [{"ping": True, "gone": False}, 61500]


def test_the_microphone_watchdog_escalates_and_calms_down(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const w = new m.CaptureWatchdog(0); const seen = [];
        for (let t = 0; t <= 6000; t += 250) {
          const cure = w.tick(t); if (cure) seen.push([t, cure]); }
        w.heard(6000); const calm = w.tick(6250); return [seen, calm, w.tick(6500)];""",
    )
    assert result == [[[500, "resume"], [1500, "reopen"], [4000, "rebuild"]], None, "resume"]


def test_waiting_in_line_is_no_failure(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const p = new m.ReconnectPolicy(); p.failed(0); p.failed(300); p.wait(1000, 3000);
        const due = [p.due(3999), p.due(4000)];
        return [...due, p.attempt, p.failed(5000)];""",
    )
    assert result == [False, True, 0, 300]
