"""Encrypts and decrypts the datagrams of a DTLS connection. Written for pyOpenSSL 26.4.

pyOpenSSL wraps each call of OpenSSL in checks, a fresh buffer and a look at the error queue, which
matter only when something fails. ``DirectRecords`` calls OpenSSL itself and hands what fails to
pyOpenSSL, so that the same errors are raised.
"""

from __future__ import annotations

from typing import Any

WRITTEN_FOR = "26.4"
NAMES = {
    "OpenSSL._util": {
        "ffi": "a buffer for OpenSSL to write to",
        "lib": "BIO_write, BIO_read, SSL_read and SSL_write",
    },
    "SSL.Connection": {
        "_ssl": "the connection, for OpenSSL's functions",
        "_into_ssl": "where datagrams of the peer go in",
        "_from_ssl": "where datagrams for the peer come out",
        "_raise_ssl_error": "raises what a failed SSL_read or SSL_write means",
        "_handle_bio_errors": "raises what a failed BIO_read means",
    },
}
RECORD_BYTES = 1500


class Records:
    """The public way, with any pyOpenSSL."""

    def __init__(self, connection: Any) -> None:
        """``connection``: an OpenSSL.SSL.Connection on memory, its handshake done."""
        self._connection = connection

    def decrypt(self, datagram: bytes) -> bytes:
        """The content of one datagram. Raises OpenSSL.SSL.Error where it holds no data."""
        self._connection.bio_write(datagram)
        plain: bytes = self._connection.recv(RECORD_BYTES)
        return plain

    def encrypt(self, plain: bytes) -> bytes:
        """The datagram for one packet. Raises OpenSSL.SSL.Error where it cannot be made."""
        self._connection.send(plain)
        datagram: bytes = self._connection.bio_read(RECORD_BYTES)
        return datagram


class DirectRecords(Records):
    """The same by OpenSSL's own functions."""

    def __init__(self, connection: Any) -> None:
        """Raises ImportError or AttributeError where this pyOpenSSL lacks one of the parts."""
        from OpenSSL._util import ffi, lib

        super().__init__(connection)
        self._ssl = connection._ssl
        self._into, self._from = connection._into_ssl, connection._from_ssl
        self._raise_ssl_error = connection._raise_ssl_error
        self._handle_bio_errors = connection._handle_bio_errors
        self._buffer = ffi.new("char[]", RECORD_BYTES)
        self._content = ffi.buffer(self._buffer, RECORD_BYTES)
        self._bio_write, self._bio_read = lib.BIO_write, lib.BIO_read
        self._read, self._write = lib.SSL_read, lib.SSL_write

    def decrypt(self, datagram: bytes) -> bytes:
        """See ``Records``."""
        self._bio_write(self._into, datagram, len(datagram))
        size = self._read(self._ssl, self._buffer, RECORD_BYTES)
        if size <= 0:
            self._raise_ssl_error(self._ssl, size)
        plain: bytes = self._content[:size]
        return plain

    def encrypt(self, plain: bytes) -> bytes:
        """See ``Records``."""
        size = self._write(self._ssl, plain, len(plain))
        if size <= 0:
            self._raise_ssl_error(self._ssl, size)
        size = self._bio_read(self._from, self._buffer, RECORD_BYTES)
        if size <= 0:
            self._handle_bio_errors(self._from, size)
        datagram: bytes = self._content[:size]
        return datagram


def take_records(connection: Any) -> Records:
    """The direct way where this pyOpenSSL has the parts that it needs, else the public one."""
    try:
        return DirectRecords(connection)
    except (ImportError, AttributeError):
        return Records(connection)
