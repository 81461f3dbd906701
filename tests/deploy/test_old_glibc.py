"""A Jetson Nano (JetPack 4.6: glibc 2.27, aarch64) can install what we depend on."""

from __future__ import annotations

from importlib.metadata import requires

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

from deploy.old_glibc import (
    ALL_CONSTRAINTS,
    CONSTRAINTS,
    GLIBC,
    OTHER_VERSIONS,
    glibc_of,
    normal,
    pins,
    tag_of,
)

NANO = {"platform_machine": "aarch64", "sys_platform": "linux", "python_version": "3.11"}
TABLE = pins(CONSTRAINTS.read_text("ascii"))
EVERYWHERE = pins(ALL_CONSTRAINTS.read_text("ascii"))


def applies(marker: Marker | None) -> bool:
    """Whether a requirement counts on the Nano, without extras."""
    return marker is None or marker.evaluate({**NANO, "extra": ""})


def closure(package: str, known: set[str]) -> set[str]:
    """Names of everything that a package needs there, itself excluded."""
    for line in requires(package) or ():
        requirement = Requirement(line)
        name = normal(requirement.name)
        if applies(requirement.marker) and name not in known:
            known.add(name)
            closure(name, known)
    return known


def test_everything_that_we_need_is_in_the_table() -> None:
    assert closure("mixminus", set()) <= set(TABLE)


@pytest.mark.parametrize("name", list(TABLE))
def test_its_wheel_runs_on_that_glibc_and_is_the_version_used_everywhere(name: str) -> None:
    version, tag = TABLE[name]
    assert glibc_of(tag) <= GLIBC
    assert version == OTHER_VERSIONS.get(name, EVERYWHERE[name][0]), "python -m deploy.old_glibc"


@pytest.mark.parametrize(
    ("wheel", "tag"),
    [
        ("segno-1.6.6-py3-none-any.whl", "any"),
        (
            "a-1-cp311-cp311-manylinux_2_28_aarch64.manylinux_2_27_aarch64.whl",
            "manylinux_2_27_aarch64",
        ),
        (
            "a-1-cp311-abi3-manylinux2014_aarch64.manylinux_2_28_aarch64.whl",
            "manylinux2014_aarch64",
        ),
    ],
)
def test_the_oldest_tag_of_a_wheel_counts(wheel: str, tag: str) -> None:
    assert tag_of(wheel) == tag


def test_a_wheel_for_a_newer_glibc_is_none_for_it() -> None:
    assert glibc_of(tag_of("av-18.1.0-cp311-cp311-manylinux_2_28_aarch64.whl")) > GLIBC


@pytest.mark.parametrize(
    "wheel", ["a-1-cp311-cp311-linux_aarch64.whl", "a-1-cp311-cp311-win_arm64.whl"]
)
def test_a_tag_without_a_glibc_is_a_mistake(wheel: str) -> None:
    with pytest.raises(ValueError, match="manylinux"):
        tag_of(wheel)
