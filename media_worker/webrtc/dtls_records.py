"""Encrypts and decrypts single datagrams of a DTLS connection that is up.

pyOpenSSL wraps each call of OpenSSL into checks, a fresh buffer and a look for errors that only
matter when something fails; what fails here is handed to it. Works on its private parts where they
are as expected (``take_records``).
"""

from __future__ import annotations

from typing import Any

RECORD_BYTES = 1500


class Records:
    """The public way, with any pyOpenSSL."""

    def __init__(self, connection: Any) -> None:
        """``connection``: an OpenSSL.SSL.Connection on memory, its handshake done."""
        self._connection = connection

    def decrypt(self, datagram: bytes) -> bytes:
        """What one datagram holds. Raises OpenSSL.SSL.Error where it holds no data."""
        self._connection.bio_write(datagram)
        plain: bytes = self._connection.recv(RECORD_BYTES)
        return plain

    def encrypt(self, plain: bytes) -> bytes:
        """The datagram of one packet. Raises OpenSSL.SSL.Error where it cannot be made."""
        self._connection.send(plain)
        datagram: bytes = self._connection.bio_read(RECORD_BYTES)
        return datagram


class DirectRecords(Records):
    """The same with the calls of OpenSSL itself."""

    def __init__(self, connection: Any, ffi: Any, lib: Any) -> None:
        """``ffi``, ``lib``: pyOpenSSL's binding."""
        super().__init__(connection)
        self._ssl = connection._ssl
        self._into, self._from = connection._into_ssl, connection._from_ssl
        self._buffer = ffi.new("char[]", RECORD_BYTES)
        self._content = ffi.buffer(self._buffer, RECORD_BYTES)
        self._bio_write, self._bio_read = lib.BIO_write, lib.BIO_read
        self._read, self._write = lib.SSL_read, lib.SSL_write

    def decrypt(self, datagram: bytes) -> bytes:
        """See ``Records``."""
        self._bio_write(self._into, datagram, len(datagram))
        size = self._read(self._ssl, self._buffer, RECORD_BYTES)
        if size <= 0:
            self._connection._raise_ssl_error(self._ssl, size)
        plain: bytes = self._content[:size]
        return plain

    def encrypt(self, plain: bytes) -> bytes:
        """See ``Records``."""
        size = self._write(self._ssl, plain, len(plain))
        if size <= 0:
            self._connection._raise_ssl_error(self._ssl, size)
        size = self._bio_read(self._from, self._buffer, RECORD_BYTES)
        if size <= 0:
            self._connection._handle_bio_errors(self._from, size)
        datagram: bytes = self._content[:size]
        return datagram


def take_records(connection: Any) -> Records:
    """The direct way where this pyOpenSSL has the parts that it needs, else the public one."""
    try:
        from OpenSSL._util import ffi, lib

        return DirectRecords(connection, ffi, lib)
    except (ImportError, AttributeError):
        return Records(connection)
