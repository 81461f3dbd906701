"""Offers: what is left out, what is refused and why. Addresses and limits beside it."""

from __future__ import annotations

import ipaddress

import pytest

from media_worker.webrtc.addresses import host_addresses
from media_worker.webrtc.offer import MAX_CANDIDATES, clean_offer
from mixer_core.runtime.errors import ProblemError

HEAD = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0"]
MEDIA = [
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    "a=mid:0",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:0123456789012345678901",
    "a=fingerprint:sha-256 00:11",
    "a=setup:actpass",
    "a=sctp-port:5000",
]
LOCAL = "a=candidate:1 1 udp 2113937151 0d8a7f5e-9c3b.local 50000 typ host"
REAL = "a=candidate:2 1 udp 2113937151 192.0.2.7 50001 typ host"


def sdp(*lines: str) -> str:
    return "\r\n".join(lines) + "\r\n"


def test_leaves_out_local_names_and_the_end_of_candidates() -> None:
    offer = sdp(*HEAD, *MEDIA, LOCAL, REAL, "a=candidate:junk", "a=end-of-candidates")
    assert clean_offer(offer) == sdp(*HEAD, *MEDIA, REAL)


def test_keeps_a_bounded_number_of_candidates() -> None:
    cleaned = clean_offer(sdp(*HEAD, *MEDIA, *[REAL] * 200))
    assert cleaned.count("a=candidate") == MAX_CANDIDATES


def test_reads_bare_line_feeds() -> None:
    assert clean_offer("\n".join([*HEAD, *MEDIA])) == sdp(*HEAD, *MEDIA)


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        ("", "v=0"),
        ("hello", "v=0"),
        (sdp(*HEAD), "no data channel"),
        (sdp(*HEAD, "m=audio 9 UDP/TLS/RTP/SAVPF 111"), "no data channel"),
        (sdp(*HEAD, *MEDIA, *MEDIA), "more than one"),
        (sdp(*HEAD, "m=application 9 TCP foo", *MEDIA[1:]), "not a WebRTC data channel"),
        (sdp(*HEAD, *[line for line in MEDIA if "fingerprint" not in line]), "fingerprint"),
        (sdp(*HEAD, *[line for line in MEDIA if "ufrag" not in line]), "ICE user name"),
        (sdp(*HEAD, *[line for line in MEDIA if "sctp-port" not in line]), "SCTP port"),
        (sdp(*HEAD, *MEDIA, "a=x:" + "y" * 70_000), "65536 are allowed"),
    ],
)
def test_says_what_is_wrong(offer: str, words: str) -> None:
    with pytest.raises(ProblemError) as caught:
        clean_offer(offer)
    assert caught.value.status == 400
    assert words in caught.value.detail


def test_addresses_of_this_host_end_with_loopback() -> None:
    found = host_addresses("auto")
    assert found[-1] == "127.0.0.1"
    assert len(found) == len(set(found))
    for address in found:
        ipaddress.ip_address(address)


def test_addresses_can_be_listed() -> None:
    assert host_addresses(" 192.0.2.1, ::1 ,") == ["192.0.2.1", "::1"]
