"""``bench instructions``: instructions per frame of each stage, counted by valgrind, not timed.

Instruction counts are the same on a busy and on an idle machine, and carry over to another
processor better than times do: ``jetson.md`` builds on them. Each stage runs for two numbers of
frames under callgrind; the difference is the cost of a frame. ``python -m benchmarks.instructions
STAGE FRAMES`` is what runs under valgrind.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cli import Findings, Options

COLLECTED = re.compile(r"Collected\s*:\s*(\d+)")
FEW, MANY = 50, 450
"""Frames of the two runs."""
FRAME_NS = 20_000_000


def run(options: Options, findings: Findings) -> None:
    """Count every stage; says so where valgrind is missing."""
    if shutil.which("valgrind") is None:
        findings.notes.append("valgrind is not installed: no instructions were counted")
        return
    stages = ["worker"] if options.smoke else ["worker", "opus"] if options.quick else list(STAGES)
    for stage in stages:
        findings.progress(f"counting {stage}")
        per_frame = (count(stage, MANY) - count(stage, FEW)) / (MANY - FEW)
        findings.add(STAGES[stage][1], "ours", "instructions per frame", mean=round(per_frame))


def count(stage: str, frames: int) -> int:
    """Instructions of one process that passes ``frames`` through ``stage``."""
    program = [sys.executable, "-m", "benchmarks.suites.instructions", stage, str(frames)]
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}"]
    env = os.environ | {"NUMBA_CPU_NAME": "generic", "PYTHONHASHSEED": "0"}
    subprocess.run(program, env=env, check=True)  # compiles the kernels, so that nobody counts it
    done = subprocess.run([*valgrind, *program], env=env, capture_output=True, text=True)
    found = COLLECTED.search(done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(f"valgrind failed for {stage}: {done.stderr[-400:]}")
    return int(found[1])


def worker(frames_total: int) -> None:
    """A browser's frame to the bus, and one from the bus to the browser, without the transport."""
    from media_worker.outbox import Outbox
    from media_worker.uplink import Uplink
    from mixer_core.bus import frames

    uplink, outbox = Uplink(framed=True, hangover_ms=400), Outbox(200)
    pcm = bytes(range(1, 241)) * 4
    for seq in range(frames_total):
        now_ns = seq * FRAME_NS
        for frame in uplink.push(frames.encode_audio(0, 0, seq, 0, now_ns, pcm), now_ns):
            frames.encode_audio(7, 0, frame.seq, frame.flags, frame.stamp_ns, frame.pcm)
        heard = frames.decode(frames.encode_audio(7, 0, seq, 0, now_ns, pcm))
        outbox.admit(heard.epoch, heard.stamp_ns, 0, now_ns)


def mixer(frames_total: int, talkers: int = 1) -> None:
    """The mixer's whole turn for one slot of ``talkers``, without its sockets."""
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
