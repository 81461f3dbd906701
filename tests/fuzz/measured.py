"""How many branches of a border's modules its corpus takes, by ``coverage``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from .arcs import file_of
from .border import Border

CHANGES = 500


def of_corpus(border: Border) -> str:
    """Lines and branches that the corpus and some changes of it take, in percent."""
    with tempfile.TemporaryDirectory(prefix="mm-coverage-") as name:
        data = Path(name) / "data"
        files = ",".join(filter(None, map(file_of, border.modules)))
        run = [sys.executable, "-m", "coverage"]
        inner = ["-m", "tests.fuzz.measured", border.name]
        options = ["run", "--branch", f"--data-file={data}", f"--include={files}"]
        subprocess.run([*run, *options, *inner], check=True, stdout=subprocess.DEVNULL)
        report = [*run, "report", f"--data-file={data}", "--format=total", "--precision=1"]
        total = subprocess.run(report, check=True, capture_output=True, text=True).stdout.strip()
    return f"{total} % of lines and branches of {len(border.modules)} modules"


def _main() -> None:
    from mixer_core.numba_cache import prepare_cache

    from . import hunt
    from .borders import BORDERS
    from .borders import http as site

    prepare_cache(Path(tempfile.gettempdir()))
    try:
        hunt.short(BORDERS[sys.argv[1]], CHANGES)
    finally:
        site.close()


if __name__ == "__main__":
    _main()
