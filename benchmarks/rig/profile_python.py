"""``bench profile`` where there is no py-spy: a gateway whose children run under cProfile.

A ``sitecustomize`` module in a directory of its own reaches the children through the environment;
no program of the gateway is changed. cProfile slows them down, so only shares are told.
"""

from __future__ import annotations

import os
import pstats
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import stacks
from .gateway_rig import Rig

if TYPE_CHECKING:
    from ..cli import Findings

FOLDER_VARIABLE = "BENCH_PROFILE_DIR"
END_TIMEOUT_S = 10.0
TOP_FUNCTIONS = 12
SITECUSTOMIZE = """
import cProfile, multiprocessing.util as util, os, time

def begin(_):
    profile = cProfile.Profile(time.thread_time)
    util.Finalize(None, end, args=(profile,), exitpriority=0)
    profile.enable()

def end(profile):
    profile.disable()
    folder = os.environ["BENCH_PROFILE_DIR"]
    profile.dump_stats(os.path.join(folder, f"{os.getpid()}.prof"))

util.register_after_fork(util, begin)
"""


def profile_children(seconds: float, folder: Path, findings: Findings) -> None:
    """Run a call with one talking client for ``seconds``; report the children's functions."""
    with (
        tempfile.TemporaryDirectory(prefix="mm-profile-") as place,
        _reached(place),
        Rig([1]) as rig,
    ):
        rig.join()
        rig.behave("continuous")
        time.sleep(seconds)
        roles = {process.pid: process.role for process in rig.gateway.processes()}
        for load in rig.loads:
            load.ask("leave")
        deadline_s = time.monotonic() + END_TIMEOUT_S
        while time.monotonic() < deadline_s and len(list(Path(place).glob("*.prof"))) < 2:
            time.sleep(0.1)
        for file in sorted(Path(place).glob("*.prof")):
            role = roles.get(int(file.stem), "child")
            kept = folder / f"{role.replace(' ', '-')}.prof"
            kept.write_bytes(file.read_bytes())
            _report(role, kept, findings)
    findings.notes.append(f"cProfile's files are in {folder}; a flame graph needs py-spy")


@contextmanager
def _reached(place: str) -> Iterator[None]:
    """While it lasts, child processes of Python find our ``sitecustomize``."""
    (Path(place) / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="ascii")
    names = ("PYTHONPATH", FOLDER_VARIABLE)
    before = {name: os.environ.get(name) for name in names}
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (place, before["PYTHONPATH"])))
    os.environ[FOLDER_VARIABLE] = place
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _report(role: str, file: Path, findings: Findings) -> None:
    groups: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    table: Any = vars(pstats.Stats(str(file)))["stats"]
    for (path, _, name), (_, _, own_s, _, _) in table.items():
        frame = f"{name} ({'/'.join(Path(path).parts[-2:])})"
        groups[stacks.group_of((frame,))] += round(own_s * 1e6)
        functions[frame] += round(own_s * 1e6)
    total = max(1, groups.total())
    for group, us in groups.most_common():
        share = round(100 * us / total, 1)
        findings.add(f"{role}: self time", group, "% of its time", share=share)
    for frame, us in functions.most_common(TOP_FUNCTIONS):
        share = round(100 * us / total, 1)
        findings.add(f"{role}: function", frame, "% of its time", share=share)
