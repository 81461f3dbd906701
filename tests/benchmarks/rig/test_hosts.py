"""Hosts of a rig: they reach each other until a wall is in between, and nobody is told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.rig.hosts import Host, Hosts, NetworkError, may_make_hosts
from benchmarks.rig.nats_servers import stream_leaders

_CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 9), 0.3)
except OSError as error:
    print(type(error).__name__)
"""


def reached(one: Host, other: Host) -> str:
    """What a connection to a port that nobody listens on ends with."""
    command = [*one.prefix, sys.executable, "-c", _CONNECT, other.address]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.processes
def test_a_wall_drops_in_silence_and_falls() -> None:
    if not may_make_hosts():
        pytest.skip("network namespaces are not permitted here")
    before = os.readlink("/proc/thread-self/ns/net")
    with Hosts(["a", "b", "c"]) as hosts:
        a, b, c = (hosts[name] for name in "abc")
        assert reached(a, b) == "ConnectionRefusedError"
        hosts.wall(["a"], ["a", "b"])
        assert (reached(a, b), reached(b, a)) == ("TimeoutError", "TimeoutError")
        assert (reached(a, c), reached(a, a)) == ("ConnectionRefusedError",) * 2
        hosts.heal()
        assert reached(b, a) == "ConnectionRefusedError"
    assert os.readlink("/proc/thread-self/ns/net") == before


def test_where_no_network_can_be_made_all_are_this_host() -> None:
    with Hosts(["a", "b"], apart=False) as hosts:
        assert hosts["a"] == Host("a", "127.0.0.1")
        with pytest.raises(NetworkError, match="separated"):
            hosts.wall(["a"], ["b"])


def test_leaders_of_streams_are_read() -> None:
    stream = {"name": "KV_x", "cluster": {"leader": "nats-2"}}
    told = {"account_details": [{"stream_detail": [stream, {"name": "lonely"}]}]}
    assert stream_leaders(told) == {"KV_x": "nats-2", "lonely": ""}
    assert stream_leaders({}) == {}
