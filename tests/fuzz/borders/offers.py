"""SDP offers of browsers."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterator

from aiortc.sdp import SessionDescription

from media_worker.webrtc.offer import CANDIDATE, MAX_SDP_BYTES, clean_offer
from media_worker.webrtc.probing import (
    LOWEST_PORT,
    MAX_ENDPOINTS,
    MAX_PORTS,
    Endpoint,
    ProbeBudget,
    ProbePolicy,
    kind_of,
    read_candidate,
)
from mixer_core.runtime.errors import ProblemError
from tests.fuzz.border import Border

POLICIES = (
    ProbePolicy(),
    ProbePolicy(frozenset()),
    ProbePolicy(frozenset({"public", "loopback", "link_local", "own"})),
)


def attempt(data: bytes) -> None:
    """A ProblemError 400 in words, or an offer of few addresses, all of them allowed."""
    sdp = data.decode("utf-8", "replace")
    for policy in POLICIES:
        try:
            cleaned = clean_offer(sdp, policy)
        except ProblemError as error:
            assert error.status == 400 and error.detail and "\n" not in error.detail
            continue
        assert len(cleaned.sdp.encode()) <= MAX_SDP_BYTES + sdp.count("\n") + 2
        lines = [line for line in cleaned.sdp.splitlines() if line.startswith(CANDIDATE)]
        assert len(lines) == len(cleaned.endpoints) <= MAX_ENDPOINTS
        assert len(set(cleaned.endpoints)) == len(cleaned.endpoints)
        hosts = [host for host, _ in cleaned.endpoints]
        assert all(hosts.count(host) <= MAX_PORTS for host in hosts)
        for line, endpoint in zip(sorted(lines), sorted(cleaned.endpoints), strict=True):
            _check_candidate(line, policy)
            assert endpoint[1] >= LOWEST_PORT
        again = clean_offer(cleaned.sdp, policy)
        assert (again.sdp, again.endpoints) == (cleaned.sdp, cleaned.endpoints)
        ProbeBudget(cleaned.endpoints)
        assert _by_library(cleaned.sdp) <= set(cleaned.endpoints)


def _check_candidate(line: str, policy: ProbePolicy) -> None:
    remote = read_candidate(line)
    assert remote is not None
    assert kind_of(remote.address, policy.own) in policy.kinds


def _by_library(sdp: str) -> set[Endpoint]:
    """The addresses that aiortc reads in it.

    Whatever its parser raises, the peer turns into a refusal; it must come to an end.
    """
    try:
        parsed = SessionDescription.parse(sdp)
    except Exception:  # The peer's own clause.
        return set()
    found = (candidate for media in parsed.media for candidate in media.ice_candidates)
    return {(str(ipaddress.ip_address(one.ip)), one.port) for one in found}


@functools.cache
def _offers() -> list[str]:
    head = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    media = (
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
        "a=sctp-port:5000\r\na=max-message-size:262144\r\na=ice-ufrag:abcd\r\n"
        "a=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n"
        "a=fingerprint:sha-256 " + ":".join(["0A"] * 32) + "\r\n"
    )
    addresses = (
        *("192.168.1.7 50001", "2001:db8::7 50002", "203.0.113.7 1023", "127.0.0.1 40000"),
        *("fe80::1 40001", "64:ff9b::10.0.0.1 40002", "224.0.0.1 40003", "x.local 40004"),
    )
    candidates = "".join(
        f"a=candidate:{n} 1 udp 2113937151 {place} typ {'srflx' if n % 3 else 'host'}\r\n"
        for n, place in enumerate(addresses)
    )
    audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:111 opus/48000/2\r\n"
    return [
        head + media,
        head + media + candidates + "a=end-of-candidates\r\n",
        head + audio + media + candidates,
        (head + media + candidates).replace("\r\n", "\n"),
        head + media + candidates.replace("\r\n", "\n") + "a=x:y\r\n",
    ]


def _seeds() -> Iterator[bytes]:
    yield from (offer.encode() for offer in _offers())


BORDERS = (
    Border(
        "offers",
        "SDP offers",
        "only ProblemError 400 with words; few candidates, of allowed kinds, the same when it is "
        "cleaned again; aiortc's parser comes to an end, and finds no others",
        attempt,
        _seeds,
        ("media_worker.webrtc.offer", "media_worker.webrtc.probing"),
        tokens=(
            *(
                b"\n",
                b"\r\n",
                b"a=candidate:",
                b" typ host",
                b" udp ",
                b"m=application ",
                b"m=audio ",
            ),
            *(b"a=end-of-candidates", b"\xe2\x80\xa8", b"\x0b", b"\x85", b"65536", b"::ffff:"),
            *(b"a=fingerprint:", b"a=sctp-port:", b"DTLS/SCTP", b"webrtc-datachannel", b"%1"),
        ),
        most_bytes=6_000,
        short=150,
    ),
)
