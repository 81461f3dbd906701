"""Runs benchmarks of two checkouts, in turns or both at once, each by its own ``python -m
benchmarks``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from mixer_core.runtime.process import die_with_parent

from ..report.comparison import SIDES, Side
from ..report.errors import BenchmarkError
from ..report.results import Report, read_json
from .helper_process import ROOT, child_environment

RUN_TIMEOUT_S = 3_600.0
ATTEMPTS = 2
"""A run that fails, as on a very busy machine it may, is repeated once."""


class Checkouts:
    """Two checkouts, which both run with the packages of this interpreter."""

    def __init__(self, before: Path, flags: Sequence[str], now: Path = ROOT) -> None:
        """``flags``: of every run, such as ``--quick``. Raises BenchmarkError."""
        self._trees: dict[Side, Path] = {"before": before.resolve(), "now": now.resolve()}
        self._flags = list(flags)
        for tree in self._trees.values():
            if not (tree / "benchmarks" / "__main__.py").exists():
                raise BenchmarkError(f"{tree} is not a checkout with benchmarks")

    def names(self) -> list[str]:
        """A line for each side with its directory."""
        return [f"{side}: {tree}" for side, tree in self._trees.items()]

    def revisions(self) -> list[str]:
        """A line for each side with its commit, where there is one."""
        return [f"{side}: {revision(tree)}" for side, tree in self._trees.items()]

    def interleave(
        self, benchmarks: Sequence[str], rounds: int, progress: Callable[[str], None]
    ) -> Iterator[tuple[Side, Report]]:
        """Run every benchmark from both sides in every round; who is first changes each round.

        Raises BenchmarkError when a run has failed ``ATTEMPTS`` times.
        """
        for number in range(rounds):
            order = SIDES if number % 2 == 0 else SIDES[::-1]
            for name in benchmarks:
                for side in order:
                    progress(f"round {number + 1} of {rounds}: {name}, {side}")
                    yield side, self._run(side, name, progress)

    def at_once(
        self, benchmarks: Sequence[str], rounds: int, progress: Callable[[str], None]
    ) -> Iterator[tuple[Side, Report]]:
        """Run every benchmark from both sides at the same time, in every round.

        Raises BenchmarkError when a run fails: who repeats it would be alone.
        """
        with ThreadPoolExecutor(len(SIDES)) as pool:
            for number in range(rounds):
                for name in benchmarks:
                    progress(f"round {number + 1} of {rounds}: {name}, both")
                    run = partial(self._run, name=name, progress=progress, attempts=1)
                    yield from zip(SIDES, pool.map(run, SIDES), strict=True)

    def _run(
        self, side: Side, name: str, progress: Callable[[str], None], attempts: int = ATTEMPTS
    ) -> Report:
        tree = self._trees[side]
        with tempfile.TemporaryDirectory(prefix="mm-checkouts-") as folder:
            file = Path(folder) / "result.json"
            command = [sys.executable, "-m", "benchmarks", name, *self._flags, "--json", str(file)]
            for attempt in range(attempts):
                done = subprocess.run(
                    command,
                    cwd=tree,
                    env=child_environment(tree),
                    capture_output=True,
                    text=True,
                    timeout=RUN_TIMEOUT_S,
                    preexec_fn=die_with_parent,
                )
                if done.returncode == 0:
                    return read_json(file)[0]
                last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
                progress(f"{name}, {side}, attempt {attempt + 1} failed: {' '.join(last)}")
        raise BenchmarkError(f"{name} fails in {tree}: {' '.join(last)}")


def revision(tree: Path) -> str:
    """Short commit of a checkout, with ``+`` if files have changed; empty without git."""
    command = ["git", "-C", str(tree), "describe", "--always", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
