"""All runs of a small cluster with so many faults in so many rounds.

In each round nothing new goes wrong, or one thing: the condition of a node's way to the store
changes, the store goes away (with a bang, or unnoticed) or comes back, or loses its last writes, a
connection breaks, a node is cut off from the others, its signaling is started anew, or the owner
gives the room away. Runs that come to the same state are one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from .packing import pack, unpack
from .world import CONDITIONS, Setting, World

Event = tuple[str, int, str]
NOTHING: Event = ("nothing", 0, "")
Run = tuple[Event, ...]
Layer = dict[bytes, tuple[int, Run]]
"""States after as many rounds: how many faults are left to each, and a run that led there."""


@dataclass
class Found:
    """What a search has come to."""

    states: int = 0
    rounds: int = 0
    faults: list[tuple[str, tuple[Event, ...]]] = field(default_factory=list)
    """What was wrong, and the run that led there."""


MENDED = 4
"""Rounds after which most of what went wrong has left no trace."""
ALL = ("store", "flicker", "alone", "restart", "give", *CONDITIONS)
"""But ``loses``: NATS is assumed to keep what it has acknowledged, and what is promised where it
does not is less."""


def events(world: World, kinds: Collection[str]) -> Iterator[Event]:
    """What may go wrong now, of these kinds."""
    if "store" in kinds:
        yield from (
            ("store", 0, how) for how in (("back",) if world.is_store_away else ("away", "killed"))
        )
    if "loses" in kinds:
        yield ("loses", 0, "")
    for at, node in enumerate(world.nodes):
        for condition in CONDITIONS:
            if condition in kinds and condition != node.condition:
                yield ("way", at, condition)
        if "flicker" in kinds:
            yield ("flicker", at, "")
        if "alone" in kinds:
            yield ("alone", at, "no" if node.is_alone else "yes")
        if "restart" in kinds:
            yield ("restart", at, "")
        if "give" in kinds and node.owners.held():
            yield ("give", at, "")


def happen(world: World, event: Event) -> None:
    what, at, how = event
    match what:
        case "store":
            world.lose_store(how)
        case "loses":
            world.lose_end()
        case "flicker":
            world.flicker(at)
        case "alone":
            world.nodes[at].is_alone = how == "yes"
        case "way":
            world.set(at, how)
        case "restart":
            world.restart(at)
        case "give":
            world.give(at)


def begin(setting: Setting) -> World:
    """A cluster that has come together; one node speaks."""
    world = World(setting)
    for _ in range(8):
        world.round()
    assert len(world.speaking()) == 1 and not world.faults, world.faults
    return world


def search(
    setting: Setting, rounds: int, faults: int, kinds: Collection[str] = ALL, *, stop: bool = True
) -> Found:
    """All runs with faults of these kinds; ``stop``: at the first that goes wrong."""
    found = Found()
    layer: Layer = {pack(begin(setting)): (faults, ())}
    for _ in range(rounds):
        following: Layer = {}
        for packed, (left, run) in layer.items():
            choices = [NOTHING]
            if left:
                choices += events(unpack(packed), kinds)
            for event in choices:
                world = unpack(packed)
                happen(world, event)
                world.round()
                found.rounds += 1
                then = (*run, event)
                if world.faults:
                    found.faults.append((world.faults[0], then))
                    if stop:
                        return found
                    continue
                _note(following, pack(world), left - (event is not NOTHING), then)
        layer = following
        found.states += len(layer)
    _heal(layer, found, stop)
    return found


def _note(layer: Layer, state: bytes, left: int, run: Run) -> None:
    """A run has come to that state: of several that have, one that may go on longest is kept."""
    known = layer.get(state)
    if known is None or known[0] < left:
        layer[state] = (left, run)


def _heal(layer: Layer, found: Found, stop: bool) -> None:
    """Nothing goes wrong any more, in none of these states."""
    for packed, (_, run) in _mended(layer).items():
        world = unpack(packed)
        world.heal()
        if world.faults:
            found.faults.append((world.faults[0], run))
            if stop:
                return


def _mended(layer: Layer) -> Layer:
    """What becomes of these states when all is mended, a little later: many are the same then."""
    mended: Layer = {}
    for packed, (left, run) in layer.items():
        world = unpack(packed)
        world.mend()
        for _ in range(MENDED):
            world.round()
        _note(mended, pack(world), left, run)
    return mended


def told(run: tuple[Event, ...]) -> str:
    """A run in words."""
    return ", ".join(
        f"{number}: {what} {at if what != 'store' else ''} {how}".rstrip()
        for number, (what, at, how) in enumerate(run)
        if what != "nothing"
    )
