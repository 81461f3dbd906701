"""Dashboard, alert rules and the table of metrics name what the page really prints."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mixer_core.journal.lateness import LATE_NS
from mixer_core.runtime.metrics import BOUNDS_MS
from mixer_core.runtime.units import MS_NS
from signaling.http import metric_help
from signaling.http.metrics_page import Figures, render
from signaling.registry.load_meter import SIGNALS
from signaling.registry.totals import Key, Value

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "observability"
RULES, DASHBOARD = FOLDER / "alerts.yml", FOLDER / "grafana-dashboard.json"
_NAME = re.compile(r"\b(?:mixminus|audio)_[a-z0-9_]+")


def whole_page() -> str:
    """The page of a gateway that reports everything that is known."""
    sums: dict[Key, Value] = {}
    gauges: dict[Key, int | float] = {("openai_link", "uplink_backlog_ms"): 1}
    for who, names in metric_help.HELP.items():
        for name in names:
            if name.endswith("_ms") and name not in metric_help.GAUGES_MS:
                sums[who, name] = [1] * (len(BOUNDS_MS) + 2)
            elif name.endswith("_total"):
                sums[who, name] = 1
            else:
                gauges[who, name] = 1
    sums |= dict.fromkeys(metric_help.DROPS, 1)
    rooms: dict[tuple[str, str], int | float] = {("home", n): 1 for n in metric_help.ROOM_HELP}
    return render(Figures(sums, gauges, {}, rooms, {"mixer_core": 1})).decode()


def printed() -> set[str]:
    lines = whole_page().splitlines()
    return {line.partition("{")[0] for line in lines if not line.startswith("#")}


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = re.findall(r"expr: (?:>-\n)?((?:.*\n)+?)\s+(?:for|labels):", RULES.read_text())
    assert len(rules) == RULES.read_text().count("- alert:") > 10 and len(found) > 20
    return [*found, *rules]


def test_every_metric_in_dashboard_and_rules_exists() -> None:
    named = {name for text in expressions() for name in _NAME.findall(text)}
    assert len(named) > 30
    assert named <= printed()


def test_the_documents_have_the_table_that_the_page_explains_itself_by() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text()
    assert "\n".join(metric_help.table()) in text


def test_every_metric_that_a_program_counts_is_explained() -> None:
    counted = {
        name
        for folder in ("signaling", "media_worker", "mixer_core", "openai_link")
        for file in (ROOT / folder).rglob("*.py")
        for name in re.findall(
            r"\.(?:count|gauge|histogram)\(\s*\"([a-z0-9_]+)\"", file.read_text()
        )
    }
    counted |= {f"load_{signal}_ratio" for signal in SIGNALS}
    known = {name for names in metric_help.HELP.values() for name in names}
    known |= {metric_help.BACKLOG, *(name for _, name in metric_help.DROPS)}
    assert len(counted) > 30 and counted - known == set()


def test_the_alert_for_journals_that_are_behind_is_what_people_are_told() -> None:
    assert f"expr: mixminus_journal_lag_ms > {LATE_NS // MS_NS}\n" in RULES.read_text()


def test_panels_neither_overlap_nor_share_a_number() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (place["x"] + x, place["y"] + y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["w"])
        for y in range(place["h"])
    ]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24


def test_what_ends_in_total_never_falls_and_histograms_add_up() -> None:
    page = whole_page()
    assert page.count("# TYPE mixminus_audio_dropped_total counter") == 1
    assert 'mixminus_turn_reply_ms_bucket{le="+Inf",program="openai_link"}' in page
    assert "mixminus_turn_reply_ms_sum" in page and "mixminus_turn_reply_ms_count" in page
    assert "Reported by the programs." not in page


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("what", ["rules", "metrics"])
def test_promtool_finds_no_fault(what: str, tmp_path: Path) -> None:
    command = ["promtool", "check", what, *([str(RULES)] if what == "rules" else [])]
    given = whole_page() if what == "metrics" else ""
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)
    said = [line for line in (done.stdout + done.stderr).splitlines() if not is_taste(line)]
    assert done.returncode == 0 if what == "rules" else not said, said


def is_taste(line: str) -> bool:
    """Units of milliseconds and microseconds, which this gateway uses everywhere."""
    return "abbreviated units" in line
