"""What the doctor has looked at, as plain values; an empty ``trouble`` means that all is well."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Machine:
    """The computer and its system."""

    architecture: str = "x86_64"
    features: frozenset[str] = frozenset({"sse4_2", "popcnt", "avx2"})
    """Of the processors, as ``/proc/cpuinfo`` names them."""
    cores: int = 4
    cores_present: int = 4
    """Those that are switched off included."""
    governors: tuple[str, ...] = ("schedutil",)
    throttled: str = ""
    """What is held back, and why; empty: nothing."""
    hottest_c: float = 40.0
    memory_mib: float = 2_000.0
    """That may still be used."""
    open_files: int = 4_096
    """How many this user may open."""


@dataclass(frozen=True, slots=True)
class Software:
    """The interpreter and what is installed."""

    python: tuple[int, int, int] = (3, 11, 0)
    packages_trouble: str = ""
    settings_trouble: str = ""
    kernels_trouble: str = ""
    """Of their cache."""
    kernels_kept: bool = True
    """There is a place for them."""
    kernels_foreign: bool = False
    """They were compiled for another processor."""


@dataclass(frozen=True, slots=True)
class Network:
    """What the gateway listens on, and how browsers reach it."""

    ports_trouble: tuple[str, ...] = ()
    offered: tuple[str, ...] = ("eth0",)
    """Interfaces whose addresses browsers are told."""
    left_out: tuple[str, ...] = ()
    default_route: str = "eth0"
    """Interface of the default route; empty: there is none."""
    udp_out_trouble: str = ""
    udp_self_trouble: str = ""
    """UDP from this machine to its own address."""
    stun_trouble: str = ""
    certificate_trouble: str = ""
    certificate_days: float | None = None
    """Until its end; None: there is none of which we know."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Directories, disk, journal."""

    directories_trouble: tuple[str, ...] = ()
    free_mib: float = 10_000.0
    """Where the journal is."""
    free_inodes: int = 100_000
    journal_trouble: str = ""
    given_up: dict[str, str] = field(default_factory=dict)
    """Programs that are no longer started, and why."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The system's time."""

    year: int = 2026
    is_synchronized: bool = True
    skew_s: float | None = None
    """Ahead of the server's clock; None: not known."""


@dataclass(frozen=True, slots=True)
class Server:
    """The Realtime server, asked as a room asks it."""

    trouble: str = ""
    """Its real answer, with the cure."""
    udp_trouble: str = ""
    """It can be reached by WebSocket only."""
    rooms_trouble: tuple[str, ...] = ()
    """What it answers to a room with a model or a voice of its own, with the room's section."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """NATS, asked as a node asks it; all empty without a cluster."""

    trouble: str = ""
    """Why the node cannot use it."""
    silent: tuple[str, ...] = ()
    """Servers that cannot be used, each with why."""
    servers: int = 0
    """Of NATS, that know of each other."""
    replicas: int = 0
    """That the settings want."""
    namesake: str = ""
    """URL of another node that has this one's name; empty: none has."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call through a gateway of its own, with the simulator as the server."""

    trouble: str = ""
    stages_ms: tuple[tuple[str, float], ...] = ()
    """What each stage took, 19 times of 20."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything; the defaults are those of a healthy machine."""

    machine: Machine = field(default_factory=Machine)
    software: Software = field(default_factory=Software)
    network: Network = field(default_factory=Network)
    storage: Storage = field(default_factory=Storage)
    clock: Clock = field(default_factory=Clock)
    server: Server = field(default_factory=Server)
    cluster: Cluster = field(default_factory=Cluster)
    call: Call = field(default_factory=Call)
    unseen: tuple[str, ...] = ()
    """Where the doctor could not look because of a fault of its own, and what the fault was."""
