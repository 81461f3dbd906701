"""No two nodes ever speak in one room: all runs of a small cluster, and what they find.

``python -m tests.cluster_model`` makes longer ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mixer_core.cluster.incarnations import Incarnations, next_incarnation
from mixer_core.cluster.lease import NodeLease
from mixer_core.cluster.lease_actions import Terms
from mixer_core.cluster.watch import NodeWatch, Verdict
from mixer_core.runtime.units import MS_NS
from signaling.cluster.owners import Owners
from tests.cluster_model.search import ALL, search, told
from tests.cluster_model.world import Setting

OFTEN = Setting(round_ns=550 * MS_NS)
"""Rounds in which a lease ends shortly before the next one."""


ALONE = Setting(names=("a",), rates_percent=(100,), round_ns=1_000 * MS_NS)
"""Nobody calls it lost, so what stands in the store is its own."""
ENDS = Setting(undo=6)
"""The store may lose its last writes, those of three seconds."""
THREE = Setting(names=("a", "b", "c"), rates_percent=(100, 105, 105))


def faults(setting: Setting, rounds: int, most: int, *kinds: str) -> str:
    """What goes wrong first, and how; empty: nothing does."""
    found = search(setting, rounds, most, kinds or ALL)
    return "; ".join(f"{what} ({told(run)})" for what, run in found.faults)


@pytest.mark.parametrize(
    ("setting", "rounds", "most", "kinds"),
    [
        (Setting(), 10, 1, ALL),
        (OFTEN, 8, 1, ALL),
        (Setting(rates_percent=(105, 100), backwards=True), 8, 1, ALL),
        (Setting(link="slow"), 8, 2, ("cut", "ok")),
        (Setting(), 8, 2, ("restart", "give")),
        (THREE, 8, 1, ("cut", "blind", "restart")),
        (THREE, 9, 2, ("store", "flicker")),
        (Setting(), 14, 2, ("store", "alone")),
        (Setting(), 11, 2, ("mute", "alone")),
        (Setting(), 15, 2, ("reads", "cut")),
        (Setting(), 14, 2, ("headless", "restart")),
        (ALONE, 24, 2, ("headless", "restart")),
        (ENDS, 6, 2, ("loses", "store")),
        (ENDS, 6, 2, ("loses", "restart")),
        (replace(THREE, undo=4), 6, 2, ("loses", "blind")),
    ],
)
def test_whatever_goes_wrong_one_node_speaks_and_it_heals(
    setting: Setting, rounds: int, most: int, kinds: tuple[str, ...]
) -> None:
    assert faults(setting, rounds, most, *kinds) == ""


def wrong_lost(
    self: NodeWatch, node: str, incarnation: str, now_ns: int, fresh_ns: int = 0
) -> Verdict:
    """Who was silent for long enough is lost, without a word to the store."""
    seen = self._seen[node]
    terms = self._terms
    is_lost = now_ns >= seen.seen_ns + terms.wait_ns(terms.lease_ns)
    return "lost" if is_lost or seen.claim.incarnation != incarnation else "live"


def wrong_newer(
    self: NodeWatch, node: str, incarnation: str, now_ns: int, fresh_ns: int = 0
) -> Verdict:
    """Rooms of an incarnation before are free at once."""
    seen = self._seen[node]
    is_lost = seen.claim.gone or seen.claim.incarnation > incarnation
    return "lost" if is_lost else "live"


def wrong_written(self: NodeLease, claim: Any, revision: int, now_ns: int) -> Any:
    """A lease counts from the acknowledgement."""
    if self._pending is not None:
        self._pending = self._pending[0], now_ns
    return WRITTEN(self, claim, revision, now_ns)


def wrong_pledged(self: NodeLease, asked_ns: int, incarnation: str, now_ns: int) -> Any:
    """A pledge counts from the answer."""
    return PLEDGED(self, now_ns, incarnation, now_ns)


def wrong_pledge(
    self: NodeWatch, node: str, incarnation: str, reaches_store: bool, now_ns: int
) -> bool:
    """A promise is forgotten."""
    yes = PLEDGE(self, node, incarnation, reaches_store, now_ns)
    if yes:
        self._seen[node] = replace(self._seen[node], pledged_ns=0)
    return yes


def wrong_found(
    self: NodeLease, claim: Any, revision: int, proposed: int, now_ns: int
) -> list[Any]:
    """An incarnation may come back although a newer one was drawn."""
    paused = self._paused
    actions = FOUND(self, claim, revision, proposed, now_ns)
    self._paused = paused
    return actions


def wrong_older(self: NodeLease, revision: int, now_ns: int) -> list[Any]:
    """A replica that is behind is waited for, however long it is."""
    self._due_ns = now_ns + self._terms.renew_ns // 4
    return []


def wrong_draw(self: Incarnations, found: str, proposed: int) -> str:
    """Each attempt to get a lease is a new incarnation; all but the last ones are forgotten."""
    incarnation = next_incarnation(max((*self._own, found)), proposed)
    self._own = (*self._own[-7:], incarnation)
    self._drawn = (*self._drawn[-7:], incarnation)
    return incarnation


WRITTEN, PLEDGED, PLEDGE = NodeLease.written, NodeLease.pledged, NodeWatch.pledge
FOUND = NodeLease.found
SLOW_LINK = Setting(link="slow")
WRONG_LOST = {(NodeWatch, "verdict"): wrong_lost, (NodeWatch, "due"): lambda *_: []}


@pytest.mark.parametrize(
    ("changes", "setting", "rounds", "most", "kinds"),
    [
        (WRONG_LOST, Setting(), 9, 1, ("blind",)),
        ({(NodeWatch, "verdict"): wrong_newer}, Setting(), 8, 2, ("slow", "restart")),
        ({(NodeLease, "written"): wrong_written}, Setting(), 9, 2, ("slow", "cut")),
        ({(NodeLease, "pledged"): wrong_pledged}, SLOW_LINK, 12, 3, ("cut", "ok")),
        ({(NodeWatch, "pledge"): wrong_pledge}, Setting(), 12, 3, ("cut", "ok")),
        ({(Terms, "wait_ns"): lambda self, ns: ns + self.close_ns}, OFTEN, 9, 1, ("cut",)),
        ({(Terms, "wait_ns"): lambda self, ns: ns + ns // 20}, Setting(), 9, 1, ("cut",)),
        ({(Owners, "_lapsed"): lambda self: []}, Setting(), 12, 2, ("late", "ok")),
        ({}, Setting(stops_clocks=True), 12, 2, ("asleep", "ok")),
        ({(NodeLease, "found"): wrong_found}, Setting(), 15, 2, ("reads", "cut")),
    ],
    ids=[
        "nobody writes that a node is lost",
        "a newer incarnation frees rooms at once",
        "a lease counts from the acknowledgement",
        "a pledge counts from the answer",
        "a promise is forgotten",
        "clocks that differ are forgotten",
        "the time to close is forgotten",
        "what was owned is owned by the next incarnation",
        "the clock stands still while the machine sleeps",
        "an incarnation comes back although a newer one was drawn",
    ],
)
def test_the_search_finds_what_would_be_wrong(
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[tuple[type, str], Any],
    setting: Setting,
    rounds: int,
    most: int,
    kinds: tuple[str, ...],
) -> None:
    for (where, name), wrong in changes.items():
        monkeypatch.setattr(where, name, wrong)
    assert "a and b speak at once" in faults(setting, rounds, most, *kinds)


def test_the_search_finds_who_forgets_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Incarnations, "draw", wrong_draw)
    assert "it does not heal" in faults(ALONE, 24, 2, "headless", "restart")


def test_the_search_finds_who_waits_for_writes_that_the_store_has_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(NodeLease, "_found_older", wrong_older)
    assert "it does not heal" in faults(ENDS, 2, 1, "loses")
