"""The installer for real, in a system of its own; ``python -m tests.deploy.trees --help``.

debootstrap makes a bare Debian or Ubuntu once (``--cache``); the story runs in a copy of it, in
namespaces for mounts and processes: installed twice, upgraded, an upgrade that cannot start and is
rolled back, removed with nothing left. Each step is timed. Needs root, and the programs debootstrap
and unshare. systemd does not run in such a tree: the installer starts the service by itself there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.gateway import ROOT, free_port

ENTER = """
mount --make-rprivate / && cd "$0" && mount -t proc proc proc && mount --rbind /dev dev &&
mount -t tmpfs tmpfs run && mkdir -p run/lock src given && mount --bind "$1" src &&
mount --bind "$2" given && shift 2 && exec chroot . env -i "$@"
"""
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PACKAGES = ("signaling", "media_worker", "mixer_core", "openai_link", "benchmarks", "deploy")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


class Tree:
    """A system in a directory; ``given`` is a directory that it sees as ``/given``."""

    def __init__(self, path: Path, given: Path) -> None:
        self.path = path
        self.given = given

    def run(self, script: str) -> str:
        """Run a shell script in the tree; what it printed, which is shown as it comes. Everything
        that it started ends with it.
        """
        variables = [f"PATH={PATHS}", "HOME=/root", "LANG=C.UTF-8", *_index_variables()]
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER]
        command += [str(self.path), str(ROOT), str(self.given), *variables, "sh", "-ec", script]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            print(line, end="", flush=True)
            said += line
        process.wait()
        return said

    def left(self) -> list[str]:
        """What an installation could have left."""
        places = ["opt/mixminus", "etc/mixminus", "var/lib/mixminus", "var/cache/mixminus"]
        places += ["var/log/mixminus", "usr/local/bin/mixminus", "usr/local/lib/mixminus"]
        places += ["etc/systemd/system/mixminus.service"]
        found = [place for place in places if (self.path / place).exists()]
        accounts = (self.path / "etc/passwd").read_text().splitlines()
        return found + [line for line in accounts if line.startswith("mixminus:")]


def _index_variables() -> Iterator[str]:
    """How this machine reaches its package index, for pip in the tree."""
    yield "PIP_CERT=/etc/ssl/certs/of-this-machine.crt"
    for name in ("PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "https_proxy", "http_proxy", "no_proxy"):
        if name in os.environ:
            yield f"{name}={os.environ[name]}"


@contextmanager
def tree_of(suite: str, mirror: str, architecture: str, cache: Path, given: Path) -> Iterator[Tree]:
    """A fresh copy of a bare system, which is made where ``cache`` has none."""
    archive = cache / f"{suite}-{architecture}.tar"
    if not archive.exists():
        _bootstrap(suite, mirror, architecture, archive)
    path = Path(tempfile.mkdtemp(prefix=f"mm-tree-{suite}-", dir=cache))
    try:
        subprocess.run(["tar", "-C", str(path), "-xf", str(archive)], check=True)
        path.chmod(0o755)
        for name in ("etc/resolv.conf", "etc/hosts"):
            shutil.copy(f"/{name}", path / name)
        (path / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
        if CERTIFICATES.exists():
            shutil.copy(CERTIFICATES, path / "etc/ssl/certs/of-this-machine.crt")
        yield Tree(path, given)
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    """Never beyond a mount point, should one be left: below it is this machine."""
    subprocess.run(["rm", "-rf", "--one-file-system", str(path)], check=True)


def _bootstrap(suite: str, mirror: str, architecture: str, archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    path = tempfile.mkdtemp(dir=archive.parent)
    options = ["--variant=minbase", f"--arch={architecture}"]
    foreign = architecture != _own_architecture()
    if foreign:
        options += ["--foreign", "--include=python3,python3-venv"]
    alone = ["unshare", "--mount"]  # debootstrap leaves its mounts behind.
    try:
        subprocess.run([*alone, "debootstrap", *options, suite, path, mirror], check=True)
        if (
            foreign
        ):  # The kernel must know how to start its programs: binfmt_misc, qemu-user-static.
            second = [*alone, "chroot", path, "/debootstrap/debootstrap", "--second-stage"]
            subprocess.run(second, check=True)
        subprocess.run(["tar", "-C", path, "-cf", f"{archive}.new", "."], check=True)
    finally:
        _remove(Path(path))
    Path(f"{archive}.new").rename(archive)


def _own_architecture() -> str:
    command = ["dpkg", "--print-architecture"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def build_wheel(directory: Path) -> Path:
    """The wheel of this checkout."""
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(directory)]
    subprocess.run([*command, str(ROOT)], check=True)
    (wheel,) = directory.glob("mixminus-*.whl")
    return wheel


def missing_from(wheel: Path) -> list[str]:
    """Files of the packages that git knows and the wheel does not have."""
    listed = ["git", "-C", str(ROOT), "ls-files", *PACKAGES]
    known = subprocess.run(listed, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    with zipfile.ZipFile(wheel) as archive:
        return sorted({*known, "deploy/constraints.txt"} - set(archive.namelist()))


def changed_wheel(wheel: Path, version: str, broken: bool) -> Path:
    """The same release under another version; ``broken``: its mixer ends at once."""
    old = wheel.name.split("-")[1]
    path = wheel.with_name(wheel.name.replace(f"-{old}-", f"-{version}-"))
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(path, "w") as target:
        for item in source.infolist():
            content = source.read(item)
            name = item.filename.replace(
                f"mixminus-{old}.dist-info", f"mixminus-{version}.dist-info"
            )
            if name.endswith(("/METADATA", "/RECORD")):
                content = content.replace(
                    f"Version: {old}".encode(), f"Version: {version}".encode()
                )
                content = content.replace(
                    f"mixminus-{old}".encode(), f"mixminus-{version}".encode()
                )
                content = _without_digests(content) if name.endswith("/RECORD") else content
            if broken and name == "mixer_core/__main__.py":
                content = b"raise SystemExit('this release cannot start')\n"
            target.writestr(name, content)
    return path


def _without_digests(record: bytes) -> bytes:
    lines = record.decode().splitlines()
    return "".join(f"{line.split(',')[0]},,\n" for line in lines).encode()


INSTALL = "sh /src/deploy/install.sh --no-lan --wait {wait} {options}"
SETTINGS = (
    "mkdir -p /etc/mixminus && printf '%s\\n' '[runtime]' 'dir = \"/run/mixminus\"' "
    "'state_dir = \"/var/lib/mixminus\"' '[signaling]' 'http_port = {port}' '[simulator]' "
    "'http_port = {other_port}' >/etc/mixminus/mixminus.toml"
)
"""The tree shares the network of this machine."""
READY = "mixminus installed ready 5 && echo THE_SERVICE_ANSWERS"
CURRENT = "readlink /opt/mixminus/current"


class Story:
    """The steps, in one life of the tree's processes, with the seconds that each took."""

    def __init__(self, tree: Tree, wheels: Sequence[str], wait_s: int, options: str) -> None:
        self._tree = tree
        self._first, self._second, self._broken = wheels
        self._wait_s = wait_s
        self._options = options

    def script(self) -> str:
        """One script: the service has to live from one step to the next."""
        steps = [
            ("dry run", self._install("--dry-run"), "! test -e /opt/mixminus"),
            ("install", self._install(f"--wheel {self._first}"), READY),
            ("install again", self._install(f"--wheel {self._first}"), READY),
            ("refused without --upgrade", f"! {self._install(f'--wheel {self._second}')}", READY),
            ("upgrade", self._install(f"--upgrade --wheel {self._second}"), READY),
            (
                "upgrade that cannot start",
                f"! {self._install(f'--upgrade --wheel {self._broken}')}",
                f"{READY}; case $({CURRENT}) in 99.1*) ;; *) exit 9 ;; esac",
            ),
            (
                "uninstall",
                "sh /src/deploy/install.sh --uninstall </dev/null",
                "test -d /etc/mixminus",
            ),
            ("uninstall --purge", "sh /src/deploy/install.sh --uninstall --purge", "true"),
        ]
        settings = SETTINGS.format(port=free_port(), other_port=free_port())
        lines = [settings, "now() { cut -d ' ' -f 1 /proc/uptime; }"]
        for words, command, check in steps:
            lines += [
                f"echo '=== {words}'; began=$(now)",
                f"({command}) || exit 8",
                f"ended=$(now); ({check}) || exit 9",
                f'awk "BEGIN {{ printf \\"--- {words}: %.1f s\\\\n\\", $ended - $began }}"',
            ]
        return "\n".join(lines)

    def _install(self, options: str) -> str:
        return INSTALL.format(wait=self._wait_s, options=f"{self._options} {options}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the story; the exit code."""
    given = _parser().parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mm-given-") as place:
        directory = Path(place)
        wheel = build_wheel(directory)
        if missing := missing_from(wheel):
            print(f"not in the wheel: {', '.join(missing)}")
            return 1
        wheels = [wheel, changed_wheel(wheel, "99.1", False), changed_wheel(wheel, "99.2", True)]
        options = given.options
        if given.python:
            shutil.copy(given.python, directory)
            options += f" --python /given/{Path(given.python).name}"
        names = [f"/given/{path.name}" for path in wheels]
        with tree_of(given.suite, given.mirror, given.arch, given.cache, directory) as tree:
            story = Story(tree, names, given.wait, options)
            output = tree.run(story.script())
            left = tree.left()
    complete = "--- uninstall --purge" in output and not left
    where, took_s = f"{given.suite} {given.arch}", time.monotonic() - began
    print(f"{where}: left after the uninstallation: {', '.join(left) or 'nothing'}")
    print(f"{where}: {'passed' if complete else 'FAILED'}, {took_s:.0f} s")
    return 0 if complete else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.trees", description=__doc__)
    parser.add_argument(
        "--suite", default="bookworm", help="of Debian or Ubuntu, as debootstrap knows it"
    )
    parser.add_argument("--mirror", default=own_mirror(), help="where debootstrap fetches it")
    parser.add_argument("--arch", default=_own_architecture())
    parser.add_argument("--cache", type=Path, default=Path("/var/tmp/mixminus-trees"))
    parser.add_argument("--python", help="archive of an interpreter, for --python of the installer")
    parser.add_argument("--options", default="", help="further options of the installer")
    parser.add_argument(
        "--wait", type=int, default=60, help="seconds until the service must be ready"
    )
    return parser


def own_mirror() -> str:
    """The mirror that this machine's own packages come from."""
    command = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    sites = [line for line in done.stdout.splitlines() if line.rstrip("/").endswith("/debian")]
    return sites[0] if sites else ""


if __name__ == "__main__":
    sys.exit(main())
