"""All checks in their order: facts in, findings out, each with its cure. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from .call_checks import call
from .facts import Facts
from .far_checks import cluster, server
from .findings import Finding
from .machine_checks import clock, memory, power, processor
from .network_checks import certificate, interfaces, ports, udp
from .software_checks import kernels, packages, python, settings
from .storage_checks import disk, journal, programs

Check = Callable[[Facts], Iterator[Finding]]


def itself(facts: Facts) -> Iterator[Finding]:
    """What the doctor could not look at."""
    for words in facts.unseen:
        yield Finding(
            "doctor",
            "error",
            words,
            "this is a fault of the doctor: please report it with `mixminus doctor --bundle FILE`",
        )


CHECKS: Mapping[str, Check] = {
    check.__name__: check
    for check in (
        *(python, packages, settings, processor, kernels, ports, interfaces, udp, certificate),
        *(clock, server, cluster, disk, journal, programs, power, memory, call, itself),
    )
}


def examine(facts: Facts) -> list[Finding]:
    """All findings, in the order of the checks."""
    return [finding for check in CHECKS.values() for finding in check(facts)]


def without_settings(facts: Facts) -> list[Finding]:
    """What can be said where the settings cannot be read."""
    return [*python(facts), *packages(facts), *settings(facts), *itself(facts)]
