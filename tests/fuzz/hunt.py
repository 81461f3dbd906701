"""Searches for inputs that break a border: the short run, and the long one with coverage."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from . import corpus
from .arcs import Arcs
from .border import Border
from .guard import Fault, smaller, try_input
from .mutation import Mutator

MOST_KEPT = 80
"""Inputs of one corpus that stand for branches."""


@dataclass
class Outcome:
    """What a run came to."""

    executions: int = 0
    seconds: float = 0.0
    faults: dict[tuple[str, ...], Fault] = field(default_factory=dict)
    inputs: list[bytes] = field(default_factory=list)
    """Those that are worth keeping."""

    def note(self, border: Border, data: bytes) -> bool:
        """Try one input; whether it went well."""
        self.executions += 1
        fault = try_input(border, data)
        if fault is not None:
            self.faults.setdefault(fault.key, fault)
        return fault is None


def beginnings(border: Border) -> list[bytes]:
    """What a search starts from: the corpus, and what our own code makes."""
    return [data for _, data in corpus.read(border.name)] + list(border.seeds())


def short(border: Border, attempts: int, seed: int = 1) -> Outcome:
    """The corpus, and so many changes of it: the same inputs every time."""
    outcome, known = Outcome(), beginnings(border)
    for data in known:
        outcome.note(border, data)
    mutator = Mutator(border, known, seed)
    for _ in range(attempts):
        outcome.note(border, mutator.next())
    return outcome


def long(border: Border, seconds: float, seed: int, most: int = 1 << 40) -> Outcome:
    """Keep what reaches new arcs, and change it, until the time or ``most`` attempts are over."""
    outcome, arcs = Outcome(), Arcs(border.modules)
    begun = time.monotonic()
    mutator = Mutator(border, [], seed)
    mutator.inputs = []
    for data in beginnings(border):
        with arcs:
            went_well = outcome.note(border, data)
        if went_well:
            mutator.inputs.append(data)
    while time.monotonic() - begun < seconds and outcome.executions < most:
        if outcome.faults and most < 1 << 40:
            break
        data = mutator.next()
        with arcs:
            went_well = outcome.note(border, data)
        if went_well and arcs.new:
            mutator.inputs.append(data)
    outcome.inputs = mutator.inputs
    outcome.seconds = time.monotonic() - begun
    outcome.faults = {key: smaller(border, fault) for key, fault in outcome.faults.items()}
    return outcome


def worth_keeping(border: Border, inputs: Iterable[bytes]) -> Sequence[bytes]:
    """The shortest inputs that reach everything that all of them reach, and go well."""
    arcs, kept = Arcs(border.modules), []
    for data in border.seeds():
        with arcs:
            try_input(border, data)
    for data in sorted(set(inputs), key=lambda data: (len(data), data)):
        with arcs:
            fault = try_input(border, data)
        if arcs.new and fault is None:
            kept.append((arcs.new, data))
    kept.sort(key=lambda entry: (-entry[0], len(entry[1])))
    return [data for _, data in kept[:MOST_KEPT]]


def save(border: Border, inputs: Iterable[bytes], faults: Iterable[Fault] = ()) -> None:
    """Write the corpus: what showed faults stays, the rest is chosen anew."""
    entries = corpus.read(border.name)
    found = [entry for entry in entries if entry[0].startswith(corpus.FOUND)]
    known = {data for _, data in found}
    for fault in faults:
        if fault.data not in known:
            found.append((f"{corpus.FOUND} {fault.key[1]}", fault.data))
    others = [data for _, data in entries if data not in known]
    kept = worth_keeping(border, [*others, *inputs])
    corpus.write(border.name, [*found, *((f"branch {n}", d) for n, d in enumerate(kept, 1))])
