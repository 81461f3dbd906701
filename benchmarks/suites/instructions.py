"""``bench instructions``: instructions per frame of each stage, counted by valgrind, not timed.

Instruction counts do not depend on how busy the machine is, and carry over to another processor
better than times do: ``jetson.md`` builds on them. Each stage runs for two numbers of frames under
callgrind; the difference is the cost of a frame.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

from ..report.errors import BenchmarkError
from ..report.findings import Findings, Options
from ..rig.stages import STAGES

COLLECTED = re.compile(r"Collected\s*:\s*(\d+)")
FEW, MANY = 50, 450
"""Frames of the two runs."""


def run(options: Options, findings: Findings) -> None:
    """Count every stage."""
    if shutil.which("valgrind") is None:
        findings.notes.append("valgrind is not installed: no instructions were counted")
        return
    stages = ["worker"] if options.smoke else ["worker", "opus"] if options.quick else list(STAGES)
    for stage in stages:
        findings.progress(f"counting {stage}")
        per_frame = (count(stage, MANY) - count(stage, FEW)) / (MANY - FEW)
        findings.add(STAGES[stage][1], "ours", "instructions per frame", mean=round(per_frame))


def count(stage: str, frames: int) -> int:
    """Instructions of a process that passes ``frames`` through ``stage``. Raises BenchmarkError."""
    program = [sys.executable, "-m", "benchmarks.rig.stages", stage, str(frames)]
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}"]
    env = os.environ | {"NUMBA_CPU_NAME": "generic", "PYTHONHASHSEED": "0"}
    subprocess.run(program, env=env, check=True)  # Compiles the kernels, which is not counted.
    done = subprocess.run([*valgrind, *program], env=env, capture_output=True, text=True)
    found = COLLECTED.search(done.stderr)
    if done.returncode or found is None:
        raise BenchmarkError(f"valgrind failed for {stage}: {done.stderr[-400:]}")
    return int(found[1])
