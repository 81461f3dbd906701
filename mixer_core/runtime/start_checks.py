"""What a program needs to start, tried out before anything starts.

Each program declares its needs in ``<program>/start.py``: a function that checks its settings and
returns ``Needs``. The program calls it as it begins; ``mixminus run`` calls those of all programs
first, so that what would end one of them is told in one line while nothing runs yet.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .bound_path import check_length
from .errors import PortBusyError, RequirementError, RuntimeDirError

BASE_DESCRIPTORS = 64
"""Files that any of the programs may have open beside its connections."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class ListeningPort:
    """A TCP port that a program listens on."""

    host: str
    port: int
    variable: str
    """The setting that names it, as a variable of the environment."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What one program needs of the machine."""

    descriptors: int = BASE_DESCRIPTORS
    """Files that it, or one of its children, may have open at once."""
    ports: tuple[ListeningPort, ...] = ()
    sockets: tuple[str, ...] = ()
    """Names of the sockets that it binds in the runtime directory."""


def check_port(needed: ListeningPort) -> None:
    """Raise PortBusyError where the port cannot be listened on now."""
    host, port = needed.host, needed.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise PortBusyError(
                f"port {port} on {host} cannot be used ({reason}): stop what listens "
                f"there, or set {needed.variable} to another port"
            ) from error


def check_sockets(runtime_dir: Path, names: Iterable[str], suffix: str = "") -> None:
    """Raise RuntimeDirError where the path of a socket would be too long.

    ``suffix``: what may be put behind the names for a moment.
    """
    longest = max(names, key=len)
    check_length(runtime_dir / longest, suffix)


def raise_descriptor_limit(needed: int) -> None:
    """Let this process, and what it starts, open as many files as the system allows.

    Raises:
        RequirementError: that is fewer than ``needed``.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise RequirementError(
            f"{needed} open files are needed for as many people as the settings let in, and this "
            f"user may open {hard}: raise it (ulimit -n {needed}, or LimitNOFILE of the service), "
            "or lower max_participants"
        )


def prepare_state_dir(path: Path) -> None:
    """Make the directory of what is kept (mode 0700), and write into it. A full disk is no error:
    people can talk, and who keeps something says that it cannot.

    Raises:
        RuntimeDirError: it cannot be made, is no directory, or is not writable.
    """
    probe = path / f".probe-{os.getpid()}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        if error.errno in _FULL:
            return
        raise RuntimeDirError(
            f"the state directory {path} cannot be used ({error.strerror}): set "
            "MIXMINUS_RUNTIME__STATE_DIR to a directory that you can write"
        ) from error


def check_packages(requirements: Sequence[str]) -> None:
    """Raise RequirementError where a package is not installed.

    ``requirements``: as ``importlib.metadata.requires`` lists them; those of extras are left out.
    """
    from importlib import metadata  # For the command line alone.

    missing: list[str] = []
    for requirement in requirements:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        if name is None or "extra ==" in requirement:
            continue
        try:
            metadata.distribution(name[0])
        except metadata.PackageNotFoundError:
            missing.append(requirement.partition(";")[0].strip())
    if missing:
        wanted = " ".join(f"'{requirement}'" for requirement in missing)
        raise RequirementError(f"packages are missing: pip install {wanted}")
