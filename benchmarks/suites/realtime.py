"""``bench realtime``: what priority, a processor of its own and locked memory do for the mixer.

The case of six talkers of ``tick``, beside four programs that compute without a pause, with and
without each of the settings; in turns, so that what else the machine does meets all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixer_core.runtime.process import die_with_parent

from ..report.findings import Findings, Options
from . import tick

TALKERS, MISSING = 6, 0.05
BUSY = 4
CASES = {
    "usual": {},
    "raised": {"MIXMINUS_RUNTIME__PRIORITY": "raised"},
    "realtime": {"MIXMINUS_RUNTIME__PRIORITY": "realtime"},
    "raised, pinned, locked": {
        "MIXMINUS_RUNTIME__PRIORITY": "raised",
        "MIXMINUS_RUNTIME__MIXER_PROCESSOR": str(max(os.sched_getaffinity(0))),
        "MIXMINUS_RUNTIME__LOCK_MEMORY": "true",
    },
}
"""Name → settings."""


def run(options: Options, findings: Findings) -> None:
    """Each case in turn, then once more."""
    seconds = options.scaled(20, 6, 0.6)
    turns = int(options.scaled(2, 1, 1))
    cases = list(CASES.items())[:1] if options.smoke else list(CASES.items())
    with busy_programs():
        for turn in range(turns):
            for name, variables in cases:
                case = f"{name}, turn {turn + 1}"
                findings.progress(case)
                with tempfile.TemporaryDirectory(prefix="mm-rt-") as folder:
                    tick.measure(
                        Path(folder), case, TALKERS, MISSING, seconds, findings, **variables
                    )
    findings.notes.append(
        f"{TALKERS} talkers, {MISSING:.0%} of their frames missing, beside {BUSY} busy programs; "
        "a mixer that is not permitted something says so in its log and works as usual"
    )


@contextmanager
def busy_programs() -> Iterator[None]:
    """Programs that compute without a pause, at the priority of everybody."""
    command = [sys.executable, "-c", "while True: pass"]
    programs = [subprocess.Popen(command, preexec_fn=die_with_parent) for _ in range(BUSY)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()
