"""The long run with atheris, where it is installed: libFuzzer chooses, by coverage.

It runs in a process of its own, since libFuzzer ends its process; what it finds is left in files.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from . import hunt
from .border import Border
from .guard import Fault, smaller, try_input
from .mutation import Mutator

MEMORY_MB = 2_048
NOTES = "notes.json"
NOTE_EVERY = 200
GRACE_S = 900.0
"""For the start, in which every module is instrumented, and for the last input."""
OWN_SHARE = 3
"""One in this many changes is libFuzzer's own where we know the form."""


def is_here() -> bool:
    """Whether atheris can be imported."""
    return importlib.util.find_spec("atheris") is not None


def long(border: Border, seconds: float, seed: int) -> hunt.Outcome:
    """As ``hunt.long``."""
    outcome, begun = hunt.Outcome(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mm-fuzz-") as name:
        folder = Path(name)
        for part in ("inputs", "faults"):
            (folder / part).mkdir()
        for number, data in enumerate(hunt.beginnings(border)):
            (folder / "inputs" / f"seed-{number:04}").write_bytes(data)
        arguments = [border.name, str(folder), str(seconds), str(seed)]
        command = [sys.executable, "-m", "tests.fuzz.guided", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + GRACE_S, check=False
        )
        notes = folder / NOTES
        if not notes.exists():
            raise RuntimeError(f"atheris ended with {done.returncode}: {done.stderr[-2_000:]}")
        outcome.executions = int(json.loads(notes.read_text())["executions"])
        outcome.inputs = [path.read_bytes() for path in sorted((folder / "inputs").iterdir())]
        for path in sorted((folder / "faults").iterdir()):
            fault = try_input(border, path.read_bytes())
            if fault is not None:
                outcome.faults[fault.key] = smaller(border, fault)
        for path in sorted(folder.glob("*-*")):  # What libFuzzer itself gave up at.
            key = (border.name, path.name.partition("-")[0])
            outcome.faults[key] = Fault(key, done.stderr[-2_000:], path.read_bytes())
    outcome.seconds = time.monotonic() - begun
    return outcome


def main(name: str, folder: Path, seconds: float, seed: int) -> None:
    """Never returns."""
    import atheris

    with atheris.instrument_imports(include=_packages()):
        from .borders import BORDERS
    border = BORDERS[name]
    outcome = hunt.Outcome()
    begun = time.monotonic()

    def one(data: bytes) -> None:
        faults = len(outcome.faults)
        outcome.note(border, data)
        if len(outcome.faults) > faults:
            (folder / "faults" / f"{len(outcome.faults):03}").write_bytes(data)
        if outcome.executions % NOTE_EVERY == 0 or time.monotonic() > begun + seconds - 1:
            (folder / NOTES).write_text(json.dumps({"executions": outcome.executions}))

    limits = [f"-max_total_time={int(seconds)}", f"-max_len={border.most_bytes}", "-timeout=60"]
    files = [f"-artifact_prefix={folder}/", str(folder / "inputs")]
    options = [*limits, f"-seed={seed}", f"-rss_limit_mb={MEMORY_MB}", *files]
    atheris.Setup([sys.argv[0], *options], one, custom_mutator=_mutator(atheris, border, seed))
    atheris.Fuzz()


def _mutator(atheris: Any, border: Border, seed: int) -> Any:
    own = Mutator(border, hunt.beginnings(border), seed)

    def mutate(data: bytes, most: int, number: int) -> bytes:
        if number % OWN_SHARE == 0:
            return bytes(atheris.Mutate(data, most))
        own.inputs[number % len(own.inputs)] = data
        return own.next_of(data)[:most]

    return mutate


def _packages() -> list[str]:
    return ["signaling", "media_worker", "mixer_core", "openai_link", "aiortc", "aioice", "deploy"]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
