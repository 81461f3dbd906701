"""One reload at a time, and each asker gets the answer to what was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.plan import COPY_VARIABLE, FILE_VARIABLE
from deploy.reloading import Reloading


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

    def forgive(self, name: str) -> None:
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
