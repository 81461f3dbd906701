"""A running gateway: whose environment holds which secret."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from tests.processes.looking import joined
from tests.support.gateway import LOOK_S, Gateway
from tests.support.plain_client import use_loopback
from tests.support.waiting import wait_until

pytestmark = pytest.mark.processes

PROGRAMS = ("mixer_core", "openai_link", "openai_link.simulator", "media_worker", "signaling")
SECRETS = {
    "OPENAI_API_KEY": "sk-of-a-test-0123456789",
    "MIXMINUS_TOKEN": "token-of-a-test-0123456789",
    "HOME_ASSISTANT_TOKEN": "house-of-a-test-0123456789",
    "HTTPS_PROXY": "http://ada:of-a-test-0123456789@127.0.0.1:9",
}
HOLDERS = {"openai_link": set(SECRETS) - {"MIXMINUS_TOKEN"}, "signaling": {"MIXMINUS_TOKEN"}}


def program_of(process: psutil.Process) -> str:
    """The program that a process belongs to; ``supervisord`` for what started them all."""
    for candidate in (process, *process.parents()):
        line = candidate.cmdline()
        for word, value in pairwise(line):
            if word == "-m" and value in PROGRAMS:
                return value
            if word == "-m" and value == "deploy.supervise":
                return "supervisord"
    return ""


def held(process: psutil.Process) -> set[str]:
    """The secrets whose value stands in ``/proc/PID/environ``, under whatever name."""
    text = Path(f"/proc/{process.pid}/environ").read_bytes().decode()
    return {name for name, value in SECRETS.items() if value in text}


def check(gateway: Gateway) -> dict[str, int]:
    """Every process of the gateway holds its own; returns how many there are per program."""
    counts: dict[str, int] = {}
    for process in gateway.processes():
        try:
            program, secrets = program_of(process), held(process)
        except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
            continue  # It has ended meanwhile.
        counts[program] = counts.get(program, 0) + 1
        assert secrets == HOLDERS.get(program, set()), (program, process)
    return counts


def test_only_its_owner_holds_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    use_loopback()
    gateway = Gateway(OPENAI_LINK__UPSTREAM="simulator", MIXER_CORE__STANDBY=1)
    gateway.env |= SECRETS

    async def call() -> dict[str, int]:
        client = await joined(gateway, "home")
        counts = check(gateway)
        await client.close()
        return counts

    with gateway:
        counts = asyncio.run(call())
        assert set(counts) == {*PROGRAMS, "supervisord"}
        assert counts["openai_link"] >= 3 and counts["media_worker"] >= 4, counts
        for program in HOLDERS:
            (pid,) = gateway.pids(f"-m {program}")[:1]
            psutil.Process(pid).kill()
            wait_until(
                lambda program=program, pid=pid: set(gateway.pids(f"-m {program}")) - {pid},
                f"{program} was not started again",
                step_s=LOOK_S,
            )
        gateway.wait_ready()
        check(gateway)
    for value in SECRETS.values():
        assert value not in gateway.log
    with capsys.disabled():
        print("\nprocesses:", counts)
