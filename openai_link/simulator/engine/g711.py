"""G.711 at 8 kHz to and from PCM16 at 24 kHz, for WebSocket sessions. Sans-I/O.

Resampling repeats or averages three samples, which is good enough for a simulator.
ITU-T G.711, tables 1a and 2a.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import cache

_RATIO = 3
_ULAW_BIAS = 0x84
_CLIP = 32_635


def encoder_for(audio_format: str) -> Callable[[bytes], bytes]:
    """Return a function that encodes PCM16, 24 kHz, as ``audio_format`` (audio/pcm …)."""
    if audio_format == "audio/pcm":
        return bytes
    return lambda pcm: _encode(pcm, audio_format)


def decoder_for(audio_format: str) -> Callable[[bytes], bytes]:
    """Return a function that decodes ``audio_format`` to PCM16, 24 kHz."""
    if audio_format == "audio/pcm":
        return bytes
    return lambda data: _decode(data, audio_format)


def _encode(pcm: bytes, audio_format: str) -> bytes:
    samples = array("h", pcm)
    encode = _ulaw if audio_format == "audio/pcmu" else _alaw
    triples = (samples[at : at + _RATIO] for at in range(0, len(samples), _RATIO))
    return bytes(encode(sum(triple) // len(triple)) for triple in triples)


def _decode(data: bytes, audio_format: str) -> bytes:
    table = _table(audio_format)
    return array("h", (table[code] for code in data for _ in range(_RATIO))).tobytes()


def _ulaw(sample: int) -> int:
    magnitude = min(abs(sample), _CLIP) + _ULAW_BIAS
    exponent = magnitude.bit_length() - 8
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = 0x80 if sample < 0 else 0
    return ~(sign | exponent << 4 | mantissa) & 0xFF


def _alaw(sample: int) -> int:
    sign = 0x80 if sample >= 0 else 0
    magnitude = min(sample if sample >= 0 else -sample - 1, _CLIP)
    exponent = max(0, magnitude.bit_length() - 8)
    mantissa = (magnitude >> (exponent + 3 if exponent else 4)) & 0x0F
    return (sign | exponent << 4 | mantissa) ^ 0x55


def _from_ulaw(code: int) -> int:
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + _ULAW_BIAS << (code >> 4 & 7)) - _ULAW_BIAS
    return -magnitude if code & 0x80 else magnitude


def _from_alaw(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = code >> 4 & 7, code & 0x0F
    magnitude = (mantissa << 4) + 8
    if exponent:
        magnitude = (magnitude + 0x100) << (exponent - 1)
    return magnitude if code & 0x80 else -magnitude


@cache
def _table(audio_format: str) -> array[int]:
    decode = _from_ulaw if audio_format == "audio/pcmu" else _from_alaw
    return array("h", (decode(code) for code in range(256)))
