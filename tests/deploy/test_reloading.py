"""One reload at a time, and each asker gets the answer to what was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from supervisor.states import ProcessStates

from deploy.deaths import MOST_IN_A_ROW
from deploy.plan import COPY_VARIABLE, FILE_VARIABLE, variables_of
from deploy.reloading import Reloading
from mixer_core.runtime.settings import CommonSettings

from .supervised import Supervised


class Gateway:
    """A supervisor without programs."""

    def __init__(self, folder: Path) -> None:
        self.runtime_dir, self.expected = folder, set[str]()
        self.is_stopping = False
        self.said: list[str] = []
        self.adopted: list[Mapping[str, str]] = []

    def say(self, words: str) -> None:
        self.said.append(words)

    def program(self, name: str) -> Any:
        raise AssertionError(f"{name} is none of this")

    def forgive(self, name: str, is_wanted: bool) -> None:
        pass

    def adopt(self, variables: Mapping[str, str]) -> None:
        self.adopted.append(variables)


class World:
    def __init__(self, folder: Path) -> None:
        self.gateway = Gateway(folder)
        self.checks: list[Callable[[bytes], None]] = []
        self.reloading = Reloading(self.gateway, {}, lambda _, done: self.checks.append(done) or 1)

    def finish(self, **finding: object) -> None:
        """The check that is under way has this finding."""
        usual = {"text": "", "variables": {}, "secrets": {}, "wanted": {}, "programs": []}
        found = {"refused": "", "changes": [], **usual, **finding}
        self.checks[-1](json.dumps(found).encode())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    copy = (tmp_path / "copy").open("wb")
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "my.toml"))
    monkeypatch.setenv(COPY_VARIABLE, str(copy.fileno()))
    return World(tmp_path)


def test_who_asks_during_a_check_gets_the_answer_of_the_next_one(world: World) -> None:
    first, second, third = (world.reloading.begin() for _ in range(3))
    assert len(world.checks) == 1 and second == third
    world.finish(changes=[["signaling", "max_rooms", "now"]])
    assert world.reloading.result_of(first) == {
        "refused": "", "changes": [["signaling", "max_rooms", "now"]],
    }  # fmt: skip
    assert world.reloading.result_of(second) is None and len(world.checks) == 2
    world.finish(refused="line 3: no")
    assert world.reloading.result_of(second) == {"refused": "line 3: no", "changes": []}
    assert len(world.checks) == 2 and world.reloading.begin() == 3


def test_nothing_is_started_for_a_gateway_that_stops(world: World) -> None:
    begun = world.reloading.begin()
    world.gateway.is_stopping = True
    world.finish(programs=["signaling", "openai_link"], wanted={"simulator": True})
    later = world.reloading.begin()
    for number in (begun, later):
        told = world.reloading.result_of(number)
        assert told is not None and "about to stop" in told["refused"]
    assert world.gateway.adopted == [] and len(world.checks) == 1


def test_a_check_that_dies_changes_nothing(world: World) -> None:
    number = world.reloading.begin()
    world.checks[0](b"")
    told = world.reloading.result_of(number)
    assert told is not None and "could not be checked" in told["refused"]


NAMES = ("mixer_core", "mixer_core_standby", "simulator", "openai_link", "media_worker")


def reloaded(programs: Supervised, monkeypatch: pytest.MonkeyPatch, **wanted: bool) -> Reloading:
    """After a reload that finds nothing but what is wanted from now on."""
    for name, value in variables_of(CommonSettings()).items():
        monkeypatch.setenv(name, value)
    world = World(programs.supervisor.runtime_dir)
    checks = world.checks
    reloading = Reloading(programs.supervisor, {}, lambda _, done: checks.append(done) or 1)
    number = reloading.begin()
    world.finish(wanted=wanted)
    assert reloading.result_of(number) == {"refused": "", "changes": []}
    return reloading


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ProcessStates.STARTING, ProcessStates.STOPPING),
        (ProcessStates.RUNNING, ProcessStates.STOPPING),
        (ProcessStates.STOPPING, ProcessStates.STOPPING),
        (ProcessStates.BACKOFF, ProcessStates.STOPPED),
        (ProcessStates.STOPPED, ProcessStates.STOPPED),
        (ProcessStates.FATAL, ProcessStates.STOPPED),
    ],
)
def test_what_is_no_longer_wanted_is_stopped_and_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int, after: int
) -> None:
    programs = Supervised(tmp_path, *NAMES)
    simulator = programs.programs["simulator"]
    simulator.becomes(before)
    reloaded(programs, monkeypatch, simulator=False, mixer_core_standby=True)
    assert (simulator.state, simulator.starts) == (after, 0)
    signals = [(4_711, 15)] if after != before and after == ProcessStates.STOPPING else []
    assert programs.signals == signals


@pytest.mark.usefixtures("world")
def test_who_was_given_up_gets_all_its_attempts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = Supervised(tmp_path, *NAMES)
    for name in ("simulator", "media_worker"):
        for _ in range(MOST_IN_A_ROW):
            programs.ends(name, 1)
    programs.programs["mixer_core_standby"].becomes(ProcessStates.STOPPED)
    reloaded(programs, monkeypatch, simulator=True, mixer_core_standby=True)
    starts = {name: program.starts for name, program in programs.programs.items()}
    assert starts == dict.fromkeys(NAMES, 1) | {"mixer_core": 0, "openai_link": 0}
    for name in ("simulator", "media_worker"):
        programs.ends(name, 1)
        assert programs.programs[name].state == ProcessStates.BACKOFF


@pytest.mark.usefixtures("world")
def test_what_is_wanted_again_while_it_stops_is_started_when_it_has_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = Supervised(tmp_path, *NAMES)
    simulator = programs.programs["simulator"]
    simulator.becomes(ProcessStates.STOPPING)
    reloading = reloaded(programs, monkeypatch, simulator=True)
    reloading.look()
    assert simulator.starts == 0
    simulator.becomes(ProcessStates.STOPPED)
    reloading.look()
    assert simulator.starts == 1
    simulator.becomes(ProcessStates.STOPPED)
    reloading.look()
    assert simulator.starts == 1, "somebody else has stopped it"
