"""The certificate that HTTPS shows: made here or read from files, exchanged while calls go on.

A handshake takes the certificate that is loaded at that moment; connections that exist keep theirs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import ssl
from datetime import datetime
from pathlib import Path

from mixer_core.runtime.errors import SettingsError, UnavailableError
from mixer_core.runtime.files import make_private_directory, read_file, replace_file

from .. import clock
from ..settings import SignalingSettings
from . import authority, key_files
from .addresses import Lan
from .authority import Authority

FOLDER, ROOT_FILE, ISSUER_FILE, LEAF_FILE = "tls", "authority.crt", "issuer.pem", "leaf.pem"
EARLIER = ".earlier"
"""Behind the names of the authority's files: of the one before."""
MOST_BYTES = 1 << 20
Log = logging.LoggerAdapter[logging.Logger]


def open_authority(state_dir: Path, lan: Lan, now: datetime) -> Authority:
    """The authority in the state directory; made if there is none, or if it has run out.

    The one before is kept: a clock that was wrong at a start may have ended it long before its
    time, and people trust it.

    Raises:
        UnavailableError: it cannot be read or written.
    """
    folder = state_dir / FOLDER
    try:
        earlier = _loaded(folder, EARLIER)
        if earlier is not None and _is_valid(earlier, now):
            _store(folder, earlier)
            _remove(folder, EARLIER)
            return earlier
        found = _loaded(folder)
        if found is not None and _is_valid(found, now):
            return found
        made = authority.create(lan.names, now)
        make_private_directory(state_dir)
        make_private_directory(folder)
        if found is not None:
            _store(folder, found, EARLIER)
        _store(folder, made)
    except (OSError, ValueError) as error:
        raise UnavailableError(
            f"the local authority in {folder} cannot be used ({error}): repair it, or remove the "
            "directory for a new authority, which people have to trust again"
        ) from error
    return made


def _loaded(folder: Path, ending: str = "") -> Authority | None:
    """The authority in two files; None: there is none. Raises OSError or ValueError."""
    root, issuer = folder / f"{ROOT_FILE}{ending}", folder / f"{ISSUER_FILE}{ending}"
    if not issuer.exists():
        return None
    if issuer.stat().st_mode & 0o077:
        raise ValueError(f"others may read {issuer.name}: chmod 600 it")
    return authority.load(read_file(root, MOST_BYTES), read_file(issuer, MOST_BYTES))


def _store(folder: Path, known: Authority, ending: str = "") -> None:
    """Write the files of an authority. Raises OSError."""
    replace_file(folder / f"{ROOT_FILE}{ending}", known.root_pem())
    replace_file(folder / f"{ISSUER_FILE}{ending}", known.issuer_pem())


def _remove(folder: Path, ending: str) -> None:
    (folder / f"{ISSUER_FILE}{ending}").unlink(missing_ok=True)
    (folder / f"{ROOT_FILE}{ending}").unlink(missing_ok=True)


def _is_valid(known: Authority, now: datetime) -> bool:
    return now < known.issuer.not_valid_after_utc - authority.RENEW_BEFORE


class LocalCertificate:
    """``tls = auto``: a certificate of the local authority, renewed when it no longer fits."""

    def __init__(self, state_dir: Path, lan: Lan, now: datetime, log: Log) -> None:
        """Raises UnavailableError."""
        self.authority = open_authority(state_dir, lan, now)
        self.context = new_context()
        self.warning = ""
        self._path = state_dir / FOLDER / LEAF_FILE
        self._log = log
        self._loaded = b""
        self._logged = ""
        self.refresh(lan, now)
        if not self._loaded:
            raise UnavailableError(self.warning)

    def refresh(self, lan: Lan, now: datetime) -> None:
        """Make a new certificate if addresses have changed or its end is near; never raises."""
        wanted = (self.authority, lan.names, lan.addresses)
        try:
            pem = self._loaded or self._stored()
            if not pem or not (self._use(pem) and authority.is_current(pem, *wanted, now)):
                self._renew(authority.issue(*wanted, now), lan)
            self.warning = ""
        except (OSError, ValueError) as error:
            self.warning = f"the certificate {self._path} cannot be renewed ({error})"
            if self.warning != self._logged:
                self._log.warning("! %s", self.warning)
        self._logged = self.warning

    def _renew(self, pem: bytes, lan: Lan) -> None:
        replace_file(self._path, pem)
        self._log.info("= new certificate for %s", ", ".join(_shown(lan)))
        load_into(self.context, pem)
        self._loaded = pem

    def _stored(self) -> bytes:
        """What an earlier start has left; empty: nothing that can be read."""
        if not self._path.exists():
            return b""
        with contextlib.suppress(OSError):
            if pem := read_file(self._path, MOST_BYTES):
                return pem
        self._tell_damage()
        return b""

    def _use(self, pem: bytes) -> bool:
        """Whether a certificate is in use; one whose key is damaged cannot be."""
        if pem == self._loaded:
            return True
        try:
            load_into(self.context, pem)
        except (OSError, ValueError):
            self._tell_damage()
            return False
        self._loaded = pem
        return True

    def _tell_damage(self) -> None:
        self._log.warning("! the certificate %s is damaged: another one is made", self._path)


class FileCertificate:
    """``tls = files``: the certificate of the person who runs the gateway."""

    authority = None

    def __init__(
        self, settings: SignalingSettings, now: datetime, log: Log, at_any_time: bool = False
    ) -> None:
        """``at_any_time``: one that has ended, or has not begun, is used with a warning.

        Raises:
            SettingsError: a file is not named, or (UnavailableError) the two cannot be used.
        """
        self._files = (Path(settings.tls_certificate), Path(settings.tls_key))
        if not settings.tls_certificate or not settings.tls_key:
            raise SettingsError(
                "tls = files needs tls_certificate and tls_key in [signaling]: "
                "name the two PEM files, or set tls to auto"
            )
        self.context = new_context()
        self.warning = ""
        self._log = log
        self._signature: tuple[object, ...] = ()
        self._pem = b""
        problem = self._read(None if at_any_time else now)
        if problem:
            raise UnavailableError(problem)
        self._look_at_time(now)

    def refresh(self, _: Lan, now: datetime) -> None:
        """Read the files again if they have changed; never raises."""
        if self.warning or self._signature != key_files.signature(self._files):
            problem = self._read(now)
            if problem and problem != self.warning:
                self._log.warning("! %s; the old certificate stays", problem)
            elif not problem:
                self._log.info("= certificate read again from %s", self._files[0])
            self.warning = problem
        else:
            self._look_at_time(now)

    def _look_at_time(self, now: datetime) -> None:
        self.warning = key_files.problem_of_time(self._pem, self._files[0], now)
        if self.warning:
            self._log.warning("! %s", self.warning)

    def _read(self, now: datetime | None) -> str:
        """Load the files; returns what is wrong with them, in which case nothing has changed.

        ``now``: None: at any time."""
        self._signature = key_files.signature(self._files)
        try:
            pem = key_files.read(*self._files, now)
        except (OSError, ValueError) as error:
            return str(error)
        try:
            load_into(self.context, pem)
        except (OSError, ValueError) as error:
            why = str(getattr(error, "reason", None) or error).replace("_", " ").lower()
            words = f"{' and '.join(map(str, self._files))} cannot be used for TLS ({why})"
            return f"tls_certificate and tls_key: {words}: make them anew, RSA of 2048 bits or EC"
        self._pem = pem
        return ""


Certificate = LocalCertificate | FileCertificate


def open_certificate(
    settings: SignalingSettings, state_dir: Path, lan: Lan, log: Log, at_any_time: bool = False
) -> Certificate:
    """What ``tls`` asks for; ``at_any_time`` as in ``FileCertificate``. Raises SettingsError."""
    now = clock.now()
    if settings.tls == "files":
        return FileCertificate(settings, now, log, at_any_time)
    return LocalCertificate(state_dir, lan, now, log)


def new_context() -> ssl.SSLContext:
    """A server's context without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def load_into(context: ssl.SSLContext, pem: bytes) -> None:
    """Exchange the certificate of ``context``; OSError or ValueError, and nothing has changed."""
    descriptor = os.memfd_create("certificate")
    try:
        os.write(descriptor, pem)
        path = f"/proc/self/fd/{descriptor}"
        new_context().load_cert_chain(path, password=_no_password)
        context.load_cert_chain(path, password=_no_password)
    finally:
        os.close(descriptor)


def _no_password() -> str:
    """OpenSSL asks on the terminal otherwise."""
    return ""


def _shown(lan: Lan) -> list[str]:
    return [*lan.names, *map(str, lan.addresses)]
