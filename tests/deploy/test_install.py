"""What the installer would do on a machine, from facts about it; ``trees`` does it for real."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.gateway import ROOT

pytestmark = pytest.mark.processes

INSTALLER = ROOT / "deploy/install.sh"
SCRIPTS = [INSTALLER, ROOT / "deploy/service/mixminus", ROOT / "deploy/service/power.sh"]
DEBIAN_12 = {
    "SYSTEM": "Debian GNU/Linux 12 (bookworm)",
    "ARCH": "x86_64",
    "BITS": "64",
    "GLIBC": "2.36",
    "BOARD": "",
    "SYSTEMD": "yes",
    "APT": "yes",
    "PYTHONS": "3.11:/usr/bin/python3.11:venv",
    "APT_PYTHON": "3.11.2",
    "FREE_MIB": "9000",
    "INSTALLED": "",
    "SERVES": "",
    "USER_ID": "0",
}
BARE_DEBIAN_12 = {"PYTHONS": ""}
WITHOUT_VENV = {"PYTHONS": "3.11:/usr/bin/python3:bare"}
JETSON_NANO = {
    "SYSTEM": "Ubuntu 18.04.6 LTS",
    "ARCH": "aarch64",
    "GLIBC": "2.27",
    "BOARD": "NVIDIA Jetson Nano Developer Kit",
    "PYTHONS": "3.6:/usr/bin/python3:venv",
    "APT_PYTHON": "3.6.7",
}
UBUNTU_22 = {"SYSTEM": "Ubuntu 22.04", "GLIBC": "2.35", "PYTHONS": "3.10:/usr/bin/python3:bare"}
NEWER = {"PYTHONS": "3.14:/usr/bin/python3:venv", "APT_PYTHON": "3.14.0"}
TOO_LITTLE_ROOM = {"FREE_MIB": "600"}


def plan(tmp_path: Path, changed: dict[str, str], *options: str) -> tuple[int, str]:
    """Exit code and words of a dry run on a machine like Debian 12 but for ``changed``."""
    facts = tmp_path / "facts"
    facts.write_text("".join(f"{k}={v}\n" for k, v in (DEBIAN_12 | changed).items()))
    command = ["sh", str(INSTALLER), "--dry-run", "--facts", str(facts), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        ({}, ["interpreter: /usr/bin/python3.11, the system's", "packages of the system: none"]),
        ({}, ["as in constraints.txt, from the package index", "by systemd, at boot"]),
        (BARE_DEBIAN_12, ["Python 3.11.2, a package of the system", "python3 python3-venv"]),
        (
            WITHOUT_VENV,
            ["interpreter: /usr/bin/python3,", "packages of the system: python3.11-venv"],
        ),
        (JETSON_NANO, ["Python 3.12 of its own, fetched by uv", "constraints-glibc-2.27.txt"]),
        (JETSON_NANO, ["power: nvpmodel -m 0 and jetson_clocks"]),
        (UBUNTU_22, ["Python 3.12 of its own", "as in constraints.txt"]),
        (NEWER, ["Python 3.12 of its own", "none from 3.11 to 3.13"]),
        ({"SYSTEMD": ""}, ["no systemd", "at boot it is for you to start"]),
        ({"INSTALLED": "0.1.0-01234567", "SERVES": "yes"}, ["0.1.0-01234567, and it runs"]),
        ({"USER_ID": "1000"}, ["nothing has been changed"]),
    ],
)
def test_the_plan_follows_from_the_machine(
    tmp_path: Path, machine: dict[str, str], words: list[str]
) -> None:
    code, said = plan(tmp_path, machine)
    assert code == 0, said
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    ("machine", "options", "words"),
    [
        ({"ARCH": "armv7l"}, (), "no wheels for armv7l: a 64-bit system"),
        ({"ARCH": "aarch64", "BITS": "32"}, (), "install the 64-bit system"),
        ({"GLIBC": "2.19"}, (), "glibc 2.19 is too old: 2.27"),
        ({"GLIBC": ""}, (), "no glibc"),
        (TOO_LITTLE_ROOM, (), "600 MiB are free below /opt and 1000 are needed"),
        ({}, ("--upgrade",), "nothing is installed: run it without --upgrade"),
        ({}, ("--purge",), "--purge is for --uninstall only"),
        ({}, ("--wait", "soon"), "--wait needs whole seconds, not soon"),
        ({}, ("--wheel",), "--wheel needs a value"),
        ({}, ("--wheel", "/no/such.whl"), "there is no /no/such.whl"),
        ({}, ("--faster",), "unknown option --faster: install.sh --help"),
        ({"PYTHONS": "3.6:/usr/bin/python3:venv", "APT": ""}, (), "give one with --python FILE"),
    ],
)
def test_it_refuses_with_the_cure(
    tmp_path: Path, machine: dict[str, str], options: tuple[str, ...], words: str
) -> None:
    code, said = plan(tmp_path, machine, *options)
    assert code == 1
    assert words in said


def test_offline_takes_all_from_the_directory(tmp_path: Path) -> None:
    directory = tmp_path / "files"
    directory.mkdir()
    assert (
        "has no cpython-3.*aarch64*.tar.gz"
        in plan(tmp_path, JETSON_NANO, "--offline", str(directory))[1]
    )
    archive = directory / "cpython-3.12.9-aarch64-install_only.tar.gz"
    archive.touch()
    assert "has no mixminus-*.whl" in plan(tmp_path, JETSON_NANO, "--offline", str(directory))[1]
    for version in ("0.9.0", "0.10.0"):
        (directory / f"mixminus-{version}-py3-none-any.whl").touch()
    code, said = plan(tmp_path, JETSON_NANO, "--offline", str(directory))
    assert code == 0
    assert f"interpreter: {archive}" in said
    assert "mixminus-0.10.0-py3-none-any.whl" in said
    assert "packages of the system: none" in said


def test_a_removal_that_is_tried_out_asks_for_the_journal(tmp_path: Path) -> None:
    asks = plan(tmp_path, {}, "--uninstall")[1]
    assert "would ask before it deletes /var/lib/mixminus and /etc/mixminus" in asks
    deletes = plan(tmp_path, {}, "--uninstall", "--purge")[1]
    assert "would delete /var/lib/mixminus and /etc/mixminus" in deletes


def test_a_fact_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "there is no fact PATH" in plan(tmp_path, {"PATH": "/tmp"})[1]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed: the scripts were not checked")
    done = subprocess.run(["shellcheck", str(script)], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout


def test_nothing_stands_between_the_command_and_its_signals(tmp_path: Path) -> None:
    """What watches a program may end it before its calls have ended."""
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed: runuser is used, which does stand there")
    program = tmp_path / "bin/mixminus"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$$ $(id -un) $*"\n')
    program.chmod(0o755)
    user = subprocess.run(["id", "-un"], stdout=subprocess.PIPE, text=True).stdout.strip()
    script = (ROOT / "deploy/service/mixminus").read_text()
    for old, new in (
        ("user=mixminus", f"user={user}"),
        ("/var/lib/mixminus", str(tmp_path)),
        ("/run/mixminus", str(tmp_path / "run")),
        ("/etc/mixminus", str(tmp_path)),
    ):
        assert old in script
        script = script.replace(old, new)
    command = tmp_path / "command"
    command.write_text(script)
    env = {"PATH": f"{os.defpath}:/usr/sbin", "INSTALLED_RELEASE": str(tmp_path)}
    started = subprocess.Popen(
        ["sh", str(command), "run", "--lan"], stdout=subprocess.PIPE, text=True, env=env
    )
    assert started.communicate()[0].split() == [str(started.pid), user, "run", "--lan"]


@pytest.mark.parametrize("board", [0, 1, 2], ids=["none", "slow", "fast"])
def test_the_governor_is_told_of(tmp_path: Path, board: int) -> None:
    """``power.sh`` reads below its roots; here they are files, which take what is written."""
    policy = tmp_path / "cpufreq/policy0"
    if board:
        policy.mkdir(parents=True)
        (policy / "scaling_governor").write_text(["", "powersave\n", "performance\n"][board])
    script = (ROOT / "deploy/service/power.sh").read_text()
    script = script.replace("/sys/devices/system/cpu/cpufreq", str(policy.parent))
    script = script.replace("/sys/firmware/devicetree/base/model", str(tmp_path / "no-model"))

    def said(*options: str) -> str:
        command = ["sh", "-c", script, "power.sh", *options]
        env = {"PATH": os.defpath}
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, env=env).stdout

    expected = ["nothing to set", "warning: the governor is not", ""][board]
    assert expected in said("--check")
    said()
    if board:
        assert (policy / "scaling_governor").read_text() == "performance\n"
        assert said("--check") == ""


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: the units were not checked")
    units = []
    for unit in (ROOT / "deploy/service").glob("*.service"):
        units.append(tmp_path / unit.name)
        units[-1].write_text(unit.read_text().replace("/usr/local/bin/mixminus", "/bin/true"))
    command = ["systemd-analyze", "verify", *map(str, units)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0 and not done.stdout, done.stdout
