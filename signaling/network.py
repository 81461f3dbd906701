"""What pages and workers are told of the network between them."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from typing import Any

from mixer_core.bus.control import Offer
from mixer_core.runtime.outer_addresses import parse_announced

from .ice import IceServers
from .name_watch import NameWatch
from .outer_names import OuterNames
from .settings import NetworkSettings


class Network:
    """STUN and TURN servers, and the addresses by which this host is known outside."""

    def __init__(
        self, settings: NetworkSettings, log: logging.LoggerAdapter[logging.Logger]
    ) -> None:
        """Begin to look up the names of this host. Raises SettingsError, see ``IceServers``."""
        self._ice = IceServers(settings, os.environ)
        self._outer = OuterNames(parse_announced(settings.announce_address).names)
        self._name_watch = NameWatch(self._outer, log)

    @property
    def warnings(self) -> list[str]:
        """Names of this host that lead nowhere."""
        return self._outer.warnings

    def for_pages(self) -> dict[str, Any]:
        """The servers, as JSON."""
        return self._ice.as_json(int(time.time()))

    def for_worker(self, offer: Offer) -> Offer:
        """An offer, completed with the servers and this host's addresses."""
        servers = self._ice.current(int(time.time()))
        return replace(offer, ice_servers=servers, announced=self._outer.addresses)

    def close(self) -> None:
        """Look up no more."""
        self._name_watch.close()
