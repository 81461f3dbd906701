"""What the commands show of a cluster."""

from __future__ import annotations

from deploy.cluster_view import MOST_ROOMS, headline, left, tables

STATE = {
    "node": "a",
    "nats": {"connected": True, "server": "nats-a:4222"},
    "lease": {"held": True, "pledged": False},
    "nodes": [
        {
            "node": "a",
            "state": "draining",
            "sessions": 3,
            "capacity": 20,
            "load": 0.42,
            "labels": ["gpu"],
            "release": "1.2.0",
            "public_url": "https://a.example",
        },
        {"node": "b", "state": "lost"},
    ],
    "rooms": [{"room": "home", "node": "a", "participants": [{}, {}], "link": {"status": "ready"}}],
    "drain": {"left": {"home": "goes to b in the next pause"}, "moved": 1},
}


def test_nodes_rooms_and_the_drain_are_shown() -> None:
    made = {table.title: table.rows for table in tables(STATE)}
    assert made["Nodes"] == (
        ("a", "drains", "3 of 20", "42 %", "gpu", "1.2.0", "https://a.example"),
        ("b", "LOST", "0", "0 %", "", "", ""),
    )
    assert made["Rooms"] == (("home", "a", "2", "ready"),)
    assert made["This node drains"] == (("home", "goes to b in the next pause"),)
    assert headline(STATE) == "node a; NATS at nats-a:4222"


def test_what_is_wrong_stands_in_the_first_line() -> None:
    away = {**STATE, "nats": {"connected": False}, "lease": {"held": True, "pledged": True}}
    assert headline(away) == "node a; NATS IS AWAY; its lease holds by the word of the other nodes"
    assert "NO LEASE" in headline({**STATE, "lease": {"held": False}})


def test_an_answer_of_another_release_is_shown_as_far_as_it_goes() -> None:
    assert tables({}) == [] and "?" in headline({})
    odd = {"nodes": [{"node": "a", "state": "asleep", "capacity": None}, 7], "rooms": "many"}
    (nodes,) = tables(odd)
    assert nodes.rows[0][:2] == ("a", "asleep")
    assert left({"left": None}) == []


def test_of_many_rooms_the_first_are_shown() -> None:
    rooms = [{"room": f"r{i:03}", "node": "a"} for i in range(MOST_ROOMS + 5)]
    (table,) = tables({"rooms": rooms})
    assert len(table.rows) == MOST_ROOMS + 1 and table.rows[-1][0] == "and 5 more"
