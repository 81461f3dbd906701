"""Two profiles side by side."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report.results import Measure, Report, write_json
from benchmarks.suites import profile_pair
from benchmarks.suites.profile import BUSY_ROLES


def a_report(total: float, **groups: float) -> Report:
    """A profile of one process."""
    measures = [Measure("mixer_core: thread", "all", "% of a core", {"mean": total})]
    for name, percent in groups.items():
        case = "mixer_core: time of all threads"
        measures.append(Measure(case, name, "% of a core", {"mean": percent}))
    machine = {"processor": "a processor", "cores": 2}
    return Report("profile", "2026-01-02T03:04:05+00:00", 1.0, machine, {}, measures)


def test_the_table_has_both_and_the_greatest_first() -> None:
    text = profile_pair.page(a_report(5.0, zmq=1.0, ours=4.0), a_report(2.5, ours=2.5))
    assert "a processor, 2 cores; 2026-01-02; load average before: ? and ?" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[2:]] == [
        "| **all threads**",
        "| ours",
        "| zmq",
        "| flame graph",
    ]
    assert rows[2].endswith("| 5.00 | 2.50 |") and rows[4].endswith("| 1.00 | – |")


def test_page_and_graphs_are_written(tmp_path: Path) -> None:
    for when in profile_pair.WHEN:
        write_json([a_report(1.0, ours=1.0)], tmp_path / when / "profile.json")
        for role in BUSY_ROLES:
            name = f"{role.replace(' ', '-')}.svg"
            (tmp_path / when / name).write_text(f"<svg><text>{role}: 1 %</text></svg>")
    folders = [str(tmp_path / name) for name in (*profile_pair.WHEN, "out")]
    assert profile_pair.main(folders) == 0
    assert len(list((tmp_path / "out").iterdir())) == 7
    assert "mixer_core, now: 1 %" in (tmp_path / "out" / "mixer_core-now.svg").read_text()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert profile_pair.main([]) == 2
    assert profile_pair.main([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "c")]) == 1
