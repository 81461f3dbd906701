"""wire.js: the 24-byte header, byte for byte, and serial arithmetic."""

from __future__ import annotations

import struct

import pytest

from mixer_core.bus import frames
from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser

HEADER = struct.Struct("<IBBHIIQ")


def test_a_known_frame_has_these_bytes(run: Run) -> None:
    message = run(
        "audio/wire.js",
        """const pcm = new Int16Array(480); pcm[0] = 1; pcm[1] = -2; pcm[479] = 32767;
        const header = {stream: 7, kind: 2, epoch: 3, seq: 9, flags: 1, stampNs: 5};
        return [...new Uint8Array(m.encodeFrame(header, pcm))];""",
    )
    assert len(message) == 984
    assert bytes(message[:24]).hex() == "0700000001020300090000000100000005" + "00" * 7
    assert struct.unpack_from("<hh", bytes(message), 24) == (1, -2)
    assert bytes(message[-2:]) == b"\xff\x7f"


def test_every_field_survives_at_its_limit(run: Run) -> None:
    stamp_ns = 2**53 - 1
    packed = HEADER.pack(2**32 - 1, 1, 5, 2**16 - 1, 2**32 - 2, 2**31, stamp_ns)
    decoded, again = run(
        "audio/wire.js",
        """const message = new Uint8Array(a).buffer;
        const header = m.decodeFrame(message);
        return [header, [...new Uint8Array(m.encodeFrame(header, new Int16Array(0)))]];""",
        list(packed),
    )
    assert decoded == {
        "stream": 2**32 - 1, "kind": 5, "epoch": 2**16 - 1, "seq": 2**32 - 2,
        "flags": 2**31, "stampNs": stamp_ns,
    }  # fmt: skip
    assert bytes(again) == packed


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (bytes(23), "24 bytes"),
        (HEADER.pack(0, 2, 2, 0, 0, 0, 0) + bytes(960), "version 2"),
        (HEADER.pack(0, 1, 0, 0, 0, 0, 0), "kind 0"),
        (HEADER.pack(0, 1, 6, 0, 0, 0, 0), "kind 6"),
        (HEADER.pack(0, 1, 2, 0, 0, 0, 0) + bytes(958), "958 bytes"),
    ],
)
def test_what_is_no_frame_is_refused_by_name(run: Run, message: bytes, words: str) -> None:
    said = run(
        "audio/wire.js",
        """try { m.decodeFrame(new Uint8Array(a).buffer); return "accepted"; }
        catch (error) { return error instanceof m.FrameError ? error.message : "other"; }""",
        list(message),
    )
    assert words in said


def test_serial_arithmetic_wraps(run: Run) -> None:
    result = run(
        "audio/wire.js",
        """return [m.epochNewer(1, 0), m.epochNewer(0, 65535), m.epochNewer(65535, 0),
        m.epochNewer(4, 4), m.seqDelta(0, 4294967295), m.seqDelta(4294967295, 0),
        m.seqAdd(4294967295, 1), m.seqAdd(0, -1)];""",
    )
    assert result == [True, True, False, False, 1, -1, 0, 4294967295]


def test_the_page_and_the_gateway_agree(run: Run) -> None:
    message = bytes(
        run(
            "audio/wire.js",
            """const header = {stream: 11, kind: 2, epoch: 65535, seq: 77, flags: 1, stampNs: 4e15};
            return [...new Uint8Array(m.encodeFrame(header, new Int16Array(480).fill(-5)))];""",
        )
    )
    frame = frames.decode(message)
    assert (frame.stream, frame.epoch, frame.seq, frame.flags) == (11, 65535, 77, 1)
    assert frame.stamp_ns == 4 * 10**15
    assert frames.encode(frame) == message


def test_control_text_keeps_every_digit_of_a_stamp(run: Run) -> None:
    text = run(
        "session/connection.js",
        """return m.controlText({ type: "played", stamp_ns: 2n ** 60n + 1n, offset_samples: 1.5,
          last: false, more: undefined, text: 'a"b' });""",
    )
    assert text == (
        '{"type":"played","stamp_ns":1152921504606846977,"offset_samples":1.5,'
        '"last":false,"text":"a\\"b"}'
    )
