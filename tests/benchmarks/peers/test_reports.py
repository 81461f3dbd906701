"""What is reported of the conference and the echo: measures, ratios and their targets."""

from __future__ import annotations

from benchmarks.peers import conference, echo
from benchmarks.peers.people import Marks
from benchmarks.report.findings import Findings


def test_the_conference_report_has_its_ratios() -> None:
    findings = Findings(lambda words: None)
    marks = {"mixminus": Marks([10.0, 12.0]), "janus, default": Marks([100.0], lost=2)}
    conference.report(marks, {"mixminus": [3.0], "janus, default": [2.0]}, [4.0], findings)
    assert [round(ratio.value, 2) for ratio in findings.ratios] == [0.12, 1.5]
    lost = {m.subject: m.values["mean"] for m in findings.measures if "not heard" in m.case}
    assert lost == {"mixminus": 0.0, "janus, default": 66.67}


def test_the_echo_report_has_targets_for_pipecat_only() -> None:
    findings = Findings(lambda words: None)
    seen = {
        "mixminus": (Marks([5.0]), 50.0),
        "pipecat": (Marks([500.0]), 100.0),
        "fastrtc": (Marks([200.0]), 80.0),
        "silent": (Marks([], 4), 1.0),
    }
    echo.report("echo", 10, seen, findings)
    assert [ratio.target for ratio in findings.ratios] == [0.3, 0.6, None, None]
