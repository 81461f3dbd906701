"""The certificate on disk and in the context: made, renewed, read again, refused."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from mixer_core.runtime import logs
from mixer_core.runtime.errors import SettingsError, UnavailableError
from signaling.settings import SignalingSettings
from signaling.tls import authority
from signaling.tls.addresses import Lan
from signaling.tls.certificates import FOLDER, FileCertificate, LocalCertificate
from tests.signaling.tls.handshakes import Client, problem

LOG = logs.get("signaling")
NOW = datetime.now(UTC)
HOME = Lan((ipaddress.ip_address("192.168.1.20"),), ("mixminus.local",))
OFFICE = Lan((ipaddress.ip_address("10.1.2.3"),), ("mixminus.local",))


def local(folder: Path, lan: Lan = HOME, now: datetime = NOW) -> LocalCertificate:
    return LocalCertificate(folder, lan, now, LOG)


def serial(certificate: LocalCertificate | FileCertificate, root: bytes, name: str) -> str:
    client = Client(root, certificate.context, name)
    client.connect()
    return client.serial()


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    local(tmp_path)
    folder = tmp_path / FOLDER
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}
    assert modes == dict.fromkeys(("authority.crt", "issuer.pem", "leaf.pem"), 0o600)


def test_the_second_start_shows_the_same_certificate(tmp_path: Path) -> None:
    first, second = local(tmp_path), local(tmp_path)
    assert first.authority.root == second.authority.root
    root = first.authority.root_pem()
    assert serial(first, root, "mixminus.local") == serial(second, root, "mixminus.local")


@pytest.mark.parametrize(
    ("lan", "now", "name"),
    [(OFFICE, NOW, "10.1.2.3"), (HOME, NOW + timedelta(days=370), "192.168.1.20")],
    ids=["another network", "its end is near"],
)
def test_it_is_renewed_without_ending_a_connection(
    tmp_path: Path, lan: Lan, now: datetime, name: str
) -> None:
    certificate = local(tmp_path)
    root = certificate.authority.root_pem()
    call = Client(root, certificate.context, "192.168.1.20")
    call.connect()
    certificate.refresh(lan, now)
    assert certificate.warning == ""
    if now == NOW:
        assert problem(root, certificate.context, name) == ""
        assert serial(certificate, root, name) != call.serial()
    assert call.exchange() == b"still here"


def test_nothing_is_made_anew_while_nothing_changes(tmp_path: Path) -> None:
    certificate = local(tmp_path)
    before = (tmp_path / FOLDER / "leaf.pem").stat().st_mtime_ns
    for days in range(0, 300, 100):
        certificate.refresh(HOME, NOW + timedelta(days=days))
    assert (tmp_path / FOLDER / "leaf.pem").stat().st_mtime_ns == before


def test_a_directory_that_breaks_later_is_a_warning_and_the_old_one_stays(tmp_path: Path) -> None:
    certificate = local(tmp_path)
    folder = tmp_path / FOLDER
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    certificate.refresh(OFFICE, NOW)
    assert "cannot be renewed" in certificate.warning
    root = certificate.authority.root_pem()
    assert problem(root, certificate.context, "192.168.1.20") == ""
    folder.mkdir()
    certificate.refresh(OFFICE, NOW)
    assert certificate.warning == ""
    assert problem(root, certificate.context, "10.1.2.3") == ""


@pytest.mark.parametrize("size", [0, 10, 900, -40])
def test_a_damaged_certificate_is_made_again(
    tmp_path: Path, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    local(tmp_path)
    leaf = tmp_path / FOLDER / "leaf.pem"
    leaf.write_bytes(leaf.read_bytes()[:size])
    with caplog.at_level("WARNING"):
        found = local(tmp_path)
    assert serial(found, found.authority.root_pem(), "mixminus.local")
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert [line.count("is damaged") for line in warnings] == [1]


def test_a_broken_authority_is_one_line(tmp_path: Path) -> None:
    local(tmp_path)
    (tmp_path / FOLDER / "issuer.pem").write_text("nonsense")
    with pytest.raises(SettingsError, match="repair it, or remove the directory") as raised:
        local(tmp_path)
    assert raised.value.exit_code == 78 and "\n" not in str(raised.value)


class Files:
    """A pair of files, as an owner would keep them."""

    def __init__(self, folder: Path) -> None:
        self.authority = authority.create((), NOW)
        self.certificate, self.key = folder / "fullchain.pem", folder / "privkey.pem"
        self.settings = SignalingSettings(
            tls="files", tls_certificate=str(self.certificate), tls_key=str(self.key)
        )

    def write(self, name: str = "a.local", now: datetime = NOW) -> None:
        pem = authority.issue(self.authority, (name,), (), now)
        cut = pem.index(b"-----BEGIN PRIVATE KEY")
        self.certificate.write_bytes(pem[:cut])
        self.key.write_bytes(pem[cut:])

    def open(self) -> FileCertificate:
        return FileCertificate(self.settings, NOW, LOG)

    def problem(self) -> str:
        with pytest.raises(SettingsError) as raised:
            self.open()
        assert raised.value.exit_code == 78 and "\n" not in str(raised.value)
        return str(raised.value)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    found = Files(tmp_path)
    found.write()
    return found


def test_files_are_read_again_when_they_change_and_calls_go_on(files: Files) -> None:
    certificate, root = files.open(), files.authority.root_pem()
    call = Client(root, certificate.context, "a.local")
    call.connect()
    files.write("b.local")
    certificate.refresh(HOME, NOW)
    assert certificate.warning == ""
    assert problem(root, certificate.context, "b.local") == ""
    assert call.exchange() == b"still here"


def test_bad_files_keep_the_old_certificate_and_warn_until_they_are_good(files: Files) -> None:
    certificate, root = files.open(), files.authority.root_pem()
    old = files.key.read_bytes()
    files.write("b.local")
    new = files.key.read_bytes()
    files.key.write_bytes(old)
    certificate.refresh(HOME, NOW)
    assert "does not belong to" in certificate.warning
    assert problem(root, certificate.context, "a.local") == ""
    files.key.write_bytes(new)
    certificate.refresh(HOME, NOW)
    assert certificate.warning == ""
    assert problem(root, certificate.context, "b.local") == ""


def test_a_certificate_that_runs_out_is_a_warning(files: Files) -> None:
    certificate = files.open()
    certificate.refresh(HOME, NOW + timedelta(days=400))
    assert "expired on" in certificate.warning


def test_a_missing_setting_is_named(files: Files) -> None:
    files.settings = dataclasses.replace(files.settings, tls_key="")
    assert "tls_certificate and tls_key" in files.problem()


def test_a_missing_file_is_named(files: Files) -> None:
    files.key.unlink()
    assert "tls_key" in files.problem() and "No such file" in files.problem()


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(files: Files) -> None:
    files.key.chmod(0)
    assert "Permission denied" in files.problem()


def test_an_expired_certificate_is_named(files: Files) -> None:
    files.write(now=NOW - timedelta(days=500))
    assert "expired on" in files.problem()


def test_a_certificate_of_the_future_is_named(files: Files) -> None:
    files.write(now=NOW + timedelta(days=50))
    assert "check the clock" in files.problem()


@pytest.mark.parametrize("days", [-500, 50], ids=["has ended", "has not begun"])
def test_a_gateway_that_runs_goes_on_with_a_certificate_out_of_its_time(
    files: Files, days: int, caplog: pytest.LogCaptureFixture
) -> None:
    files.write(now=NOW + timedelta(days=days))
    with caplog.at_level("WARNING"):
        certificate = FileCertificate(files.settings, NOW, LOG, at_any_time=True)
        certificate.refresh(HOME, NOW)
    assert "tls_certificate" in certificate.warning
    assert [record.getMessage() for record in caplog.records] == [f"! {certificate.warning}"]
    root = files.authority.root_pem()
    assert re.search("expired|not yet valid", problem(root, certificate.context, "a.local"))
    files.write()
    certificate.refresh(HOME, NOW)
    assert certificate.warning == ""
    assert problem(root, certificate.context, "a.local") == ""


@pytest.mark.parametrize("what", ["certificate", "key"])
def test_files_that_are_being_exchanged_let_the_other_programs_go_on(
    files: Files, what: str
) -> None:
    file = files.certificate if what == "certificate" else files.key
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UnavailableError) as raised:
        FileCertificate(files.settings, NOW, LOG, at_any_time=True)
    assert raised.value.may_pass


def test_a_foreign_key_is_named(files: Files) -> None:
    old = files.key.read_bytes()
    files.write()
    files.key.write_bytes(old)
    assert "does not belong to the first certificate" in files.problem()


def test_files_without_pem_are_named(files: Files) -> None:
    files.key.write_text("nonsense")
    assert "no PEM key" in files.problem()
    files.certificate.write_text("nonsense")
    assert "no PEM certificate" in files.problem()


def test_a_key_with_a_passphrase_is_named(files: Files) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
    )

    key = ec.generate_private_key(ec.SECP256R1())
    locked = BestAvailableEncryption(b"secret")
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    assert "passphrase" in files.problem()


def test_the_root_signs_nothing_any_more(tmp_path: Path) -> None:
    certificate = local(tmp_path)
    stored = (tmp_path / FOLDER / "issuer.pem").read_bytes()
    assert stored.count(b"PRIVATE KEY-----") == 2, "one key: the issuer's"
    constraints = certificate.authority.issuer.extensions.get_extension_for_class(
        x509.NameConstraints
    )
    assert constraints.critical


def damaged(leaf: Path, how: str) -> None:
    pem = leaf.read_bytes()
    cut = pem.index(b"-----BEGIN PRIVATE KEY")
    if how == "a directory":
        leaf.unlink()
        leaf.mkdir()
    else:
        leaf.write_bytes(
            {
                "no key": pem[:cut],
                "half a key": pem[: cut + 60],
                "another key": pem[:cut] + other_key(),
                "empty": b"",
                "noise": os.urandom(500),
            }[how]
        )


def other_key() -> bytes:
    made = authority.create(["x.local"], NOW)
    return (
        authority.issue(made, ["x.local"], [], NOW)
        .partition(b"-----BEGIN PRIVATE")[2]
        .join([b"-----BEGIN PRIVATE", b""])
    )


@pytest.mark.parametrize("how", ["no key", "half a key", "another key", "empty", "noise"])
def test_a_damaged_certificate_is_made_anew_at_the_start(tmp_path: Path, how: str) -> None:
    first = local(tmp_path)
    damaged(tmp_path / FOLDER / "leaf.pem", how)
    again = local(tmp_path)
    assert again.warning == "" and again.authority.root == first.authority.root
    root = first.authority.root_pem()
    assert problem(root, again.context, "mixminus.local") == ""
    assert serial(again, root, "mixminus.local") != serial(first, root, "mixminus.local")


@pytest.mark.parametrize("how", ["noise", "passphrase", "open to others", "no root", "other root"])
def test_an_authority_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, how: str) -> None:
    made = local(tmp_path).authority
    issuer, root = tmp_path / FOLDER / "issuer.pem", tmp_path / FOLDER / "authority.crt"
    if how == "noise":
        issuer.write_bytes(os.urandom(200))
    elif how == "passphrase":
        secret = serialization.BestAvailableEncryption(b"secret")
        kind = serialization.PrivateFormat.PKCS8
        key = made.key.private_bytes(serialization.Encoding.PEM, kind, secret)
        issuer.write_bytes(authority.pem(made.issuer) + key)
    elif how == "open to others":
        issuer.chmod(0o644)
    elif how == "no root":
        root.unlink()
    else:
        root.write_bytes(authority.create(["y.local"], NOW).root_pem())
    with pytest.raises(SettingsError) as caught:
        local(tmp_path)
    words = str(caught.value)
    assert "\n" not in words and str(tmp_path / FOLDER) in words and "remove the" in words


def self_signed(key: object) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "talk.example")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(7)  # type: ignore[attr-defined]
    builder = builder.not_valid_before(NOW - timedelta(days=1))
    made = builder.not_valid_after(NOW + timedelta(days=9)).sign(key, hashes.SHA256())  # type: ignore[arg-type]
    return made.public_bytes(serialization.Encoding.PEM)


def test_a_key_that_tls_refuses_is_told_in_one_line_and_at_a_reload_the_old_one_stays(
    tmp_path: Path,
) -> None:
    def write(bits: int) -> None:
        key = rsa.generate_private_key(65_537, bits)
        kind = serialization.PrivateFormat.PKCS8
        secret = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, kind, secret)
        (tmp_path / "chain.pem").write_bytes(self_signed(key))
        (tmp_path / "key.pem").write_bytes(pem)

    settings = SignalingSettings(
        tls="files",
        tls_certificate=str(tmp_path / "chain.pem"),
        tls_key=str(tmp_path / "key.pem"),
    )
    write(1024)
    with pytest.raises(SettingsError) as caught:
        FileCertificate(settings, NOW, LOG)
    words = str(caught.value)
    assert "\n" not in words and "2048" in words and "key too small" in words.lower()
    write(2048)
    certificate = FileCertificate(settings, NOW, LOG)
    write(1024)
    certificate.refresh(HOME, NOW)
    assert "key too small" in certificate.warning.lower()
    write(2048)
    certificate.refresh(HOME, NOW)
    assert certificate.warning == ""


def test_a_clock_that_is_years_ahead_at_a_start_costs_nobody_their_trust(tmp_path: Path) -> None:
    trusted = local(tmp_path).authority
    ahead = local(tmp_path, now=NOW + timedelta(days=4_000)).authority
    assert ahead.root != trusted.root
    again = local(tmp_path)
    assert again.authority.root == trusted.root
    assert serial(again, trusted.root_pem(), "mixminus.local")
    assert local(tmp_path).authority.root == trusted.root


def test_an_authority_that_was_half_written_at_a_power_cut_is_the_one_before(
    tmp_path: Path,
) -> None:
    trusted = local(tmp_path).authority
    later = NOW + timedelta(days=3_640)
    issuer = (tmp_path / FOLDER / "issuer.pem").read_bytes()
    local(tmp_path, now=later)
    (tmp_path / FOLDER / "issuer.pem").write_bytes(issuer)
    assert local(tmp_path).authority.root == trusted.root


def test_a_pipe_in_place_of_the_certificate_stops_nobody(tmp_path: Path) -> None:
    local(tmp_path)
    leaf = tmp_path / FOLDER / "leaf.pem"
    leaf.unlink()
    os.mkfifo(leaf)
    assert local(tmp_path).warning == ""
    assert leaf.is_file()
