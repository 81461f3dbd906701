"""Faults are planted in a machine; the doctor finds each, and nothing in a healthy one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.doctor import bundle, checks, command, network, server, software, storage
from deploy.doctor.facts import Call, Clock, Facts, Machine
from deploy.doctor.findings import Finding, exit_code, report
from deploy.settings import AllSettings
from media_worker.webrtc.interfaces import Interface
from mixer_core import numba_cache
from mixer_core.runtime import given_up
from mixer_core.runtime.errors import SettingsError
from mixer_core.runtime.settings import load, load_all
from openai_link.settings import Settings as LinkSettings
from openai_link.simulator.settings import SimulatorSettings
from tests.openai_link.simulator.caller import simulator
from tests.support.gateway import free_port

pytestmark = pytest.mark.sockets
KEY = "sk-test-right-key-1234"
ROUTES = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"


class World:
    """A machine of its own: below a directory ``/proc``, ``/sys``, state, cache, and settings."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.root = folder, folder / "root"
        self._monkeypatch = monkeypatch
        for name in list(os.environ):
            if name.startswith("MIXMINUS_") or name in ("OPENAI_API_KEY", "NUMBA_CACHE_DIR"):
                monkeypatch.delenv(name)
        monkeypatch.setattr(network, "FAR_AWAY", ("127.0.0.1", 9))
        monkeypatch.setattr(network, "UDP_TIMEOUT_S", 0.2)
        self.set("RUNTIME__DIR", str(folder / "run"))
        self.set("RUNTIME__STATE_DIR", str(folder / "state"))
        self.set("SIGNALING__HTTP_PORT", str(free_port()))
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        self.interfaces = [Interface("eth0", ("fd00::5",)), Interface("docker0", ("172.17.0.1",))]
        self.requirements: list[str] | None = None
        self.closing: list[socket.socket] = []
        cpu = "sys/devices/system/cpu"
        self.write("proc/cpuinfo", "processor : 0\nflags : fpu sse4_2 popcnt avx2\n")
        self.write("proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable: 2000000 kB\n")
        self.write("proc/net/route", ROUTES + "eth0 00000000 0100A8C0 3 0 0 100 00000000 0 0 0\n")
        self.write(f"{cpu}/online", "0-3\n")
        self.write(f"{cpu}/present", "0-3\n")
        self.write(f"{cpu}/cpu0/cpufreq/scaling_governor", "schedutil\n")
        self.write("sys/class/thermal/thermal_zone0/temp", "45000\n")

    def set(self, name: str, value: str) -> None:
        self._monkeypatch.setenv(f"MIXMINUS_{name}", value)

    def env(self, name: str, value: str) -> None:
        self._monkeypatch.setenv(name, value)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def facts(self) -> Facts:
        """What the doctor sees; the clock and the disk are those of the test's machine."""
        found = command.of_machine(load_all(AllSettings), self.root, self.interfaces)
        if self.requirements is not None:
            own = software.look(self.folder / "run", dict(os.environ), self.requirements)
            found = replace(found, software=own)
        machine = replace(found.machine, architecture="x86_64", open_files=4_096)
        storage = replace(found.storage, free_mib=9_999.0, free_inodes=99_999)
        return replace(found, machine=machine, storage=storage, clock=Clock())

    def examine(self) -> list[Finding]:
        try:
            return checks.examine(self.facts())
        except SettingsError as error:
            own = software.look(Path(), dict(os.environ))
            return checks.without_settings(
                Facts(software=replace(own, settings_trouble=str(error)))
            )


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path, monkeypatch)
    yield made
    for opened in made.closing:
        opened.close()


def kernels(world: World, content: bytes, seal: bool) -> None:
    """Compiled kernels in the cache, whole or not."""
    folder = numba_cache.folder_of(world.folder / "cache" / "mixminus" / "numba")
    folder.mkdir(parents=True, mode=0o700)
    folder.parent.chmod(0o700)
    files = [folder / f"{module}.mix.nbi" for module in numba_cache.KERNELS]
    for file in files:
        file.write_bytes(content)
    if seal:
        numba_cache._seal(folder)
    else:
        digests = {file.name: "0" * 64 for file in files}
        (folder / numba_cache.SEAL).write_text(json.dumps(digests))


def no_cache(world: World) -> None:
    (world.folder / "cache").write_text("")
    (world.folder / "run").write_text("")


def used_port(world: World) -> None:
    opened = socket.socket()
    opened.bind(("127.0.0.1", int(os.environ["MIXMINUS_SIGNALING__HTTP_PORT"])))
    opened.listen()
    world.closing.append(opened)


def silent_stun(world: World) -> None:
    opened = socket.socket(type=socket.SOCK_DGRAM)
    opened.bind(("127.0.0.1", 0))
    world.closing.append(opened)
    world.set("MEDIA_WORKER__ICE_SERVERS", f"stun:127.0.0.1:{opened.getsockname()[1]}")


def certificate(days: int) -> Callable[[World], None]:
    def plant(world: World) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "nano")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=90))
            .not_valid_after(now + timedelta(days=days))
            .sign(key, hashes.SHA256())
        )
        pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        (world.folder / "c.pem").write_bytes(made.public_bytes(pem))
        secret = key.private_bytes(pem, form, serialization.NoEncryption())
        (world.folder / "k.pem").write_bytes(secret)
        for setting, value in {
            "LAN": "1",
            "TLS": "files",
            "TLS_CERTIFICATE": str(world.folder / "c.pem"),
            "TLS_KEY": str(world.folder / "k.pem"),
            "HTTPS_PORT": str(free_port()),
        }.items():
            world.set(f"SIGNALING__{setting}", value)

    return plant


def damaged_journal(world: World) -> None:
    (world.folder / "state").mkdir(mode=0o700)
    (world.folder / "state" / "journal.sqlite3").write_bytes(b"SQLite format 3\0" + b"\xff" * 9_000)


def dead_program(world: World) -> None:
    (world.folder / "run").mkdir(mode=0o700)
    given_up.tell(world.folder / "run", {"mixer_core": "it ended five times in a row"})


CPU = "sys/devices/system/cpu"
PLANTED: dict[str, tuple[str, Callable[[World], object]]] = {
    "a package is missing": (
        "packages",
        lambda w: setattr(w, "requirements", ["no-such-thing>=1"]),
    ),
    "an unknown setting": ("settings", lambda w: w.set("SIGNALING__COLOUR", "blue")),
    "settings that do not fit": ("settings", lambda w: w.set("MEDIA_WORKER__UDP_PORTS", "9-1")),
    "an old processor": ("processor", lambda w: w.write("proc/cpuinfo", "flags : fpu sse2\n")),
    "damaged kernels": ("kernels", lambda w: kernels(w, b"machine code", False)),
    "kernels of another machine": ("kernels", lambda w: kernels(w, b"cortex-a57", True)),
    "no place for kernels": ("kernels", no_cache),
    "a port in use": ("ports", used_port),
    "the bridge of containers": (
        "interfaces",
        lambda w: w.set("MEDIA_WORKER__ICE_INTERFACES", "docker*"),
    ),
    "no interface": ("interfaces", lambda w: w.interfaces.pop(0)),
    "a VPN": (
        "vpn",
        lambda w: w.write("proc/net/route", ROUTES + "tun0 00000000 0 1 0 0 0 00000000 0 0 0\n"),
    ),
    "a STUN server that is silent": ("stun", silent_stun),
    "a certificate that has ended": ("certificate", certificate(-1)),
    "a certificate that ends soon": ("certificate", certificate(3)),
    "a state directory that is a file": (
        "directories",
        lambda w: (w.folder / "state").write_text(""),
    ),
    "a damaged journal": ("journal", damaged_journal),
    "a program that was given up": ("programs", dead_program),
    "processors that are off": ("power", lambda w: w.write(f"{CPU}/online", "0-1\n")),
    "a low frequency": (
        "power",
        lambda w: w.write(f"{CPU}/cpu0/cpufreq/scaling_governor", "powersave"),
    ),
    "a weak power supply": (
        "throttling",
        lambda w: w.write("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n"),
    ),
    "a hot processor": (
        "throttling",
        lambda w: w.write("sys/class/thermal/thermal_zone0/temp", "97000\n"),
    ),
    "little memory": ("memory", lambda w: w.write("proc/meminfo", "MemAvailable: 90000 kB\n")),
}
HEALTHY = Facts()
SEEN: dict[str, tuple[str, Facts]] = {
    "an old Python": (
        "python",
        replace(HEALTHY, software=replace(HEALTHY.software, python=(3, 6, 9))),
    ),
    "a clock that was never set": ("clock", replace(HEALTHY, clock=Clock(year=1970))),
    "a clock that nobody keeps": ("clock", replace(HEALTHY, clock=Clock(is_synchronized=False))),
    "a clock that is ahead": ("clock", replace(HEALTHY, clock=Clock(skew_s=900.0))),
    "a full disk": ("disk", replace(HEALTHY, storage=replace(HEALTHY.storage, free_mib=3.0))),
    "no inodes": ("disk", replace(HEALTHY, storage=replace(HEALTHY.storage, free_inodes=5))),
    "UDP that does not leave": (
        "udp",
        replace(HEALTHY, network=replace(HEALTHY.network, udp_out_trouble="refused")),
    ),
    "UDP that does not arrive": (
        "udp",
        replace(HEALTHY, network=replace(HEALTHY.network, udp_self_trouble="lost")),
    ),
    "a call without an answer": ("call", replace(HEALTHY, call=Call("nothing is heard"))),
    "a slow mixer": ("call", replace(HEALTHY, call=Call(stages_ms=(("to the browser", 300.0),)))),
    "few files": ("files", replace(HEALTHY, machine=Machine(open_files=256))),
    "another architecture": ("processor", replace(HEALTHY, machine=Machine("riscv64"))),
}


def test_a_healthy_machine_gets_silence(world: World) -> None:
    assert world.examine() == [] == checks.examine(HEALTHY)
    kernels(world, software.processor_name().encode(), True)
    assert world.examine() == []


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_with_its_cure(fault: str, world: World) -> None:
    check, plant = PLANTED[fault]
    plant(world)
    findings = world.examine()
    assert check in {finding.check for finding in findings}, findings
    assert all(finding.words and finding.cure for finding in findings)
    assert exit_code(findings) in (1, 2)


@pytest.mark.parametrize("fault", SEEN)
def test_what_is_seen_is_judged(fault: str) -> None:
    check, facts = SEEN[fault]
    assert {finding.check for finding in checks.examine(facts)} == {check}


@contextmanager
def served(**settings: str) -> Iterator[str]:
    """A simulator that wants a key, in a loop of its own: its base URL."""
    place: dict[str, str] = {}
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        async with simulator(SimulatorSettings(api_key=KEY, **settings)) as (url, _):
            place["url"] = url
            ready.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield place["url"]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(60)
        loop.close()


@pytest.mark.parametrize(
    ("key", "faults", "words"),
    [
        (KEY, "", ""),
        ("sk-wrong-key-5678", "", "refused the API key"),
        (KEY, "websocket_refused=404", "does not know the model, or the key may not use it"),
        (KEY, "websocket_refused=429", "too many requests"),
    ],
)
def test_key_and_model_are_tried_with_the_real_request(
    world: World, key: str, faults: str, words: str
) -> None:
    with served(faults=faults) as url:
        world.env("OPENAI_API_KEY", key)
        world.set("OPENAI_LINK__BASE_URL", url)
        world.set("OPENAI_LINK__UPSTREAM", "openai")
        world.set("OPENAI_LINK__TRANSPORT", "websocket")
        found = server.look(load(LinkSettings), os.environ)
        skew_s = server.skew_s(load(LinkSettings))
    assert skew_s is not None and abs(skew_s) < 30
    assert bool(found.trouble) == bool(words) and words in found.trouble
    assert key not in found.trouble
    findings = checks.examine(replace(HEALTHY, server=found))
    assert [finding.check for finding in findings] == ["server"] * bool(words)


def test_a_room_with_a_voice_that_the_server_does_not_know_is_named(world: World) -> None:
    with served() as url:
        world.env("OPENAI_API_KEY", KEY)
        world.set("OPENAI_LINK__BASE_URL", url)
        world.set("OPENAI_LINK__UPSTREAM", "openai")
        world.set("OPENAI_LINK__TRANSPORT", "webrtc")
        world.set("ROOMS__DEN__VOICE", "nobody")
        world.set("ROOMS__HALL__VOICE", "ash")
        world.set("ROOMS__STAIRS__PERSONA", "Owl")
        found = server.look(load(LinkSettings), os.environ)
    (words,) = found.rooms_trouble
    assert not found.trouble and words.startswith("[rooms.den]: ") and "nobody" in words
    (finding,) = checks.examine(replace(HEALTHY, server=found))
    assert (finding.check, finding.severity) == ("server", "error")


def test_a_server_that_is_away_is_named(world: World) -> None:
    world.env("OPENAI_API_KEY", KEY)
    world.set("OPENAI_LINK__BASE_URL", f"http://127.0.0.1:{free_port()}/v1")
    world.set("OPENAI_LINK__TRANSPORT", "websocket")
    assert "cannot be reached at 127.0.0.1" in server.look(load(LinkSettings), os.environ).trouble
    assert server.skew_s(load(LinkSettings)) is None


def test_the_worst_comes_first_and_the_exit_code_says_how_bad_it_is() -> None:
    warning = Finding("disk", "warning", "little", "make room")
    error = Finding("clock", "error", "1970", "set it")
    assert [exit_code(found) for found in ([], [warning], [warning, error])] == [0, 1, 2]
    lines = report([warning, error], ["disk", "clock"]).splitlines()
    assert lines[0].startswith("ERROR") and lines[2].startswith("warning")
    assert "1 error, 1 warning (2 checks)" in lines[-1]
    assert "nothing is wrong" in report([], [])


def test_a_directory_that_cannot_be_looked_into_is_told_and_costs_no_other_look(
    tmp_path: Path,
) -> None:
    found = storage.look(tmp_path, tmp_path / (300 * "x"))
    (words,) = found.directories_trouble
    assert "too long" in words
    assert found.free_mib == float("inf") and not found.journal_trouble


def test_a_support_bundle_has_no_secret(world: World, tmp_path: Path) -> None:
    secrets = {
        "OPENAI_API_KEY": "sk-proj-verysecret99",
        "MIXMINUS_TOKEN": "correct-horse-battery",
        "HOUSE_TOKEN": "house-token-abcdef",
        "MIXMINUS_OPENAI_LINK__HEADERS": json.dumps({"X-Key": "plain-header-secret"}),
        "PORTAL": "named-by-a-setting",
        "MIXMINUS_MEDIA_WORKER__TURN_SECRET_VARIABLE": "PORTAL",
        "MIXMINUS_OPENAI_LINK__BASE_URL": "https://me:url-password@house/v1",
        "MIXMINUS_OPENAI_LINK__SESSION_JSON": '{"metadata": {"pin": "session-secret-1"}}',
    }
    for name, value in secrets.items():
        world.env(name, value)
    log = tmp_path / "log"
    log.write_text(
        "12:00:00.000 INFO    mixminus.x: correct-horse-battery Bearer abcdefgh\n"
        "Traceback: named-by-a-setting v=0\\r\\no=- 1 1\n12:00:01.000 INFO    mixminus.y: goes on\n"
    )
    world.set("RUNTIME__LOG_FILE", str(log))
    target = tmp_path / "support.tar.gz"
    finding = Finding("server", "error", "key sk-proj-verysecret99 refused", "another")
    names = bundle.write(target, load_all(AllSettings), os.environ, [finding])
    assert {"findings.json", "versions.txt", "settings.json", "log.txt"} <= set(names)
    with tarfile.open(target) as archive:
        files = {entry.name: archive.extractfile(entry) for entry in archive}
        text = "".join(file.read().decode() for file in files.values() if file is not None)
    secrets.pop("MIXMINUS_MEDIA_WORKER__TURN_SECRET_VARIABLE")
    assert "goes on" in text and "https://" in text
    for word in (
        *secrets.values(),
        "url-password",
        "plain-header-secret",
        "session-secret-1",
        "abcdefgh",
    ):
        assert word not in text
    assert "X-Key" in text and "mixminus.x" in text and "cryptography==" in text
    assert target.stat().st_mode & 0o077 == 0


def test_the_command_reports_as_json(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.set("SIGNALING__COLOUR", "blue")
    assert command.main(["--json", "--no-call", "--no-server"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["exit_code"] == 2
    assert [found["check"] for found in told["findings"]] == ["settings"]
    assert "COLOUR" in told["findings"][0]["words"]
    shutil.rmtree(world.folder / "cache", ignore_errors=True)
