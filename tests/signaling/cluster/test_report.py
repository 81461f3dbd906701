"""What a node says of its cluster, and that the commands understand it."""

from __future__ import annotations

from dataclasses import replace

from deploy import cluster_view
from mixer_core.cluster.records import NodeRecord
from signaling.cluster.node_views import NodeView
from signaling.cluster.report import LEFT_SHOWN_MS, Report, shown
from signaling.http import metric_help

A = NodeRecord("a", "1" * 16, public_url="https://a.example", capacity=20, sessions=3, load=0.4)
B = NodeRecord("b", "2" * 16, draining=True, release="1.2.0")
C = NodeRecord("c", "3" * 16, gone=True)
GOOD = Report("a", True, "nats-a:4222", True, 2_400, nodes=((B, True), (A, True), (C, False)))


def test_a_healthy_node_has_no_warnings_and_the_command_shows_it() -> None:
    state = GOOD.as_json()
    assert GOOD.warnings() == []
    assert cluster_view.headline(state) == "node a; NATS at nats-a:4222"
    (nodes,) = cluster_view.tables(state)
    assert [row[:3] for row in nodes.rows] == [
        ("a", "live", "3 of 20"),
        ("b", "drains", "0"),
        ("c", "LOST", "0"),
    ]


def test_what_is_wrong_is_a_warning() -> None:
    silent = replace(GOOD, nodes=((A, True), (B, False)), connected=False, pledged=True)
    assert silent.warnings() == [
        "the cluster's NATS cannot be reached: running rooms go on, new ones are refused",
        "node b of the cluster is not heard",
    ]
    alone = replace(GOOD, held=False, why_not="NATS is away")
    assert alone.warnings() == ["this node's assistants are silent: NATS is away"]
    assert "NO LEASE" in cluster_view.headline(alone.as_json())


NOW_MS = 1_800_000_000_000


def test_who_was_stopped_on_purpose_has_left_and_only_who_vanished_is_lost() -> None:
    left = replace(C, left_ms=NOW_MS)
    stopped = replace(left, node="d", gone=False)
    leaves = replace(A, left_ms=NOW_MS)
    nodes = ((leaves, True), (replace(C, node="b"), False), (left, False), (stopped, False))
    report = replace(GOOD, nodes=nodes)
    (table,) = cluster_view.tables(report.as_json())
    assert [row[:2] for row in table.rows] == [
        ("a", "drains"),
        ("b", "LOST"),
        ("c", "has left"),
        ("d", "has left"),
    ]
    assert report.warnings() == []


def test_who_has_left_is_shown_for_a_while_whatever_its_clock_said() -> None:
    left = NodeView(replace(C, left_ms=NOW_MS), False)
    others = [NodeView(A, True), NodeView(replace(left.record, node="d"), True), NodeView(C, False)]

    def names(wall_ms: int) -> list[str]:
        return [record.node for record, _ in shown([left, *others], wall_ms)]

    assert names(NOW_MS) == names(NOW_MS + LEFT_SHOWN_MS - 1) == ["c", "a", "d", "c"]
    assert names(NOW_MS + LEFT_SHOWN_MS) == ["a", "d", "c"], "not who lives, nor who is lost"
    assert names(NOW_MS - LEFT_SHOWN_MS) == ["a", "d", "c"], "its clock was far ahead"


def test_a_drain_is_shown() -> None:
    drained = replace(GOOD, drain={"left": {"home": "waits"}, "moved": 1})
    assert cluster_view.tables(drained.as_json())[-1].rows == (("home", "waits"),)
    assert GOOD.as_json()["drain"] is None


def test_every_gauge_is_explained() -> None:
    known = {name for names in metric_help.HELP.values() for name in names}
    assert GOOD.gauges().keys() <= known
    assert GOOD.gauges()["cluster_lease_left_seconds"] == 2
