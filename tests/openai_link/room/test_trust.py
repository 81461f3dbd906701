"""Whose name and whose yes count for tools."""

from __future__ import annotations

from typing import Any

import pytest

from openai_link.facts import ToolCalled
from openai_link.room.actions import TellBrowsers
from openai_link.room.room_tools import NOT_CONFIRMED, RoomTools, Toolset
from openai_link.room.signals import Outcome, ToolAnswered
from openai_link.room.trust import Trust
from openai_link.settings import OpenaiLinkSettings
from openai_link.tools import tool
from openai_link.tools.actions import RunTool
from openai_link.tools.define import spec_of


@tool(who=("Anna",))
def safe() -> str:
    """Open the safe."""
    return "open"


@tool(confirm=True)
def door() -> str:
    """Open the door."""
    return "open"


def person(name: str, role: str = "speak", verified: bool = False) -> dict[str, Any]:
    return {"participant": f"p-{name}", "name": name, "role": role, "verified": verified}


ROSTER = {
    "type": "participants",
    "participants": [
        person("Anna", verified=True),
        person("anna2"),
        person("Olga", "admin"),
        person("Ben"),
    ],
}


def room(verify: bool) -> RoomTools:
    tools = RoomTools(OpenaiLinkSettings(), verify)
    specs = [spec_of(function) for function in (safe, door)]
    tools.changed(Toolset({spec.name: spec for spec in specs if spec is not None}), 0)
    tools.roster(ROSTER)
    return tools


def called(tools: RoomTools, name: str, participant: str, as_name: str) -> list[Outcome]:
    fact = ToolCalled("r1", f"i-{participant}", f"c-{participant}", name, "{}")
    return tools.on_fact(fact, lambda _: (participant, as_name), 0)


def runs(outcomes: list[Outcome]) -> bool:
    return any(isinstance(outcome, RunTool) for outcome in outcomes)


@pytest.mark.parametrize(
    ("participant", "name", "verify", "may"),
    [
        ("p-Anna", "Anna", True, True),
        ("p-anna2", "Anna", True, False),
        ("p-Olga", "Anna", True, False),
        ("p-gone", "Anna", True, False),
        ("", "", True, False),
        ("p-anna2", "Anna", False, True),
        ("p-Ben", "Ben", False, False),
    ],
)
def test_who_counts_verified_names(participant: str, name: str, verify: bool, may: bool) -> None:
    outcomes = called(room(verify), "safe", participant, name)
    assert runs(outcomes) == may
    if not may:
        (answer,) = [o for o in outcomes if isinstance(o, ToolAnswered)]
        assert "may not use safe" in answer.output
        assert ("not verified" in answer.output) == (verify and bool(name))


@pytest.mark.parametrize(
    ("name", "verify", "counts"),
    [
        ("Anna", True, True),
        ("Olga", True, True),
        ("Ben", True, False),
        ("gone", True, False),
        ("Ben", False, True),
    ],
)
def test_a_yes_counts_from_admins_and_those_who_are_known(
    name: str, verify: bool, counts: bool
) -> None:
    tools = room(verify)
    called(tools, "door", "p-Ben", "Ben")
    yes = {"call": "c-p-Ben", "allow": True, "participant": f"p-{name}", "stream": 7}
    outcomes = tools.confirmed(yes, 1)
    assert runs(outcomes) == counts
    if not counts:
        assert outcomes == [TellBrowsers(NOT_CONFIRMED, 7)]
        assert runs(tools.confirmed(yes | {"participant": "p-Olga"}, 2))


def test_everybodys_no_counts() -> None:
    tools = room(True)
    called(tools, "door", "p-Ben", "Ben")
    no = {"call": "c-p-Ben", "allow": False, "participant": "p-Ben", "stream": 7}
    (answer,) = [o for o in tools.confirmed(no, 1) if isinstance(o, ToolAnswered)]
    assert "said no" in answer.output


@pytest.mark.parametrize("listed", [None, 5, [5], [{}], [{"participant": None, "verified": 1}]])
def test_a_roster_that_says_nothing_proves_nobody(listed: object) -> None:
    trust = Trust(True)
    trust.roster({"participants": listed})
    assert not trust.is_proven("p-1") and not trust.may_confirm("p-1")
