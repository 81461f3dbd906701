"""Room names, people's names, offers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.runtime.errors import ProblemError
from signaling.registry.names import (
    DEFAULT_NAME,
    check_name,
    check_offer,
    check_place,
    check_room,
)


@pytest.mark.parametrize("room", ["a", "0", "living-room_2", "a" * 64])
def test_good_room_names(room: str) -> None:
    assert check_room(room) == room


@pytest.mark.parametrize("room", ["", "A", "_a", "-a", "a" * 65, "a b", "a/b", "ä", "a\n"])
def test_bad_room_names_are_400(room: str) -> None:
    with pytest.raises(ProblemError, match="room name") as caught:
        check_room(room)
    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["Ada", "Grace Hopper", "Ōe", "👩\u200d💻", "x" * 64])
def test_good_names(name: str) -> None:
    assert check_name(name) == name


def test_an_empty_name_is_a_guest() -> None:
    assert check_name("") == check_name("  ") == DEFAULT_NAME


@pytest.mark.parametrize("name", ["x" * 65, "a\x00", "a\nb", "\x1b[31m", "\u202eada", "a\u2028b"])
def test_bad_names_are_400(name: str) -> None:
    with pytest.raises(ProblemError, match="name") as caught:
        check_name(name)
    assert caught.value.status == 400


@pytest.mark.parametrize("name", ["x" * 65, "a\nb", "\u202eada", "Assistant"])
def test_places_follow_the_rules_of_names(name: str) -> None:
    assert check_place("") == "" and check_place(" Living  room ") == "Living room"
    with pytest.raises(ProblemError, match="place") as caught:
        check_place(name)
    assert (caught.value.status, caught.value.title) == (400, "Bad place")


@given(st.text())
def test_a_name_is_accepted_printable_or_refused(name: str) -> None:
    try:
        accepted = check_name(name)
    except ProblemError:
        return
    assert 1 <= len(accepted) <= 64
    assert accepted.replace("\u200d", "").isprintable()


@pytest.mark.parametrize(
    ("sdp", "words"),
    [
        ("", "empty"),
        ("hello", "v=0"),
        ("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", "data channel"),
        ("v=0 m=application 9", "data channel"),
    ],
)
def test_what_is_no_data_channel_offer_is_400(sdp: str, words: str) -> None:
    with pytest.raises(ProblemError, match=words) as caught:
        check_offer(sdp)
    assert caught.value.status == 400


OFFER = "v=0\r\ns=-\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
CANDIDATE = "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\n"


@pytest.mark.parametrize(
    ("sdp", "words"),
    [
        (OFFER + CANDIDATE * 129, "129 candidates"),
        (OFFER + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * 3, "4 m= lines"),
        (OFFER + "a=x\r\n" * 1_000, "1003 lines"),
        *(
            (OFFER + f"a=x{end}m=audio 9 x 1\r\n", "end a line")
            for end in "\r\x0b\x0c\x1c\x85\u2028"
        ),
    ],
)
def test_an_offer_longer_than_any_browsers_is_400(sdp: str, words: str) -> None:
    with pytest.raises(ProblemError, match=words) as refused:
        check_offer(sdp)
    assert refused.value.status == 400


@pytest.mark.parametrize("sdp", [OFFER, OFFER.replace("\r\n", "\n"), OFFER[:-2], OFFER + "\r\n"])
def test_every_way_to_end_the_lines_of_an_offer_is_read(sdp: str) -> None:
    assert check_offer(sdp + CANDIDATE * 30 if sdp.endswith("\n") else sdp)
