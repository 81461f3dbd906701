"""matplotlib without a screen; only what draws needs it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from .errors import BenchmarkError

HOW_TO_GET = "plots need matplotlib: pip install 'mixminus[bench]'"


def pyplot_for(folder: Path) -> Any:
    """The module ``matplotlib.pyplot``, and the folder, made where it is missing.

    Raises:
        BenchmarkError: matplotlib is not installed; the message says how to get it.
    """
    try:
        matplotlib = import_module("matplotlib")
    except ModuleNotFoundError as error:
        raise BenchmarkError(HOW_TO_GET) from error
    matplotlib.use("Agg")
    pyplot = import_module("matplotlib.pyplot")
    folder.mkdir(parents=True, exist_ok=True)
    return pyplot
