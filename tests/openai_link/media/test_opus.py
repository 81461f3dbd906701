"""The Opus binding against the real library."""

from __future__ import annotations

import math
from array import array

import pytest

from mixer_core.bus.pcm import FRAME_BYTES, SILENCE
from mixer_core.runtime.errors import OpusError
from openai_link.media.opus import OpusDecoder, OpusEncoder


def tone(frames: int, frequency_hz: float = 440.0, rate_hz: int = 24_000) -> list[bytes]:
    """20 ms frames of a sine at half of full scale."""
    samples = rate_hz // 50
    step = 2 * math.pi * frequency_hz / rate_hz
    return [
        array(
            "h", (int(16_000 * math.sin(step * (f * samples + i))) for i in range(samples))
        ).tobytes()
        for f in range(frames)
    ]


def level(pcm: bytes) -> float:
    """Root mean square of PCM16."""
    samples = array("h", pcm)
    return math.sqrt(sum(value * value for value in samples) / len(samples))


def test_a_tone_keeps_its_level_through_encoder_and_decoder() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    decoded = [decoder.decode(encoder.encode(frame)) for frame in tone(20)]
    assert {len(pcm) for pcm in decoded} == {FRAME_BYTES}
    assert level(decoded[-1]) == pytest.approx(16_000 / math.sqrt(2), rel=0.05)


@pytest.mark.parametrize("length", [0, 958, 962])
def test_a_frame_of_another_length_is_refused_by_name(length: int) -> None:
    with pytest.raises(OpusError, match=f"960 bytes, got {length}"):
        OpusEncoder().encode(bytes(length))


def test_a_lost_frame_is_concealed_with_something_like_the_last_one() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    for frame in tone(20):
        last = decoder.decode(encoder.encode(frame))
    concealed = decoder.decode_lost()
    assert len(concealed) == FRAME_BYTES
    assert level(concealed) > 0.3 * level(last)
    assert len(decoder.decode_lost(240)) == 480


def test_the_copy_in_the_next_packet_replaces_a_lost_one() -> None:
    encoder = OpusEncoder(
        application="voip", fec=True, expected_loss_percent=30, bitrate_bps=24_000
    )
    decoder = OpusDecoder()
    packets = [encoder.encode(frame) for frame in tone(20, 300.0)]
    for packet in packets[:10]:
        decoder.decode(packet)
    recovered = decoder.decode_fec(packets[11])
    assert len(recovered) == FRAME_BYTES
    assert level(recovered) > 5_000


def test_without_a_copy_recovery_falls_back_to_concealment() -> None:
    encoder, decoder = OpusEncoder(fec=False), OpusDecoder()
    packets = [encoder.encode(frame) for frame in tone(4)]
    decoder.decode(packets[0])
    assert len(decoder.decode_fec(packets[2])) == FRAME_BYTES
    assert len(decoder.decode_fec(b"")) == FRAME_BYTES


def test_silence_costs_almost_nothing_with_dtx() -> None:
    encoder = OpusEncoder(dtx=True, application="voip")
    sizes = [len(encoder.encode(SILENCE)) for _ in range(60)]
    assert min(sizes) <= 2


@pytest.mark.parametrize("packet", [b"", b"\xff\xff\xff\xff\xff"])
def test_a_corrupt_packet_is_refused_and_the_decoder_goes_on(packet: bytes) -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    with pytest.raises(OpusError):
        decoder.decode(packet)
    assert len(decoder.decode(encoder.encode(tone(1)[0]))) == FRAME_BYTES


@pytest.mark.parametrize(("frames_48k", "milliseconds"), [(480, 10), (1920, 40), (2880, 60)])
def test_stereo_packets_of_other_durations_decode_to_mono(
    frames_48k: int, milliseconds: int
) -> None:
    import av

    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = 48_000, "stereo", "s16"
    codec.options = {"frame_duration": str(milliseconds)}
    frame = av.AudioFrame(format="s16", layout="stereo", samples=frames_48k)
    frame.sample_rate = 48_000
    frame.planes[0].update(bytes(frames_48k * 4))
    packet = bytes(codec.encode(frame)[0])
    decoder = OpusDecoder()
    assert decoder.packet_samples(packet) == milliseconds * 24
    assert len(decoder.decode(packet)) == milliseconds * 48


def test_an_impossible_setting_is_named() -> None:
    with pytest.raises(OpusError, match="complexity"):
        OpusEncoder(complexity=11)
    with pytest.raises(OpusError, match="44100 Hz"):
        OpusDecoder(44_100)


def test_reset_forgets_the_past() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    first = encoder.encode(tone(1)[0])
    for frame in tone(5, 900.0):
        decoder.decode(encoder.encode(frame))
    encoder.reset()
    decoder.reset()
    assert encoder.encode(tone(1)[0]) == first
    encoder.set_bitrate(16_000)
