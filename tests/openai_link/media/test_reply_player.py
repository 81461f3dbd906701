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
    player.push("r", "i", 0, LOUD * 50, now_ns)
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
    player.push("r", "i", 0, LOUD * 20, S_NS)
    count = len([a for a in player.tick(S_NS) if isinstance(a, Play)])
    late = [a for a in player.tick(S_NS + 300 * MS_NS) if isinstance(a, Play)]
    assert len(late) <= LEAD_FRAMES + 1
    assert count + len(late) + len(played(player, 3 * S_NS)) == 20


def test_what_is_cut_off_is_told_once_and_never_heard_again() -> None:
    player = ReplyPlayer()
    player.push("r", "i", 0, LOUD * 20, S_NS)
    player.tick(S_NS)
    (cut,) = player.clear()
    assert (cut.response, cut.was_heard) == ("r", True)
    player.push("r", "i", 0, LOUD, S_NS)
    assert player.dropped_bytes == len(LOUD)
    assert player.next_timeout_ns() is None and player.clear() == []


@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=20))
def test_every_sample_is_played_once_in_order(sizes: list[int]) -> None:
    player = ReplyPlayer()
    sound = bytes(n % 251 for n in range(2 * sum(sizes)))
    heard, at, now_ns = b"", 0, S_NS
    for size in sizes:
        player.push("r", "i", 0, sound[at : at + 2 * size], now_ns)
        at += 2 * size
        now_ns += 5 * MS_NS
        heard += b"".join(a.pcm for a in player.tick(now_ns) if isinstance(a, Play))
    player.item_done("i", 0, now_ns)
    player.response_done("r", now_ns)
    heard += b"".join(pcm for _, pcm in played(player, now_ns + 100 * S_NS))
    assert heard[: len(sound)] == sound
    assert len(heard) - len(sound) < len(SILENCE) and not any(heard[len(sound) :])
    assert player.next_timeout_ns() is None and player.clear() == []
