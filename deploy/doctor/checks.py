"""The checks: facts in, findings out, each with its cure. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from media_worker.webrtc.interfaces import CONTAINERS, TUNNELS, matches

from .facts import Facts
from .findings import Finding

OLDEST_PYTHON = (3, 11)
FIRST_YEAR = 2026
"""A clock before that was never set."""
MOST_SKEW_S = 60.0
LITTLE_MIB, LEAST_MIB = 500.0, 50.0
"""Free disk: a warning, an error."""
LITTLE_MEMORY_MIB = 200.0
FEW_INODES = 1_000
HOT_C = 85.0
CERTIFICATE_DAYS = 14.0
SLOW_MS: Mapping[str, float] = {
    "microphone to mixer's listeners": 60.0,
    "to the server": 60.0,
    "to the browser": 80.0,
    "join": 3_000.0,
    "first sound of the answer": 3_000.0,
}
"""Slower than that is felt."""
Check = Callable[[Facts], Iterator[Finding]]


def python(facts: Facts) -> Iterator[Finding]:
    """The interpreter."""
    version = facts.software.python
    if version[:2] < OLDEST_PYTHON:
        yield Finding(
            "python",
            "error",
            f"this is Python {'.'.join(map(str, version))}, and 3.11 is needed",
            "install with deploy/install.sh, which brings an interpreter of its own",
        )


def packages(facts: Facts) -> Iterator[Finding]:
    """What is installed."""
    if facts.software.packages_trouble:
        yield Finding(
            "packages",
            "error",
            facts.software.packages_trouble,
            "install again with the constraints of this platform: pip install -c constraints.txt .",
        )


def settings(facts: Facts) -> Iterator[Finding]:
    """The settings file and the variables."""
    if facts.software.settings_trouble:
        yield Finding(
            "settings",
            "error",
            facts.software.settings_trouble,
            "correct it; deploy/mixminus.toml lists every key with its default",
        )


def processor(facts: Facts) -> Iterator[Finding]:
    """What the wheels of numpy and numba need of a processor."""
    needed = {"x86_64": ("sse4_2", "popcnt"), "aarch64": ("asimd",)}
    machine = facts.machine
    missing = [
        name for name in needed.get(machine.architecture, ()) if name not in machine.features
    ]
    if missing:
        yield Finding(
            "processor",
            "error",
            f"this {machine.architecture} processor has no {', '.join(missing)}",
            "use a newer one; in a virtual machine, pass the host's processor on (cpu host)",
        )
    if machine.architecture not in needed:
        yield Finding(
            "processor",
            "warning",
            f"nobody has tried {machine.architecture}",
            "use a 64-bit system on ARM or x86; there are no wheels for others",
        )


def kernels(facts: Facts) -> Iterator[Finding]:
    """The cache of compiled kernels."""
    software = facts.software
    if not software.kernels_kept:
        yield Finding(
            "kernels",
            "warning",
            f"compiled kernels cannot be kept ({software.kernels_trouble}): each start of the "
            "mixer compiles for seconds, on a Nano for a minute",
            "make ~/.cache/mixminus writable, or set NUMBA_CACHE_DIR to a directory that is",
        )
    elif software.kernels_trouble:
        yield Finding(
            "kernels",
            "warning",
            f"the cache of compiled kernels was damaged: {software.kernels_trouble}",
            "nothing: it is made anew at the next start; if it comes back, check the disk",
        )
    if software.kernels_foreign:
        yield Finding(
            "kernels",
            "warning",
            "the kernels in the cache were compiled for another processor",
            "start the gateway once: they are compiled for this one; copy no caches",
        )


def ports(facts: Facts) -> Iterator[Finding]:
    """What the gateway listens on."""
    for words in facts.network.ports_trouble:
        yield Finding(
            "ports", "error", words, "`ss -ltnp` shows who listens there; one of the two has to go"
        )


def interfaces(facts: Facts) -> Iterator[Finding]:
    """Addresses that browsers are told, and cannot reach."""
    network = facts.network
    bad = [name for name in network.offered if matches(name, CONTAINERS)]
    if bad:
        yield Finding(
            "interfaces",
            "warning",
            f"browsers are told the addresses of {', '.join(bad)}, where none of them is: "
            "joining takes longer",
            'set [media_worker] ice_interfaces = "auto"',
        )
    if not network.offered:
        yield Finding(
            "interfaces",
            "warning",
            "no interface has an address that another device could reach"
            + (f"; left out: {', '.join(network.left_out)}" if network.left_out else ""),
            "connect the network, or name the interface in [media_worker] ice_interfaces",
        )
    if matches(network.default_route, TUNNELS):
        yield Finding(
            "vpn",
            "warning",
            f"all traffic goes through the tunnel {network.default_route}: phones of the local "
            "network may not be answered, and the server is further away",
            "end the VPN, or let it leave out the local network (split tunnel)",
        )


def udp(facts: Facts) -> Iterator[Finding]:
    """UDP out, and to ourselves."""
    network = facts.network
    if network.udp_out_trouble:
        yield Finding(
            "udp",
            "warning",
            f"UDP does not leave this machine: {network.udp_out_trouble}",
            "allow outgoing UDP in the firewall; until then the server is reached by WebSocket",
        )
    if network.udp_self_trouble:
        yield Finding(
            "udp",
            "error",
            f"UDP does not even reach this machine itself: {network.udp_self_trouble}",
            "allow UDP from the local network in the firewall (ufw allow proto udp from …)",
        )
    if network.stun_trouble:
        yield Finding(
            "stun",
            "warning",
            network.stun_trouble,
            "check [media_worker] ice_servers, and that UDP to them is allowed",
        )
    if facts.server.udp_trouble:
        yield Finding(
            "udp",
            "warning",
            f"the server is reached by WebSocket only: {facts.server.udp_trouble}",
            "allow outgoing UDP; a WebSocket works, and is worse on bad networks",
        )


def certificate(facts: Facts) -> Iterator[Finding]:
    """The certificate of the page."""
    network = facts.network
    if network.certificate_trouble:
        yield Finding(
            "certificate",
            "error",
            network.certificate_trouble,
            'name a valid pair in tls_certificate and tls_key, or set tls = "auto"',
        )
    elif network.certificate_days is not None and network.certificate_days < CERTIFICATE_DAYS:
        is_over = network.certificate_days <= 0
        days = max(network.certificate_days, 0)
        yield Finding(
            "certificate",
            "error" if is_over else "warning",
            "the certificate has ended" if is_over else f"the certificate ends in {days:.0f} days",
            "renew it and write it to the same file: it is read again without a restart",
        )


def clock(facts: Facts) -> Iterator[Finding]:
    """The system's time: tokens, certificates and prices by day depend on it."""
    found = facts.clock
    cure = "set up time synchronization: timedatectl set-ntp true"
    if found.year < FIRST_YEAR:
        yield Finding("clock", "error", f"the clock says it is {found.year}", cure)
    elif found.skew_s is not None and abs(found.skew_s) > MOST_SKEW_S:
        way = "ahead" if found.skew_s > 0 else "behind"
        words = f"the clock is {abs(found.skew_s):.0f} s {way} of the server's"
        yield Finding("clock", "error", words, cure)
    elif not found.is_synchronized:
        words = "nobody keeps the clock right (it is not synchronized)"
        yield Finding("clock", "warning", words, cure)


def server(facts: Facts) -> Iterator[Finding]:
    """Key, model, way to the server."""
    if facts.server.trouble:
        yield Finding("server", "error", facts.server.trouble, "see docs/upstreams.md")
    for words in facts.server.rooms_trouble:
        yield Finding("server", "error", words, "correct the room's section (docs/rooms.md)")


def cluster(facts: Facts) -> Iterator[Finding]:
    """The other nodes: NATS, and what they have to agree on."""
    found = facts.cluster
    if found.trouble:
        yield Finding("cluster", "error", found.trouble, "see docs/cluster.md")
        return
    for words in found.silent:
        yield Finding(
            "cluster",
            "warning",
            f"a NATS server cannot be used: {words}",
            "start it, or take it out of [cluster] servers; the others do without it",
        )
    if found.replicas > max(found.servers, 1):
        yield Finding(
            "cluster",
            "error",
            f"[cluster] replicas = {found.replicas}, and NATS has {found.servers} servers: nothing "
            "can be kept",
            "run as many NATS servers, or set replicas to 1",
        )
    if found.servers >= 3 > found.replicas:
        yield Finding(
            "cluster",
            "warning",
            f"NATS has {found.servers} servers, and [cluster] replicas = {found.replicas}: what "
            "the lost one had is lost",
            "set [cluster] replicas = 3",
        )
    if found.namesake:
        yield Finding(
            "cluster",
            "error",
            f"another machine of the cluster has the same name: {found.namesake}",
            "give each its own [cluster] node",
        )


def disk(facts: Facts) -> Iterator[Finding]:
    """Room for the journal, and directories that can be written."""
    storage = facts.storage
    for words in storage.directories_trouble:
        yield Finding("directories", "error", words, "give this user the directory, or set another")
    if storage.free_mib < LITTLE_MIB:
        yield Finding(
            "disk",
            "error" if storage.free_mib < LEAST_MIB else "warning",
            f"{storage.free_mib:.0f} MiB are free where the journal is",
            "make room, or lower [openai_link] journal_max_mb",
        )
    elif storage.free_inodes < FEW_INODES:
        words = f"{storage.free_inodes} files are left on the disk of the journal"
        yield Finding("disk", "warning", words, "delete small files: df -i shows the inodes")


def journal(facts: Facts) -> Iterator[Finding]:
    """Whether the journal is whole."""
    if facts.storage.journal_trouble:
        yield Finding(
            "journal",
            "warning",
            facts.storage.journal_trouble,
            "start the gateway: what can be read is saved into a new file (docs/disks.md)",
        )


def programs(facts: Facts) -> Iterator[Finding]:
    """Programs that are no longer started."""
    for program, why in facts.storage.given_up.items():
        yield Finding(
            "programs",
            "error",
            f"{program} is no longer started: {why}",
            "correct what it says, then restart the gateway",
        )


def power(facts: Facts) -> Iterator[Finding]:
    """Power mode, frequency, heat."""
    machine = facts.machine
    if machine.cores < machine.cores_present:
        yield Finding(
            "power",
            "warning",
            f"{machine.cores_present - machine.cores} of {machine.cores_present} processors "
            "are switched off",
            "on a Jetson: sudo nvpmodel -m 0; elsewhere: sudo chcpu -e 0-"
            f"{machine.cores_present - 1}",
        )
    if "powersave" in machine.governors:
        yield Finding(
            "power",
            "warning",
            "the processors are kept at their lowest frequency (governor powersave)",
            "sudo cpupower frequency-set -g performance; on a Jetson: sudo jetson_clocks",
        )
    if machine.throttled:
        yield Finding(
            "throttling",
            "warning",
            machine.throttled,
            "a better power supply or cooling; audio breaks up while it is held back",
        )
    elif machine.hottest_c >= HOT_C:
        words = f"the processor has {machine.hottest_c:.0f} °C and will be slowed down"
        yield Finding("throttling", "warning", words, "cool it: a fan, or air around it")


def memory(facts: Facts) -> Iterator[Finding]:
    """Memory and open files."""
    machine = facts.machine
    if machine.memory_mib < LITTLE_MEMORY_MIB:
        yield Finding(
            "memory",
            "warning",
            f"{machine.memory_mib:.0f} MiB of memory are free",
            "end other programs; each participant takes about 15 MiB, each room 30",
        )
    if machine.open_files < 1_024:
        yield Finding(
            "files",
            "warning",
            f"this user may open {machine.open_files} files",
            "ulimit -n 4096, or LimitNOFILE of the service",
        )


def call(facts: Facts) -> Iterator[Finding]:
    """A call through a whole gateway."""
    if facts.call.trouble:
        yield Finding(
            "call", "error", facts.call.trouble, "the lines of the gateway's log above say more"
        )
    for stage, took_ms in facts.call.stages_ms:
        if took_ms > SLOW_MS.get(stage, float("inf")):
            yield Finding(
                "call",
                "warning",
                f"{stage}: {took_ms:.0f} ms, more than {SLOW_MS[stage]:.0f}",
                "the machine is busy or slow: see `mixminus status`, and docs/limits.md",
            )


def itself(facts: Facts) -> Iterator[Finding]:
    """What the doctor could not look at."""
    for words in facts.unseen:
        yield Finding(
            "doctor",
            "error",
            words,
            "this is a fault of the doctor: please report it with `mixminus doctor --bundle FILE`",
        )


def without_settings(facts: Facts) -> list[Finding]:
    """What can be said where the settings cannot be read."""
    return [*python(facts), *packages(facts), *settings(facts), *itself(facts)]


CHECKS: Mapping[str, Check] = {
    check.__name__: check
    for check in (
        *(python, packages, settings, processor, kernels, ports, interfaces, udp, certificate),
        *(clock, server, cluster, disk, journal, programs, power, memory, call, itself),
    )
}


def examine(facts: Facts) -> list[Finding]:
    """All findings, in the order of the checks."""
    return [finding for check in CHECKS.values() for finding in check(facts)]
