"""During a call over HTTPS: another address, a new certificate, files read again. Nothing ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.networks import LONGEST_S, in_a_network

pytestmark = [pytest.mark.processes, pytest.mark.timeout(LONGEST_S)]
CALL = "tests.processes.lan_call"


def test_another_address_renews_the_certificate_and_ends_nothing(short_dir: Path) -> None:
    found = in_a_network(CALL, "auto", str(short_dir))
    assert found["new"] and found["left"] == 0


def test_files_are_read_again_and_a_bad_one_is_a_warning(short_dir: Path) -> None:
    found = in_a_network(CALL, "files", str(short_dir))
    assert "no PEM key" in found["warning"] and found["old_kept"]
    assert found["left"] == 0


def test_the_name_is_announced_for_the_addresses_of_the_moment() -> None:
    found = in_a_network("tests.processes.lan_name")
    assert found["10.7.0.1"] == ["10.7.0.1"] and found["10.7.0.2"] == ["10.7.0.2"]
    assert found["warning"] == "" and found["closed"] == []
    assert "cannot be announced" in found["not ours"]
