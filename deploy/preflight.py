"""Everything that could end the start, found before anything starts."""

from __future__ import annotations

import contextlib
import importlib.metadata
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import media_worker.settings
import media_worker.start
import mixer_core.settings
import mixer_core.start
import openai_link.settings
import openai_link.simulator.settings
import openai_link.simulator.start
import openai_link.start
import signaling.settings
import signaling.start
from mixer_core.runtime.bound_path import prepare_runtime_dir
from mixer_core.runtime.errors import AlreadyRunningError, SettingsError
from mixer_core.runtime.lock_file import LockFile, holder_of, is_held, path_of
from mixer_core.runtime.settings import load
from mixer_core.runtime.start_checks import (
    Needs,
    check_packages,
    check_port,
    check_sockets,
    prepare_state_dir,
    raise_descriptor_limit,
)

from .plan import CONTROL_SOCKET
from .settings import GATEWAY, AllSettings

DISTRIBUTION = "mixminus"
SERVICE_STOP_VARIABLE = "SERVICE_STOP_S"
"""Set by whoever runs the service: after so many seconds of a stop it is killed."""
STOP_SPARE_S = 8
"""What a stop may take besides ``drain_s``: signaling's last words, then the programs."""
_LONGEST_PID = ".4194304"
"""supervisord puts its process number behind the name of its socket for a moment (proc(5))."""
Checks = Mapping[str, Callable[[Mapping[str, str]], Needs]]

CHECKS: Checks = {
    "mixer_core": lambda env: mixer_core.start.check_start(
        load(mixer_core.settings.Settings, env), env
    ),
    "openai_link": lambda env: openai_link.start.check_start(
        load(openai_link.settings.Settings, env), env
    ),
    "media_worker": lambda env: media_worker.start.check_start(
        load(media_worker.settings.Settings, env), env
    ),
    "signaling": lambda env: signaling.start.check_start(
        load(signaling.settings.Settings, env), env
    ),
    "simulator": lambda env: openai_link.simulator.start.check_start(
        load(openai_link.simulator.settings.Settings, env), env
    ),
}
"""Each program's own ``check_start``; here is no second list."""


def check(settings: AllSettings, env: Mapping[str, str], simulated: bool) -> int:
    """Try out what all programs need; returns how many files they may have to open.

    Raises:
        StartupError: the first thing that would end one of them.
    """
    check_packages(importlib.metadata.requires(DISTRIBUTION) or ())
    check_drain(settings.runtime.drain_s, env)
    programs = [name for name in CHECKS if simulated or name != "simulator"]
    needs = [CHECKS[name](env) for name in programs]
    descriptors = max(need.descriptors for need in needs)
    raise_descriptor_limit(descriptors)
    sockets = [name for need in needs for name in need.sockets]
    check_sockets(settings.runtime_dir, [CONTROL_SOCKET], _LONGEST_PID)
    check_sockets(settings.runtime_dir, sockets)
    prepare_runtime_dir(settings.runtime_dir)
    for program in (*CHECKS, mixer_core.start.STANDBY_PROGRAM):
        check_not_running(settings.runtime_dir, program)
    prepare_state_dir(settings.state_dir)
    for need in needs:
        for port in need.ports:
            check_port(port)
    return descriptors


def check_drain(drain_s: float, env: Mapping[str, str]) -> None:
    """Raise SettingsError where whoever runs the service kills it before its calls have ended."""
    allowed = env.get(SERVICE_STOP_VARIABLE, "").strip()
    if allowed.isdecimal() and drain_s and drain_s + STOP_SPARE_S > int(allowed):
        raise SettingsError(
            f"[runtime] drain_s = {drain_s:g} is too long: the service is killed {allowed} s after "
            f"it was asked to stop, and needs {STOP_SPARE_S} s more than drain_s. Run the "
            "installer again and restart the service, or set TimeoutStopSec and "
            f"{SERVICE_STOP_VARIABLE} yourself"
        )


def stop_s(drain_s: float) -> int:
    """How long a stop may take, in seconds, for whoever runs the service; with some to spare."""
    return math.ceil(drain_s) + STOP_SPARE_S + 7


def hold(settings: AllSettings) -> Sequence[LockFile]:
    """Take both directories for this process and what it becomes.

    Raises:
        AlreadyRunningError: another gateway has one of them; then none is held.
    """
    directories = {"DIR": settings.runtime_dir, "STATE_DIR": settings.state_dir}
    with contextlib.ExitStack() as stack:
        locks = [
            _held(stack, path_of(directory, GATEWAY), setting)
            for setting, directory in directories.items()
        ]
        stack.pop_all()
    return locks


def _held(stack: contextlib.ExitStack, path: Path, setting: str) -> LockFile:
    lock = stack.enter_context(LockFile(path))
    try:
        lock.take()
    except AlreadyRunningError as error:
        raise another_in(path, setting) from error
    lock.pass_on()
    return lock


def check_not_running(runtime_dir: Path, program: str) -> None:
    """Raise AlreadyRunningError where another process holds the lock of ``program``."""
    path = path_of(runtime_dir, program)
    if is_held(path):
        raise another_in(path, "DIR")


def another_in(lock: Path, setting: str) -> AlreadyRunningError:
    """The error that names the other gateway, which holds ``lock``."""
    return AlreadyRunningError(
        f"another mixminus is running in {lock.parent} (process {holder_of(lock) or '?'}): "
        f"stop it, or set MIXMINUS_RUNTIME__{setting} to another directory"
    )


def user_options() -> list[str]:
    """supervisord wants to be told that root is meant; others it does not need to know."""
    return ["-u", "root"] if os.getuid() == 0 else []
