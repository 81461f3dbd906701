"""Offers: what is left out, what is refused and why."""

from __future__ import annotations

import pytest

from media_worker.webrtc.offer import clean_offer
from media_worker.webrtc.probing import MAX_ENDPOINTS, ProbePolicy
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
ANY = ProbePolicy()
REAL = "a=candidate:2 1 udp 2113937151 192.0.2.7 50001 typ host"
LOOPBACK = "a=candidate:3 1 udp 2113937151 127.0.0.1 50002 typ host"


def sdp(*lines: str) -> str:
    return "\r\n".join(lines) + "\r\n"


def test_leaves_out_local_names_and_the_end_of_candidates() -> None:
    offer = sdp(*HEAD, *MEDIA, LOCAL, REAL, "a=candidate:junk", "a=end-of-candidates")
    cleaned = clean_offer(offer, ANY)
    assert cleaned.sdp == sdp(*HEAD, *MEDIA, REAL)
    assert cleaned.endpoints == (("192.0.2.7", 50001),)


def test_keeps_a_bounded_number_of_candidates() -> None:
    many = [REAL.replace("192.0.2.7", f"192.0.2.{i}") for i in range(1, 201)]
    cleaned = clean_offer(sdp(*HEAD, *MEDIA, *many), ANY)
    assert cleaned.sdp.count("a=candidate") == len(cleaned.endpoints) == MAX_ENDPOINTS


def test_keeps_one_of_several_equal_candidates() -> None:
    assert clean_offer(sdp(*HEAD, *MEDIA, REAL, REAL), ANY).sdp == sdp(*HEAD, *MEDIA, REAL)


def test_reads_bare_line_feeds() -> None:
    assert clean_offer("\n".join([*HEAD, *MEDIA]), ANY).sdp == sdp(*HEAD, *MEDIA)


@pytest.mark.parametrize("end", ["\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028"])
def test_what_ends_a_line_for_aiortc_ends_it_here(end: str) -> None:
    hidden = end.join(["a=x", LOCAL, LOOPBACK, "a=end-of-candidates", REAL])
    cleaned = clean_offer(sdp(*HEAD, *MEDIA, hidden), ANY)
    assert cleaned.sdp == sdp(*HEAD, *MEDIA, "a=x", REAL)
    assert cleaned.endpoints == (("192.0.2.7", 50001),)


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
        (sdp(*HEAD[:-1], "a=group:BUNDLE 1 0", *MEDIA), "bundles '1', and no section"),
        (sdp(*HEAD, "a=group:BUNDLE 0 audio", *MEDIA), "bundles 'audio'"),
    ],
)
def test_says_what_is_wrong(offer: str, words: str) -> None:
    with pytest.raises(ProblemError) as caught:
        clean_offer(offer, ANY)
    assert caught.value.status == 400
    assert words in caught.value.detail
