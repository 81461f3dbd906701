from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.gateway import ROOT
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.processes

CODE = """
import gc, sys, threading, time
import openai_link.preload as preload
assert threading.active_count() == 1, threading.enumerate()
assert gc.get_freeze_count() > 10_000
assert preload.PRELOADED_PID
assert not {"numba", "llvmlite"} & sys.modules.keys()
"""


def test_preloading_rehearses_a_call_and_leaves_nothing_alive() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", CODE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
