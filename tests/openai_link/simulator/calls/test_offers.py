"""Offers before the WebRTC stack sees them."""

from __future__ import annotations

from openai_link.simulator.calls.offers import clean_offer, has_audio, reduce_offer

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


HEAD = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\n"
VIDEO = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:v\r\na=sendonly\r\n"
    "a=rtpmap:96 VP8/90000\r\na=extmap:3 urn:x\r\na=rtcp-mux\r\n"
)
TEXT = "m=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:t\r\n"
ANSWER = (
    f"{HEAD}a=group:BUNDLE a\r\nm=audio 7 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\n"
    "a=setup:active\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n"
    "a=candidate:1 1 udp 1 127.0.0.1 7 typ host\r\n"
)


def answered(offer: str) -> list[list[str]]:
    """The sections of the answer, after its head, to an offer of the sections above."""
    answer = reduce_offer(offer).complete(ANSWER)
    return [section.splitlines() for section in answer.replace("\nm=", "\n\0").split("\0")]


def test_video_is_accepted_on_the_transport_that_all_share() -> None:
    head, video, audio = answered(f"{HEAD}a=group:BUNDLE v a\r\n{VIDEO}{AUDIO}")
    assert "a=group:BUNDLE v a" in head
    assert video[0] == "video 9 UDP/TLS/RTP/SAVPF 96 97" and audio[0].startswith("audio 7 ")
    assert {"a=mid:v", "a=recvonly", "a=rtpmap:96 VP8/90000", "a=ice-ufrag:u"} <= set(video)
    assert [line for line in video if line.startswith("a=candidate")], "it is the first section"
    assert not [line for line in video if line.startswith("a=extmap")]


def test_a_client_that_wants_to_see_something_sees_nothing() -> None:
    offer = f"{HEAD}a=group:BUNDLE a v\r\n{AUDIO}{VIDEO.replace('sendonly', 'recvonly')}"
    head, _, video = answered(offer)
    assert "a=group:BUNDLE a v" in head and "a=inactive" in video and video[0].startswith("video 9")


def test_what_has_a_transport_of_its_own_or_is_of_another_kind_is_rejected() -> None:
    head, _, video, text = answered(f"{HEAD}a=group:BUNDLE a t\r\n{AUDIO}{VIDEO}{TEXT}")
    assert "a=group:BUNDLE a" in head
    assert video[0].startswith("video 0 ") and text[0].startswith("text 0 ")
