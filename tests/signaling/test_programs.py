"""What follows from the state of the programs: for people, for operators, for the log."""

from __future__ import annotations

import pytest

from mixer_core.bus.control import Heartbeat
from mixer_core.bus.roles import Role
from mixer_core.runtime.errors import ProblemError
from mixer_core.runtime.units import S_NS
from signaling.http.health import FRESH_NS, START_NS
from signaling.programs import Findings, Programs

NAMES = ("mixer_core", "media_worker", "openai_link")
WORKER_GONE = Findings(given_up={"media_worker": "it ended five times in a row"})


class World:
    """Programs whose children the test counts."""

    def __init__(self) -> None:
        self.counts = {"workers_idle": 1, "links_idle": 1, "links_active": 0}
        self.programs = Programs(lambda: self.counts, "http://here")

    def beat(self, now_ns: int, *names: str) -> None:
        for name in names or NAMES:
            self.programs.heard(Heartbeat(name, 7, True), now_ns)


def test_the_log_says_what_is_waited_for_and_once_where_the_page_is() -> None:
    world = World()
    assert world.programs.line(0) == ""
    waiting = "= waiting for mixer_core: not started, media_worker: not started, openai_link: not"
    assert world.programs.line(START_NS).startswith(waiting)
    world.beat(START_NS)
    ready = [world.programs.line(START_NS) for _ in range(2)]
    assert ready == ["= mixminus is ready: open http://here", ""]


def test_what_the_latest_look_has_found_counts_until_the_next_one() -> None:
    world = World()
    world.beat(0)
    world.programs.looked(Findings(faults={"mixer_core": "nobody listens"}))
    states, missing = world.programs.states(0)
    assert missing == ["mixer_core: nobody listens"] and not states["mixer_core"].ready
    world.programs.looked(Findings())
    assert world.programs.states(0)[1] == []


def test_people_hear_of_a_program_that_was_given_up_once_it_is_gone() -> None:
    world = World()
    world.beat(0)
    world.programs.looked(WORKER_GONE)
    assert world.programs.losses(0) == ("", ""), "it is still there"
    told, told_to_admins = world.programs.losses(FRESH_NS)
    assert "nobody new can come in" in told and "five times" not in told
    assert "it ended five times in a row" in told_to_admins
    world.programs.looked(Findings())
    assert world.programs.losses(FRESH_NS) == ("", "")


def test_an_offer_is_refused_when_nobody_will_answer_and_admins_are_told_why() -> None:
    world = World()
    world.counts["workers_idle"] = 0
    world.programs.check_offer("speak")  # One may start any moment.
    world.programs.looked(WORKER_GONE)
    refused: tuple[tuple[Role, bool], ...] = (("speak", False), ("admin", True))
    for role, is_told in refused:
        with pytest.raises(ProblemError) as caught:
            world.programs.check_offer(role)
        assert (caught.value.status, caught.value.retry_after_s) == (503, 10)
        assert ("five times" in caught.value.detail) is is_told
    world.counts["workers_idle"] = 1
    world.programs.check_offer("speak")  # Its children outlive it.


def test_what_is_only_wanted_is_a_warning_and_other_processes_are_counted() -> None:
    world = World()
    for pid, now_ns in ((7, 0), (8, S_NS)):
        world.programs.heard(Heartbeat("mixer_core", pid, True, wants=("mixer_standby",)), now_ns)
    (warning,) = world.programs.warnings(S_NS)
    assert warning.startswith("mixer_standby: not started")
    assert world.programs.restarts == {"mixer_core": 1}
