"""The long run of the model.

python -m tests.model --count 1000 --seed 1
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from mixer_core.numba_cache import prepare_cache


def _verdict(seed: int) -> object:
    from .story import Verdict, verdict

    try:
        return verdict(seed)
    except Exception as error:
        lines = traceback.format_exception(error)
        return Verdict(seed, ["".join(lines[-3:])])


def main() -> int:
    """0 where everything holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--story", action="store_true", help="tell what was done")
    given = parser.parse_args()
    prepare_cache(Path(tempfile.gettempdir()))
    begun, wrong, states, frames, deaths = time.monotonic(), 0, 0, 0, 0
    healed: list[int] = []
    seeds = range(given.seed, given.seed + given.count)
    with ProcessPoolExecutor(given.workers) as pool:
        runs = pool.map(_verdict, seeds) if given.workers > 1 else map(_verdict, seeds)
        for found in runs:
            states, frames = states + found.states, frames + found.frames
            deaths += found.deaths
            healed.append(found.healed_ms)
            if found.faults or given.story:
                wrong += bool(found.faults)
                lines = [*found.faults[:6], *(found.log if given.story else ())]
                print(f"seed {found.seed}:", *lines, sep="\n    ", flush=True)
    healed.sort()
    print(
        f"{len(healed)} runs in {time.monotonic() - begun:.0f} s, {wrong} went wrong; {deaths} "
        f"deaths, {states} situations, {frames} frames of replies played; healed after "
        f"{healed[len(healed) // 2]} ms (median), {healed[int(len(healed) * 0.95)]} ms (p95), "
        f"{healed[-1]} ms (worst)"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    os.environ.pop("OPENAI_API_KEY", None)
    sys.exit(main())
