"""Priority, processor and memory of what must not be late, as far as the system permits.

Nothing here fails: what is not permitted is told in words, and the program works as usual. It needs
CAP_SYS_NICE and CAP_IPC_LOCK, or limits (``ulimit -r``, ``-e``, ``-l``; systemd: LimitRTPRIO,
LimitNICE, LimitMEMLOCK). Where the kernel shares real time among control groups (version 1, such as
that of a Jetson), the group has to have some of it (``cpu.rt_runtime_us``).

Sources: sched(7), mlockall(2), setpriority(2).
"""

from __future__ import annotations

import ctypes
import errno
import os

from .settings import RuntimeSettings

RR_PRIORITY = 10
"""Above everything that is not real time, below the threads of the kernel."""
NICE = -10
_MCL_CURRENT, _MCL_FUTURE = 1, 2
"""Linux ``mlockall(2)``."""


def apply(settings: RuntimeSettings, *, is_mixer: bool) -> list[str]:
    """Set what the settings ask for, for the calling thread; what was not possible, in words."""
    refused: list[str] = []
    if settings.priority == "realtime" and not _round_robin():
        refused.append("real-time scheduling is not permitted (CAP_SYS_NICE, or ulimit -r 10)")
        if not _raised():
            refused.append("nor is a raised priority")
    elif settings.priority == "raised" and not _raised():
        refused.append("a raised priority is not permitted (CAP_SYS_NICE, or ulimit -e 30)")
    if is_mixer and settings.mixer_processor >= 0 and not _pinned(settings.mixer_processor):
        refused.append(f"processor {settings.mixer_processor} may not be used")
    if is_mixer and settings.lock_memory and (why := _locked()):
        refused.append(f"memory cannot be locked ({why}; CAP_IPC_LOCK, or ulimit -l unlimited)")
    return refused


def _round_robin() -> bool:
    try:
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(RR_PRIORITY))
    except OSError:
        return False
    return True


def _raised() -> bool:
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    except OSError:
        return False
    return True


def _pinned(processor: int) -> bool:
    try:
        os.sched_setaffinity(0, {processor})
    except OSError:
        return False
    return True


def _locked() -> str:
    """Keep all pages in memory; empty: done, else why not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE) == 0:
        return ""
    return os.strerror(ctypes.get_errno() or errno.EPERM)
