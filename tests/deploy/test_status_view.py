from __future__ import annotations

from deploy.status_view import Reading, headline, quantile, samples_of, tables
from mixer_core.runtime.metrics import BOUNDS_MS
from signaling.http.metrics_page import Figures, render

READY = {
    "ready": True,
    "programs": {"mixer_core": {"ready": False, "pid": 7, "detail": "starting"}},
    "load": {"level": 0, "percent": 12, "reason": ""},
    "warnings": ["the name x leads nowhere"],
}
ROOM = {
    "room": "home",
    "participants": [{"name": "Ada", "muted": True}, {"name": "Ben", "muted": False}],
    "link": {"status": "ready"},
}


def reading(at_s: float, used_us: int, dropped: int) -> Reading:
    counts = [0] * (len(BOUNDS_MS) + 2)
    counts[BOUNDS_MS.index(750.0)] = 9
    counts[BOUNDS_MS.index(5000.0)] = 1
    page = render(
        Figures(
            {
                ("mixer_core", "processor_us_total"): used_us,
                ("mixer_core", "jitter_late_total"): dropped,
                ("openai_link", "turn_reply_ms"): counts,
                ("openai_link", "spent_usd_total"): 1.5,
            },
            {
                ("mixer_core", "memory_resident_bytes"): 50 << 20,
                ("openai_link", "uplink_backlog_ms"): 40,
            },
            {"participants": 2, "rooms": 1},
            {("home", "conversation_turns_total"): 10, ("home", "spent_usd_total"): 1.25},
            {"mixer_core": 3},
        )
    )
    return Reading(at_s, READY, [ROOM], samples_of(page.decode()))


def test_everything_that_matters_is_in_the_tables() -> None:
    now = reading(12.0, 500_000, 30)
    made = {table.title: table for table in tables(reading(10.0, 300_000, 10), now)}
    (mixer,) = [row for row in made["Programs"].rows if row[0] == "mixer_core"]
    assert mixer == ("mixer_core", "NOT READY", "10.0 %", "50 MiB", "3", "starting")
    assert made["Rooms"].rows == (
        ("home", "ready", "Ada (muted), Ben", "10", "0", "$1.25", "0 ms"),
    )
    assert made["Audio that waits"].rows == (("openai_link", "uplink", "40 ms"),)
    assert made["Audio given up"].rows == (("jitter", "late", "30", "10.0 /s"),)
    (turns,) = made["How long it takes"].rows
    assert turns == ("end of speech → first sound", "10", "750 ms", "5000 ms")
    assert made["Look at this"].rows == (("the name x leads nowhere",),)
    assert (
        headline(now)
        == "ready; 2 people in 1 room; load 12 % of what it bears; $1.50 since the start"
    )


def test_an_empty_gateway_has_programs_only() -> None:
    assert [table.title for table in tables(None, Reading(0.0, {"detail": "waiting"}))] == [
        "Programs"
    ]
    assert headline(Reading(0.0, {"detail": "waiting"})).startswith("waiting; 0 people")


def test_what_is_beyond_the_last_bound_is_said_so() -> None:
    assert quantile([(10.0, 0.0), (float("inf"), 4.0)], 0.5) == "over 10 ms"


def test_one_look_shows_no_empty_columns_and_a_simulator_costs_nothing() -> None:
    now = reading(12.0, 500_000, 30)
    programs = {**READY["programs"], "simulator": {"ready": True, "detail": ""}}  # type: ignore[dict-item]
    simulated = Reading(now.at_s, {**READY, "programs": programs}, now.rooms, now.samples)
    made = {table.title: table for table in tables(None, simulated)}
    assert (
        "of a core" not in made["Programs"].columns and "now" not in made["Audio given up"].columns
    )
    assert "spent" not in made["Rooms"].columns and "$" not in headline(simulated)
    for table in made.values():
        assert all(len(row) == len(table.columns) for row in table.rows), table.title
