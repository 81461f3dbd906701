"""``bench kernels``: the mixer's loops for 1–64 streams, against the baseline, NumPy and C.

All subjects of a case run interleaved in small batches, so that a busy moment of the machine hits
them alike; the figure is the best batch of each.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixer_core import kernels, voice_kernels
from mixer_core.bus.pcm import FRAME_SAMPLES
from mixer_core.settings import MixerCoreSettings
from mixer_core.voice_chain import rules_of

from ..report.findings import Findings, Options
from ..rig.averaging import average

STREAMS = (1, 2, 6, 10, 20, 64)
C_SOURCE = """
#include <stdint.h>
void mix(const int16_t *block, int32_t *total, int streams, int samples) {
    for (int i = 0; i < samples; i++) total[i] = 0;
    for (int s = 0; s < streams; s++)
        for (int i = 0; i < samples; i++) total[i] += block[s * samples + i];
}
"""
Subject = Callable[[], object]


def run(options: Options, findings: Findings) -> None:
    """Measure mix, mix-minus, limiter and meter; compare mixing with the others."""
    batches = int(options.scaled(60, 20, 2))
    rng = np.random.default_rng(6)
    c_mix = compile_c(findings)
    for streams in STREAMS:
        findings.progress(f"mixing {streams} streams")
        block = rng.integers(-3000, 3000, (streams, FRAME_SAMPLES), dtype=np.int16)
        best = interleave(mixers(block, c_mix), batches)
        for subject, nanoseconds in best.items():
            findings.add(f"mix {streams} streams", subject, "ns", best=round(nanoseconds, 1))
        if streams == 6:
            report_ratios(best, findings)
    measure_the_rest(rng, batches, findings)


def mixers(block: NDArray[np.int16], c_mix: ctypes.CDLL | None) -> dict[str, Subject]:
    """Everybody's sum of one slot; ``block``: int16, (streams, 480)."""
    total = np.zeros(FRAME_SAMPLES, np.int32)
    pieces = [row.tobytes() for row in block]
    subjects: dict[str, Subject] = {
        "ours": lambda: kernels.mix(block, total),
        "numpy": lambda: np.add.reduce(block, axis=0, dtype=np.int32, out=total),
        "baseline": lambda: average(pieces),
    }
    if c_mix is not None:
        function = c_mix.mix
        arguments = (
            ctypes.c_void_p(block.ctypes.data),
            ctypes.c_void_p(total.ctypes.data),
            ctypes.c_int(len(block)),
            ctypes.c_int(FRAME_SAMPLES),
        )
        subjects["c -O3"] = lambda: function(*arguments)
    return subjects


def report_ratios(best: dict[str, float], findings: Findings) -> None:
    """The two ratios that have targets."""
    findings.ratio("mix 6 streams: ours / baseline", best["ours"] / best["baseline"], 0.01)
    if "c -O3" in best:
        findings.ratio("mix 6 streams: ours / C -O3", best["ours"] / best["c -O3"], 1.2)
    findings.ratio("mix 6 streams: ours / numpy", best["ours"] / best["numpy"])


def measure_the_rest(rng: np.random.Generator, batches: int, findings: Findings) -> None:
    """What else a slot costs: mix-minus with limiting for every listener, limiter, meter, voice."""
    findings.progress("mix-minus, limiter, meter, voices")
    tally = np.zeros(3, np.int64)
    for streams in STREAMS:
        block = rng.integers(-3000, 3000, (streams, FRAME_SAMPLES), dtype=np.int16)
        total = block.sum(axis=0, dtype=np.int32)
        out = np.zeros_like(block)
        subjects: dict[str, Subject] = {
            "ours": lambda b=block, t=total, o=out: kernels.mix_minus(b, t, o),  # type: ignore[misc]
            "numpy": lambda b=block, t=total, o=out: np.clip(
                t - b, -32768, 32767, out=o, casting="unsafe"
            ),  # type: ignore[misc]
        }
        for subject, nanoseconds in interleave(subjects, batches).items():
            findings.add(
                f"mix-minus {streams} listeners", subject, "ns", best=round(nanoseconds, 1)
            )
    loud = rng.integers(-60_000, 60_000, FRAME_SAMPLES, dtype=np.int32)
    row = rng.integers(-3000, 3000, FRAME_SAMPLES, dtype=np.int16)
    voice, rules = voice_kernels.new_row(), rules_of(MixerCoreSettings())
    wide = np.zeros(FRAME_SAMPLES, np.int32)
    single: dict[str, Subject] = {
        "limit": lambda: kernels.limit(loud, row),
        "meter": lambda: kernels.meter(row, tally),
        "a voice: listen": lambda: voice_kernels.listen(row, tally, voice, rules, True),
        "a voice: amplify": lambda: voice_kernels.amplify(row, voice, wide, tally),
    }
    for case, nanoseconds in interleave(single, batches).items():
        findings.add(case, "ours", "ns", best=round(nanoseconds, 1))


def interleave(subjects: dict[str, Subject], batches: int) -> dict[str, float]:
    """Nanoseconds per call of each subject: the best of ``batches`` interleaved batches."""
    calls = {name: calls_per_batch(subject) for name, subject in subjects.items()}
    best = dict.fromkeys(subjects, float("inf"))
    for _ in range(batches):
        for name, subject in subjects.items():
            best[name] = min(best[name], batch_ns(subject, calls[name]))
    return best


def calls_per_batch(subject: Subject, batch_target_ns: float = 2e6) -> int:
    """How many calls take about 2 ms."""
    subject()
    return max(1, int(batch_target_ns / max(1.0, batch_ns(subject, 10))))


def batch_ns(subject: Subject, calls: int) -> float:
    """Nanoseconds per call over one batch."""
    began_ns = time.perf_counter_ns()
    for _ in range(calls):
        subject()
    return (time.perf_counter_ns() - began_ns) / calls


def compile_c(findings: Findings) -> ctypes.CDLL | None:
    """The same loop in C at ``-O3 -march=native``; None where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        findings.notes.append("no C compiler was found: no comparison with C")
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "mix.c", Path(folder) / "mix.so"
        source.write_text(C_SOURCE, encoding="ascii")
        flags = ["-O3", "-march=native", "-shared", "-fPIC"]
        done = subprocess.run(
            [compiler, *flags, str(source), "-o", str(library)], capture_output=True, check=False
        )
        if done.returncode:
            findings.notes.append("the C compiler failed: no comparison with C")
            return None
        return ctypes.CDLL(str(library))
