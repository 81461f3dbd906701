"""``[cluster]``: what is refused, in which words, and that nothing secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixer_core.cluster.settings import ClusterSettings
from mixer_core.cluster.start import check_cluster
from mixer_core.runtime.errors import SettingsError

HERE = "https://node-1.example:8443"


def refused(**keys: object) -> str:
    settings = ClusterSettings(
        **{"servers": ("tls://nats:4222",), "public_url": HERE, "node": "one", **keys}
    )  # type: ignore[arg-type]
    with pytest.raises(SettingsError) as caught:
        check_cluster(settings)
    return str(caught.value)


def test_without_servers_nothing_is_asked() -> None:
    check_cluster(ClusterSettings(credentials_file="/nowhere", public_url="nonsense"))


def test_a_section_that_can_be_used() -> None:
    check_cluster(ClusterSettings(("tls://a:4222", "nats://[::1]"), node="one", public_url=HERE))


@pytest.mark.parametrize(
    "server",
    [
        "nats-1:4222",
        "http://a:4222",
        "tls://",
        "tls://a:port",
        "tls://a:0",
        "tls://a/x",
        "",
        "ws://a",
    ],
)
def test_what_is_no_server(server: str) -> None:
    assert "is no NATS server: write tls://HOST:4222" in refused(servers=(server,))


@pytest.mark.parametrize("server", ["tls://user:hidden@a:4222", "nats://hidden@a", "hidden@a"])
def test_secrets_do_not_belong_into_the_settings_and_are_not_repeated(server: str) -> None:
    words = refused(servers=(server,))
    assert "credentials_file" in words and "hidden" not in words and "user" not in words[:30]


@pytest.mark.parametrize("url", ["", "node-1", "ftp://node-1", "https://", "https://a:99999"])
def test_the_others_must_reach_this_machine(url: str) -> None:
    assert "[cluster] public_url" in refused(public_url=url)


@pytest.mark.parametrize(
    ("node", "host", "name"),
    [
        ("", "Kitchen.lan", "kitchen"),
        ("left", "Kitchen.lan", "left"),
        ("", "a" * 63, "a" * 32),
    ],
)
def test_a_node_is_called_like_its_host_unless_it_has_a_name(
    node: str, host: str, name: str
) -> None:
    assert ClusterSettings(node=node).node_name(host) == name


@pytest.mark.parametrize("host", ["", "my_host", "küche", ".lan"])
def test_a_host_name_that_is_no_name(host: str) -> None:
    with pytest.raises(SettingsError, match=r"set .cluster. node to 1 to 32 of a-z"):
        ClusterSettings().node_name(host)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert f"credentials_file {gone} cannot be read" in refused(credentials_file=str(gone))
    assert f"ca_file {gone} cannot be read" in refused(ca_file=str(gone))
