"""Two ends of a DTLS connection: both ways to call OpenSSL read each other and fail alike."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
from OpenSSL import SSL

from mixer_core.patches.pyopenssl import DirectRecords, Records, take_records

MESSAGES = [b"x", bytes(1028), bytes(range(256)) * 4 + b"\0\0"]


@pytest.fixture
def ends() -> tuple[Any, Any]:
    """Two connections after their handshake."""
    made = []
    for _ in range(2):
        certificate = RTCCertificate.generateCertificate()
        made.append(SSL.Connection(certificate._create_ssl_context(srtp_profiles=SRTP_PROFILES)))
    made[0].set_connect_state()
    made[1].set_accept_state()
    for _ in range(10):
        for own, other in (made, made[::-1]):
            step(own, other)
    return made[0], made[1]


def step(own: Any, other: Any) -> None:
    """One step of the handshake, and what it has to say."""
    with contextlib.suppress(SSL.WantReadError):
        own.do_handshake()
    while True:
        try:
            other.bio_write(own.bio_read(1500))
        except SSL.WantReadError:
            return


@pytest.mark.parametrize("message", MESSAGES, ids=len)
def test_both_ways_read_each_other(ends: tuple[Any, Any], message: bytes) -> None:
    public, direct = Records(ends[0]), take_records(ends[1])
    assert isinstance(direct, DirectRecords)
    for _ in range(3):
        assert direct.decrypt(public.encrypt(message)) == message
        assert public.decrypt(direct.encrypt(message)) == message


@pytest.mark.parametrize("kind", [Records, take_records])
def test_garbage_raises_and_is_survived(ends: tuple[Any, Any], kind: Any) -> None:
    writer, reader = Records(ends[0]), kind(ends[1])
    datagram = writer.encrypt(b"one")
    damaged = datagram[:-1] + bytes([datagram[-1] ^ 1])
    for bad in (b"\x16garbage", damaged, bytes(30)):
        with pytest.raises(SSL.WantReadError):
            reader.decrypt(bad)
    assert reader.decrypt(writer.encrypt(b"two")) == b"two"


@pytest.mark.parametrize("kind", [Records, take_records])
def test_the_end_is_distinguished(ends: tuple[Any, Any], kind: Any) -> None:
    reader = kind(ends[1])
    ends[0].shutdown()
    with pytest.raises(SSL.ZeroReturnError):
        reader.decrypt(ends[0].bio_read(1500))


def test_an_unknown_openssl_is_used_the_public_way() -> None:
    assert type(take_records(SimpleNamespace())) is Records
