"""The section ``[signaling]``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from mixer_core.cluster.settings import ClusterSettings
from mixer_core.runtime.room_rules import RoomRules, Rooms
from mixer_core.runtime.settings import CommonSettings, Count, Milliseconds, Port, SectionView

Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]


@dataclass(frozen=True, slots=True)
class SignalingSettings:
    """The HTTP side."""

    applies = "now"

    http_host: str = "127.0.0.1"
    """Address to listen on; anything but loopback needs MIXMINUS_TOKEN in the environment."""
    http_port: Port = 8080
    """TCP port of the page and the API."""
    allowed_hosts: str = ""
    """Additional host names under which browsers may open this gateway, separated by commas."""
    lan: bool = False
    """Whether the local network may come in, over HTTPS; mixminus run --lan sets it."""
    https_port: Port = 8443
    """TCP port of HTTPS on all addresses, with lan."""
    tls: Literal["auto", "files", "off"] = "auto"
    """Certificate: of a local authority made here (auto), your own (files), or of a proxy in front
    (off)."""
    tls_certificate: str = ""
    """PEM file with the certificate and its chain, for tls = files; read again when it changes."""
    tls_key: str = ""
    """PEM file with its key, without a passphrase, for tls = files."""
    mdns: bool = True
    """Whether the name mixminus.local is announced on the local network, with lan."""
    trusted_proxies: str = ""
    """Addresses or networks of proxies whose X-Forwarded headers are believed, separated by
    commas."""
    public_path: str = ""
    """Path under which a proxy shows this gateway, such as /voice; empty: at the root."""
    require_invitation: bool = False
    """Ask everybody who is not at this machine's own screen for an invitation, also behind a proxy;
    always so with lan, MIXMINUS_TOKEN, or an http_host other than loopback."""
    max_participants: Count = 20
    """Most browsers at the same time, over all rooms; one more gets 503."""
    max_connections_per_address: Count = 100
    """Most TCP connections from one address; one more gets 429. 0: no limit."""
    max_offers_per_minute: Count = 60
    """Most offers from one address in a minute that do not lead to a connection; one more gets 429.
    0: no limit."""
    max_pending_per_address: Count = 6
    """Most browsers of one address that are connecting at once, beside those that have connected
    before; one more gets 429. 0: no limit."""
    max_percent_per_address: Percent = 75
    """Most of the places of max_participants that browsers of one address may have, in percent; one
    more gets 429. 0: all."""
    max_wrong_tokens_per_minute: Count = 10
    """Most wrong tokens from one address in a minute; then any token from there gets 429.
    0: no limit."""
    max_rooms: Count = 10
    """Most rooms at the same time; each holds one Realtime session."""
    refuse_when_busy: bool = True
    """Whether newcomers get 503, and before that levels of voices and captions come less often,
    while the gateway cannot take more by the four measures that follow."""
    busy_processor_percent: Percent = 85
    """Processor time that the gateway may use itself, of that of all processors. 0: any."""
    busy_wait_ms: Annotated[float, msgspec.Meta(ge=0, le=1_000)] = 2.0
    """Mean time that its programs wait for a processor each time they have something to do.
    0: any."""
    busy_late_ms: Annotated[float, msgspec.Meta(ge=0, le=1_000)] = 20.0
    """How late the mixer may be at one in ten deadlines. 0: any."""
    busy_memory_mib: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 64
    """Memory that stays free. 0: none."""
    mode: Literal["assistant", "conference"] = "assistant"
    """Mode of a room whose first participant does not ask for one; conference: people hear each
    other too."""
    recording_keep_days: Annotated[int, msgspec.Meta(ge=1, le=3_650)] = 30
    """Days after which recordings are deleted."""
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1 << 20)] = 65_536
    """Largest request body; a larger one gets 413."""
    answer_timeout_ms: Milliseconds = 5_000
    """How long an offer waits for a media worker before it gets 503."""


@dataclass(frozen=True, slots=True)
class NetworkSettings(SectionView):
    """What browsers are told of the network: keys of ``[media_worker]``."""

    announce_address: str = ""
    """Outer addresses of this host, or names that lead to them, separated by commas."""
    ice_servers: str = ""
    """STUN and TURN URLs separated by commas."""
    turn_username: str = ""
    """Empty: names with an expiry."""
    turn_secret_variable: str = "TURN_SECRET"
    """Environment variable with the password or the shared secret."""
    turn_lifetime_s: int = 43_200
    """How long what is made from the shared secret may be used."""


@dataclass(frozen=True, slots=True)
class AssistantSettings(SectionView):
    """What people may do, and what is kept: keys of ``[openai_link]``."""

    journal: bool = True
    """Whether what is said is kept."""
    journal_keep_days: int = 30
    """How long."""
    images: bool = True
    """Whether people may show any."""
    image_max_edge_px: int = 1024
    """Longest edge."""
    image_max_bytes: int = 150_000
    """Largest one."""
    images_per_minute: int = 6
    """Of one person."""
    images_per_hour_bytes: int = 20_000_000
    """Of one room."""


@dataclass(frozen=True, slots=True)
class Settings(CommonSettings):
    """What signaling reads."""

    signaling: SignalingSettings = field(default_factory=SignalingSettings)
    media_worker: NetworkSettings = field(default_factory=NetworkSettings)
    openai_link: AssistantSettings = field(default_factory=AssistantSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    rooms: Rooms = field(default_factory=Rooms)

    def room_rules(self, room: str) -> RoomRules:
        """What holds in ``room``; of the assistant its name only."""
        return self.rooms.rules(room, mode=self.signaling.mode, transcript=self.openai_link.journal)
