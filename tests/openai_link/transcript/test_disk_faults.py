"""The journal's disk and file fail in every way: told, nothing announced is lost, calls go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sqlite_disk import library

from .disk_faults import FAULTS, Fault, life


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_the_room_is_told_and_goes_on(fault: Fault, short_dir: Path) -> None:
    if fault.needs_disk and library() is None:
        pytest.skip("this Python has a SQLite of its own, which takes no disk of ours")
    outcome = life(fault, short_dir)
    assert outcome.goes_on and outcome.is_in_order, outcome
    assert set(outcome.lost) <= fault.may_lose, outcome
    if fault.words:
        assert fault.words in " ".join(outcome.told), outcome.told
    assert all(str(short_dir) not in words for words in outcome.told), "no path is told"
    assert len(outcome.told) == len(set(outcome.told)), "each is told once"
