"""Which wheels an aarch64 system with glibc 2.27 takes; ``python -m deploy.old_glibc``.

JetPack 4.6 (Jetson Nano) is Ubuntu 18.04: glibc 2.27. Its wheels are those whose tag names that
release or an earlier one (PEP 600). The command has pip resolve the constraints for that platform
and writes ``constraints-glibc-2.27.txt``: each version with the tag that makes it installable.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import requires
from pathlib import Path
from typing import Any

GLIBC = (2, 27)
MACHINE = "aarch64"
PYTHON = "3.11"
"""The oldest that mixminus runs on."""
NEWER_PYTHONS = ("3.12", "3.13")
"""Those have to take the same versions; the installer fetches a 3.12."""
CONSTRAINTS = Path(__file__).with_name("constraints-glibc-2.27.txt")
ALL_CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
OTHER_VERSIONS = {"av": "14.2.0"}
"""Newer releases have no wheel for this glibc; aiortc takes this one as well."""
_HEAD = """\
# What a system with glibc 2.27 (JetPack 4.6) installs, and the tag of the wheel on aarch64.
# Made by: python -m deploy.old_glibc
"""
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_\w+?(?=[.-]|$)|manylinux2014_\w+?(?=[.-]|$)")


def main() -> int:
    """Resolve and write the file; returns the exit code.

    Raises:
        ValueError: a newer Python would take other versions, so one file does not do.
    """
    lines = [f"{name}=={version}  # {tag}" for name, version, tag in resolved(PYTHON)]
    versions = {line.partition(" ")[0] for line in lines}
    for python in NEWER_PYTHONS:
        others = {f"{name}=={version}" for name, version, _ in resolved(python)}
        if others != versions:
            raise ValueError(f"Python {python} takes others: {sorted(others ^ versions)}")
    CONSTRAINTS.write_text(_HEAD + "\n".join(lines) + "\n", encoding="ascii")
    print(f"{CONSTRAINTS}: {len(lines)} packages")
    return 0


def resolved(python: str) -> Iterator[tuple[str, str, str]]:
    """Name, version and best tag of everything that mixminus needs, by name.

    Raises:
        subprocess.CalledProcessError: pip finds no wheel for one of them, and says for which.
    """
    report = _dry_run(python)
    for item in sorted(report["install"], key=lambda item: item["metadata"]["name"].lower()):
        wheel = item["download_info"]["url"].rpartition("/")[2]
        yield item["metadata"]["name"], item["metadata"]["version"], tag_of(wheel)


def tag_of(wheel: str) -> str:
    """Of a wheel's file name: the platform tag with the oldest glibc, or ``any``.

    Raises:
        ValueError: no tag of it names a glibc.
    """
    platforms = wheel.removesuffix(".whl").rpartition("-")[2]
    if platforms == "any":
        return "any"
    return min(platforms.split("."), key=glibc_of)


def glibc_of(tag: str) -> tuple[int, int]:
    """The oldest glibc that a platform tag allows. Raises ValueError where it names none."""
    if tag == "any":
        return 0, 0
    found = _MANYLINUX.match(tag)
    if found is None:
        raise ValueError(f"{tag} is no manylinux tag of PEP 600")
    return (int(found[1]), int(found[2])) if found[1] else (2, 17)


def pins(text: str) -> dict[str, tuple[str, str]]:
    """Version and tag by name, of the lines of ``CONSTRAINTS``."""
    found = re.findall(r"^([\w.-]+)==(\S+)(?:  # (\S+))?$", text, re.MULTILINE)
    return {normal(name): (version, tag) for name, version, tag in found}


def normal(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _dry_run(python: str) -> Mapping[str, Any]:
    named = [line for line in ALL_CONSTRAINTS.read_text("ascii").splitlines() if line]
    kept = [line for line in named if line.partition("==")[0] not in OTHER_VERSIONS]
    others = [f"{name}=={version}" for name, version in OTHER_VERSIONS.items()]
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"),
        *("--disable-pip-version-check", "--report", "-", "--target", "unused"),
        *("--only-binary", ":all:", "--python-version", python, "--constraint", "/dev/stdin"),
        *(word for tag in _tags() for word in ("--platform", tag)),
        *_wanted(),
    ]
    done = subprocess.run(
        command, input="\n".join(kept + others), stdout=subprocess.PIPE, text=True, check=True
    )
    report: Mapping[str, Any] = json.loads(done.stdout)
    return report


def _wanted() -> Sequence[str]:
    """What the installer asks for: what is always needed, and for a cluster."""
    lines = requires("mixminus") or []
    cluster = [line.partition(";")[0] for line in lines if re.search("extra == .cluster.", line)]
    return [line for line in lines if "extra ==" not in line] + cluster


def _tags() -> Sequence[str]:
    major, newest = GLIBC
    newer = [f"manylinux_{major}_{minor}_{MACHINE}" for minor in range(17, newest + 1)]
    return [*newer, f"manylinux2014_{MACHINE}"]


if __name__ == "__main__":
    sys.exit(main())
