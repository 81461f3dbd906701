"""The doctor on a cluster: a NATS server that is there, one that is not, and what does not fit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.doctor import far_checks
from deploy.doctor.cluster import look
from deploy.doctor.facts import Cluster, Facts
from mixer_core.cluster.buckets import Bucket
from mixer_core.cluster.connection import Connection
from mixer_core.cluster.jetstream import JetStream
from mixer_core.cluster.names import Names
from mixer_core.cluster.records import NodeRecord, encode_record
from mixer_core.cluster.settings import ClusterSettings
from tests.support.gateway import free_port
from tests.support.nats_server import NatsServer, needs_nats
from tests.support.waiting import PATIENCE_S

PASSWORD = 'authorization { user: "mixminus", password: "right" }'


def words(cluster: Cluster) -> list[tuple[str, str]]:
    return [(f.severity, f.words) for f in far_checks.cluster(Facts(cluster=cluster))]


def test_what_does_not_fit_is_found_and_a_single_machine_has_nothing_to_look_at() -> None:
    assert words(Cluster()) == [] and words(Cluster(servers=3, replicas=3)) == []
    assert "nothing can be kept" in words(Cluster(servers=1, replicas=3))[0][1]
    assert words(Cluster(servers=3, replicas=1))[0][0] == "warning"
    assert words(Cluster("NATS is away", servers=0, replicas=3)) == [("error", "NATS is away")]
    named = words(Cluster(servers=1, replicas=1, namesake="https://b.example"))
    assert "same name: https://b.example" in named[0][1]
    assert words(Cluster(silent=("tls://b:4222: refused",), servers=1, replicas=1))[0][0] == (
        "warning"
    )


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with NatsServer(PASSWORD) as started:
        yield started


def settings(server: NatsServer, folder: Path, password: str = "right") -> ClusterSettings:
    file = folder / "nats.credentials"
    file.write_text(f"mixminus:{password}\n")
    return server.settings(node="a", credentials_file=str(file))


@pytest.mark.processes
@needs_nats
def test_servers_are_tried_one_by_one(server: NatsServer, tmp_path: Path) -> None:
    good = settings(server, tmp_path)
    assert look(good) == Cluster(servers=1, replicas=1)
    gone = f"nats://127.0.0.1:{free_port()}"
    found = look(replace(good, servers=(server.url, gone)))
    assert found.servers == 1 and len(found.silent) == 1 and gone in found.silent[0]
    assert "can be used" in look(replace(good, servers=(gone,))).trouble


@pytest.mark.processes
@needs_nats
def test_a_wrong_password_is_no_server(server: NatsServer, tmp_path: Path) -> None:
    found = look(settings(server, tmp_path, "wrong"))
    assert "can be used" in found.trouble and "uthoriz" in found.trouble


@pytest.mark.processes
@needs_nats
def test_more_replicas_than_servers_and_another_node_of_this_name_are_found(
    server: NatsServer, tmp_path: Path
) -> None:
    good = replace(settings(server, tmp_path), name="crowded")
    found = look(replace(good, name="other", replicas=3))
    assert any("nothing can be kept" in text for _, text in words(found))

    async def another() -> None:
        connection = Connection(good, "test")
        connection.start()
        assert await connection.wait_connected(PATIENCE_S)
        bucket = Bucket(JetStream(connection), Names(good.name).nodes)
        await bucket.ensure()
        record = NodeRecord("a", "0" * 16, public_url="https://elsewhere.example")
        await bucket.put("a", encode_record(record))
        await connection.close()

    asyncio.run(another())
    assert look(good).namesake == "https://elsewhere.example"
