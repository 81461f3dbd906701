"""Two checkouts in turns. The checkouts are small programs that write a results file."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.report.comparison import figures
from benchmarks.report.errors import BenchmarkError
from benchmarks.rig.checkouts import Checkouts

pytestmark = pytest.mark.processes

PROGRAM = """
import json, pathlib, sys
name, *_, file = sys.argv[1:]
log = pathlib.Path("{log}")
with log.open("a") as lines:
    lines.write("{side} " + " ".join(sys.argv[1:-1]) + "\\n")
if "{side}" in "{fails}" and log.read_text().count("{side}") == 1:
    sys.exit("no port was free")
measure = dict(case="c", subject="s", unit="ms", values=dict(p50={value}))
report = dict(benchmark=name, started="", seconds=1, machine={{}}, options={{}}, measures=[measure])
pathlib.Path(file).write_text(json.dumps(dict(format=1, reports=[report])))
"""


def checkouts(folder: Path, fails: str = "") -> Checkouts:
    for side, value in (("before", 1.0), ("now", 2.0)):
        package = folder / side / "benchmarks"
        package.mkdir(parents=True)
        program = PROGRAM.format(log=folder / "log", side=side, value=value, fails=fails)
        (package / "__main__.py").write_text(program, encoding="utf-8")
        (package / "__init__.py").touch()
    return Checkouts(folder / "before", ["--quick"], folder / "now")


def test_they_take_turns_and_change_the_order_each_round(tmp_path: Path) -> None:
    runs = list(checkouts(tmp_path).interleave(["call", "link"], 2, lambda words: None))
    order = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert [line[0] for line in order] == ["before", "now"] * 2 + ["now", "before"] * 2
    assert [line[1] for line in order] == ["call", "call", "link", "link"] * 2
    assert all(line[2:] == ["--quick", "--json"] for line in order)
    found = {figure.benchmark: figure.values for figure in figures(runs)}
    assert found["call"] == {"before": [1.0, 1.0], "now": [2.0, 2.0]}


def test_both_run_at_once_in_pairs(tmp_path: Path) -> None:
    made = checkouts(tmp_path)
    meeting = f"""
import pathlib, time
own, other = (pathlib.Path("{tmp_path}", name) for name in {{names}})
own.touch()
while not other.exists():
    time.sleep(0.01)
"""
    for side, other in (("before", "now"), ("now", "before")):
        program = tmp_path / side / "benchmarks" / "__main__.py"
        program.write_text(
            meeting.format(names=(side + "-is", other + "-is")) + program.read_text()
        )
    runs = list(made.at_once(["call"], 2, lambda words: None))
    assert [side for side, _ in runs] == ["before", "now"] * 2
    (figure,) = figures(runs, is_paired=True)
    assert figure.ratios == [2.0, 2.0]


def test_a_pair_of_which_one_fails_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="no port was free"):
        list(checkouts(tmp_path, fails="now").at_once(["call"], 1, lambda words: None))


def test_a_run_that_fails_is_repeated_once(tmp_path: Path) -> None:
    said: list[str] = []
    runs = list(checkouts(tmp_path, fails="now").interleave(["call"], 1, said.append))
    assert [side for side, _ in runs] == ["before", "now"]
    assert [words for words in said if "no port was free" in words]


def test_what_is_not_a_checkout_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="nowhere is not a checkout"):
        Checkouts(tmp_path / "nowhere", [])
