"""The small parts: input buffer, brains, keys, offers, ids, session checks, recorder, encoder."""

from __future__ import annotations

import random
import re
import wave
from array import array
from pathlib import Path

import aioice.ice
import pytest

from mixer_core.runtime.settings import SimulatorSettings
from openai_link.media.opus import OpusDecoder
from openai_link.simulator.calls.offers import clean_offer, has_audio
from openai_link.simulator.calls.tokens import KeyRing, Unauthorized
from openai_link.simulator.config import SimulatorConfig
from openai_link.simulator.engine import session_config
from openai_link.simulator.engine.brains import EchoTest, Tone, Turn, chime, tone
from openai_link.simulator.engine.ids import IdMint
from openai_link.simulator.engine.input_audio import InputAudio
from openai_link.simulator.engine.refusals import Refusal
from openai_link.simulator.media.media_pump import ReplyEncoder
from openai_link.simulator.media.recorder import Recorder
from openai_link.simulator.scripts.brain_files import greeting_pcm, make_brain
from openai_link.simulator.service import choose_ice_addresses, config_from
from openai_link.transport import aiortc_media


def ms_of_ones(length_ms: int, value: int = 1) -> bytes:
    return array("h", [value] * 24 * length_ms).tobytes()


def test_the_input_buffer_is_cut_to_the_sample_and_its_clock_survives_clearing() -> None:
    audio = InputAudio()
    for value in range(5):
        audio.append(ms_of_ones(20, value))
    assert audio.cut(15, 25) == ms_of_ones(5, 0) + ms_of_ones(5, 1)
    audio.forget_before(40)
    assert audio.cut(0, 60) == ms_of_ones(20, 2)
    audio.clear()
    assert (audio.start_ms, audio.end_ms, audio.buffered_ms) == (100, 100, 0)


def test_the_input_buffer_drops_the_oldest_audio_and_counts_it() -> None:
    audio = InputAudio(max_ms=100)
    for value in range(7):
        audio.append(ms_of_ones(20, value))
    assert (audio.start_ms, audio.end_ms, audio.dropped_ms) == (40, 140, 40)
    assert audio.cut(40, 60) == ms_of_ones(20, 2)


def test_the_echo_brain_repeats_quotes_or_greets_and_always_says_what_it_is() -> None:
    brain = EchoTest(b"\x01\x00", "Hello.")
    heard = ms_of_ones(2_300)
    replies = [brain.reply(t) for t in (Turn(audio=heard), Turn(text="hi"), Turn())]
    assert [reply.pcm for reply in replies] == [heard, chime(), b"\x01\x00"]
    assert [reply.transcript for reply in replies] == [
        "[simulator] I heard 2.3 s of speech; here it is again.",
        '[simulator] You wrote: "hi"',
        "[simulator] Hello.",
    ]
    mute = EchoTest(b"\x01\x00", "Hello.", greets=False)
    assert mute.reply(Turn()).transcript == "[simulator] There is nothing to repeat yet."


def test_the_tone_brain_always_answers_with_its_tone() -> None:
    reply = Tone(1_000).reply(Turn(text="stop"))
    assert reply.pcm == tone(1_000)
    assert reply.transcript == "[simulator] This is a tone of 1.0 s at 400 Hz."
    assert isinstance(make_brain(SimulatorConfig(brain="tone")), Tone)


def test_the_packaged_greeting_is_a_few_seconds_of_24_khz_mono() -> None:
    assert 3.0 < len(greeting_pcm()) / 48_000 < 5.0


def test_ids_have_the_prefix_alphabet_and_length_of_the_real_ones() -> None:
    mint = IdMint(random.Random(1))
    assert re.fullmatch(r"item_[0-9A-Za-z]{21}", mint.make("item"))
    assert re.fullmatch(r"event_[0-9a-f]{16}", mint.buffer_event_id())
    assert mint.make("item") != mint.make("item")


def test_an_ephemeral_key_opens_sessions_until_it_expires() -> None:
    keys = KeyRing("sk-right", IdMint(random.Random(1)))
    session = {"type": "realtime", "instructions": "x"}
    secret = keys.create({"session": session, "expires_after": {"seconds": 10}}, now_s=100)
    assert keys.session_of(secret.value, now_s=109) == session
    assert keys.session_of(secret.value, now_s=109) == session
    with pytest.raises(Unauthorized):
        keys.session_of(secret.value, now_s=110)
    assert keys.session_of("sk-right", now_s=0) is None
    with pytest.raises(Unauthorized):
        keys.session_of("sk-wrong", now_s=0)


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


def test_changing_the_kind_of_turn_detection_brings_its_own_defaults() -> None:
    session = session_config.create_session("sess_1", 0, {"type": "realtime"})

    def with_detection(session: session_config.Json, value: object) -> session_config.Json:
        wanted = {"type": "realtime", "audio": {"input": {"turn_detection": value}}}
        return session_config.update_session(session, wanted, voice_locked=False)

    semantic = with_detection(session, {"type": "semantic_vad", "eagerness": "low"})
    assert semantic["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "low",
        "create_response": True,
        "interrupt_response": True,
    }
    off = with_detection(semantic, None)
    assert off["audio"]["input"]["turn_detection"] is None
    on = with_detection(off, {"type": "server_vad", "threshold": 0.4})
    assert on["audio"]["input"]["turn_detection"]["threshold"] == 0.4
    assert on["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("output_modalities", ["audio", "text"]),
        ("max_output_tokens", 0),
        ("tools", {}),
        ("instructions", 7),
        ("type", "translation"),
        ("audio", {"output": {"speed": 2}}),
        ("audio", {"input": {"turn_detection": {"type": "none"}}}),
        ("audio", {"input": {"turn_detection": {"threshold": True}}}),
        ("audio", 7),
    ],
)
def test_a_value_outside_of_its_range_is_named(path: str, value: object) -> None:
    with pytest.raises(Refusal) as caught:
        session_config.create_session("sess_1", 0, {"type": "realtime", path: value})
    assert caught.value.code == "invalid_value"
    assert str(caught.value.param).startswith(f"session.{path}")


def test_the_recording_can_be_read_while_it_grows(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "deep" / "call.wav")
    recorder.write(ms_of_ones(1_500))
    with wave.open(str(recorder.path), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (24_000, 1, 36_000)
    recorder.write(ms_of_ones(20))
    recorder.close()
    with wave.open(str(recorder.path), "rb") as file:
        assert file.readframes(40_000) == ms_of_ones(1_520)


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


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_media_is_offered_where_http_listens(host: str) -> None:
    try:
        choose_ice_addresses(host)
        assert aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=True) == ["127.0.0.1"]
        choose_ice_addresses("0.0.0.0")
        assert "127.0.0.1" in aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=False)
    finally:
        aiortc_media.use_host_addresses(None)


def test_the_settings_shape_the_calls() -> None:
    config = config_from(SimulatorSettings(api_key="k", brain="tone", tone_ms=100))
    assert (config.api_key, config.brain, config.tone_ms) == ("k", "tone", 100)
