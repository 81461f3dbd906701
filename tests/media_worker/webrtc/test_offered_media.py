"""Offers of browsers, offers with other media, mutilated ones: answered, or refused in words.

A connection has one transport, whatever the offer says, and a refusal leaves nothing open.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_worker.webrtc import peer
from media_worker.webrtc.network import NetworkSettings
from mixer_core.patches.aioice.gathering import check_consent, offer_addresses
from mixer_core.patches.aioice.sockets import open_sockets
from mixer_core.runtime import logs
from mixer_core.runtime.errors import ProblemError
from tests.support.tables import examples
from tests.support.waiting import PATIENCE_S

LOOPBACK_ONLY = NetworkSettings(addresses=("127.0.0.1",))
pytestmark = pytest.mark.sockets

KEYS = [
    "a=ice-ufrag:abcd",
    "a=ice-pwd:0123456789012345678901",
    "a=fingerprint:sha-256 " + ":".join(["0A"] * 32),
    "a=setup:actpass",
]
HEAD = ["v=0", "o=- 4611686018427387904 2 IN IP4 127.0.0.1", "s=-", "t=0 0"]
SOUND = [
    "c=IN IP4 0.0.0.0",
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;useinbandfec=1",
    "a=rtcp-mux",
    "a=sendrecv",
]


def data(port: int, mid: str, *more: str) -> list[str]:
    media = f"m=application {port} UDP/DTLS/SCTP webrtc-datachannel"
    return [media, "c=IN IP4 0.0.0.0", f"a=mid:{mid}", "a=sctp-port:5000", *more]


def audio(mid: str, *more: str) -> list[str]:
    return ["m=audio 9 UDP/TLS/RTP/SAVPF 111", *SOUND, f"a=mid:{mid}", *more]


OFFERS = {
    "Chromium, data": [
        *HEAD,
        "a=group:BUNDLE 0",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS",
        *data(9, "0", *KEYS, "a=ice-options:trickle", "a=max-message-size:262144"),
    ],
    "Chromium, data and a microphone": [
        *HEAD,
        "a=group:BUNDLE 0 1",
        *audio("0", *KEYS, "a=rtcp:9 IN IP4 0.0.0.0", "a=msid:- track", "a=ssrc:1 cname:x"),
        *data(9, "1", *KEYS),
    ],
    "Firefox, data": [
        "v=0",
        "o=mozilla...THIS_IS_SDPARTA-99.0 4611686018427387904 0 IN IP4 0.0.0.0",
        *HEAD[2:],
        KEYS[2],
        "a=group:BUNDLE 0",
        "a=ice-options:trickle",
        "a=msid-semantic:WMS *",
        *data(9, "0", *KEYS[:2], KEYS[3], "a=sendrecv", "a=max-message-size:1073741823"),
    ],
    "Firefox, data and a microphone": [
        *HEAD,
        KEYS[2],
        "a=group:BUNDLE 0 1",
        "a=msid-semantic:WMS *",
        *audio("0", *KEYS[:2], KEYS[3]),
        *data(0, "1", *KEYS[:2], KEYS[3], "a=bundle-only"),
    ],
    "Safari, data first": [
        *HEAD,
        "a=group:BUNDLE data audio",
        "a=msid-semantic: WMS",
        *data(9, "data", *KEYS, "a=ice-options:trickle"),
        *audio("audio", *KEYS),
    ],
}
REFUSED = {
    "a microphone by itself": [*HEAD, "a=group:BUNDLE 0", *data(9, "0", *KEYS), *audio("x", *KEYS)],
    "no bundle": [*HEAD, *audio("x", *KEYS), *data(9, "0", *KEYS)],
    "a bundle each": [
        *HEAD,
        "a=group:BUNDLE 0",
        "a=group:BUNDLE x",
        *audio("x", *KEYS),
        *data(9, "0", *KEYS),
    ],
    "a bundle without a transport": [
        *HEAD,
        "a=group:BUNDLE t 0",
        "m=text 9 UDP/TLS/RTP/SAVPF 98",
        "c=IN IP4 0.0.0.0",
        "a=mid:t",
        *KEYS,
        *data(9, "0", *KEYS),
    ],
}


@pytest.fixture(autouse=True)
def patched() -> Iterator[None]:
    """ICE of this process as in a child, and back as it was."""
    peer.prepare_ice(LOOPBACK_ONLY)
    yield
    offer_addresses(None)
    open_sockets(None)
    check_consent()


def callee() -> peer.Peer:
    quiet = peer.PeerEvents(*[lambda *_: None] * 5)
    return peer.Peer(quiet, logs.get("media_worker", "test"), LOOPBACK_ONLY)


def answered(lines: list[str]) -> str:
    """The answer to an offer, on one port; raises what ``answer`` raises. No socket stays open."""

    async def main() -> str:
        before, one = os.listdir("/proc/self/fd"), callee()
        is_answered = False
        try:
            answer = await asyncio.wait_for(one.answer("\r\n".join([*lines, ""])), PATIENCE_S)
            is_answered = True
            ports = set(re.findall(r"a=candidate:\S+ 1 udp \d+ \S+ (\d+)", answer))
            assert len(ports) == 1
            return answer
        finally:
            with suppress(*() if is_answered else (Exception,)):
                await asyncio.wait_for(one.close(), PATIENCE_S)
            assert len(os.listdir("/proc/self/fd")) <= len(before)

    return asyncio.run(main())


@pytest.mark.parametrize("name", OFFERS)
def test_what_a_browser_offers_is_answered_on_one_port(name: str) -> None:
    answer = answered(OFFERS[name])
    assert "webrtc-datachannel" in answer
    assert "m=audio" not in answer or "a=inactive" in answer


@pytest.mark.parametrize("name", REFUSED)
def test_media_that_go_another_way_than_the_data_are_refused(name: str) -> None:
    with pytest.raises(ProblemError, match="do not go the way of its data channel") as caught:
        answered(REFUSED[name])
    assert caught.value.status == 400


LINES = st.sampled_from(
    [
        *("m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=video 9 UDP/TLS/RTP/SAVPF 96", "m=text 9 x 1"),
        *("m=application 0 UDP/DTLS/SCTP webrtc-datachannel", "m=application 9 DTLS/SCTP 5000"),
        *("a=sctpmap:5000 webrtc-datachannel 256", "a=rtpmap:111 opus/48000/2", "a=rtcp-mux"),
        *("a=ice-lite", "a=setup:active", "a=setup:passive", "a=setup:holdconn", "a=mid:1"),
        *("a=group:BUNDLE", "a=group:BUNDLE 1 0", "a=group:BUNDLE 0 1", "a=group:LS 0"),
        *("a=sctp-port:0", "a=sctp-port:70000", "a=sctp-port:x", "a=max-message-size:-1"),
        *("a=fingerprint:md5 00", "a=fingerprint:sha-256 00:11", "a=ice-pwd:", "a=ice-ufrag:"),
        *("c=IN IP6 ::", "a=inactive", "a=extmap:1 x", "a=ssrc:1 cname:x", "a=mid:"),
        "a=candidate:1 1 udp 1 127.0.0.1 5555 typ host raddr",
    ]
)
CHANGE = st.tuples(st.sampled_from(["without", "more", "cut"]), st.integers(1, 60), LINES)


@settings(max_examples=examples(150), deadline=None)
@given(st.sampled_from(sorted(OFFERS)), st.lists(CHANGE, min_size=1, max_size=4))
def test_a_mutilated_offer_is_answered_or_refused_in_words(
    name: str, changes: list[tuple[str, int, str]]
) -> None:
    lines = list(OFFERS[name])
    for kind, where, line in changes:
        at = where % len(lines)
        if kind == "more":
            lines.insert(at, line)
        elif kind == "cut":
            lines[at] = lines[at][: where % (len(lines[at]) + 1)]
        else:
            del lines[at]
    with suppress(ProblemError):
        assert answered(lines).startswith("v=0")
