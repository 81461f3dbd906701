"""The pure parts of the way to the server: which way, the reply's clock, audio as events."""

from __future__ import annotations

import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.pcm import FRAME_NS, SILENCE
from openai_link.media.audio_append import MAX_FILL_FRAMES, AppendEvent, AudioAppend
from openai_link.media.reply_player import LEAD_FRAMES, Play, ReplyPlayer, Started, Stopped
from openai_link.media.uplink_pacer import UplinkPacer
from openai_link.realtime.problems import Problem
from openai_link.settings import OpenaiLinkSettings
from openai_link.transport.selection import REMEMBER_NS, WEBRTC_TIMEOUT_NS, TransportSelection

S = 1_000_000_000
MS = 1_000_000
LOUD = b"\x00\x20" * 480
SLOW = Problem("connect_timeout", "Too slow.", True)
BROKEN = Problem("server_error", "Broken.", True, 503)
GONE = Problem("peer_silent", "Nothing was heard.", True)
REFUSED = Problem("unreachable", "Nobody is there.", True)
KEY = Problem("invalid_api_key", "The key is wrong.", False, 401)


def auto() -> TransportSelection:
    return TransportSelection(OpenaiLinkSettings())


# Which way


def test_a_fixed_way_is_never_left() -> None:
    ways = TransportSelection(OpenaiLinkSettings(transport="webrtc"))
    assert not ways.failed("webrtc", SLOW, answered=True, was_ready=False)
    assert ways.choose(0) == "webrtc"
    assert ways.timeout_ns("webrtc", 10 * S) == 10 * S
    assert TransportSelection(OpenaiLinkSettings(transport="websocket")).choose(0) == "websocket"


def test_media_that_do_not_come_up_lead_to_websocket_at_once() -> None:
    ways = auto()
    assert ways.timeout_ns("webrtc", 10 * S) == WEBRTC_TIMEOUT_NS
    assert ways.failed("webrtc", SLOW, answered=True, was_ready=False)
    assert ways.choose(0) == "websocket"
    ways.connected("websocket", 5)
    assert ways.choose(5 + REMEMBER_NS - 1) == "websocket"
    assert ways.choose(5 + REMEMBER_NS) == "webrtc"


def test_server_errors_count_twice_and_a_refused_connection_never() -> None:
    ways = auto()
    assert not ways.failed("webrtc", BROKEN, answered=False, was_ready=False)
    assert not ways.failed("webrtc", REFUSED, answered=False, was_ready=False)
    assert ways.failed("webrtc", SLOW, answered=False, was_ready=False)


def test_two_silences_in_a_row_lead_to_websocket_and_one_does_not() -> None:
    ways = auto()
    assert not ways.failed("webrtc", GONE, answered=True, was_ready=True)
    ways.stable()
    assert not ways.failed("webrtc", GONE, answered=True, was_ready=True)
    assert ways.failed("webrtc", GONE, answered=True, was_ready=True)


def test_what_the_other_way_would_meet_too_leads_nowhere() -> None:
    ways = auto()
    assert not ways.failed("webrtc", KEY, answered=False, was_ready=False)
    assert ways.choose(0) == "webrtc"


def test_a_websocket_that_fails_is_not_preferred_any_more() -> None:
    ways = TransportSelection(OpenaiLinkSettings(), websocket_until_ns=REMEMBER_NS)
    assert ways.choose(0) == "websocket"
    assert not ways.failed("websocket", REFUSED, answered=False, was_ready=False)
    assert ways.choose(0) == "webrtc"


# The reply's clock


def played(player: ReplyPlayer, until_ns: int) -> list[tuple[int, bytes]]:
    """What is played until then, each with its time."""
    out = []
    while (due_ns := player.next_timeout_ns()) is not None and due_ns <= until_ns:
        now_ns = max(0, due_ns)
        out += [(now_ns, a.pcm) for a in player.tick(now_ns) if isinstance(a, Play)]
    return out


def test_a_reply_is_played_in_real_time_after_a_small_lead() -> None:
    player = ReplyPlayer()
    now_ns = 10 * S
    player.push("r", "i", 0, LOUD * 50, now_ns)
    first = player.tick(now_ns)
    assert first[0] == Started("r")
    assert len(first) == 1 + LEAD_FRAMES + 1
    frames = played(player, now_ns + 2 * S)
    assert len(frames) == 50 - LEAD_FRAMES - 1
    assert [t for t, _ in frames] == [now_ns + FRAME_NS * (n + 1) for n in range(len(frames))]
    assert player.next_timeout_ns() is None
    player.response_done("r", now_ns + 2 * S)
    assert player.tick(now_ns + 2 * S) == [Stopped("r")]
    assert not player.is_busy


def test_a_stall_moves_the_clock_and_loses_nothing() -> None:
    player = ReplyPlayer()
    player.push("r", "i", 0, LOUD * 20, S)
    count = len([a for a in player.tick(S) if isinstance(a, Play)])
    late = [a for a in player.tick(S + 300 * MS) if isinstance(a, Play)]
    assert len(late) <= LEAD_FRAMES + 1
    assert count + len(late) + len(played(player, 3 * S)) == 20


def test_what_is_cut_off_is_told_once_and_never_heard_again() -> None:
    player = ReplyPlayer()
    player.push("r", "i", 0, LOUD * 20, S)
    player.tick(S)
    (cut,) = player.clear()
    assert (cut.response, cut.was_heard) == ("r", True)
    player.push("r", "i", 0, LOUD, S)
    assert player.dropped_bytes == len(LOUD)
    assert player.next_timeout_ns() is None and player.clear() == []


@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=20))
def test_every_sample_is_played_once_in_order(sizes: list[int]) -> None:
    player = ReplyPlayer()
    sound = bytes(n % 251 for n in range(2 * sum(sizes)))
    heard, at, now_ns = b"", 0, S
    for size in sizes:
        player.push("r", "i", 0, sound[at : at + 2 * size], now_ns)
        at += 2 * size
        now_ns += 5 * MS
        heard += b"".join(a.pcm for a in player.tick(now_ns) if isinstance(a, Play))
    player.item_done("i", 0, now_ns)
    player.response_done("r", now_ns)
    heard += b"".join(pcm for _, pcm in played(player, now_ns + 100 * S))
    assert heard[: len(sound)] == sound
    assert len(heard) - len(sound) < len(SILENCE) and not any(heard[len(sound) :])
    assert not player.is_busy


# Audio as events


def heard(appended: list[AppendEvent]) -> bytes:
    """The audio of append events, as a server joins it."""
    sound = b""
    for event in appended:
        sent = json.loads(event.text)
        assert sent["type"] == "input_audio_buffer.append" and sent["event_id"]
        pcm = base64.b64decode(sent["audio"], validate=True)
        assert event.audio_ms * 48 == len(pcm)
        assert event.is_room == any(pcm)
        sound += pcm
    return sound


def test_frames_and_pauses_become_one_unbroken_sound() -> None:
    append = AudioAppend(UplinkPacer(240, 400, 0))
    sound = heard(append.start(S))
    sound += heard(append.frame(LOUD, False, S + 20 * MS))
    sound += heard(append.frame(LOUD, True, S + 40 * MS))
    assert sound == SILENCE + LOUD + LOUD
    due_ns = append.pacer.next_timeout_ns()
    assert due_ns is not None
    assert heard(append.tick(due_ns)) == SILENCE


def test_time_that_rtp_would_pass_over_is_filled_and_bounded() -> None:
    append = AudioAppend(UplinkPacer(240, 400, 0))
    append.start(0)
    assert heard(append.frame(LOUD, True, 500 * MS)) == SILENCE * 24 + LOUD
    assert len(heard(append.frame(LOUD, True, 60 * S))) == (MAX_FILL_FRAMES + 1) * len(SILENCE)
    ids = [json.loads(e.text)["event_id"] for e in append.frame(LOUD, True, 61 * S)]
    assert len(set(ids)) == len(ids)
