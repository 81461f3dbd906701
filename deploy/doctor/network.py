"""Looks at ports, interfaces, routes, UDP and the certificate."""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from media_worker.webrtc.addresses import host_interfaces
from media_worker.webrtc.interfaces import Interface, choose
from media_worker.webrtc.network import usable_servers
from mixer_core.runtime.errors import MixminusError, PortBusyError
from mixer_core.runtime.ice_servers import Endpoint, IceServer
from mixer_core.runtime.start_checks import ListeningPort, check_port
from signaling.settings import SignalingSettings
from signaling.tls import key_files

from ..settings import AllSettings
from .facts import Network

UDP_TIMEOUT_S = 2.0
STUN_MAGIC = 0x2112A442
FAR_AWAY = ("192.0.2.1", 9)
"""Nobody has this address (RFC 5737): sending there shows whether UDP may leave."""


def look(
    settings: AllSettings,
    ports: Sequence[ListeningPort],
    found: Sequence[Interface] | None = None,
    routes: Path = Path("/proc/net/route"),
) -> Network:
    """``ports``: those that have to be free; ``found``: interfaces, None: those of this host."""
    known = host_interfaces() if found is None else list(found)
    rules = settings.media_worker.network().interfaces
    usable = [one for one in known if any(a != "127.0.0.1" for a in choose([one], rules))]
    trouble, days = certificate(settings.signaling, datetime.now(UTC))
    offered = tuple(one.name for one in usable)
    addresses = [a for a in choose(usable, rules) if ":" not in a]
    return Network(
        ports_trouble=tuple(filter(None, map(_port, ports))),
        offered=offered,
        left_out=tuple(o.name for o in known if o.name not in (*offered, "lo")),
        default_route=default_route(routes),
        udp_out_trouble=send_udp(*FAR_AWAY),
        udp_self_trouble=udp_to_self(addresses[0]) if addresses else "",
        stun_trouble=stun(settings),
        certificate_trouble=trouble,
        certificate_days=days,
    )


def _port(needed: ListeningPort) -> str:
    try:
        check_port(needed)
    except PortBusyError as error:
        return str(error)
    return ""


def default_route(routes: Path) -> str:
    """The interface of the default route by IPv4; empty: there is none (proc_net(5))."""
    try:
        lines = routes.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return ""
    rows = [line.split() for line in lines]
    defaults = [row for row in rows if len(row) > 7 and row[1] == row[7] == "00000000"]
    return min(defaults, key=lambda row: int(row[6]), default=[""])[0]


def send_udp(host: str, port: int) -> str:
    """Why a datagram cannot be sent; empty: it can."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.sendto(b"", (host, port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


def udp_to_self(address: str) -> str:
    """Why a datagram to our own address does not arrive; empty: it does."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        try:
            receiver.bind((address, 0))
            receiver.settimeout(UDP_TIMEOUT_S)
            sender.bind((address, 0))
            sender.sendto(b"?", receiver.getsockname())
            receiver.recv(16)
        except TimeoutError:
            return f"nothing arrives at {address}"
        except OSError as error:
            return f"{address}: {error.strerror or error}"
    return ""


def stun(settings: AllSettings) -> str:
    """Why none of the STUN servers of the settings answers; empty: one does, or there is none."""
    try:
        urls = tuple(u.strip() for u in settings.media_worker.ice_servers.split(",") if u.strip())
        endpoints = usable_servers([IceServer(urls)], relay=False).stun if urls else ()
    except MixminusError as error:
        return str(error)
    if not endpoints or any(ask_stun(endpoint) for endpoint in endpoints):
        return ""
    return f"no STUN server answers: {', '.join(f'{host}:{port}' for host, port in endpoints)}"


def ask_stun(endpoint: Endpoint, timeout_s: float = UDP_TIMEOUT_S) -> bool:
    """Whether a STUN server answers a binding request (RFC 8489)."""
    request = struct.pack("!HHI", 0x0001, 0, STUN_MAGIC) + secrets.token_bytes(12)
    try:
        family, kind, _, _, address = socket.getaddrinfo(*endpoint, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.settimeout(timeout_s)
            probe.sendto(request, address)
            return probe.recv(2_048)[8:20] == request[8:20]
    except OSError:
        return False


def certificate(settings: SignalingSettings, now: datetime) -> tuple[str, float | None]:
    """What is wrong with the certificate of the settings, and the days to its end."""
    if not settings.lan or settings.tls != "files":
        return "", None  # The gateway renews its own; a proxy has its own.
    file, key = Path(settings.tls_certificate), Path(settings.tls_key)
    try:
        pem = key_files.read(file, key, now)
        leaf = x509.load_pem_x509_certificates(pem)[0]
    except (OSError, ValueError) as error:
        return str(error), None
    return "", (leaf.not_valid_after_utc - now).total_seconds() / 86_400
