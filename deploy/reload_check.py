"""Whether changed settings can be used, and what follows: ``python -m deploy.reload_check``.

A process of its own, so that the supervisor does not wait while everything is imported, and keeps
none of it. Its environment is that of the gateway, secrets included; ``MIXMINUS_CONFIG`` is the
user's file, and the argument is the copy that is in use. It prints one JSON object, ``Finding``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import msgspec

import media_worker.settings
import mixer_core.settings
import openai_link.settings
import openai_link.simulator.settings
import signaling.settings
from mixer_core.runtime import logs
from mixer_core.runtime.errors import SettingsError, StartupError
from mixer_core.runtime.setting_origins import changed
from mixer_core.runtime.settings import CONFIG_VARIABLE, CommonSettings, load, load_all
from mixer_core.runtime.start_checks import check_port, raise_descriptor_limit
from openai_link.secrets import uses_simulator

from . import preflight
from .cli import named_secrets
from .plan import variables_of
from .settings import AllSettings

S = TypeVar("S", bound=CommonSettings)
PROGRAMS: Mapping[str, type[CommonSettings]] = {
    "mixer_core": mixer_core.settings.Settings,
    "simulator": openai_link.simulator.settings.Settings,
    "openai_link": openai_link.settings.Settings,
    "media_worker": media_worker.settings.Settings,
    "signaling": signaling.settings.Settings,
}
OF_THE_SUPERVISOR = ("watchdog_s", "log_file", "log_max_mb", "log_keep")
"""Keys of ``[runtime]`` that no program has to be started again for."""
_USUAL = CommonSettings().runtime


@dataclass(frozen=True, slots=True)
class Finding:
    """The result."""

    refused: str = ""
    """Why nothing changes; empty: what follows is to be done."""
    text: str = ""
    """Of the file that was checked."""
    changes: tuple[tuple[str, str, str], ...] = ()
    """Section, key, and when the change counts."""
    programs: tuple[str, ...] = ()
    """Programs that have to read their settings again."""
    variables: dict[str, str] = field(default_factory=dict)
    """For the supervisor itself."""
    wanted: dict[str, bool] = field(default_factory=dict)
    """Programs that are not always there, and whether they are to run."""
    secrets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Further variables that are secret, and their programs."""


def find(env: Mapping[str, str], in_use: str) -> Finding:
    """Compare the settings in ``env`` with those of the file ``in_use`` (empty: there is none).

    Raises:
        StartupError: the new ones cannot be used.
    """
    path = env.get(CONFIG_VARIABLE, "")
    text = _read(path)
    before = {**env, CONFIG_VARIABLE: in_use}
    old, new = load_all(AllSettings, before), load_all(AllSettings, env)
    if _read(path) != text:
        raise SettingsError(f"the settings file {path} was written meanwhile: once more")
    changes = changed(old, new)
    for section, key, when in changes:
        if when == "start":
            raise SettingsError(
                f"[{section}] {key} can change with the next start only: take the change back, "
                "or stop and start the gateway"
            )
    preflight.check_drain(new.runtime.drain_s, env)
    simulated = uses_simulator(new.openai_link, env)
    _check_start(before, env, simulated)
    programs = tuple(program for program in PROGRAMS if _differs(program, before, env))
    if "signaling" in programs:
        _check_certificate(old, new)
    return Finding(
        text=text,
        changes=tuple(changes),
        programs=programs,
        variables=variables_of(new),
        wanted={"simulator": simulated, "mixer_core_standby": new.mixer_core.standby},
        secrets=named_secrets(new),
    )


def _check_start(before: Mapping[str, str], env: Mapping[str, str], simulated: bool) -> None:
    """What would end a program, as at the start; ports only where they are new."""
    programs = [name for name in preflight.CHECKS if simulated or name != "simulator"]
    needs = [preflight.CHECKS[name](env) for name in programs]
    raise_descriptor_limit(max(need.descriptors for need in needs))
    ours = {
        (port.host, port.port)
        for check in preflight.CHECKS.values()
        for port in check(before).ports
    }
    for need in needs:
        for port in need.ports:
            if (port.host, port.port) not in ours:
                check_port(port)


def _check_certificate(old: AllSettings, new: AllSettings) -> None:
    """Raise SettingsError where signaling, started again, could not show its certificate.

    One that it has shown already is used although it has ended.
    """
    section = new.signaling
    if not section.lan:
        return
    from signaling.tls import addresses  # Only the local network needs its memory.
    from signaling.tls.certificates import open_certificate

    is_shown = _certificate_of(old) == _certificate_of(new)
    found, log = addresses.look(section.mdns), logs.get("signaling")
    open_certificate(section, new.state_dir, found, log, at_any_time=is_shown)


def _certificate_of(settings: AllSettings) -> tuple[object, ...]:
    section = settings.signaling
    return section.lan, section.tls, section.tls_certificate, section.tls_key


def _differs(program: str, before: Mapping[str, str], env: Mapping[str, str]) -> bool:
    """Whether a program reads something else now."""
    declared = PROGRAMS[program]
    return _relevant(program, load(declared, before)) != _relevant(program, load(declared, env))


def _relevant(program: str, settings: S) -> S:
    """Settings without what is no reason to start the program again.

    The simulator holds calls, so it is started again for its own section only.
    """
    if program == "simulator":
        return replace(settings, runtime=_USUAL)
    keys = OF_THE_SUPERVISOR if program == "signaling" else (*OF_THE_SUPERVISOR, "drain_s")
    usual = {key: getattr(_USUAL, key) for key in keys}
    return replace(settings, runtime=replace(settings.runtime, **usual))


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8") if path else ""
    except (OSError, ValueError):
        return ""  # Whoever loads it says what is wrong.


def main(arguments: list[str]) -> int:
    """Print the finding."""
    try:
        finding = find(os.environ, arguments[0])
    except StartupError as error:
        finding = Finding(refused=str(error))
    print(msgspec.json.encode(asdict(finding)).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
