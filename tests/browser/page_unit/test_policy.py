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
    assert delays == [0, 300, 600, 1200, 2000, 3000, 5000, 5000, 5000]


def test_a_gateway_that_said_it_restarts_is_asked_every_second_for_a_while(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const p = new m.ReconnectPolicy(); p.expectRestart(0);
        const soon = Array.from({length: 6}, () => p.failed(1000));
        return [soon, p.failed(2000, 4000), p.failed(200000)];""",
    )
    assert result == [[0, 300, 600, 1000, 1000, 1000], 4000, 5000]


def test_an_attempt_is_due_once(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const p = new m.ReconnectPolicy(); p.failed(900); p.due(900); p.failed(1000);
        return [p.due(1299), p.due(1300), p.due(1301), p.attempt];""",
    )
    assert result == [False, True, False, 2]


def test_retry_after_lengthens_the_wait_only(run: Run) -> None:
    result = run(
        "session/policy.js",
        "const p = new m.ReconnectPolicy(); return [p.failed(0, 4000), p.failed(0, 100)];",
    )
    assert result == [4000, 300]


def test_only_a_stable_connection_starts_the_count_again(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const p = new m.ReconnectPolicy(); p.failed(0); p.failed(300); p.opened(1000);
        const flapping = p.failed(2000); p.opened(5000); const stable = p.failed(8000);
        return [flapping, stable, p.attempt];""",
    )
    assert result == [600, 0, 1]


def test_the_network_coming_back_hurries_and_leaving_cancels(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const p = new m.ReconnectPolicy(); p.hurry(0); const idle = p.due(0);
        p.failed(0, 9000); p.hurry(10); const hurried = p.due(10);
        p.failed(20); p.cancel(); return [idle, hurried, p.due(99999)];""",
    )
    assert result == [False, True, False]


def test_heartbeat_pings_each_second_and_asks_again_where_no_answer_comes(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const h = new m.Heartbeat(0); const seen = [];
        for (let t = 0; t <= 4000; t += 250) { if ([1250, 50, 1050].includes(t)) h.heard(t);
          const {ping, gone} = h.tick(t); if (ping) seen.push(t); if (gone) return [seen, t];
          if (t < 2000) h.heard(t + 20); }""",
    )
    assert result == [[0, 1000, 2000, 2250, 2500, 2750, 3000, 3250], 3250]


def test_an_older_sound_is_no_answer(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const h = new m.Heartbeat(0); h.tick(0); h.heard(-5); const open = h.askedAtMs;
        h.heard(1); return [open, h.askedAtMs];""",
    )
    assert result == [0, None]


def test_who_is_suspected_is_asked_at_once_and_has_less_time(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const h = new m.Heartbeat(0); h.tick(0); h.heard(10); h.suspect();
        const seen = [];
        for (let t = 250; t <= 3000; t += 250) {
          const {ping, gone} = h.tick(t); if (ping) seen.push(t); if (gone) return [seen, t]; }""",
    )
    assert result == [[250, 500, 750, 1000], 1000]


def test_an_answer_ends_the_suspicion(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const h = new m.Heartbeat(0); h.suspect(); h.tick(0); h.heard(30);
        return [h.suspected, h.tick(250).ping, h.tick(1000).ping];""",
    )
    assert result == [False, False, True]


@pytest.mark.parametrize(("rtt_ms", "gone_at"), [(0, 1250), (300, 2500), (5000, 3250)])
def test_a_slow_network_gets_more_time(run: Run, rtt_ms: int, gone_at: int) -> None:
    result = run(
        "session/policy.js",
        f"""const h = new m.Heartbeat(0);
        for (let t = 0; t <= 9000; t += 250) if (h.tick(t, {rtt_ms}).gone) return t;""",
    )
    assert result == gone_at


def test_a_page_that_slept_asks_before_it_judges(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const h = new m.Heartbeat(0); h.tick(0);
        const first = h.tick(60000); const later = [];
        for (let t = 60250; t <= 62000; t += 250) if (h.tick(t).gone) later.push(t);
        return [first, later[0]];""",
    )
    assert result == [{"ping": True, "gone": False}, 61250]


def test_the_microphone_watchdog_escalates_and_calms_down(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const w = new m.CaptureWatchdog(0); const seen = [];
        for (let t = 0; t <= 600000; t += 250) {
          const cure = w.tick(t); if (cure) seen.push([t, cure]); }
        w.heard(600000); const calm = w.tick(600250); return [seen, calm, w.tick(600500)];""",
    )
    quick = [[500, "resume"], [1500, "reopen"], [4000, "rebuild"], [6000, "tell"]]
    slow = [[at_ms, "reopen"] for at_ms in (30_000, 60_000, 120_000, 240_000)]
    assert result == [quick + slow, None, "resume"]


def test_the_time_of_a_cure_does_not_count_and_the_gap_goes_on(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const w = new m.CaptureWatchdog(0); const seen = [];
        for (let t = 0; t <= 20000; t += 250) {
          if (t > 1500 && t <= 11500) { w.hold(t); continue; }
          const cure = w.tick(t); if (cure) seen.push([t, cure]); }
        return seen;""",
    )
    assert result == [[500, "resume"], [1500, "reopen"], [14000, "rebuild"], [16000, "tell"]]


def test_waiting_in_line_is_no_failure(run: Run) -> None:
    result = run(
        "session/policy.js",
        """const p = new m.ReconnectPolicy(); p.failed(0); p.failed(300); p.wait(1000, 3000);
        const due = [p.due(3999), p.due(4000)];
        return [...due, p.attempt, p.failed(5000)];""",
    )
    assert result == [False, True, 0, 0]
