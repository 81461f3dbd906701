"""Two profiles side by side: ``python -m benchmarks.profile_pair FIRST NOW DIRECTORY``.

``FIRST`` and ``NOW`` are directories in which ``profile --json DIR/profile.json --plots DIR`` left
what it found; ``DIRECTORY`` gets a page with one table, and the flame graphs of both.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..report.results import Report, read_json
from .profile import BUSY_ROLES, GROUP_CASE, THREAD_CASE

WHEN = ("first", "now")
TITLE = "# One session, first version and now"
WORDS = """\
One browser and the Realtime server talk all the time. Totals are counted by the kernel before
py-spy looks; its samples divide them. A group has the samples whose innermost known frame is in it;
`kernel: wake-ups` are polling and the signals between threads. A graph has some hundred samples, so
that small shares are rough. In the graphs green is ours, red aiortc, violet OpenSSL, blue ZeroMQ; a
box shows its whole name under the pointer."""


def page(first: Report, now: Report) -> str:
    """The page: processor time of each process by group, and links to the graphs."""
    columns = [(role, report) for role in BUSY_ROLES for report in (first, now)]
    totals = [_cells(report, THREAD_CASE.format(role)) for role, report in columns]
    groups = [_cells(report, GROUP_CASE.format(role)) for role, report in columns]
    names = {name for cells in groups for name in cells}
    order = sorted(names, key=lambda name: -sum(cells.get(name, 0.0) for cells in groups))
    rows = [
        ["% of a core", *(f"{role}, {when}" for role in BUSY_ROLES for when in WHEN)],
        ["---"] * (1 + len(columns)),
        ["**all threads**", *(_shown(cells, "all") for cells in totals)],
        *([name, *(_shown(cells, name) for cells in groups)] for name in order),
        ["flame graph", *(f"[svg]({graph(role, w)})" for role in BUSY_ROLES for w in WHEN)],
    ]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    machine = now.machine
    where = f"{machine.get('processor')}, {machine.get('cores')} cores"
    days = " and ".join(dict.fromkeys((first.started[:10], now.started[:10])))
    loads = " and ".join(str(report.machine.get("load_before", "?")) for report in (first, now))
    where = (
        f"{where}; {days}; load average before: {loads} (others' work makes all figures larger)."
    )
    return f"{TITLE}\n\n{WORDS}\n\n{where}\n\n{table}\n"


def graph(role: str, when: str) -> str:
    """File name of a flame graph."""
    return f"{role.replace(' ', '-')}-{when}.svg"


def _cells(report: Report, case: str) -> dict[str, float]:
    return {m.subject: m.values["mean"] for m in report.measures if m.case == case}


def _shown(cells: Mapping[str, float], name: str) -> str:
    return f"{cells[name]:.2f}" if name in cells else "–"


def main(arguments: Sequence[str]) -> int:
    """Write page and graphs; the exit code."""
    if len(arguments) != 3:
        print("usage: python -m benchmarks.profile_pair FIRST NOW DIRECTORY", file=sys.stderr)
        return 2
    folder = Path(arguments[2])
    sources = dict(zip(WHEN, map(Path, arguments), strict=False))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reports = [read_json(source / "profile.json")[0] for source in sources.values()]
        (folder / "README.md").write_text(page(*reports), encoding="utf-8")
        for when, source in sources.items():
            for role in BUSY_ROLES:
                svg = (source / f"{role.replace(' ', '-')}.svg").read_text(encoding="utf-8")
                title = svg.replace(f">{role}: ", f">{role}, {when}: ", 1)
                (folder / graph(role, when)).write_text(title, encoding="utf-8")
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
