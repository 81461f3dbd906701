"""The import rules of the design hold: who may import whom, what a pure module may not touch."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAMS = ("signaling", "media_worker", "openai_link")
IMPURE = {
    "asyncio",
    "zmq",
    "aiortc",
    "av",
    "aiohttp",
    "time",
    "random",
    "os",
    "socket",
    "threading",
}
SHARED = ("mixer_core.bus", "mixer_core.runtime", "mixer_core.journal", "mixer_core.cluster")
"""What the programs see of ``mixer_core``."""
PATCHES = "mixer_core.patches"
"""Other libraries' private parts: for those that have peer connections."""
CLIENT = ROOT / "signaling" / "client"
"""What scripts import; the program has no peer connection, and never imports it."""
PATCHED = {"aiohttp", "aioice", "aiortc", "av", "google_crc32c", "OpenSSL", "pylibsrtp"}
HIDDEN = {"aioice", "OpenSSL", "pylibsrtp"}
"""Libraries that aiortc stands on: only the patches import them."""
OF_THE_CLUSTER = {"nats_client": {"nats"}, "credentials": {"cryptography"}}
"""Modules of ``mixer_core.cluster`` with a library of their own."""
WIRE_LIBRARIES = {"msgpack", "msgspec", "zmq", "uvloop"}

SHELLS: dict[str, set[str]] = {
    "media_worker": {
        "__main__",
        "child",
        "host",
        "preload",
        "rehearsal",
        "service",
        "session_shell",
    },
    "media_worker/protocol": set(),
    "media_worker/webrtc": {
        "addresses",
        "peer",
    },
    "mixer_core": {
        "__main__",
        "audio_server",
        "beats",
        "duty",
        "numba_cache",
        "service",
        "voice_file",
    },
    "mixer_core/cluster": {
        "buckets",
        "connection",
        "feed",
        "jetstream",
        "kept_client",
        "nats_client",
        "room_log",
        "start",
        "subscription",
        "tasks",
    },
    "mixer_core/bus": {
        "audio_client",
        "bound_router",
        "control_client",
        "drain",
        "endpoints",
        "outgoing",
    },
    "mixer_core/journal": {
        "conversations",
        "file",
        "left_recordings",
        "parting",
        "place",
        "reading",
        "recordings",
        "repair",
        "salvage",
    },
    "mixer_core/runtime": {
        "boot_clock",
        "bound_path",
        "child_lines",
        "child_output",
        "files",
        "fork_pool",
        "fork_server",
        "given_up",
        "lazy_timer",
        "loading",
        "lock_file",
        "log_level",
        "logs",
        "parent",
        "process",
        "process_usage",
        "processor_time",
        "realtime",
        "settings",
        "start_checks",
        "sweep",
    },
    "openai_link": {
        "__main__",
        "child",
        "host",
        "preload",
        "rehearsal",
        "service",
    },
    "openai_link/media": {
        "opus",
        "packet_track",
        "uplink",
    },
    "openai_link/playback": set(),
    "openai_link/realtime": set(),
    "openai_link/recording": {
        "flac",
        "writer",
    },
    "openai_link/room": {
        "deeds",
        "driver",
        "journal_feed",
        "mixer_client",
        "mixer_feed",
        "ownership",
        "recorder",
        "session_feed",
        "shell",
        "transports",
        "trace_export",
        "voice_sockets",
    },
    "openai_link/simulator": {
        "__main__",
        "service",
    },
    "openai_link/simulator/brains": {
        "factory",
    },
    "openai_link/simulator/calls": {
        "event_hub",
        "event_socket",
        "switchboard",
        "webrtc_call",
        "websocket_call",
    },
    "openai_link/simulator/engine": set(),
    "openai_link/simulator/faults": {
        "timers",
    },
    "openai_link/simulator/http": {
        "certificate",
        "control",
        "routes",
        "websocket_routes",
    },
    "openai_link/simulator/media": {
        "call_media",
        "recorder",
    },
    "openai_link/tools": {
        "clock",
        "home_assistant",
        "leash",
        "mcp_client",
        "mcp_http",
        "mcp_process",
        "runner",
        "toolbox",
        "workers",
    },
    "openai_link/transcript": {
        "journal",
        "journal_keeper",
        "journal_store",
        "journal_thread",
        "replay",
        "stream_keeper",
        "stream_parts",
        "stream_thread",
    },
    "openai_link/transport": {
        "event_socket",
        "factory",
        "http_call",
        "peer_call",
        "port_watch",
        "redirects",
        "webrtc_transport",
        "websocket_transport",
        "refused_requests",
    },
    "openai_link/turns": set(),
    "signaling": {
        "__main__",
        "ends",
        "clock",
        "gateway",
        "host",
        "lan",
        "load_watch",
        "name_watch",
        "network",
        "reach",
        "replies",
        "service",
    },
    "signaling/access": {
        "ledger",
    },
    "signaling/client": {
        "call",
        "connection",
        "inbox",
        "keeper",
        "requests",
    },
    "signaling/http": {
        "acceptor",
        "access_routes",
        "api",
        "conversation_routes",
        "elsewhere",
        "lan_pages",
        "listen_routes",
        "limiting",
        "listeners",
        "mistakes",
        "operation_routes",
        "pages",
        "picture_routes",
        "problems",
        "recording_routes",
        "requests",
        "room_routes",
        "transcript_pages",
    },
    "signaling/cluster": {
        "assembly",
        "asking",
        "filling",
        "money",
        "moving",
        "node",
        "node_deeds",
        "node_store",
        "owner_shell",
        "parcels",
        "pledges",
        "relay",
        "relaying",
        "replay",
        "rooms_bucket",
        "shared",
        "shared_access",
        "shared_limits",
    },
    "signaling/limits": set(),
    "signaling/registry": set(),
    "signaling/tls": {
        "addresses",
        "announcer",
        "certificates",
    },
}
"""Per folder: the modules that touch the world. Everything else is pure."""


@functools.cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def sources(folder: str) -> list[Path]:
    """All modules below a folder."""
    return sorted((ROOT / folder).rglob("*.py"))


def statements(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Every statement, and those inside it; imports are nowhere else."""
    for node in body:
        yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from statements(getattr(node, name, ()))


@functools.cache
def imports(path: Path) -> frozenset[str]:
    """Absolute dotted names of everything that a module imports."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    found: set[str] = set()
    for node in statements(parsed(path).body):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def tops(path: Path) -> set[str]:
    """Top-level names of what a module imports."""
    return {name.partition(".")[0] for name in imports(path)}


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_do_not_import_each_other(program: str) -> None:
    others = set(PROGRAMS) - {program} | {"benchmarks", "deploy"}
    for path in sources(program):
        assert not tops(path) & others, path


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_import_only_what_is_shared_from_the_mixer(program: str) -> None:
    for path in sources(program):
        for name in imports(path):
            if name.partition(".")[0] == "mixer_core":
                has_none = program == "signaling" and CLIENT not in path.parents
                allowed = SHARED if has_none else (*SHARED, PATCHES)
                assert name.startswith(allowed), (path, name)


def test_the_client_for_scripts_is_no_part_of_the_program() -> None:
    for path in sources("signaling"):
        if CLIENT not in path.parents:
            assert not any(name.startswith("signaling.client") for name in imports(path)), path


def test_patches_import_no_more_than_they_must() -> None:
    allowed = set(sys.stdlib_module_names) | PATCHED | {"mixer_core"}
    for path in sources("mixer_core/patches"):
        assert tops(path) <= allowed, (path, tops(path) - allowed)
        for name in imports(path):
            if name.startswith("mixer_core"):
                assert name.startswith(("mixer_core.runtime", PATCHES)), (path, name)


def test_the_mixer_never_imports_patches() -> None:
    for path in sources("mixer_core"):
        if ROOT / "mixer_core" / "patches" not in path.parents:
            assert not any(name.startswith(PATCHES) for name in imports(path)), path


def others_private_names(path: Path) -> set[str]:
    """Names with an underscore that a module takes from anything but ``self``."""
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute) and not is_own(node.value):
            found.add(node.attr)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr"):
            found.update(n.value for n in node.args[1:2] if isinstance(n, ast.Constant))
    return {name for name in found if name.startswith("_") and not name.endswith("__")}


def is_own(value: ast.expr) -> bool:
    """Whether an expression is the object whose method this is, or its class."""
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id == "super"
    return isinstance(value, ast.Name) and value.id in ("self", "cls")


@pytest.mark.parametrize("folder", [*PROGRAMS, "mixer_core", "deploy"])
def test_private_parts_of_others_are_touched_in_patches_only(folder: str) -> None:
    for path in sources(folder):
        if ROOT / "mixer_core" / "patches" in path.parents:
            continue
        assert others_private_names(path) <= {"_exit"}, path  # ``os._exit`` is documented.
        assert not tops(path) & HIDDEN, path
        for name in imports(path):
            library, _, rest = name.partition(".")
            if library in PATCHED - HIDDEN:
                assert not any(part.startswith("_") for part in rest.split(".")), (path, name)
                assert library != "aiortc" or "." not in rest, (path, name)


def test_the_mixer_imports_none_of_the_programs() -> None:
    for path in sources("mixer_core"):
        assert not tops(path) & {*PROGRAMS, "benchmarks", "deploy"}, path


def test_the_mixer_has_no_asyncio() -> None:
    for path in (ROOT / "mixer_core").glob("*.py"):
        assert not tops(path) & {"asyncio", "aiortc", "aiohttp", "uvloop"}, path


def test_what_is_shared_imports_the_standard_library_and_wire_libraries_only() -> None:
    allowed = set(sys.stdlib_module_names) | WIRE_LIBRARIES | {"mixer_core"}
    for path in [path for package in SHARED for path in sources(package.replace(".", "/"))]:
        assert tops(path) - OF_THE_CLUSTER.get(path.stem, set()) <= allowed, path
        for name in imports(path):
            if name.startswith("mixer_core"):
                assert name.startswith(SHARED), (path, name)


@pytest.mark.parametrize("folder", SHELLS)
def test_a_pure_module_touches_neither_clock_nor_world(folder: str) -> None:
    for path in (ROOT / folder).glob("*.py"):
        if path.stem not in SHELLS[folder]:
            assert not tops(path) & IMPURE, (path, tops(path) & IMPURE)


@pytest.mark.parametrize("folder", SHELLS)
def test_every_module_that_is_listed_as_a_shell_exists(folder: str) -> None:
    for name in SHELLS[folder]:
        assert (ROOT / folder / f"{name}.py").exists(), name


def test_only_kernels_import_numba() -> None:
    for folder in (*PROGRAMS, "mixer_core", "deploy"):
        for path in sources(folder):
            if path != ROOT / "mixer_core" / "kernels.py":
                assert not tops(path) & {"numba", "llvmlite"}, path


def test_the_package_of_the_mixer_is_empty() -> None:
    assert (ROOT / "mixer_core" / "__init__.py").read_bytes() == b""


def test_one_module_knows_the_client_of_nats() -> None:
    for folder in (*PROGRAMS, "mixer_core", "deploy", "benchmarks"):
        users = {path.name for path in sources(folder) if tops(path) & {"nats", "nkeys"}}
        assert users <= {"nats_client.py"}, folder


IN_THE_CLUSTER = frozenset(
    {"nats", "mixer_core.cluster.nats_client", "mixer_core.cluster.credentials"}
)
COMPILER = IN_THE_CLUSTER | {"numba", "llvmlite"}
NOT_LOADED = {
    "mixer_core.service": COMPILER | {"importlib.metadata", "asyncio"},
    "media_worker.service": COMPILER | {"aiortc", "av", "aiohttp"},
    "media_worker.child": COMPILER | {"aiohttp", "numpy"},
    "openai_link.service": COMPILER | {"aiortc", "av", "aiohttp"},
    "openai_link.child": COMPILER | {"numpy"},
    "openai_link.preload": COMPILER | {"numpy", "dns", "aioice.mdns"},
    "signaling.service": COMPILER | {"aiortc", "av", "numpy"},
    "deploy.cli": COMPILER
    | {"asyncio", "aiortc", "av", "aiohttp", "supervisor", "mixer_core.service"},
    "deploy.supervise": COMPILER | {"asyncio", "aiortc", "av", "aiohttp", "zmq"},
}
"""What a program must not wait for at its start, nor keep in memory."""


@pytest.mark.processes
@pytest.mark.parametrize("module", NOT_LOADED)
def test_what_a_program_does_not_need_is_not_loaded(module: str) -> None:
    unneeded = set(NOT_LOADED[module])
    code = f"import {module}, sys; sys.exit(' '.join({unneeded!r} & sys.modules.keys()) or 0)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr


def test_only_the_peer_of_the_worker_knows_aiortc() -> None:
    users = {p.name for p in sources("media_worker") if tops(p) & {"aiortc", "aioice"}}
    assert users <= {"peer.py", "rehearsal.py"}


WRITERS = {
    "mixer_core/numba_cache.py": "a digest of its own says whether its files are whole",
    "openai_link/simulator/http/certificate.py": "a file that is removed at once",
    "openai_link/simulator/media/recorder.py": "recordings for tests",
}
"""Modules that write files by themselves, and why that is no harm."""
WRITES = {"write_text", "write_bytes", "touch"}


def test_files_that_last_are_replaced_whole() -> None:
    """Everything else writes by ``runtime.files``, or keeps a lock in its file."""
    for program in PROGRAMS:
        for path in sources(program):
            calls = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
            found = {call.func.attr for call in calls if isinstance(call.func, ast.Attribute)}
            name = str(path.relative_to(ROOT))
            assert not found & WRITES or name in WRITERS or _probes(path), (name, found & WRITES)


def _probes(path: Path) -> bool:
    """Whether a module only tries whether a directory takes a file."""
    return "probe" in path.read_text(encoding="utf-8")
