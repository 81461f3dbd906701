"""Offers before the WebRTC stack sees them."""

from __future__ import annotations

from openai_link.simulator.calls.offers import clean_offer, has_audio

HOST = "a=candidate:1 1 udp 2113937151 192.168.1.5 50000 typ host"


HIDDEN = "a=candidate:1 1 udp 2113937151 1c1e4aa1-0b6b.local 50000 typ host"


def test_an_offer_loses_only_what_would_make_ice_wait_for_ever() -> None:
    head = ["v=0", "s=-", "m=audio 9 UDP/TLS/RTP/SAVPF 111"]
    offer = "\r\n".join([*head, HIDDEN, HOST, "a=end-of-candidates"]) + "\r\n"
    assert clean_offer(offer) == "\r\n".join([*head, HOST]) + "\r\n"
    assert has_audio(offer)
    data_only = "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
    assert clean_offer(data_only) == data_only
    assert not has_audio(data_only)
