"""Whose environment holds which secret, in a gateway that runs."""

from __future__ import annotations

from pathlib import Path

import psutil

from tests.support.gateway import Gateway

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
        for word, value, more in zip(line, line[1:], [*line[2:], ""], strict=False):
            name = more if value == "mixer_core.runtime.fork_server" else value
            if word == "-m" and name in PROGRAMS:
                return name
            if word == "-m" and name == "deploy.supervise":
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
