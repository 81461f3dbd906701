"""Whose people are sent to other nodes, while a node has lost the cluster."""

from __future__ import annotations

from signaling.cluster.stranded import ALONE_NS, FRESH_NS, Stranded

S = 1_000_000_000


def test_people_stay_where_the_whole_cluster_is_away_but_who_is_alone() -> None:
    stranded = Stranded()
    assert stranded.who_goes(True, 0) == "nobody"
    assert stranded.who_goes(False, 1 * S) == "nobody"
    assert stranded.who_goes(False, 1 * S + ALONE_NS) == "alone"
    assert stranded.who_goes(True, 60 * S) == "nobody"
    assert stranded.who_goes(False, 61 * S) == "nobody"


def test_everybody_goes_where_another_node_takes_rooms() -> None:
    stranded = Stranded()
    stranded.heard(True, 0)
    assert stranded.who_goes(True, 1 * S) == "nobody"
    assert stranded.who_goes(False, 2 * S) == "everybody"
    assert stranded.who_goes(False, FRESH_NS) == "nobody"


def test_a_node_that_has_found_out_takes_nothing_any_more() -> None:
    stranded = Stranded()
    stranded.heard(True, 0)
    stranded.heard(False, 1 * S)
    assert stranded.who_goes(False, 2 * S) == "nobody"
