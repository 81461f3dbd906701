"""Secrets of the environment, each handed only to the program that uses it.

``mixminus run`` takes them out of its environment before it becomes supervisord, which reads them
from an anonymous file and adds to each program what is its own. So they stand in ``/proc`` of no
other process.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping

FD_VARIABLE = "SUPERVISED_SECRETS_FD"
_SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|PROXY)$")
"""Addresses of proxies are among them: they may hold a password."""
_SETTING = re.compile(r"MIXMINUS_[A-Z_]+__")
_OWNERS = {
    "MIXMINUS_TOKEN": ("signaling",),
    "MIXMINUS_SIMULATOR__API_KEY": ("simulator", "openai_link"),
}
_OTHERS = ("openai_link",)
"""Who gets any other secret: the program that talks to other servers and runs the tools."""

Shares = dict[str, dict[str, str]]
"""Per program: its secret variables."""


def separate(
    env: Mapping[str, str], owners: Mapping[str, tuple[str, ...]] | None = None
) -> tuple[dict[str, str], Shares]:
    """The environment without secrets, and each program's share of them.

    White space at the ends of a secret is taken off; white space alone is none.

    Args:
        owners: further variables that are secret whatever they are called, and their programs.
    """
    known = {**_OWNERS, **(owners or {})}
    public: dict[str, str] = {}
    shares: Shares = {}
    for name, value in env.items():
        if name not in known and (_SETTING.match(name) or not _SECRET.search(name.upper())):
            public[name] = value
            continue
        value = value.strip()
        if not value:
            continue
        for program in known.get(name, _OTHERS):
            shares.setdefault(program, {})[name] = value
    return public, shares


def pass_on(shares: Shares) -> int:
    """An inheritable file descriptor from which ``take`` reads ``shares``."""
    fd = os.memfd_create("mixminus-secrets", 0)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(json.dumps(shares).encode())
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def take() -> Shares:
    """What ``pass_on`` was given; the descriptor is closed. Empty if there is none."""
    number = os.environ.pop(FD_VARIABLE, "")
    if not number:
        return {}
    with os.fdopen(int(number), "rb") as file:
        shares: Shares = json.load(file)
    return shares
