"""The long run of the fuzzers.

    python -m tests.fuzz control --seconds 600
    python -m tests.fuzz --all --seconds 60 --seed 3 --keep
    python -m tests.fuzz --list

With atheris installed (``pip install -e '.[fuzz]'``) libFuzzer chooses the inputs by coverage,
else our own search does. ``--keep`` writes what reaches other branches, and what shows faults,
into the corpus; ``--coverage`` tells how many branches of a border's modules the corpus takes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from mixer_core.numba_cache import prepare_cache

from . import guided, hunt, measured
from .border import Border
from .borders import BORDERS
from .borders import http as site


def main() -> int:
    """0 where nothing was found."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__.split("\n")[0]
    )
    parser.add_argument("border", nargs="*", help="names; see --list")
    parser.add_argument("--all", action="store_true", help="every border")
    parser.add_argument("--list", action="store_true", help="the borders and their oracles")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each border")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="write into the corpus")
    parser.add_argument("--plain", action="store_true", help="our own search, without atheris")
    parser.add_argument("--coverage", action="store_true", help="measure the corpus alone")
    given = parser.parse_args()
    prepare_cache(Path(tempfile.gettempdir()))
    if given.list:
        for border in BORDERS.values():
            print(f"{border.name:13} {border.title}\n{'':13} {border.oracle}")
        return 0
    wanted = list(BORDERS) if given.all else given.border
    unknown = set(wanted) - set(BORDERS)
    if unknown or not wanted:
        parser.error(f"there is no {', '.join(unknown)}" if unknown else "which border?")
    return max(_work(BORDERS[name], given) for name in wanted)


def _work(border: Border, given: argparse.Namespace) -> int:
    try:
        if given.coverage:
            print(f"{border.name:13} {measured.of_corpus(border)}", flush=True)
            return 0
        way = hunt if given.plain or not guided.is_here() else guided
        outcome = way.long(border, given.seconds, given.seed)
        name = "atheris" if way is guided else "own"
        print(
            f"{border.name:13} {outcome.executions:9} executions in {outcome.seconds:4.0f} s "
            f"({name}), {len(outcome.faults)} faults",
            flush=True,
        )
        for fault in outcome.faults.values():
            print(f"  {fault.key}\n  {fault.data!r}\n{fault.words}", flush=True)
        if given.keep:
            hunt.save(border, outcome.inputs, outcome.faults.values())
        return 1 if outcome.faults else 0
    finally:
        site.close()


if __name__ == "__main__":
    sys.exit(main())
