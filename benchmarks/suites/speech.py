"""``bench speech``: how speech sounds with lost frames, and whether playback drifts.

Loss: frames of speech go through the mixer's jitter buffer, as in a slot with others, and through
the page's, in Chromium; 2 and 5 % of them are lost, single and three in a row. Beside them stand
what a gap is without concealment (silence) and the last frame, repeated and faded. All hear the
same losses. Scores: wideband PESQ where ``pesq`` is installed, and the signal to error ratio of the
lost frames that are no pause.

Drift: 20 minutes without a pause in the page's jitter buffer, the sender's clock 200 ppm faster or
slower; beside it the same buffer with a device that keeps to its own clock.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from mixer_core.bus.pcm import FRAME_NS, FRAME_SAMPLES, SILENCE
from mixer_core.jitter import JitterBuffer

from ..report.findings import Findings, Options
from ..rig import listening
from ..rig.page_audio import HEAR, TALK, PageAudio

LOSSES = ((0.0, 1), (0.02, 1), (0.05, 1), (0.02, 3), (0.05, 3))
"""Share of the frames, and how many in a row."""
GAP_HOLD_NS = 3 * FRAME_NS
CAP_FRAMES = 10
FADED_FRAMES = 3
PPM = 200.0
JITTER_MS = 10
WITHOUT_PESQ = "PESQ needs pesq, which is compiled: pip install 'mixminus[speech]'"

Hearing = Callable[[list[bytes], set[int]], bytes]
"""What is heard of frames of which some are lost; as many bytes."""


def run(options: Options, findings: Findings) -> None:
    """Losses, then drift."""
    voices = int(options.scaled(3, 2, 1))
    rounds = int(options.scaled(4, 1, 1))
    losses = LOSSES[1:2] if options.smoke else LOSSES
    with PageAudio() as page:
        measure_losses(page, losses, voices, rounds, findings)
        for ppm in (PPM,) if options.smoke else (PPM, -PPM):
            findings.progress(f"drift of {ppm:+g} ppm")
            measure_drift(page, ppm, options.scaled(20, 20, 0.5), findings)


def measure_losses(
    page: PageAudio,
    losses: tuple[tuple[float, int], ...],
    voices: int,
    rounds: int,
    findings: Findings,
) -> None:
    """Everybody's score of every loss."""
    score = listening.pesq_scorer()
    if score is None:
        findings.notes.append(WITHOUT_PESQ)
    hearings: dict[str, Hearing] = {
        "silence": in_silence,
        "last frame, faded": repeated,
        "mixer": mixed,
        "page": partial(played, page),
    }
    spoken = listening.speech(voices)
    findings.notes.append(listening.source())
    for share, burst in losses:
        name = f"{share:.0%} lost" + (f", {burst} in a row" if burst > 1 else "")
        findings.progress(name)
        means: dict[str, float] = {}
        for subject, hear in hearings.items():
            heard = list(hear_all(spoken, share, burst, rounds if share else 1, hear))
            if share:
                ratios = [listening.snr_db(*one) for one in heard]
                mean = round(float(np.mean(ratios)), 2)
                findings.add(name, subject, "dB in lost frames", mean=mean)
            if score is not None:
                scores = [score(truth, sound) for truth, sound, _ in heard]
                means[subject] = float(np.mean(scores))
                worst = round(min(scores), 2)
                findings.add(name, subject, "PESQ", mean=round(means[subject], 2), min=worst)
        if means and share:
            for subject in ("mixer", "page"):
                ratio = means["silence"] / means[subject]
                findings.ratio(f"{name}: PESQ of silence / {subject}", ratio, 1.0)


def hear_all(
    spoken: list[list[bytes]], share: float, burst: int, rounds: int, hear: Hearing
) -> Iterator[tuple[listening.Samples, listening.Samples, set[int]]]:
    """The truth, what was heard of it, and the numbers of the lost frames."""
    for voice, frames in enumerate(spoken):
        truth = listening.to_samples(b"".join(frames))
        for turn in range(rounds):
            lost = listening.lost_frames(len(frames), share, burst, 100 * voice + turn)
            yield truth, listening.to_samples(hear(frames, lost)), lost


def in_silence(frames: list[bytes], lost: set[int]) -> bytes:
    """A gap is silence."""
    return b"".join(SILENCE if n in lost else pcm for n, pcm in enumerate(frames))


def repeated(frames: list[bytes], lost: set[int]) -> bytes:
    """A gap is the last frame again, faded to zero over three frames."""
    heard, last, run = [], SILENCE, 0
    for number, pcm in enumerate(frames):
        if number not in lost:
            heard.append(pcm)
            last, run = pcm, 0
            continue
        gains = np.linspace(1 - run / FADED_FRAMES, 1 - (run + 1) / FADED_FRAMES, FRAME_SAMPLES)
        faded = listening.to_samples(last) * np.maximum(gains, 0.0)
        heard.append(np.round(faded).astype("<i2").tobytes())
        run += 1
    return b"".join(heard)


def mixed(frames: list[bytes], lost: set[int]) -> bytes:
    """The mixer's jitter buffer, whose slots come whether its frame is there or not."""
    buffer, heard = JitterBuffer(GAP_HOLD_NS, CAP_FRAMES), []
    for number, pcm in enumerate(frames):
        now_ns = number * FRAME_NS
        if number not in lost:
            buffer.push(number, pcm, 0, now_ns, now_ns)
        entry = buffer.pop(now_ns, force=True)
        if entry is None:
            if buffer.talking:
                entry = buffer.starve(now_ns)
            elif buffer.fades:
                entry = buffer.tail(now_ns)
        heard.append(SILENCE if entry is None else entry.pcm)
    return b"".join(heard)


def played(page: PageAudio, frames: list[bytes], lost: set[int]) -> bytes:
    """The page's jitter buffer."""
    argument = {"pcm": base64.b64encode(b"".join(frames)).decode(), "lost": sorted(lost)}
    return base64.b64decode(page.run("audio/jitter.js", HEAR, argument))


def measure_drift(page: PageAudio, ppm: float, minutes: float, findings: Findings) -> None:
    """What waits while clocks differ, and how often nothing does."""
    name = f"{minutes:g} minutes, {ppm:+g} ppm"
    for subject, follows in (("page", True), ("page, its clock alone", False)):
        argument = {"ppm": ppm, "minutes": minutes, "jitterMs": JITTER_MS, "follows": follows}
        found = page.run("audio/jitter.js", TALK, argument)
        counts = found["counts"]
        worst_ms = max(found["worstMs"], found["worstAtStartMs"])
        findings.add(name, subject, "ms waiting", p95=found["p95Ms"], max=round(worst_ms, 1))
        findings.add(
            name,
            subject,
            "times heard",
            underruns=counts["underruns"],
            frames_left_out=counts["capped"],
        )
        if follows:
            findings.ratio(f"{name}: underruns", counts["underruns"], 0)
            findings.ratio(f"{name}: backlog, p95 ms", found["p95Ms"], 80)
