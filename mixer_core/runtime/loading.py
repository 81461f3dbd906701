"""Imports without what a program does not need of them, so that it starts sooner."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
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


@contextlib.contextmanager
def without(*names: str) -> Iterator[None]:
    """Modules that are not found inside, unless they are there already.

    For what a library would like to have and does without; to look for it costs more than the use.
    """
    hidden = dict.fromkeys(name for name in names if name not in sys.modules)
    sys.modules.update(hidden)  # type: ignore[arg-type]  # As the import system wants it.
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def without_authorities() -> Iterator[None]:
    """TLS contexts that are made inside know no authorities: they can verify nobody.

    aiohttp makes two while it is imported, for its client. To read all that the system trusts takes
    as long as to import the rest of it; a program that only serves has no use for them.
    """
    before = {name: os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
    os.environ.update(dict.fromkeys(before, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
