"""Which package may import which, and that nothing imports itself by a detour.

The table is the door list of the house: a package imports packages of its own program only where
it says so. Packages of other programs, and libraries, are the subject of ``test_architecture``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.test_architecture import ROOT, imports, sources

LINK, SIMULATOR = "openai_link", "openai_link.simulator"
WORKER, MIXER, SIGNALING, BENCH = "media_worker", "mixer_core", "signaling", "benchmarks"
PROGRAMS = (SIGNALING, WORKER, MIXER, LINK, BENCH, "deploy")

DOORS: Mapping[str, frozenset[str]] = {
    package: frozenset(doors.split())
    for package, doors in {
        f"{LINK}.realtime": f"{LINK}",
        f"{LINK}.media": f"{LINK}",
        f"{LINK}.turns": f"{LINK} {LINK}.realtime",
        f"{LINK}.playback": f"{LINK} {LINK}.realtime {LINK}.turns {LINK}.media",
        f"{LINK}.transcript": f"{LINK} {LINK}.realtime {LINK}.transport",
        f"{LINK}.tools": f"{LINK}",
        f"{LINK}.transport": f"{LINK} {LINK}.realtime {LINK}.media",
        f"{LINK}.room": f"{LINK} {LINK}.realtime {LINK}.media {LINK}.turns {LINK}.playback "
        f"{LINK}.transcript {LINK}.tools {LINK}.transport {LINK}.recording",
        f"{SIMULATOR}.engine": "",
        f"{SIMULATOR}.brains": f"{SIMULATOR} {SIMULATOR}.engine",
        f"{SIMULATOR}.faults": "",
        f"{SIMULATOR}.media": f"{SIMULATOR} {SIMULATOR}.engine {SIMULATOR}.faults {LINK}.media",
        f"{SIMULATOR}.calls": f"{SIMULATOR} {SIMULATOR}.engine {SIMULATOR}.brains "
        f"{SIMULATOR}.faults {SIMULATOR}.media {LINK}.media",
        f"{LINK}.recording": "",
        f"{SIMULATOR}.http": f"{SIMULATOR}.engine {SIMULATOR}.faults {SIMULATOR}.calls",
        f"{WORKER}.protocol": "",
        f"{WORKER}.webrtc": f"{WORKER}.protocol",
        f"{MIXER}.runtime": "",
        f"{MIXER}.bus": f"{MIXER}.runtime",
        f"{MIXER}.places": f"{MIXER} {MIXER}.bus {MIXER}.runtime",
        f"{MIXER}.cluster": f"{MIXER}.runtime {MIXER}.journal",
        f"{MIXER}.journal": f"{MIXER}.runtime",
        f"{MIXER}.patches": f"{MIXER}.runtime",
        f"{SIGNALING}.limits": "",
        f"{SIGNALING}.registry": "",
        f"{SIGNALING}.access": f"{SIGNALING}",
        f"{SIGNALING}.tls": f"{SIGNALING}",
        f"{SIGNALING}.client": "",
        f"{SIGNALING}.cluster": f"{SIGNALING} {SIGNALING}.access {SIGNALING}.http "
        f"{SIGNALING}.limits {SIGNALING}.registry",
        f"{SIGNALING}.http": f"{SIGNALING} {SIGNALING}.limits {SIGNALING}.registry {SIGNALING}.tls "
        f"{SIGNALING}.access",
        "deploy.doctor": "deploy",
        "deploy.cluster": "",
        f"{BENCH}.report": "",
        f"{BENCH}.rig": f"{BENCH}.report",
        f"{BENCH}.peers": f"{BENCH}.report {BENCH}.rig",
        f"{BENCH}.suites": f"{BENCH}.report {BENCH}.rig {BENCH}.peers",
    }.items()
}
"""Per package: the packages of its program that it may import. What stands in a program's own
folder (its shells, its settings, the facts) is that program's name."""

SETTINGS_AND_FACTS = {
    f"{LINK}.settings",
    f"{LINK}.secrets",
    f"{LINK}.prices",
    f"{LINK}.facts",
    f"{LINK}.pictures",
    f"{LINK}.room_settings",
    f"{SIMULATOR}.settings",
}
"""All that the link's and the simulator's own folders offer to their packages."""


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def modules() -> dict[str, Path]:
    """All modules of the product by name."""
    return {
        name_of(path): path
        for program in PROGRAMS
        for path in sources(program)
        if path.stem != "__init__"
    }


@cache
def graph() -> dict[str, set[str]]:
    """Per module: the modules that it imports."""
    known = modules()

    def found(name: str) -> str:
        return name if name in known else name.rpartition(".")[0]

    return {
        module: {found(name) for name in imports(path)} & known.keys() - {module}
        for module, path in known.items()
    }


def package_of(module: str) -> str:
    """The package of a module as the table knows it: of several the outermost listed one."""
    parts = module.split(".")[:-1]
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in DOORS:
            return ".".join(parts[:length])
    return ".".join(parts)


def test_no_module_imports_itself_by_a_detour() -> None:
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_package_imports_itself_by_a_detour() -> None:
    packages: dict[str, set[str]] = {}
    for module, imported in graph().items():
        package = package_of(module)
        if package in DOORS:
            others = {package_of(name) for name in imported} - {package}
            packages.setdefault(package, set()).update(others & DOORS.keys())
    TopologicalSorter(packages).prepare()


@pytest.mark.parametrize("package", DOORS)
def test_a_package_imports_only_by_its_doors(package: str) -> None:
    program = package.partition(".")[0]
    for module, imported in graph().items():
        if package_of(module) != package:
            continue
        for name in imported:
            other = package_of(name)
            if other != package and other.partition(".")[0] == program:
                assert other in DOORS[package], (module, name)
            if other in (LINK, SIMULATOR) and other != package:
                assert name in SETTINGS_AND_FACTS, (module, name)


def test_every_package_is_in_the_table() -> None:
    listed = {package_of(module) for module in modules()}
    assert listed <= DOORS.keys() | {*PROGRAMS, SIMULATOR}, listed - DOORS.keys()
    assert DOORS.keys() <= listed


def test_no_door_is_unused() -> None:
    used = {(package_of(module), package_of(name)) for module, ns in graph().items() for name in ns}
    unused = {(p, door) for p, doors in DOORS.items() for door in doors} - used
    assert not unused
