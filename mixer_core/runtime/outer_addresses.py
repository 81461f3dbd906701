"""``announce_address``: outer addresses of this host, and names that lead to them. Sans-I/O."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from .errors import SettingsError

MAX_ANNOUNCED = 4
"""Most entries, and most addresses that are offered: a browser tries each."""
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
NAME = re.compile(rf"(?=.{{4,253}}$)({_LABEL}\.)+(?!\d+$){_LABEL}")
"""A host name of two labels or more; its last one is no number, as in a mistyped address."""


@dataclass(frozen=True, slots=True)
class OuterAddresses:
    """What stands in the setting."""

    addresses: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def parse_announced(text: str) -> OuterAddresses:
    """Addresses and names separated by commas.

    Raises:
        SettingsError: an entry is neither, browsers cannot send to it, or there are too many.
    """
    parts = [part.strip().lower().rstrip(".") for part in text.split(",") if part.strip()]
    if len(parts) > MAX_ANNOUNCED:
        raise _wrong(text, f"at most {MAX_ANNOUNCED} addresses and names")
    addresses, names = [], []
    for part in parts:
        try:
            address = ipaddress.ip_address(part)
        except ValueError:
            if not NAME.fullmatch(part):
                words = "write IP addresses, or host names such as voice.example.org"
                raise _wrong(part, words) from None
            names.append(part)
            continue
        if address.is_unspecified or address.is_multicast:
            raise _wrong(part, "browsers cannot send to it: write an address of this host")
        addresses.append(part)
    return OuterAddresses(tuple(dict.fromkeys(addresses)), tuple(dict.fromkeys(names)))


def is_outer(text: str) -> bool:
    """Whether browsers elsewhere can send to an address that a name has led to."""
    address = ipaddress.ip_address(text.partition("%")[0])
    never = address.is_unspecified or address.is_multicast or address.is_loopback
    return not (never or address.is_link_local)


def _wrong(value: str, cure: str) -> SettingsError:
    return SettingsError(f"[media_worker] announce_address = {value!r} is not possible: {cure}")
