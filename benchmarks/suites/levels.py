"""``bench levels``: what the mixer makes of loud and quiet voices, of noise, and what that costs.

Sentences by eSpeak NG and noise go through the real mixer, in virtual time, and what the
assistant's link hears is measured; so is the processor time of a slot with the voices' chain doing
nothing and doing all it can, in turns in one run.
"""

from __future__ import annotations

import time

import numpy as np

from mixer_core.bus.pcm import FRAME_MS, SAMPLE_RATE_HZ
from mixer_core.settings import MixerCoreSettings
from mixer_core.voice_chain import VoiceChain
from mixer_core.voice_kernels import QUICK

from ..report.findings import Findings, Options
from ..report.gain_picture import Panel, draw
from ..rig import spoken
from ..rig.mixer_table import MixerTable, listen, to_pcm
from ..rig.spoken import Sound
from ..rig.talker import BEGIN_S, FRAMES_PER_S, TOLERANCE_DB, Talker

LEVELS_DBFS = (-50, -45, -40, -30, -22, -15, -10)
SNR_DB = 25.0
QUIETEST_NOISE_DBFS = -78.0
MOST_LIFT_DB = 6.0
PICTURED = (-50, -30, -10)
TALKERS = 6
OFF = MixerCoreSettings(auto_gain=False, noise_gate_db=0.0)


def run(options: Options, findings: Findings) -> None:
    """Loudness, then what is no speech, then difficult talkers, then the cost."""
    settings = MixerCoreSettings()
    voices = spoken.VOICES[: int(options.scaled(5, 2, 1))]
    panels: dict[str, Panel] = {}
    for level in LEVELS_DBFS[:: int(options.scaled(1, 1, 6))]:
        findings.progress(f"talkers at {level} dBFS")
        heard = {voice: talker(voice, level, settings) for voice in voices}
        report_talkers(level, list(heard.values()), settings, findings)
        if level in PICTURED:
            panels[f"{voices[0]} at {level} dBFS"] = heard[voices[0]].panel()
    no_speech(settings, findings)
    panels |= difficult(settings, findings)
    cost(int(options.scaled(40, 15, 2)), findings)
    if options.output_dir is not None:
        file = options.output_dir / "levels-gain.png"
        draw(panels, settings.speech_target_dbfs, FRAME_MS / 1_000, file)
        findings.notes.append(f"gains over time: {file}")


def talker(voice: str, level_dbfs: float, settings: MixerCoreSettings) -> Talker:
    """Noise, sentences in noise, noise."""
    clean = spoken.after(BEGIN_S, spoken.speech(voice, level_dbfs))
    clean = np.concatenate([clean, np.zeros(2 * SAMPLE_RATE_HZ)])
    noise_dbfs = max(QUIETEST_NOISE_DBFS, level_dbfs - SNR_DB)
    noise = spoken.noise(len(clean) / SAMPLE_RATE_HZ, noise_dbfs)
    return Talker(clean, noise[: len(clean)], settings)


def report_talkers(
    level: int, talkers: list[Talker], settings: MixerCoreSettings, findings: Findings
) -> None:
    """The worst of several voices at one level."""
    case = f"speech at {level} dBFS"
    off_db = [one.speech_dbfs - settings.speech_target_dbfs for one in talkers]
    figures = {"lowest": min(off_db), "highest": max(off_db)}
    findings.add(case, "off the target after 3 s", "dB", **rounded(figures))
    lift_db = max(one.lift_db for one in talkers)
    findings.add(case, "noise lifted in pauses", "dB", highest=round(lift_db, 1))
    movement_db = max(one.movement_db for one in talkers)
    findings.add(case, "gain moves after 3 s", "dB", highest=round(movement_db, 1))
    learned_s = max(one.learned_s for one in talkers)
    findings.add(case, "until within 3 dB", "s", longest=round(learned_s, 2))
    loss_db = max(one.onset_loss_db for one in talkers)
    findings.add(case, "lost of first sounds", "dB", highest=round(loss_db, 1))
    findings.add(case, "clipped", "samples", count=sum(one.clipped for one in talkers))
    worst_db = max(map(abs, off_db))
    findings.ratio(f"{case}: off the target / 3 dB", worst_db / TOLERANCE_DB, 1.0)
    findings.ratio(f"{case}: noise lifted / 6 dB", max(0.0, lift_db / MOST_LIFT_DB), 1.0)


def no_speech(settings: MixerCoreSettings, findings: Findings) -> None:
    """What must not be raised, and what cannot be told from speech."""
    findings.progress("fans, tones, music, coughs")
    room = spoken.noise(10, -72)
    coughs = room.copy()
    for second in range(1, 9):
        coughs = spoken.after(second, spoken.cough(-20, second), coughs)
    sounds = {
        "a fan that starts, -48 dBFS": spoken.after(2, spoken.noise(8, -48, 3), room),
        "a tone, -45 dBFS": spoken.after(1, spoken.tone(9, -45), room),
        "held chords, -45 dBFS": spoken.after(1, spoken.chords(9, -50), room),
        "a cough a second": coughs,
        "(single notes, -45 dBFS)": spoken.after(1, spoken.notes(9, -45), room),
    }
    for case, sound in sounds.items():
        gain_db = float(np.max(np.abs(listen(sound, settings).gain_db)))
        findings.add(case, "learned gain", "dB", highest=round(gain_db, 1))
        if not case.startswith("("):
            findings.ratio(f"{case}: gain / 1 dB", gain_db, 1.0)


def difficult(settings: MixerCoreSettings, findings: Findings) -> dict[str, Panel]:
    """Talkers who change, and what happens between their words."""
    findings.progress("a shout, a whisper, two at one microphone, a cough in a sentence")
    second_s = len(spoken.say(spoken.VOICES[0])) / SAMPLE_RATE_HZ + 1.5
    shout = spoken.after(BEGIN_S, spoken.speech(spoken.VOICES[0], -14))
    cases = {
        "a whisper (-42) after a shout (-14)": spoken.after(
            second_s, spoken.speech(spoken.WHISPER, -42), shout
        ),
        "a cough (-12) in speech at -40": spoken.after(
            8, spoken.cough(-12), spoken.after(BEGIN_S, spoken.speech(spoken.VOICES[0], -40))
        ),
        "two at one microphone (-28, -40)": in_turns(-28, -40),
    }
    panels: dict[str, Panel] = {}
    for case, sound in cases.items():
        one = Talker(sound, spoken.noise(len(sound) / SAMPLE_RATE_HZ, -72)[: len(sound)], settings)
        steps = np.abs(np.diff(one.heard.gain_db, prepend=0.0))
        findings.add(case, "clipped", "samples", count=one.clipped)
        findings.add(case, "fastest gain", "dB/s", most=round(steps.max() * FRAMES_PER_S, 1))
        findings.add(case, "last second", "dBFS", heard=round(last_dbfs(one.heard.sound), 1))
        panels[case] = one.panel()
    for case, is_quick in (("18 dB in 20 ms, of a hum", False), ("18 dB in 5 ms, of a hum", True)):
        splatter = round(splatter_db(is_quick), 1)
        findings.add(case, "above 2 kHz", "dB", splatter=splatter)
    return panels


def in_turns(first_dbfs: float, second_dbfs: float) -> Sound:
    """Two people say 2.7 s each, four times, 0.3 s apart."""
    voices = [spoken.speech("en-us", first_dbfs), spoken.speech("en-us+f3", second_dbfs)]
    sound = np.zeros(25 * SAMPLE_RATE_HZ)
    for turn in range(8):
        start, length = turn // 2 * 3 * SAMPLE_RATE_HZ, 27 * SAMPLE_RATE_HZ // 10
        said = voices[turn % 2][start : start + length]
        at = (1 + 3 * turn) * SAMPLE_RATE_HZ
        sound[at : at + len(said)] = said
    return sound


def last_dbfs(sound: Sound) -> float:
    """Loudness of the last two seconds of speech."""
    return spoken.active_dbfs(sound[-3 * SAMPLE_RATE_HZ : -SAMPLE_RATE_HZ])


def splatter_db(is_quick: bool) -> float:
    """A hum of 200 Hz through gains that change by 18 dB every 0.2 s: a click would be heard there.

    ``is_quick``: as the gate opens and the limiter begins; else as every other gain moves.
    """
    chain, tally, out = VoiceChain(), np.zeros(3, np.int64), []
    hum = spoken.tone(2, -20, 200)
    for number, frame in enumerate(to_pcm(hum)):
        chain.listen(frame, tally)
        chain.duck_db = -18.0 if number // 10 % 2 else 0.0
        chain.row[QUICK] = float(is_quick)
        out.append(chain.passed(frame))
    heard = np.frombuffer(b"".join(out), "<i2") * np.hanning(len(hum))
    spectrum = np.abs(np.fft.rfft(heard)) ** 2
    return float(10 * np.log10(spectrum[4_000:].sum() / spectrum.sum()))


def cost(rounds: int, findings: Findings) -> None:
    """Processor time of a slot of ``TALKERS`` people: without chains, with them, all they can."""
    findings.progress("the cost of a slot")
    sounds = [
        to_pcm(spoken.speech(spoken.VOICES[0], level)) for level in (-50, -45, -40, -30, -22, -12)
    ]
    subjects = {
        "no chains": MixerTable(OFF, TALKERS, has_chains=False),
        "nothing to do": MixerTable(OFF, TALKERS),
        "gain and gate": MixerTable(MixerCoreSettings(), TALKERS),
    }
    best = dict.fromkeys(subjects, float("inf"))
    slots = [[sound[i] for sound in sounds] for i in range(len(sounds[0]))]
    batch = 25
    for number in range(rounds * 6):
        for name, table in subjects.items():
            start = number * batch % (len(slots) - batch)
            began_ns = time.process_time_ns()
            for pcm in slots[start : start + batch]:
                table.slot(pcm)
            best[name] = min(best[name], (time.process_time_ns() - began_ns) / batch / 1_000)
    for name, us in best.items():
        findings.add(f"a slot of {TALKERS} talkers", name, "us", best=round(us, 1))
    for name in ("nothing to do", "gain and gate"):
        added_us = (best[name] - best["no chains"]) / TALKERS
        findings.add("a talker's frame, added", name, "us", best=round(added_us, 2))
        share = round(100 * added_us * FRAMES_PER_S / 1e6, 3)
        findings.add("a talker, added", name, "% of a core", mean=share)
    ratio = best["gain and gate"] / best["no chains"]
    findings.ratio(f"a slot of {TALKERS}: gain and gate / no chains", ratio)


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """To a tenth."""
    return {name: round(value, 1) for name, value in figures.items()}
