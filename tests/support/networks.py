"""Programs in a network namespace of their own, where this user may make one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.support.gateway import ROOT
from tests.support.waiting import PATIENCE_S

LONGEST_S = 15 * PATIENCE_S
"""Of a program: it makes its own network, a gateway, and several visits."""
_PROBE = ["unshare", "-n", "sh", "-c", "ip link add v0 type veth peer name v1"]


def in_a_network(module: str, *arguments: str) -> Any:
    """What ``module`` printed last, as JSON; skips where a network cannot be made."""
    try:
        allowed = subprocess.run(_PROBE, capture_output=True, check=False).returncode == 0
    except OSError:
        allowed = False
    if not allowed:
        pytest.skip("this user may not make a network namespace with a veth pair")
    command = ["unshare", "-n", sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_S, check=False
    )
    assert done.returncode == 0, done.stderr[-6000:]
    found = json.loads(done.stdout.splitlines()[-1])
    print(found)
    return found
