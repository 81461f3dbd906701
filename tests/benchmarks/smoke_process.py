"""Runs benchmarks one after the other in one process, which imports what they need once.

``python -m tests.benchmarks.smoke_process``: commands as ``HelperProcess`` gives them. They run in
the main thread and outside of any event loop, as from the command line.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cli import main


@contextlib.contextmanager
def printed_into(file: Path) -> Iterator[None]:
    """All that this process and its children print goes into ``file``."""
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    try:
        with file.open("wb") as target:
            for descriptor in (1, 2):
                os.dup2(target.fileno(), descriptor)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, before in zip((1, 2), kept, strict=True):
            os.dup2(before, descriptor)
            os.close(before)


def run(words: list[str], printed: Path) -> int:
    """One command of ``python -m benchmarks``; returns its exit code."""
    with printed_into(printed):
        try:
            return main(words)
        except (Exception, SystemExit):
            traceback.print_exc()
            return 1


if __name__ == "__main__":
    for line in sys.stdin:
        _, arguments = json.loads(line)
        code = run(arguments["words"], Path(arguments["printed"]))
        print(json.dumps({"result": code}), flush=True)
