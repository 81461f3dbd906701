"""Where peers are, and how to get them. No peer is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peers import install
from benchmarks.report.findings import Findings, Options
from benchmarks.suites import peers


@pytest.fixture
def no_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_peers_are_in_the_cache_directory(tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    assert install.folder("janus", env) == tmp_path / "mixminus" / "peers" / "janus"
    assert install.folder("janus", {}).is_relative_to(Path.home())


def test_without_peers_the_benchmark_says_how_to_get_them(no_peers: Path) -> None:
    findings = Findings(lambda words: None)
    peers.run(Options(smoke=True), findings)
    assert [note.split()[-1] for note in findings.notes] == ["janus", "pipecat", "fastrtc"]
    assert not findings.measures


def test_an_unknown_peer_is_refused(no_peers: Path) -> None:
    with pytest.raises(install.InstallError, match="janus, pipecat, fastrtc"):
        install.install("teapot")
    assert not any(no_peers.iterdir())
