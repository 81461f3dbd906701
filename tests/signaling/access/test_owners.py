"""The secret address of a participant, with and without a cluster."""

from __future__ import annotations

import pytest

from signaling.access.owners import Owners, with_node, without_node

PERSON = "p-0000002a"


@pytest.mark.parametrize("node", ["", "kitchen-1"])
def test_only_the_whole_address_is_the_participant_s(node: str) -> None:
    owners = Owners(lambda: b"key", node)
    address = owners.address(PERSON)
    assert owners.participant(address) == PERSON
    assert address.endswith(f"~{node}") is bool(node)
    for wrong in (PERSON, f"{PERSON}.", f"{address}~", f"{address}~other", address[:-1], "é"):
        assert owners.participant(wrong) is None, wrong


def test_an_address_on_another_node_is_nobody_s_here() -> None:
    there, here = Owners(lambda: b"key", "a"), Owners(lambda: b"key", "b")
    assert here.participant(there.address(PERSON)) is None
    bare = without_node(there.address(PERSON), "a")
    assert here.participant(bare) == PERSON, "a node's own need no name"


def test_names_of_what_lies_on_a_node() -> None:
    assert with_node("x", "") == "x" and without_node("x~a", "") == "x~a"
    assert without_node(with_node("x", "a"), "a") == "x"
    assert without_node("x~ba", "a") == "x~ba"


def test_who_joins_again_may_name_a_stay_at_another_node() -> None:
    here, there = Owners(lambda: b"k" * 32, "a"), Owners(lambda: b"k" * 32, "b")
    address = there.address("p-1")
    assert here.participant(address) is None and here.former(address) == "p-1"
    assert here.former(address.replace("p-1", "p-2")) is None and here.former("") is None
    assert Owners(lambda: b"k" * 32).former(Owners(lambda: b"k" * 32).address("p-1")) == "p-1"
