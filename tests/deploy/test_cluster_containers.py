"""The containers of the example of three nodes, as far as that can be seen without an engine: what
compose.yaml, the image, the settings and the configuration of NATS say of each other."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy import cli, installed, preflight
from deploy.cluster import certificates
from deploy.settings import AllSettings
from mixer_core.runtime.errors import EXIT_CONFIG
from mixer_core.runtime.settings import load_all
from openai_link.secrets import KEY_VARIABLE
from tests.support.nats_server import PROGRAM, needs_nats

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "cluster"
IMAGE = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
HOSTS = {f"HOST_{name}": f"192.0.2.{number}" for number, name in enumerate("ABC", 1)}
OTHER_VARIABLES = {preflight.SERVICE_STOP_VARIABLE, KEY_VARIABLE, "PATH", "HOME", "NUMBA_CACHE_DIR"}
"""What is set and is no setting."""
NODES, SERVERS = ("node-a", "node-b", "node-c"), ("nats-a", "nats-b", "nats-c")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """compose.yaml with the addresses of three machines in it."""
    yaml = pytest.importorskip("yaml")
    text = (FOLDER / "compose.yaml").read_text()
    for name, address in HOSTS.items():
        text = text.replace(f"${{{name}}}", address)
    assert "${" not in text, "a variable that .env need not have"
    return dict(yaml.safe_load(text)["services"])


def of_image(instruction: str) -> str:
    """The last instruction of that name in the Dockerfile."""
    return re.findall(rf"^{instruction} +(.*)$", IMAGE, re.MULTILINE)[-1].strip()


def variables(service: dict[str, Any]) -> dict[str, str]:
    """What a node's programs find in their environment; what is only passed on is empty."""
    image = dict(re.findall(r"(\w+)=(\S+)", of_image("ENV")))
    given = (line.partition("=") for line in service["environment"])
    return image | {name: value for name, _, value in given}


def mounts(service: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """By path in the container: what is there, and whether it may be written."""
    parts = [volume.split(":") for volume in service["volumes"]]
    return {target: (source, not mode) for source, target, *mode in parts}


def settings_of(service: dict[str, Any]) -> AllSettings:
    """As the programs in the container read them. Raises SettingsError."""
    env = variables(service)
    source, _ = mounts(service)[env["MIXMINUS_CONFIG"]]
    return load_all(AllSettings, env | {"MIXMINUS_CONFIG": str(FOLDER / source)})


def test_the_test_reads_the_whole_example(services: dict[str, Any]) -> None:
    assert sorted(services) == sorted([*NODES, *SERVERS])


@pytest.mark.parametrize("name", NODES)
def test_every_variable_of_a_node_is_a_setting_that_the_programs_know(
    services: dict[str, Any], name: str
) -> None:
    service = services[name]
    env, settings = variables(service), settings_of(service)
    others = {variable for variable in env if not variable.startswith("MIXMINUS_")}
    assert others <= OTHER_VARIABLES
    address = HOSTS[f"HOST_{name[-1].upper()}"]
    assert settings.cluster.node == name[-1]
    assert settings.cluster.public_url == f"https://{address}:{settings.signaling.https_port}"
    assert "--lan" in service["command"], "nobody answers at that port without"
    stop_s = env[preflight.SERVICE_STOP_VARIABLE]
    assert service["stop_grace_period"] == f"{stop_s}s"
    preflight.check_drain(settings.runtime.drain_s, env)


@pytest.mark.parametrize("name", NODES)
def test_a_node_finds_its_files_and_writes_only_what_is_kept(
    services: dict[str, Any], name: str
) -> None:
    service, found = services[name], mounts(services[name])
    settings = settings_of(service)
    assert found.pop(str(settings.state_dir)) == ("state", True)
    assert str(settings.state_dir) == of_image("VOLUME") == of_image("WORKDIR")
    assert variables(service)["NUMBA_CACHE_DIR"].startswith(of_image("VOLUME"))
    assert f"{settings.runtime_dir}\n" in re.sub(r" +|&&", "\n", IMAGE), "the image makes it"
    cluster = settings.cluster
    wanted = {variables(service)["MIXMINUS_CONFIG"], cluster.credentials_file, cluster.ca_file}
    assert found.keys() == wanted and not any(is_open for _, is_open in found.values())


def test_nodes_and_servers_name_each_other(services: dict[str, Any]) -> None:
    for name in (*NODES, *SERVERS):
        extra = dict(line.split(":", 1) for line in services[name]["extra_hosts"])
        assert extra == dict(zip(SERVERS, HOSTS.values(), strict=True))
    urls = [urlsplit(url) for url in settings_of(services["node-a"]).cluster.servers]
    assert [url.hostname for url in urls] == list(SERVERS)
    assert {(url.scheme, url.port) for url in urls} == {("tls", 4_222)}, "where NATS listens"
    assert not re.search(r"^\s*(port|listen|client_advertise)\b", conf(), re.MULTILINE)
    assert len({options(services[name])["routes"] for name in SERVERS}) == 1
    for name in SERVERS:
        given = options(services[name])
        routes = [urlsplit(url) for url in given["routes"].split(",")]
        assert [route.hostname for route in routes] == list(SERVERS)
        assert {route.port for route in routes} == {urlsplit(given["cluster"]).port}
        assert given["name"] == name and "p" not in given


def conf() -> str:
    return (FOLDER / "nats.conf").read_text()


def options(service: dict[str, Any]) -> dict[str, str]:
    """Of a NATS server's command."""
    parts = [word.lstrip("-").partition("=") for word in service["command"]]
    return {name: value for name, _, value in parts}


@pytest.mark.processes
@needs_nats
@pytest.mark.parametrize("name", SERVERS)
def test_nats_takes_its_command_and_configuration(
    services: dict[str, Any], name: str, tmp_path: Path
) -> None:
    """Its paths are those of the container, moved to where the example's files are here."""
    service = services[name]
    assert certificates.main([str(tmp_path / "files"), *SERVERS]) == 0
    found = mounts(service)
    given = options(service)
    assert found[given["store_dir"]] == ("nats", True)
    own, is_open = found[service["working_dir"]]
    assert not is_open and (tmp_path / own / "server-key.pem").is_file()
    source, is_open = found[given["c"]]
    assert not is_open
    moved = {"c": str(FOLDER / source), "store_dir": str(tmp_path / "data")}
    command = [str(PROGRAM), *(f"--{key}={value}" for key, value in (given | moved).items()), "-t"]
    assert service["environment"] == ["NATS_PASSWORD"]

    def tried(folder: Path, **more: str) -> tuple[int, str]:
        env = {"PATH": os.environ["PATH"], **more}
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    code, said = tried(tmp_path / own, NATS_PASSWORD="p123")
    assert code == 0 and "is valid" in said, said
    code, said = tried(tmp_path / own)
    assert code != 0 and "NATS_PASSWORD" in said, "it is checked"
    code, said = tried(tmp_path, NATS_PASSWORD="p123")
    assert code != 0 and "server.pem" in said, "certificates are beside the server, not elsewhere"


def test_the_image_has_the_commands_and_the_client_of_nats(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert of_image("ENTRYPOINT") == '["mixminus"]' and "mixminus" in project["scripts"]
    extra = [line for line in IMAGE.splitlines() if "[cluster]" in line and " install " in line]
    assert len(extra) == 1, "without it a node ends at its start"
    (client,) = project["optional-dependencies"]["cluster"]
    pinned = re.split("[<>=]", client)[0]
    assert re.search(rf"^{pinned}==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    monkeypatch.setenv("MIXMINUS_SIGNALING__LAN", "false")
    monkeypatch.setenv("MIXMINUS_CONFIG", "/nowhere/mixminus.toml")
    health = re.findall(r"\"([^\"]*)\"", of_image("HEALTHCHECK"))
    assert health[:4] == ["python", "-I", "-m", "deploy.installed"]
    assert installed.main(health[4:]) == EXIT_CONFIG, "known, though there are no settings here"
    for name in NODES:
        build = services[name]["build"]
        context = FOLDER / build["context"]
        assert (context / build["dockerfile"]).samefile(ROOT / "deploy" / "Dockerfile")
        assert cli.main(services[name]["command"]) == EXIT_CONFIG, "the same"
