"""Every error of the start is one line, before anything starts."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy import preflight
from deploy.settings import GATEWAY, AllSettings
from mixer_core.runtime.errors import EXIT_CONFIG, RequirementError, RuntimeDirError, StartupError
from mixer_core.runtime.lock_file import LockFile, path_of
from mixer_core.runtime.settings import load_all
from mixer_core.runtime.start_checks import (
    ListeningPort,
    check_packages,
    check_port,
    prepare_state_dir,
    raise_descriptor_limit,
)
from tests.support.gateway import free_port

pytestmark = pytest.mark.sockets
IS_ROOT = os.getuid() == 0


@pytest.fixture
def env(short_dir: Path) -> dict[str, str]:
    """An environment in which everything is as it should be."""
    return {
        "MIXMINUS_RUNTIME__DIR": str(short_dir / "run"),
        "MIXMINUS_RUNTIME__STATE_DIR": str(short_dir / "state"),
        "MIXMINUS_SIGNALING__HTTP_PORT": str(free_port()),
        "MIXMINUS_SIMULATOR__HTTP_PORT": str(free_port()),
    }


def start(env: dict[str, str]) -> int:
    """As ``mixminus run`` does it."""
    settings = load_all(AllSettings, env)
    descriptors = preflight.check(settings, env, simulated=True)
    for lock in preflight.hold(settings):
        lock.close()
    return descriptors


def words(env: dict[str, str]) -> str:
    """The one line of a start that does not happen."""
    with pytest.raises(StartupError) as caught:
        start(env)
    line = str(caught.value)
    assert "\n" not in line and len(line) < 1_000
    return line


def test_nothing_is_said_where_nothing_is_wrong(env: dict[str, str]) -> None:
    assert start(env) > 64
    assert start(env) > 64


Spoil = Callable[[dict[str, str], Path], None]


def set_to(variable: str, value: str) -> Spoil:
    return lambda env, folder: env.update({f"MIXMINUS_{variable}": value})


def file_at(variable: str) -> Spoil:
    def spoil(env: dict[str, str], folder: Path) -> None:
        path = folder / "file"
        path.write_text("")
        env[f"MIXMINUS_RUNTIME__{variable}"] = str(path)

    return spoil


def below_a_file(variable: str) -> Spoil:
    def spoil(env: dict[str, str], folder: Path) -> None:
        file_at(variable)(env, folder)
        env[f"MIXMINUS_RUNTIME__{variable}"] += "/below"

    return spoil


def impossible(variable: str) -> Spoil:
    """A directory that not even root can make."""
    return lambda env, folder: env.update({f"MIXMINUS_RUNTIME__{variable}": "/proc/mixminus"})


def dangling_link(variable: str) -> Spoil:
    def spoil(env: dict[str, str], folder: Path) -> None:
        (folder / "link").symlink_to("/proc/nothing/here")
        env[f"MIXMINUS_RUNTIME__{variable}"] = str(folder / "link")

    return spoil


def too_long(by: int) -> Spoil:
    """A directory in which supervisord's own socket would be ``by`` bytes too long."""

    def spoil(env: dict[str, str], folder: Path) -> None:
        room = 107 - len("/supervisor.sock.4194304") - len(f"{folder}/")
        env["MIXMINUS_RUNTIME__DIR"] = f"{folder}/{'x' * (room + by)}"

    return spoil


def config(content: bytes) -> Spoil:
    def spoil(env: dict[str, str], folder: Path) -> None:
        path = folder / "settings.toml"
        path.write_bytes(content)
        env["MIXMINUS_CONFIG"] = str(path)

    return spoil


def config_that_is_a_directory(env: dict[str, str], folder: Path) -> None:
    env["MIXMINUS_CONFIG"] = str(folder)


def config_that_is_a_pipe(env: dict[str, str], folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    env["MIXMINUS_CONFIG"] = str(folder / "pipe")


def config_that_is_missing(env: dict[str, str], folder: Path) -> None:
    env["MIXMINUS_CONFIG"] = str(folder / "none.toml")


TABLE: dict[str, tuple[Spoil, str]] = {
    "all addresses without a token": (set_to("SIGNALING__HTTP_HOST", "0.0.0.0"), "MIXMINUS_TOKEN"),
    "IPv6 without a token": (set_to("SIGNALING__HTTP_HOST", "::"), "MIXMINUS_TOKEN"),
    "an address of the network without a token": (
        set_to("SIGNALING__HTTP_HOST", "192.0.2.7"),
        "MIXMINUS_TOKEN",
    ),
    "a token that is easy to guess": (set_to("TOKEN", "aaaaaaaaaaaaaaaaaaaaaa"), "easy to guess"),
    "a proxy that is none": (set_to("SIGNALING__TRUSTED_PROXIES", "home"), "trusted_proxies"),
    "a public path of our own": (set_to("SIGNALING__PUBLIC_PATH", "/rooms"), "public_path"),
    "the local network without a certificate": (
        lambda env, folder: env.update(
            MIXMINUS_SIGNALING__LAN="true", MIXMINUS_SIGNALING__TLS="off"
        ),
        "tls",
    ),
    "UDP ports that are none": (set_to("MEDIA_WORKER__UDP_PORTS", "all"), "udp_ports"),
    "a TURN server without a secret": (
        set_to("MEDIA_WORKER__ICE_SERVERS", "turn:turn.example.org"),
        "TURN_SECRET is not set",
    ),
    "an ICE server that is none": (
        set_to("MEDIA_WORKER__ICE_SERVERS", "turn.example.org"),
        "write stun:HOST",
    ),
    "an unknown setting": (set_to("SIGNALING__HTP_PORT", "1"), "unknown setting"),
    "a runtime path one byte too long": (too_long(1), "1 bytes too long"),
    "a runtime path far too long": (too_long(80), "80 bytes too long"),
    "a runtime directory that is a file": (file_at("DIR"), "runtime directory"),
    "a runtime directory below a file": (below_a_file("DIR"), "runtime directory"),
    "a runtime directory nobody can make": (impossible("DIR"), "runtime directory"),
    "a runtime directory that leads nowhere": (dangling_link("DIR"), "runtime directory"),
    "a state directory that is a file": (file_at("STATE_DIR"), "state directory"),
    "a state directory below a file": (below_a_file("STATE_DIR"), "state directory"),
    "a state directory nobody can make": (impossible("STATE_DIR"), "state directory"),
    "a state directory that leads nowhere": (dangling_link("STATE_DIR"), "state directory"),
    "settings that are missing": (config_that_is_missing, "cannot be read"),
    "settings that are a directory": (config_that_is_a_directory, "it is no file"),
    "settings that are a pipe": (config_that_is_a_pipe, "it is no file"),
    "settings that are not UTF-8": (config(b"[runtime]\ndir = '\xff'\n"), "not valid TOML"),
    "settings that are binary": (config(bytes(range(256))), "not valid TOML"),
    "settings that nest": (config(b"a = " + b"[" * 20_000), "not valid TOML"),
    "settings without a section": (config(b"dir = 'x'\n"), "belongs to no section"),
}


@pytest.mark.parametrize("name", TABLE)
def test_what_would_end_a_program_is_told_before(
    env: dict[str, str], short_dir: Path, name: str
) -> None:
    spoil, said = TABLE[name]
    spoil(env, short_dir)
    assert said in words(env)


def test_the_longest_runtime_path_is_taken(env: dict[str, str], short_dir: Path) -> None:
    too_long(0)(env, short_dir)
    start(env)


@pytest.mark.parametrize("section", ["SIGNALING", "SIMULATOR"])
def test_a_port_in_use_is_named_with_the_setting(env: dict[str, str], section: str) -> None:
    variable = f"MIXMINUS_{section}__HTTP_PORT"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        env[variable] = str(taken.getsockname()[1])
        line = words(env)
    assert f"port {env[variable]} " in line and variable in line
    check_port(ListeningPort("127.0.0.1", int(env[variable]), variable))


def test_a_host_that_is_none_is_named() -> None:
    with pytest.raises(StartupError, match="cannot be used"):
        check_port(ListeningPort("no.such.host.invalid", 1, "X"))


@pytest.mark.parametrize("setting", ["DIR", "STATE_DIR"])
def test_two_gateways_do_not_share_a_directory(env: dict[str, str], setting: str) -> None:
    start(env)
    path = path_of(Path(env[f"MIXMINUS_RUNTIME__{setting}"]), GATEWAY)
    with LockFile(path) as other:
        other.take()
        line = words(env)
    assert f"(process {os.getpid()})" in line and f"MIXMINUS_RUNTIME__{setting} " in line
    start(env)


@pytest.mark.parametrize("program", [*preflight.CHECKS, "mixer_core_standby"])
def test_a_program_that_runs_already_is_another_gateway(env: dict[str, str], program: str) -> None:
    start(env)
    with LockFile(path_of(Path(env["MIXMINUS_RUNTIME__DIR"]), program)) as other:
        other.take()
        assert "another mixminus is running" in words(env)


@pytest.mark.skipif(IS_ROOT, reason="root may write everywhere")
@pytest.mark.parametrize("setting", ["DIR", "STATE_DIR"])
def test_a_directory_that_cannot_be_written_is_named(env: dict[str, str], setting: str) -> None:
    start(env)
    path = Path(env[f"MIXMINUS_RUNTIME__{setting}"])
    path.chmod(0o500)
    try:
        assert str(path) in words(env)
    finally:
        path.chmod(0o700)


def test_a_full_disk_keeps_nobody_from_talking(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, mode: int = 0o666, exist_ok: bool = True) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "touch", full)
    prepare_state_dir(short_dir / "state")


@contextlib.contextmanager
def limits(soft: int, hard: int) -> Iterator[None]:
    """As if the system allowed so many open files."""
    patch = pytest.MonkeyPatch()
    state = {"now": (soft, hard)}
    patch.setattr(resource, "getrlimit", lambda _: state["now"])
    patch.setattr(resource, "setrlimit", lambda _, limit: state.update(now=limit))
    try:
        yield
        assert state["now"] == (hard, hard)
    finally:
        patch.undo()


def test_the_limit_of_open_files_is_raised_as_far_as_it_goes() -> None:
    with limits(64, 4_096):
        raise_descriptor_limit(400)
    with limits(64, resource.RLIM_INFINITY):
        raise_descriptor_limit(400)


def test_too_few_open_files_are_named_with_the_number_that_is_needed(
    env: dict[str, str],
) -> None:
    with limits(64, 64):
        line = words(env)
    assert "may open 64" in line and "ulimit -n" in line
    env["MIXMINUS_SIGNALING__MAX_PARTICIPANTS"] = "1000"
    with limits(64, 4_096):
        assert "8208 open files are needed" in words(env)


def test_packages_that_are_missing_are_named_and_those_of_extras_are_not() -> None:
    listed = ["pytest<10,>=8", "no-such-thing<3,>=2", "nor-this; extra == 'bench'", "nor_that==1"]
    with pytest.raises(RequirementError, match="'no-such-thing<3,>=2' 'nor_that==1'"):
        check_packages(listed)
    check_packages(listed[:1])


def test_all_of_these_end_with_the_code_for_settings() -> None:
    assert {RequirementError.exit_code, RuntimeDirError.exit_code} == {EXIT_CONFIG}


def test_a_user_without_a_home_or_a_name_is_served(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "USER", "LOGNAME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    start(env)
    monkeypatch.setattr(os, "getuid", lambda: 4_242_424)
    assert preflight.user_options() == []
