"""The command: looks at everything, says what it found, writes the support bundle."""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

from media_worker.webrtc.interfaces import Interface
from mixer_core.runtime import logs
from mixer_core.runtime.errors import StartupError
from mixer_core.runtime.lock_file import is_held, path_of
from mixer_core.runtime.secrets import secret_values
from mixer_core.runtime.settings import load, load_all
from mixer_core.runtime.start_checks import ListeningPort
from openai_link.secrets import uses_simulator
from openai_link.settings import Settings as LinkSettings

from .. import preflight
from ..settings import GATEWAY, AllSettings
from . import bundle, checks, machine, network, software, storage
from .facts import Facts, Software
from .findings import EXIT_ERRORS, Finding, exit_code, report

T = TypeVar("T")


def main(arguments: Sequence[str]) -> int:
    """Entry point of ``mixminus doctor``: 0 nothing found, 1 warnings, 2 errors."""
    parser = argparse.ArgumentParser(
        prog="mixminus doctor", description="What is wrong, and what to do about it."
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--no-server", action="store_true", help="do not ask the Realtime server")
    parser.add_argument("--no-call", action="store_true", help="no call through a gateway")
    parser.add_argument("--bundle", type=Path, metavar="FILE.tar.gz", help="write a support bundle")
    given = parser.parse_args(arguments)
    logs.setup("error")
    logs.conceal(secret_values(os.environ))
    settings, facts = look(given.no_server, given.no_call, quiet=given.json)
    findings = checks.without_settings(facts) if settings is None else checks.examine(facts)
    if given.json:
        print(json.dumps(as_json(facts, findings)))
    else:
        for stage, took_ms in facts.call.stages_ms:
            print(f"        {stage}: {took_ms:.1f} ms")
        print(logs.redact(report(findings, list(checks.CHECKS))))
    if given.bundle is not None:
        try:
            names = bundle.write(given.bundle, settings, os.environ, findings)
        except OSError as error:
            print(f"mixminus: {given.bundle}: {error.strerror}", file=sys.stderr)
            return EXIT_ERRORS
        print(f"mixminus: {given.bundle.absolute()} has {', '.join(names)}", file=sys.stderr)
    return exit_code(findings)


def as_json(facts: Facts, findings: Sequence[Finding]) -> dict[str, object]:
    """Everything, for programs."""
    return {
        "exit_code": exit_code(findings),
        "findings": [
            {name: logs.redact(text) for name, text in asdict(found).items()} for found in findings
        ],
        "call_ms": dict(facts.call.stages_ms),
        "checks": list(checks.CHECKS),
    }


def look(no_server: bool, no_call: bool, quiet: bool) -> tuple[AllSettings | None, Facts]:
    """Look at everything; None: the settings cannot be read, and what needs them was left out."""

    def say(words: str) -> None:
        if not quiet:
            print(f"mixminus doctor: {words} …", flush=True)

    try:
        settings = load_all(AllSettings)
    except StartupError as error:
        own = software.look(Path(), dict(os.environ))
        return None, Facts(software=replace(own, settings_trouble=str(error)))
    say("the machine, the software, the network, the disk")
    unseen: list[str] = []
    facts = looked("the machine", lambda: of_machine(settings), Facts(), unseen)
    if not no_server:
        say("the Realtime server")
        from . import server

        link = load(LinkSettings)
        found = looked("the server", lambda: server.look(link, os.environ), facts.server, unseen)
        facts = replace(facts, server=found)
        if not uses_simulator(settings.openai_link, os.environ):
            skew_s = looked("the clock", lambda: server.skew_s(link), None, unseen)
            facts = replace(facts, clock=replace(facts.clock, skew_s=skew_s))
    if settings.cluster.is_on and not facts.software.settings_trouble:
        say("the cluster's NATS")
        from . import cluster

        nats = looked("NATS", lambda: cluster.look(settings.cluster), facts.cluster, unseen)
        facts = replace(facts, cluster=nats)
    if not no_call and not facts.software.packages_trouble:
        say("a call through a gateway of its own, with the simulator")
        from . import loopback

        call = looked("the call", lambda: loopback.look(os.environ), facts.call, unseen)
        facts = replace(facts, call=call)
    return settings, replace(facts, unseen=tuple(unseen))


def looked(what: str, look_at: Callable[[], T], usual: T, unseen: list[str]) -> T:
    """What ``look_at`` finds. Where it fails itself, ``usual``, and ``unseen`` says why.

    Whoever asks the doctor has a problem already: a fault of one look costs that look only.
    """
    try:
        return look_at()
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        unseen.append(f"{what} could not be looked at: {error!r} ({place})")
        return usual


def of_machine(
    settings: AllSettings,
    root: Path = machine.ROOT,
    interfaces: Sequence[Interface] | None = None,
) -> Facts:
    """What can be seen without asking anybody.

    ``root``: above ``/proc`` and ``/sys``. ``interfaces``: None for those of this host.
    """
    trouble = ""
    ports: list[ListeningPort] = []
    is_running = is_held(path_of(settings.runtime_dir, GATEWAY))
    for name, check in preflight.CHECKS.items():
        try:
            needs = check(os.environ)
        except StartupError as error:
            trouble = trouble or str(error)
            continue
        if not is_running and name != "simulator":
            ports += needs.ports
    found: Software = software.look(settings.runtime_dir, dict(os.environ))
    return Facts(
        machine=machine.look(root),
        software=replace(found, settings_trouble=trouble),
        network=network.look(settings, ports, interfaces, root / "proc/net/route"),
        storage=storage.look(settings.runtime_dir, settings.state_dir),
        clock=machine.clock(),
    )
