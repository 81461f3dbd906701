"""The section ``[cluster]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

import msgspec

from mixer_core.runtime.errors import SettingsError

NODE_NAME = re.compile(r"[a-z0-9-]{1,32}")
"""Name of a node, and of a cluster; whole."""
NAME_WORDS = "1 to 32 of a-z, 0-9 and '-'"

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Several machines as one gateway; off without servers."""

    applies = "start"

    servers: tuple[str, ...] = ()
    """NATS servers with JetStream, such as tls://nats-1.example:4222, for a gateway of several
    machines; needs the extra cluster. Empty: this machine is the whole gateway."""
    credentials_file: str = ""
    """File with this gateway's credentials for NATS: what nsc makes (.creds), or one line with a
    token or USER:PASSWORD; empty: NATS asks for none."""
    ca_file: str = ""
    """PEM file with the authorities that may sign the certificates of the NATS servers; empty:
    those of the system."""
    name: Name = "mixminus"
    """Name of the cluster: the first part of all names in NATS, so that several clusters may use
    the same servers."""
    node: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{0,32}\Z")] = ""
    """Name of this machine, unique in the cluster; empty: its host name."""
    public_url: str = ""
    """URL at which the other machines reach this gateway, such as https://node-1.example:8443."""
    labels: tuple[str, ...] = ()
    """What this machine has that rooms may ask for, such as gpu."""
    capacity: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    """Browsers that this machine takes; 0: as many as [signaling] max_participants."""
    replicas: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1
    """Copies of what NATS keeps, on as many servers: 3 where there are three or more."""
    partitions: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Streams over which the journals of the rooms are spread; the same on all machines."""

    @property
    def is_on(self) -> bool:
        """Whether this gateway is one of several."""
        return bool(self.servers)

    def node_name(self, host_name: str) -> str:
        """The name of this machine. Raises SettingsError where its host name makes none."""
        name = self.node or host_name.partition(".")[0].lower()[:32]
        if not NODE_NAME.fullmatch(name):
            raise SettingsError(
                f"the host name {host_name!r} is no name for a node of the cluster: set [cluster] "
                f"node to {NAME_WORDS}"
            )
        return name
