"""The Opus binding against the real library, and against FFmpeg's use of it."""

from __future__ import annotations

import math
from array import array

import av
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


def other_encoder(rate_hz: int, layout: str, **options: str) -> av.AudioCodecContext:
    """FFmpeg's libopus encoder, which can do what ours does not."""
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = rate_hz, layout, "s16"
    codec.options = options
    return codec


def encode(codec: av.AudioCodecContext, pcm: bytes) -> list[bytes]:
    channels = codec.layout.nb_channels
    samples = len(pcm) // 2 // channels
    frame = av.AudioFrame(format="s16", layout=codec.layout, samples=samples)
    frame.sample_rate = codec.sample_rate
    frame.planes[0].update(pcm)
    return [bytes(packet) for packet in codec.encode(frame)]


def test_the_copy_in_the_next_packet_replaces_a_lost_one() -> None:
    codec = other_encoder(24_000, "mono", application="voip", fec="1", packet_loss="30", b="24k")
    with_copy = [packet for frame in tone(12, 300.0) for packet in encode(codec, frame)][-1]
    recovered = OpusDecoder().decode_fec(with_copy)  # A fresh decoder has nothing to extrapolate.
    assert len(recovered) == FRAME_BYTES
    assert level(recovered) > 300


def test_without_a_copy_recovery_falls_back_to_concealment() -> None:
    encoder = OpusEncoder()
    without_copy = [encoder.encode(frame) for frame in tone(12, 300.0)][-1]
    assert OpusDecoder().decode_fec(without_copy) == SILENCE
    assert OpusDecoder().decode_fec(b"") == SILENCE


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
    codec = other_encoder(48_000, "stereo", frame_duration=str(milliseconds))
    (packet,) = encode(codec, bytes(frames_48k * 4))
    assert len(OpusDecoder().decode(packet)) == milliseconds * 48


def test_an_impossible_setting_is_named() -> None:
    with pytest.raises(OpusError, match="complexity to 11"):
        OpusEncoder(complexity=11)
    with pytest.raises(OpusError, match="bit rate to 0 bit/s"):
        OpusEncoder(bitrate_bps=0)
