"""Several hosts on this machine, and walls between them.

Where this user may make network namespaces, every host has one of its own. A veth pair leads from
each to this process, which has a namespace of its own meanwhile and routes between them. A wall is
a routing rule that drops packets in silence, as a cable does that is pulled: nobody is told, and
connections stay half open. Elsewhere all hosts are the loopback, and there are no walls.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from mixer_core.runtime.process import die_with_parent

from ..report.errors import BenchmarkError
from .closing import Closing

LOOPBACK = "127.0.0.1"
_NET = 0x4000_0000
"""CLONE_NEWNET of unshare(2) and setns(2)."""
_HERE = Path("/proc/thread-self/ns/net")
_PROBE = "ip link add v0 type veth peer name v1 && ip rule add to 192.0.2.1 blackhole"


class NetworkError(BenchmarkError):
    """A network could not be made."""


@dataclass(frozen=True, slots=True)
class Host:
    """One of them."""

    name: str
    address: str
    prefix: tuple[str, ...] = ()
    """Words in front of a command that is to run there."""


def may_make_hosts() -> bool:
    """Whether this user may make what ``Hosts`` needs."""
    if not (shutil.which("ip") and shutil.which("unshare") and shutil.which("nsenter")):
        return False
    probe = subprocess.run(["unshare", "--net", "sh", "-c", _PROBE], capture_output=True)
    return probe.returncode == 0


class Hosts(Closing):
    """``with Hosts(["a", "b"]) as hosts: hosts.wall(["a"], ["b"])``."""

    def __init__(self, names: Sequence[str], *, apart: bool | None = None) -> None:
        """``apart``: whether each has a namespace; None: where it is permitted."""
        self._names = list(names)
        self.are_apart = may_make_hosts() if apart is None else apart
        self._hosts: dict[str, Host] = {}
        self._walls: list[tuple[str, str]] = []
        self._started = ExitStack()

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    def start(self) -> None:
        """Make them. Raises NetworkError."""
        if not self.are_apart:
            self._hosts = {name: Host(name, LOOPBACK) for name in self._names}
            return
        before = os.open(_HERE, os.O_RDONLY)
        self._started.callback(os.close, before)
        _call("unshare", _NET)
        self._started.callback(_call, "setns", before, _NET)
        _ip("link set lo up")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        for number, name in enumerate(self._names, 1):
            self._hosts[name] = self._make(number, name)

    def _make(self, number: int, name: str) -> Host:
        keeper = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"],
            stdout=subprocess.PIPE,
            preexec_fn=die_with_parent,
        )
        self._started.callback(keeper.wait)
        self._started.callback(keeper.kill)
        assert keeper.stdout is not None
        keeper.stdout.readline()
        keeper.stdout.close()
        net, outer = f"10.77.{number}", f"host{number}"
        prefix = ("nsenter", f"--net=/proc/{keeper.pid}/ns/net", "--")
        _ip(f"link add {outer} type veth peer name eth0 netns {keeper.pid}")
        _ip(f"address add {net}.1/24 dev {outer}")
        _ip(f"link set {outer} up")
        for command in (
            "link set lo up",
            f"address add {net}.2/24 dev eth0",
            "link set eth0 up",
            f"route add default via {net}.1",
        ):
            _ip(command, prefix)
        return Host(name, f"{net}.2", prefix)

    def wall(self, some: Sequence[str], others: Sequence[str]) -> None:
        """From now on nothing gets from ``some`` to ``others``, nor back. Raises NetworkError."""
        if not self.are_apart:
            raise NetworkError("hosts that are all this one cannot be separated")
        for one, other in product(some, others):
            for source, target in ((one, other), (other, one)):
                pair = (self[source].address, self[target].address)
                if one != other and pair not in self._walls:
                    self._walls.append(pair)
                    _ip(f"rule add from {pair[0]} to {pair[1]} blackhole")

    def heal(self) -> None:
        """All walls fall."""
        while self._walls:
            source, target = self._walls.pop()
            _ip(f"rule delete from {source} to {target} blackhole")

    def close(self) -> None:
        """Forget them; what runs there has to be gone."""
        self._started.close()


def _ip(command: str, prefix: Sequence[str] = ()) -> None:
    done = subprocess.run([*prefix, "ip", *command.split()], capture_output=True, text=True)
    if done.returncode:
        raise NetworkError(f"ip {command}: {done.stderr.strip()}")


def _call(name: str, *arguments: int) -> None:
    function: Callable[..., int] = getattr(ctypes.CDLL(None, use_errno=True), name)
    if function(*arguments):
        raise NetworkError(f"{name}: {os.strerror(ctypes.get_errno())}")
