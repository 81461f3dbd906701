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
    relay,
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
    *(journal, settings, certificates, tokens, relay),
)
BORDERS: Mapping[str, Border] = {
    border.name: border for module in _MODULES for border in module.BORDERS
}
