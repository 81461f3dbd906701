"""The section ``[media_worker]``, and what the worker reads of ``[openai_link]``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from mixer_core.runtime.settings import AT_ONCE, CommonSettings, Milliseconds, SectionView

from .webrtc.network import NetworkSettings, read_network


@dataclass(frozen=True, slots=True)
class MediaWorkerSettings:
    """One child per browser."""

    applies = "call"

    idle_children: Annotated[int, msgspec.Meta(ge=1, le=16), AT_ONCE] = 2
    """Warm children waiting for a browser."""
    max_children: Annotated[int, msgspec.Meta(ge=1, le=256), AT_ONCE] = 24
    """Most children at the same time, idle ones included."""
    max_child_memory_mib: Annotated[int, msgspec.Meta(ge=0, le=65_536), AT_ONCE] = 512
    """Resident memory, shared pages included, above which a child has to end; 0: no limit."""
    ice_addresses: str = "auto"
    """Addresses offered to browsers, separated by commas; auto: those of the interfaces below."""
    ice_interfaces: str = "auto"
    """Interfaces whose addresses are offered, as patterns separated by commas, with - before those
    to leave out; auto: all but bridges of containers and virtual machines, and tunnels."""
    announce_address: str = ""
    """Outer addresses of this host where a NAT passes its UDP ports on unchanged, or names that
    lead to them, separated by commas; offered beside its own."""
    udp_ports: str = ""
    """UDP ports for browsers, such as 50000-50099, one for each browser; empty: any."""
    probe_addresses: str = "private, public"
    """Kinds of addresses in an offer that workers send to before they hear from them: private,
    public, loopback, link_local, own; none: workers only answer."""
    ice_servers: str = ""
    """STUN and TURN servers of browsers and workers, as URLs separated by commas."""
    turn_username: str = ""
    """User name at the TURN server; empty: names with an expiry, made from a shared secret."""
    turn_secret_variable: str = "TURN_SECRET"
    """Environment variable with the password of that user, or with the shared secret."""
    turn_lifetime_s: Annotated[int, msgspec.Meta(ge=300, le=604_800)] = 43_200
    """How long credentials made from the shared secret may be used."""
    relay: bool = False
    """Whether workers take an address at the TURN server, too; needed where that server cannot
    reach this host."""
    connect_timeout_ms: Milliseconds = 10_000
    """A browser that has not opened its data channel after this time is given up."""
    peer_silence_ms: Milliseconds = 12_000
    """A browser that has sent no datagram for this time is gone; one that joins again takes its
    place at once."""
    outbox_cap_ms: Milliseconds = 200
    """Audio that may wait for the network, per browser; more is dropped."""
    silence_hangover_ms: Milliseconds = 400
    """How long digital silence is still sent before sending pauses."""

    def network(self) -> NetworkSettings:
        """How browsers reach a worker. Raises SettingsError."""
        return read_network(
            self.ice_addresses,
            self.ice_interfaces,
            self.announce_address,
            self.udp_ports,
            self.probe_addresses,
            self.relay,
        )


@dataclass(frozen=True, slots=True)
class AssistantSettings(SectionView):
    """How people talk with the assistant: the keys of ``[openai_link]`` that pages are told."""

    turn_detection: str = "server_vad"
    """push_to_talk: the assistant hears the room only while somebody holds a button."""
    output: str = "audio"
    """audio: the assistant speaks; text: it only writes."""
    images: bool = True
    """Whether people may show pictures."""
    image_max_edge_px: int = 1024
    """Longest edge of a picture."""
    image_max_bytes: int = 150_000
    """Largest picture."""


@dataclass(frozen=True, slots=True)
class Settings(CommonSettings):
    """What a media worker reads."""

    media_worker: MediaWorkerSettings = field(default_factory=MediaWorkerSettings)
    openai_link: AssistantSettings = field(default_factory=AssistantSettings)
