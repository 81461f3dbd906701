"""Voices in FLAC files that are read back: alignment, lateness, bursts, power loss, disks."""

from __future__ import annotations

import contextlib
import resource
import time
from pathlib import Path

import av
import numpy as np
import pytest

from mixer_core.bus.pcm import FRAME_NS, FRAME_SAMPLES
from mixer_core.journal import left_recordings, recordings
from mixer_core.journal.flac_frames import HEAD_BYTES, TAIL_BYTES, last_frame
from mixer_core.journal.recordings import Contents
from mixer_core.runtime import logs
from mixer_core.runtime.units import S_NS
from openai_link.recording import writer as writing
from openai_link.recording.flac import FlacFile
from openai_link.recording.tone import Tone, tone
from openai_link.recording.tracks import MOST_LEAD, Pcm, Tracks
from openai_link.recording.writer import RecordingWriter
from tests.support.waiting import PATIENCE_S

LOG = logs.get("openai_link", room="home")
BEGAN_MS = 1_790_000_000_000


def read(path: Path) -> Pcm:
    """All that can be decoded."""
    found = [np.empty(0, np.int16)]
    # The last frame may be cut.
    with av.open(str(path)) as container, contextlib.suppress(av.error.InvalidDataError):
        for frame in container.decode(audio=0):
            found.append(frame.to_ndarray()[0])
    return np.concatenate(found)


def voice(seed: int, frames: int) -> list[bytes]:
    samples = np.random.default_rng(seed).integers(-8_000, 8_000, frames * FRAME_SAMPLES)
    data = samples.astype("<i2").tobytes()
    return [data[at : at + 960] for at in range(0, len(data), 960)]


def pcm_of(frames: list[bytes]) -> Pcm:
    return np.frombuffer(b"".join(frames), "<i2")


# -- the clock --------------------------------------------------------------------------------


def test_voices_of_one_slot_are_aligned_whatever_the_network_does() -> None:
    tracks, ours, theirs = Tracks(0), voice(1, 50), voice(2, 50)
    for seq in range(50):
        jitter_ns = (seq * 7 % 5) * 8_000_000
        stamp_ns = S_NS + seq * FRAME_NS + jitter_ns
        tracks.put("a", False, seq, stamp_ns, ours[seq])
        tracks.put("b", False, seq, stamp_ns, theirs[seq])
    blocks, mix = tracks.take(48_000)
    at = 24_000
    assert (blocks["a"][at : at + 24_000] == pcm_of(ours)).all() and not blocks["a"][:at].any()
    assert (blocks["b"][at : at + 24_000] == pcm_of(theirs)).all()
    assert (mix == blocks["a"] + blocks["b"]).all()


def test_a_new_spurt_is_placed_by_its_time_and_a_burst_keeps_its_length() -> None:
    tracks, frames = Tracks(0), voice(3, 20)
    for seq in range(10):  # Half a second late, all at once.
        tracks.put("a", False, seq, 500_000_000, frames[seq])
    for seq in range(10, 20):
        tracks.put("a", False, seq, 3 * S_NS + seq * FRAME_NS, frames[seq])
    block = tracks.take(96_000)[0]["a"]
    assert (block[12_000:16_800] == pcm_of(frames[:10])).all()
    at = 72_000 + 10 * FRAME_SAMPLES
    assert (block[at : at + 4_800] == pcm_of(frames[10:])).all() and not block[16_800:at].any()


def test_a_source_that_runs_fast_is_held_to_the_clock() -> None:
    tracks = Tracks(0)
    for seq in range(3_000):  # Twice as fast as it should be, for half a minute.
        tracks.put("a", False, seq, seq * FRAME_NS // 2, bytes(960))
    last = max(position for position, _ in tracks.tracks["a"].frames)
    assert last <= 30 * 24_000 + MOST_LEAD + FRAME_SAMPLES and tracks.late > 1_000


def test_both_sides_of_a_conference_share_slots_and_a_call_has_two_clocks() -> None:
    for shared in (True, False):
        tracks = Tracks(0)
        for seq in range(5):
            stamp_ns = S_NS + seq * FRAME_NS
            tracks.put("a", False, 2 * seq, stamp_ns, b"\1\0" * 480)
            later_ns = stamp_ns if shared else stamp_ns + 7_000_000
            tracks.put("", True, 2 * seq + (not shared), later_ns, b"\2\0" * 480)
        blocks, mix = tracks.take(48_000)
        assert np.flatnonzero(blocks["a"])[0] == 24_000
        assert np.flatnonzero(blocks[""])[0] == 24_000 + (0 if shared else 168)
        assert mix.max() == 3


def test_what_comes_after_its_time_is_counted_and_nothing_wraps_around() -> None:
    tracks = Tracks(0)
    tracks.take(48_000)
    tracks.put("a", False, 1, S_NS, bytes(960))
    assert tracks.late == 1
    for name in "abc":
        tracks.put(name, False, 2, 2 * S_NS, b"\xff\x7f" * 480)
    assert tracks.take(72_000)[1].max() == 32_767
    assert tracks.tracks["b"].start == 48_000


def test_a_voice_that_comes_too_late_at_first_has_its_track_from_then_on() -> None:
    tracks = Tracks(0)
    tracks.take(48_000)
    tracks.put("a", False, 1, S_NS, bytes(960))
    assert tracks.tracks["a"].start == 48_000
    assert len(tracks.take(72_000)[0]["a"]) == 24_000


# -- the files --------------------------------------------------------------------------------


def test_a_file_is_read_back_to_the_bit_and_knows_its_length(tmp_path: Path) -> None:
    samples = pcm_of(voice(4, 60))[:28_000]
    file = FlacFile(tmp_path / "x.flac")
    for at in range(0, len(samples), 1_777):
        file.write(samples[at : at + 1_777])
    file.close()
    assert (read(tmp_path / "x.flac") == samples).all()
    with av.open(str(tmp_path / "x.flac")) as container:
        assert abs(container.duration / 1e6 - 28_000 / 24_000) < 0.001
    assert (tmp_path / "x.flac").stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        FlacFile(tmp_path / "x.flac")


@pytest.mark.parametrize("share", [0.3, 0.7, 0.999])
def test_whatever_is_left_of_a_file_is_read_up_to_a_tenth_of_a_second(
    tmp_path: Path, share: float
) -> None:
    samples = pcm_of(voice(5, 100))
    file = FlacFile(tmp_path / "x.flac")
    file.write(samples)
    file.sync()
    data = (tmp_path / "x.flac").read_bytes()
    cut = tmp_path / "cut.flac"
    cut.write_bytes(data[: int(len(data) * share)])
    found = read(cut)
    assert (found == samples[: len(found)]).all()
    assert len(found) >= share * len(samples) - 3 * 2_304
    file.close()


# -- a whole recording ------------------------------------------------------------------------


def record(folder: Path, began_ns: int, free_mib: int = 1) -> tuple[RecordingWriter, list[str]]:
    failures: list[str] = []
    contents = Contents("home", BEGAN_MS, "Anna")
    made = RecordingWriter(folder, contents, began_ns, free_mib, LOG, failures.append)
    return made, failures


def test_who_is_heard_when_it_has_all_its_voices_is_named_and_told_once(tmp_path: Path) -> None:
    began_ns, told = time.monotonic_ns() - 10 * S_NS, list[str]()
    contents = Contents("home", BEGAN_MS, "Anna")
    made = RecordingWriter(tmp_path, contents, began_ns, 1, LOG, told.append, told.append)
    people = [f"p-{number}" for number in range(writing.MAX_TRACKS + 2)]
    for seq in range(3):
        for who in people:
            made.put(who, f"name of {who}", seq, began_ns + S_NS + seq * FRAME_NS, b"\1\0" * 480)
    made.end("it is over", began_ns + 3 * S_NS)
    made.join(PATIENCE_S)
    names = [f"name of {who}" for who in people[writing.MAX_TRACKS :]]
    assert told == names
    (one,) = recordings.listed(tmp_path, "home")
    assert list(one.contents.left_out) == names
    assert len(one.contents.tracks) == writing.MAX_TRACKS
    assert one.contents.reason == "it is over"


def test_each_voice_and_all_together(tmp_path: Path) -> None:
    """Three voices, one of which comes later, by the clock that the journal has."""
    began_ns = time.monotonic_ns() - 10 * S_NS
    made, failures = record(tmp_path, began_ns)
    sounds = {"p-1": voice(6, 100), "p-2": voice(7, 50), "": voice(8, 30)}
    starts = {"p-1": 1.0, "p-2": 2.0, "": 4.0}
    heard = [
        (round(50 * starts[participant]) + number, participant, pcm)
        for participant, frames in sounds.items()
        for number, pcm in enumerate(frames)
    ]
    for slot, participant, pcm in sorted(heard):
        name = participant or "Assistant"
        made.put(participant, name, slot, began_ns + slot * FRAME_NS, pcm)
    made.end("Ben has ended the recording", began_ns + 6 * S_NS)
    made.join(PATIENCE_S)
    (found,) = recordings.listed(tmp_path, "home")
    assert found.contents.ended_ms == BEGAN_MS + 6_000 and found.contents.by == "Anna"
    assert found.contents.reason == "Ben has ended the recording" and not failures and not made.lost
    tracks = {track.participant: track for track in found.contents.tracks}
    assert [t.file for t in tracks.values()] == [
        "01-person.flac", "02-person.flac", "03-assistant.flac",
    ]  # fmt: skip
    total = np.zeros(6 * 24_000, np.int32)
    for participant, frames in sounds.items():
        samples, wanted = read(made.folder / tracks[participant].file), pcm_of(frames)
        at = int((starts[participant] - tracks[participant].start_ms / 1_000) * 24_000)
        assert (samples[at : at + len(wanted)] == wanted).all(), participant
        assert np.count_nonzero(samples) == np.count_nonzero(wanted)
        offset = int(tracks[participant].start_ms * 24)
        total[offset : offset + len(samples)] += samples
    assert (read(made.folder / recordings.MIX) == np.clip(total, -32_768, 32_767)).all()
    assert made.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.sockets
def test_it_grows_while_it_runs_and_is_readable_without_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a power loss: what the thread has written by its first round."""
    monkeypatch.setattr(writing, "ROUND_S", 0.01)
    monkeypatch.setattr(writing, "LATE_NS", 3_600 * S_NS)
    began_ns = time.monotonic_ns() - 5 * S_NS
    made, _ = record(tmp_path, began_ns)
    frames = voice(9, 150)
    for number, pcm in enumerate(frames):
        made.put("p-1", "Anna", number, began_ns + number * FRAME_NS, pcm)
    monkeypatch.setattr(writing, "LATE_NS", S_NS)
    end_s = time.monotonic() + 60
    while made._tracks.taken < 60_000 or len(read(made.folder / "01-person.flac")) < 60_000:
        assert time.monotonic() < end_s
        time.sleep(0.02)
    assert (read(made.folder / "01-person.flac")[:60_000] == pcm_of(frames)[:60_000]).all()
    assert recordings.read(made.folder).ended_ms is None
    assert left_recordings.close_left(tmp_path, "home") == []  # It goes on.
    made.end("", time.monotonic_ns())
    made.join(PATIENCE_S)


def test_too_little_room_is_told_and_nothing_begins(tmp_path: Path) -> None:
    made, failures = record(tmp_path, time.monotonic_ns(), free_mib=1 << 40)
    made.put("p-1", "Anna", 0, time.monotonic_ns(), b"\1\0" * 480)
    made.join(PATIENCE_S)
    assert not made.is_alive
    assert len(failures) == 1 and "have to stay free" in failures[0]
    made.end("it cannot be written", time.monotonic_ns())
    assert recordings.listed(tmp_path, "home") == [] and len(failures) == 1


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """In the thread: whoever begins a recording does not wait for the disk."""
    (tmp_path / "file").write_text("")
    made, failures = record(tmp_path / "file", time.monotonic_ns())
    made.join(PATIENCE_S)
    assert failures == ["it cannot be written: Not a directory"]


def test_a_file_that_cannot_be_begun_is_not_left_open(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, hard))
    before = len(list(Path("/proc/self/fd").iterdir()))
    try:
        with pytest.raises(OSError, match="too large"):
            FlacFile(tmp_path / "x.flac")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_a_disk_did_not_take_is_followed_by_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file may grow beyond a size that one of three reaches: what came then would not fit."""
    monkeypatch.setattr(writing, "ROUND_S", 0.01)
    monkeypatch.setattr(writing, "LATE_NS", 3_600 * S_NS)
    began_ns = time.monotonic_ns() - 5 * S_NS
    noise = voice(11, 150)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_001, hard))
    try:
        made, failures = record(tmp_path, began_ns)
        for number, pcm in enumerate(noise):
            made.put("p-1", "Anna", number, began_ns + number * FRAME_NS, bytes(960))
            made.put("p-2", "Ben", number, began_ns + number * FRAME_NS, pcm)
        monkeypatch.setattr(writing, "LATE_NS", S_NS)
        made.join(PATIENCE_S)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert failures == ["it cannot be written: File too large"]
    file = made.folder / "02-person.flac"
    head, data = file.read_bytes()[:HEAD_BYTES], file.read_bytes()[HEAD_BYTES:][-TAIL_BYTES:]
    whole, samples = last_frame(head, data)
    assert whole == len(data) and (read(file) == pcm_of(noise)[:samples]).all()
    with av.open(str(file)) as container:
        assert abs(container.duration / 1e6 - samples / 24_000) < 0.001
    assert (made.folder / recordings.MIX).stat().st_size == HEAD_BYTES


@pytest.mark.sockets
def test_a_disk_that_fills_up_ends_it_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "ROUND_S", 0.01)
    made, failures = record(tmp_path, time.monotonic_ns())
    end_s = time.monotonic() + PATIENCE_S
    while not made._tracks.taken:  # It has begun.
        assert time.monotonic() < end_s
        time.sleep(0.01)
    made._free_mib = 1 << 40
    made.join(PATIENCE_S)
    assert len(failures) == 1 and "have to stay free" in failures[0]
    assert recordings.read(made.folder).reason == "it could not be written"


# -- the tone ---------------------------------------------------------------------------------


def test_the_tone_is_added_to_a_voice_and_goes_on_by_itself() -> None:
    sound, heard = Tone(), []
    frames = tone(True)
    assert len(frames) == 20 and max(map(abs, pcm_of(frames).tolist())) <= 3_000
    sound.begin(True, 0)
    for number in range(5):
        mixed = sound.mixed(b"\1\0" * 480, number * FRAME_NS)
        heard.append((pcm_of([mixed]) - 1).astype("<i2").tobytes())
        assert sound.due(number * FRAME_NS) is None
    now_ns, flags = 4 * FRAME_NS, []
    while (due_ns := sound.next_timeout_ns()) is not None:
        assert due_ns > now_ns
        now_ns = due_ns
        due = sound.due(now_ns)
        assert due is not None
        heard.append(due[0])
        flags.append(due[1])
    assert heard == frames and flags == [0] * 14 + [1]
    assert sound.mixed(b"\1\0" * 480, now_ns) == b"\1\0" * 480
    assert tone(False) != frames


@pytest.mark.parametrize("voice", [b"\xff\x7f", b"\x00\x80"])
def test_the_tone_over_the_loudest_voice_is_clipped(voice: bytes) -> None:
    sound, loudest = Tone(), pcm_of([voice]).tolist()[0]
    sound.begin(True, 0)
    mixed = [pcm_of([sound.mixed(voice * 480, number * FRAME_NS)]) for number in range(10)]
    assert all(abs(int(frame.max()) - loudest) <= 3_000 for frame in mixed)
    assert all(abs(int(frame.min()) - loudest) <= 3_000 for frame in mixed)
