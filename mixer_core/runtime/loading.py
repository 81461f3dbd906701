"""Imports without the garbage collector, so that a program starts sooner."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """No collections inside; afterwards the collector leaves alone what was made.

    Modules, classes and functions stay as long as the process, but while they are made the
    collector would look at them again and again: a tenth to a fifth of what imports cost. Cycles
    that became garbage inside are kept with the rest; whoever minds collects first.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
