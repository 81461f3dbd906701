"""What all tests share: profiles, short runtime directories, and the promise of `make quick`."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from mixer_core.numba_cache import prepare_cache
from mixer_core.runtime import logs
from tests.support import in_memory

gc.disable()  # Until everything is collected: modules and tests stay, and are many.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # Threads that wait would take a processor.
settings.register_profile(
    "mixminus", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.load_profile("mixminus")
prepare_cache(Path(tempfile.gettempdir()))  # Kernels are compiled once, not once per program.
in_memory.install()

SLOW_FIRST = ("browser", "processes", "sockets")


SHARED = (
    *(f"tests/browser/{name}/" for name in ("one_gateway", "quiet", "speaking", "page_unit")),
    *(f"tests/processes/{name}/" for name in ("echo", "script")),
)
"""Folders whose files share a gateway or a browser."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files that share something that is slow to start go to one worker."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByShared(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            shared = (folder for folder in SHARED if nodeid.startswith(folder))
            return next(shared, super()._split_scope(nodeid))

    return ByShared(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that wait for processes come first, with one that computes after each few of them.

    So nothing is left to wait for at the end, and no processor idles while others wait.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    groups: list[list[Path]] = [[], [], [], []]
    for path, inside in files.items():
        groups[min(map(_place, inside))].append(path)
    browsers, processes, sockets, memory = groups
    order = [*browsers, *_between([*processes, *sockets], memory)]
    items[:] = [item for path in order for item in files[path]]


def _place(item: pytest.Item) -> int:
    """0 for what is slowest."""
    slow = (index for index, name in enumerate(SLOW_FIRST) if item.get_closest_marker(name))
    return next(slow, len(SLOW_FIRST))


def _between(waiting: list[Path], computing: list[Path]) -> list[Path]:
    """``waiting`` with half of ``computing`` spread evenly among it; the other half at the end."""
    early, late = computing[::2], computing[1::2]
    places = [(n + 1) * len(early) // len(waiting) for n in range(len(waiting))]
    begun = [0, *places]
    mixed = [[path, *early[begun[n] : begun[n + 1]]] for n, path in enumerate(waiting)]
    return [*chain.from_iterable(mixed), *late] if waiting else computing


def pytest_collection_finish() -> None:
    """What is there by now stays: it need not be searched for rubbish again and again."""
    gc.freeze()
    gc.enable()


def _log_levels() -> dict[logging.Logger, int]:
    """Of the root, and of everything of ours that logs."""
    known = logging.root.manager.loggerDict.items()
    own = [log for name, log in known if name.split(".")[0] == logs.ROOT]
    loggers = (logging.root, *(log for log in own if isinstance(log, logging.Logger)))
    return {log: log.level for log in loggers}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[bool | None]:
    """What a test does to the log ends with it."""
    root = logging.getLogger()
    handlers, levels = root.handlers[:], _log_levels()
    try:
        return (yield)
    finally:
        root.handlers[:] = handlers
        for log in _log_levels():
            log.setLevel(levels.get(log, logging.NOTSET))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Fixtures of a test without a marker stay in memory."""
    with in_memory.promised(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """So does the test. (What is torn down after it may belong to others.)"""
    with in_memory.promised(item):
        return (yield)


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A private directory with a short path (a socket's has at most 107 bytes), gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="mm-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)
