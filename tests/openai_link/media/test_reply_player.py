"""Playing a reply that came faster than it is spoken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.pcm import FRAME_NS, SILENCE
from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.media.reply_player import LEAD_FRAMES, Play, ReplyPlayer, Started, Stopped

LOUD = b"\x00\x20" * 480


def played(player: ReplyPlayer, until_ns: int) -> list[tuple[int, bytes]]:
    """What is played until then, each with its time."""
    out = []
    while (due_ns := player.next_timeout_ns()) is not None and due_ns <= until_ns:
        now_ns = max(0, due_ns)
        out += [(now_ns, a.pcm) for a in player.tick(now_ns) if isinstance(a, Play)]
    return out


def test_a_reply_is_played_in_real_time_after_a_small_lead() -> None:
    player = ReplyPlayer()
    now_ns = 10 * S_NS
    player.push("r", "i", LOUD * 50, now_ns)
    first = player.tick(now_ns)
    assert first[0] == Started("r")
    assert len(first) == 1 + LEAD_FRAMES + 1
    frames = played(player, now_ns + 2 * S_NS)
    assert len(frames) == 50 - LEAD_FRAMES - 1
    assert [t for t, _ in frames] == [now_ns + FRAME_NS * (n + 1) for n in range(len(frames))]
    assert player.next_timeout_ns() is None
    player.response_done("r", now_ns + 2 * S_NS)
    assert player.tick(now_ns + 2 * S_NS) == [Stopped("r")]
    assert player.next_timeout_ns() is None and player.clear() == []


def test_a_stall_moves_the_clock_and_loses_nothing() -> None:
    player = ReplyPlayer()
    player.push("r", "i", LOUD * 20, S_NS)
    count = len([a for a in player.tick(S_NS) if isinstance(a, Play)])
    late = [a for a in player.tick(S_NS + 300 * MS_NS) if isinstance(a, Play)]
    assert len(late) <= LEAD_FRAMES + 1
    assert count + len(late) + len(played(player, 3 * S_NS)) == 20


def test_what_is_cut_off_is_told_once_and_never_heard_again() -> None:
    player = ReplyPlayer()
    player.push("r", "i", LOUD * 20, S_NS)
    player.tick(S_NS)
    (cut,) = player.clear()
    assert (cut.response, cut.was_heard) == ("r", True)
    player.push("r", "i", LOUD, S_NS)
    assert player.dropped_bytes == len(LOUD)
    assert player.next_timeout_ns() is None and player.clear() == []


@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=20))
def test_every_sample_is_played_once_in_order(sizes: list[int]) -> None:
    player = ReplyPlayer()
    sound = bytes(n % 251 for n in range(sum(sizes) & ~1))
    heard, at, now_ns = b"", 0, S_NS
    for size in sizes:
        player.push("r", "i", sound[at : at + size], now_ns)
        at += size
        now_ns += 5 * MS_NS
        heard += b"".join(a.pcm for a in player.tick(now_ns) if isinstance(a, Play))
    player.item_done("i", now_ns)
    player.response_done("r", now_ns)
    heard += b"".join(pcm for _, pcm in played(player, now_ns + 100 * S_NS))
    assert heard[: len(sound)] == sound
    assert len(heard) - len(sound) < len(SILENCE) and not any(heard[len(sound) :])
    assert player.next_timeout_ns() is None and player.clear() == []


def test_half_a_sample_at_the_end_is_none() -> None:
    player = ReplyPlayer()
    player.push("r", "i", LOUD[:101], S_NS)
    player.item_done("i", S_NS)
    (pcm,) = [pcm for _, pcm in played(player, 2 * S_NS)]
    assert pcm == LOUD[:100].ljust(len(LOUD), b"\0")


def test_a_stop_silences_what_is_generated_and_has_no_sound_yet() -> None:
    player = ReplyPlayer()
    player.begun("r1")
    assert player.stop() == []
    player.push("r1", "i1", LOUD, S_NS)
    assert player.dropped_bytes == len(LOUD) and player.next_timeout_ns() is None
    player.response_done("r1", S_NS)
    player.begun("r2")
    player.push("r2", "i2", LOUD, S_NS)
    assert len(played(player, 2 * S_NS)) == 1


def test_speech_silences_only_what_has_sound() -> None:
    """A server may take it for a cough, and go on."""
    player = ReplyPlayer()
    player.begun("r1")
    assert player.clear() == []
    player.push("r1", "i1", LOUD, S_NS)
    assert len(played(player, 2 * S_NS)) == 1


def test_sound_of_no_response_is_of_the_newest() -> None:
    player = ReplyPlayer()
    player.begun("r1")
    player.push("", "i1", LOUD, S_NS)
    actions = player.tick(S_NS)
    assert actions == [Started("r1"), Play(LOUD)]
    player.response_done("", S_NS)
    assert player.tick(2 * S_NS) == [Stopped("r1")]


def test_a_reply_without_a_name_is_heard_although_the_one_before_was_stopped() -> None:
    player = ReplyPlayer()
    for number in range(3):
        now_ns = (10 * number + 1) * S_NS
        player.begun("")
        player.push("", f"i{number}", LOUD * 20, now_ns)
        assert player.tick(now_ns)[0] == Started("")
        player.stop()
        player.push("", f"i{number}", LOUD, now_ns)
        assert player.next_timeout_ns() is None, "what is late is not heard"


def test_the_end_of_a_reply_without_a_name_lets_the_next_one_be_heard() -> None:
    player = ReplyPlayer()
    player.push("", "i1", LOUD, S_NS)
    player.clear()
    player.response_done("", S_NS)
    player.push("", "i2", LOUD, S_NS)
    assert len(played(player, 2 * S_NS)) == 1
