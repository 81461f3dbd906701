"""Readiness: which programs are up, and when the log says so."""

from __future__ import annotations

import pytest

from mixer_core.bus.control import Heartbeat
from signaling.http.health import Health, Watch, as_json
from signaling.http.metrics_page import Figures, render

MS = 1_000_000
READY = {"workers_idle": 1, "links_idle": 1, "links_active": 0}
NAMES = ("mixer_core", "media_worker", "openai_link", "simulator")


def beating(simulated: bool = True, **more: Heartbeat) -> Health:
    """A gateway whose programs all beat at time 0."""
    health = Health()
    for name in NAMES[: 4 if simulated else 3]:
        needs = ("simulator",) if simulated and name == "openai_link" else ()
        health.heard(more.get(name, Heartbeat(name, 7, True, needs=needs)), 0)
    return health


def test_it_is_ready_when_every_program_is() -> None:
    assert beating().missing(READY, 2_999 * MS) == []
    assert as_json(beating().programs(READY, 0))["mixer_core"] == {
        "ready": True,
        "pid": 7,
        "detail": "",
    }


def test_the_simulator_is_needed_only_when_the_link_says_so() -> None:
    health = beating(simulated=False)
    assert list(health.programs(READY, 0)) == list(NAMES[:3])
    health.heard(Heartbeat("openai_link", 7, True, needs=("simulator",)), 0)
    assert health.missing(READY, 0) == ["simulator: not started"]


def test_what_was_never_heard_of_is_missing() -> None:
    assert Health().missing(READY, 0) == [f"{name}: not started" for name in NAMES[:3]]


def test_a_stale_heartbeat_does_not_count() -> None:
    assert beating().missing(READY, 3_000 * MS) == [f"{name}: no heartbeat" for name in NAMES]


def test_the_reason_of_a_program_that_is_not_ready_is_passed_on() -> None:
    health = beating(mixer_core=Heartbeat("mixer_core", 7, False, "compiling kernels"))
    assert health.missing(READY, 0) == ["mixer_core: compiling kernels"]


def test_a_program_that_beats_and_cannot_be_reached_is_missing() -> None:
    faults = {"mixer_core": "nobody listens", "signaling": "its directory is gone"}
    missing = beating().missing(READY, 0, faults)
    assert missing == ["mixer_core: nobody listens", "signaling: its directory is gone"]
    assert beating().missing(READY, 0) == []


@pytest.mark.parametrize(
    ("counts", "missing"),
    [
        ({"workers_idle": 0}, ["media_worker: no idle child"]),
        ({"links_idle": 0}, ["openai_link: no idle child"]),
        ({"links_idle": 0, "links_active": 1}, []),
    ],
)
def test_children_are_needed(counts: dict[str, int], missing: list[str]) -> None:
    assert beating().missing(READY | counts, 0) == missing


def test_readiness_is_told_once_and_short_lapses_are_not() -> None:
    watch = Watch()
    steps = [
        (["mixer_core"], 0, None),
        (["mixer_core"], 9_999, None),  # A start takes some seconds.
        (["mixer_core"], 10_000, "mixer_core"),
        (["mixer_core"], 12_000, None),
        (["mixer_core", "simulator"], 12_100, "mixer_core, simulator"),
        ([], 13_000, ""),
        ([], 14_000, None),
        (["media_worker: no idle child"], 15_000, None),
        ([], 15_100, None),
        (["media_worker"], 16_000, None),
        (["media_worker"], 16_999, None),
        (["media_worker"], 17_000, "media_worker"),
        ([], 17_100, ""),
    ]
    for missing, now_ms, expected in steps:
        assert watch.update(missing, now_ms * MS) == expected, now_ms


def test_another_process_in_the_place_of_a_program_is_a_restart() -> None:
    health = beating()
    assert health.restarts == dict.fromkeys(NAMES, 0)
    for pid in (7, 8, 8, 9):
        health.heard(Heartbeat("media_worker", pid, True), 0)
    assert health.restarts["media_worker"] == 2 and health.restarts["openai_link"] == 0
    page = render(Figures({}, {}, restarts=health.restarts)).decode()
    assert 'mixminus_restarts_total{program="media_worker"} 2.0' in page
