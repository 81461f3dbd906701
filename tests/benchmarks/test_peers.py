"""Peers: where they are, and the joining of marks. No peer is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cli import Findings, Options
from benchmarks.peers import __main__ as command
from benchmarks.peers import echo, install, run
from benchmarks.peers.conference import report
from benchmarks.peers.people import Marks, join_marks
from benchmarks.rig import signals

SECOND_NS = 1_000_000_000


@pytest.fixture
def no_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_peers_are_in_the_cache_directory(tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    assert install.folder("janus", env) == tmp_path / "mixminus" / "peers" / "janus"
    assert install.folder("janus", {}).is_relative_to(Path.home())


def test_without_peers_the_benchmark_says_how_to_get_them(no_peers: Path) -> None:
    findings = Findings([], [], [], lambda words: None)
    run(Options(smoke=True), findings)
    assert [note.split()[-1] for note in findings.notes] == ["janus", "pipecat", "fastrtc"]
    assert not findings.measures


def test_an_unknown_peer_is_refused(no_peers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--install", "teapot"]) == 1
    assert "janus, pipecat, fastrtc" in capsys.readouterr().err
    assert command.main(["--instal"]) == 2
    assert command.main([]) == 0
    assert not any(no_peers.iterdir())


def look(sent: list[tuple[int, int]], heard: list[tuple[int, int]]) -> dict[str, object]:
    return {"sent_marks": sent, "heard_marks": heard}


def at(number: int, later_ms: float) -> int:
    return number * signals.MARK_NS + int(later_ms * 1e6)


def test_marks_are_heard_by_others_once_each() -> None:
    talker = look([(80, at(80, 1))], [])
    listener = look([], [(0, at(80, 21)), (0, at(80, 41))])
    found = join_marks([talker, listener, look([], [])], at(80, 0) + 2 * SECOND_NS)
    assert found.latencies_ms == [20.0]
    assert found.lost == 1  # the third person did not hear it


def test_a_mark_just_before_the_end_is_not_lost() -> None:
    found = join_marks([look([(80, at(80, 1))], []), look([], [])], at(80, 500))
    assert found == Marks([], 0)


def test_an_echo_is_heard_by_its_own_talker() -> None:
    one = look([(80, at(80, 0)), (81, at(81, 0))], [(0, at(81, 30)), (1, at(81, 280))])
    found = join_marks([one, look([], [])], at(99, 0), own=True)
    assert found.latencies_ms == [280.0, 280.0]


def test_the_conference_report_has_its_ratios() -> None:
    findings = Findings([], [], [], lambda words: None)
    marks = {"mixminus": Marks([10.0, 12.0]), "janus, default": Marks([100.0], lost=2)}
    report(marks, {"mixminus": [3.0], "janus, default": [2.0]}, [4.0], findings)
    assert [round(ratio.value, 2) for ratio in findings.ratios] == [0.12, 1.5]
    lost = {m.subject: m.values["mean"] for m in findings.measures if "not heard" in m.case}
    assert lost == {"mixminus": 0.0, "janus, default": 66.67}


def test_the_echo_report_has_targets_for_pipecat_only() -> None:
    findings = Findings([], [], [], lambda words: None)
    seen = {
        "mixminus": (Marks([5.0]), 50.0),
        "pipecat": (Marks([500.0]), 100.0),
        "fastrtc": (Marks([200.0]), 80.0),
        "silent": (Marks([], 4), 1.0),
    }
    echo.report("echo", 10, seen, findings)
    assert [ratio.target for ratio in findings.ratios] == [0.3, 0.6, None, None]
