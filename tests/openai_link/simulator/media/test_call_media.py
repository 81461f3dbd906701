"""The encoder of replies."""

from __future__ import annotations

from array import array

from openai_link.media.opus import OpusDecoder
from openai_link.simulator.brains.sounds import tone
from openai_link.simulator.media.call_media import ReplyEncoder


def test_a_pause_repeats_one_small_packet_and_speech_goes_on_without_a_click() -> None:
    encoder, decoder = ReplyEncoder(48_000, 5), OpusDecoder()
    loud = tone(20, 400.0, 8_000)
    for _ in range(10):
        decoder.decode(encoder.packet(loud))
    packets = [encoder.packet(None) for _ in range(100)]
    assert len({*packets[25:]}) == 1 and len(packets[-1]) < 10
    decoded = [decoder.decode(packet) for packet in packets]
    assert set(decoded[-1]) <= {0, 1, 255}
    again = [decoder.decode(encoder.packet(loud)) for _ in range(10)]
    assert max(array("h", b"".join(again))) < 9_500
    assert max(array("h", again[-1])) > 7_500
