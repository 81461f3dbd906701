"""Names of others' tools: one each, within the rule, and always the same."""

from __future__ import annotations

import re
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_link.tools.names import labels, names

RULE = re.compile(r"[a-zA-Z0-9_-]{1,64}")
HASHED = re.compile(r"_[0-9a-f]{8}$", re.IGNORECASE)
TWINS = (
    *("door.open", "door_open", "door open", "Door_open", "DOOR_OPEN"),
    *("naïve", "naîve", "日本", "中国", "", " ", "_", "__", "-"),
    *("y" * 60 + "_keep_it", "y" * 60 + "_drop_it", "y" * 64, "y" * 65, "y" * 200),
    *("a/b", "a\\b", "a\nb", "a\x00b", "a‮b", "ﬁ", "fi", "İ", "i̇"),
)


def all_names(servers: dict[str, list[str]]) -> list[str]:
    known = labels(servers)
    return [
        name
        for server, tools in servers.items()
        for name in names(known[server], server, tools).values()
    ]


def assert_own(found: list[str]) -> None:
    assert all(RULE.fullmatch(name) for name in found), found
    folded = [name.casefold() for name in found]
    assert len(set(folded)) == len(folded), sorted(folded)


def test_what_needs_no_change_is_not_changed() -> None:
    assert names("shed", "shed", ["add", "get_it", "x-y"]) == {
        "add": "shed__add", "get_it": "shed__get_it", "x-y": "shed__x-y",
    }  # fmt: skip
    assert labels(["shed", "my shed", "a-b"]) == {
        "shed": "shed",
        "my shed": "my_shed",
        "a-b": "a-b",
    }


def test_twins_have_names_of_their_own() -> None:
    assert_own(all_names({"twins": list(TWINS)}))


def test_a_name_does_not_depend_on_order_company_or_whether_it_is_offered() -> None:
    tools = ("door.open", "door_open", "y" * 70)
    first = names("t", "t", tools)
    for order in permutations(tools):
        assert names("t", "t", order) == first
    for tool in tools:
        assert names("t", "t", [tool]) == {tool: first[tool]}
    assert first["door_open"] == "t__door_open" and HASHED.search(first["door.open"])


def test_a_name_that_was_lost_is_never_given_to_another_tool() -> None:
    before = names("t", "t", ["door.open"])["door.open"]
    after = names("t", "t", ["door_open", "door open", "door:open"]).values()
    assert before not in after


def test_names_that_look_as_if_they_had_a_hash_cannot_take_one_that_has() -> None:
    hashed = names("t", "t", ["door.open"])["door.open"]
    imitation = hashed.removeprefix("t__")
    assert_own(all_names({"t": ["door.open", imitation, imitation.upper()]}))


@pytest.mark.parametrize(
    "servers",
    [
        ("a b", "a_b", "a.b", "A_B"),
        ("x", "X"),
        ("a", "a_", "_a", "a__b", "__"),
        ("", " ", "é", "è"),
        ("s" * 23 + "1", "s" * 24 + "2", "s" * 90 + "1", "s" * 90 + "2"),
    ],
)
def test_servers_that_share_a_name_share_no_tools(servers: tuple[str, ...]) -> None:
    assert_own(all_names({server: ["add", "b__add", "_b", "b", *TWINS] for server in servers}))
    assert labels(reversed(servers)) == labels(servers)


TEXT = st.text(st.sampled_from("aAbB_.-é ") | st.characters(), max_size=70)


@given(st.dictionaries(TEXT, st.lists(TEXT, unique=True, max_size=12), max_size=4))
def test_no_two_tools_share_a_name(servers: dict[str, list[str]]) -> None:
    assert_own(all_names(servers))
