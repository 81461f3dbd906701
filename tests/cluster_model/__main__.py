"""The long search.

python -m tests.cluster_model --faults 2 --rounds 12
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from .search import Found, search, told
from .world import Setting

NAMES = ("a", "b", "c")


def settings(nodes: int) -> list[Setting]:
    """All that does not change in a run: which clock is fast, the links, the order, the rounds."""
    found = []
    for link, backwards, round_ms in itertools.product(
        ("up", "slow", "down"), (False, True), (500, 550)
    ):
        for fast in range(nodes):
            rates = tuple(100 + 5 * (at == fast) for at in range(nodes))
            found.append(Setting(NAMES[:nodes], rates, round_ms * 1_000_000, link, backwards))
    return found


def _run(given: tuple[Setting, int, int]) -> Found:
    setting, rounds, faults = given
    return search(setting, rounds, faults)


def main() -> int:
    """0 where one node speaks at most, always, and it heals."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster_model", description=__doc__)
    parser.add_argument("--nodes", type=int, default=2, choices=(2, 3))
    parser.add_argument("--rounds", type=int, default=12, help="of about half a second")
    parser.add_argument("--faults", type=int, default=2, help="at most, in one run")
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    begun, states, rounds, wrong = time.monotonic(), 0, 0, 0
    work = [(setting, given.rounds, given.faults) for setting in settings(given.nodes)]
    with ProcessPoolExecutor(given.workers) as pool:
        for (setting, _, _), found in zip(work, pool.map(_run, work), strict=True):
            states, rounds = states + found.states, rounds + found.rounds
            for what, run in found.faults:
                wrong += 1
                print(f"{setting}:\n    {what}: {told(run)}", flush=True)
    past_s = time.monotonic() - begun
    print(
        f"{len(work)} settings, {states} states, {rounds} rounds in {past_s:.0f} s: {wrong} wrong"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
