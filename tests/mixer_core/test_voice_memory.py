"""What one mixer leaves to the next: whole or not at all, and never a reason to stop."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.voice_file import NAME, VoiceFile
from mixer_core.voice_memory import NOTHING, Learned, Memory, pack, unpack

ANN, BEN = Learned(24.5, -46.5, 50.0, -70.25), Learned(-6.0, -16.0, 12.0, -80.0)
TWO = Memory({1: ANN, 0xFFFF_FFFF: BEN}, frozenset({3, 0xFFFF_FFFF}))


def test_what_is_packed_is_unpacked() -> None:
    assert unpack(pack(TWO)) == TWO
    assert unpack(pack(NOTHING)) == NOTHING


@given(st.binary(max_size=80))
def test_anything_else_is_nothing(data: bytes) -> None:
    assert unpack(data) == NOTHING


@given(st.integers(0, len(pack(TWO)) - 1), st.integers(1, 255))
def test_one_damaged_byte_is_enough_to_begin_anew(at: int, change: int) -> None:
    data = bytearray(pack(TWO))
    data[at] ^= change
    assert unpack(bytes(data)) == NOTHING
    assert unpack(pack(TWO)[:at]) == NOTHING


@pytest.mark.parametrize("gain_db", [math.nan, math.inf, -61.0, 61.0])
def test_a_value_that_no_mixer_writes_is_left_out(gain_db: float) -> None:
    assert unpack(pack(Memory({1: ANN, 2: Learned(gain_db, -46, 50, -70)}))) == Memory({1: ANN})


def test_the_next_mixer_reads_what_the_last_has_written(tmp_path: Path) -> None:
    voices = {1: ANN}
    file = VoiceFile(tmp_path, lambda: Memory(voices))
    assert file.read() == NOTHING and file.renew() == ""
    assert VoiceFile(tmp_path, Memory).read() == Memory(voices)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    voices[2] = BEN
    file.renew()
    assert file.read() == Memory({1: ANN, 2: BEN})


def test_nothing_is_written_while_nothing_changes(tmp_path: Path) -> None:
    file = VoiceFile(tmp_path, lambda: TWO)
    file.renew()
    (tmp_path / NAME).unlink()
    file.renew()
    assert not (tmp_path / NAME).exists()


def test_what_cannot_be_written_is_told_once_and_made_good(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    file = VoiceFile(gone, lambda: TWO)
    assert "cannot be written (No such file or directory)" in file.renew()
    assert file.renew() == ""
    gone.mkdir()
    assert file.renew() == "" and file.read() == TWO


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to(tmp_path / "precious")
    assert "cannot be written" in VoiceFile(tmp_path, lambda: TWO).renew()
    assert not (tmp_path / "precious").exists()
