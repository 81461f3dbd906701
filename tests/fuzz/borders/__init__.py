"""Every border, by name."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fuzz.border import Border

from . import (
    browser,
    certificates,
    control,
    http,
    journal,
    offers,
    realtime,
    rtp,
    sctp,
    settings,
    stun,
    tokens,
    tools,
    wire,
)

_MODULES = (
    *(http, offers, sctp, stun, browser, wire, control, realtime, tools, rtp),
    *(journal, settings, certificates, tokens),
)
BORDERS: Mapping[str, Border] = {
    border.name: border for module in _MODULES for border in module.BORDERS
}
