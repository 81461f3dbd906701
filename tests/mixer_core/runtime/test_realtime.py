"""Priority, processor, memory: what is permitted is set; what is not is told, and no error."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from mixer_core.runtime.realtime import NICE, apply
from mixer_core.runtime.settings import RuntimeSettings

SCRIPT = """
import os, resource, sys
from mixer_core.runtime.realtime import apply
from mixer_core.runtime.settings import RuntimeSettings
if sys.argv[1] == "poor":
    for limit in (resource.RLIMIT_RTPRIO, resource.RLIMIT_NICE, resource.RLIMIT_MEMLOCK):
        resource.setrlimit(limit, (0, 0))
    os.setgroups([])
    os.setresuid(65534, 65534, 65534)
settings = RuntimeSettings(priority="realtime", lock_memory=True, mixer_processor=1023)
print(len(apply(settings, is_mixer=True)), os.nice(0), os.sched_getscheduler(0) & 0xFF)
"""


def run(who: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, who], capture_output=True, text=True, check=True
    )
    return [int(word) for word in done.stdout.split()]


@pytest.mark.processes
@pytest.mark.skipif(os.getuid() != 0, reason="only root can give up what it may")
def test_without_rights_everything_is_told_and_nothing_fails() -> None:
    assert run("poor") == [4, 0, os.SCHED_OTHER]


@pytest.mark.processes
@pytest.mark.skipif(os.getuid() != 0, reason="needs the right to raise priorities")
def test_with_rights_it_is_real_time_or_at_least_raised() -> None:
    refused, nice, policy = run("rich")
    assert policy == os.SCHED_RR or (refused, nice) == (2, NICE)


def test_by_default_nothing_is_touched() -> None:
    before = (os.nice(0), os.sched_getaffinity(0), resource.getrlimit(resource.RLIMIT_MEMLOCK))
    assert apply(RuntimeSettings(), is_mixer=True) == []
    assert before == (
        os.nice(0),
        os.sched_getaffinity(0),
        resource.getrlimit(resource.RLIMIT_MEMLOCK),
    )
