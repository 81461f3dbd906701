"""The certificate on disk and in the context: made, renewed, read again, refused."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from mixer_core.runtime import logs
from mixer_core.runtime.errors import SettingsError
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
    assert [record.getMessage().count("is damaged") for record in caplog.records] == [1]


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
