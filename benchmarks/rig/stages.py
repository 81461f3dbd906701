"""What each program does per frame: ``python -m benchmarks.rig.stages STAGE FRAMES``."""

from __future__ import annotations

import sys
from collections.abc import Callable

from mixer_core.bus.pcm import FRAME_NS


def worker(frames_total: int) -> None:
    """A browser's frame to the bus, and one from the bus to the browser, without the transport."""
    from media_worker.framed_uplink import FramedUplink
    from media_worker.outbox import Outbox
    from mixer_core.bus import frames

    uplink, outbox = FramedUplink(400), Outbox(200)
    pcm = bytes(range(1, 241)) * 4
    for seq in range(frames_total):
        now_ns = seq * FRAME_NS
        for frame in uplink.push(frames.encode_audio(0, 0, seq, 0, now_ns, pcm), now_ns):
            frames.encode_audio(7, 0, frame.seq, frame.flags, frame.stamp_ns, frame.pcm)
        heard = frames.decode(frames.encode_audio(7, 0, seq, 0, now_ns, pcm))
        outbox.admit(heard.epoch, heard.stamp_ns, 0, now_ns)


def mixer(frames_total: int, talkers: int = 1) -> None:
    """The mixer's work for one slot of ``talkers``, without its sockets."""
    from mixer_core.bus import frames
    from mixer_core.bus.events import StreamInfo
    from mixer_core.bus.frames import Frame, Kind
    from mixer_core.mixer import Mixer
    from mixer_core.runtime.metrics import Metrics
    from mixer_core.settings import MixerCoreSettings

    subject = Mixer(MixerCoreSettings(), Metrics())
    link = StreamInfo(role="link", room="r").encode()
    subject.on_frame(Frame(Kind.START, 99, payload=link), 0)
    for stream in range(1, talkers + 1):
        info = StreamInfo(role="browser", room="r", participant=f"p-{stream}").encode()
        subject.on_frame(Frame(Kind.START, stream, payload=info), 0)
    pcm = bytes(range(1, 241)) * 4
    for seq in range(frames_total):
        now_ns = seq * FRAME_NS
        if seq % 50 == 0:
            subject.on_frame(Frame(Kind.START, 99, payload=link), now_ns)
        for stream in range(1, talkers + 1):
            message = frames.encode_audio(stream, 0, seq, 0, now_ns, pcm)
            subject.on_frame(frames.decode(message), now_ns)


def six_talkers(frames_total: int) -> None:
    """The mixer with six talkers: cost of one slot."""
    mixer(frames_total, talkers=6)


def opus(frames_total: int) -> None:
    """One frame encoded for the model and one of its reply decoded."""
    from openai_link.media.opus import OpusDecoder, OpusEncoder
    from openai_link.settings import OpenaiLinkSettings

    settings = OpenaiLinkSettings()
    encoder = OpusEncoder(
        bitrate_bps=settings.opus_bitrate_bps, complexity=settings.opus_complexity
    )
    decoder = OpusDecoder()
    period = b"".join((i * 37 % 8000 - 4000).to_bytes(2, "little", signed=True) for i in range(480))
    for _ in range(frames_total):
        decoder.decode(encoder.encode(period))


STAGES: dict[str, tuple[Callable[[int], None], str]] = {
    "worker": (worker, "media_worker, one frame up and one down (transport apart)"),
    "mixer": (mixer, "mixer_core, one talker's slot (sockets apart)"),
    "six_talkers": (six_talkers, "mixer_core, a slot of six talkers (sockets apart)"),
    "opus": (opus, "openai_link, one frame encoded and one decoded"),
}

if __name__ == "__main__":
    STAGES[sys.argv[1]][0](int(sys.argv[2]))
