"""What is behind in its journal is a warning, and stands in the metrics."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixer_core.journal.lateness import LATE_NS
from mixer_core.runtime.units import MS_NS
from signaling.http import journal_lag
from tests.signaling.edge import HttpAnswer, asynchronous, running

LATE_MS = LATE_NS // MS_NS


def test_what_is_written_in_time_is_no_warning() -> None:
    assert journal_lag.warnings(0, 0) == journal_lag.warnings(LATE_MS, 9) == []
    (words,) = journal_lag.warnings(LATE_MS + 1_000, 9)
    assert "behind by 7 s: 9 records wait" in words


@pytest.mark.sockets
@asynchronous
async def test_ready_says_how_far_the_worst_room_is_behind(short_dir: Path) -> None:
    async with running(short_dir) as edge:
        links = [edge.add("link") for _ in range(2)]
        for link, records in zip(links, (4, 30), strict=True):
            lag = {"journal_lag_ms": records * 1_000, "journal_waiting_records": records}
            link.set(metrics={**lag, "journal_lost_records_total": 2})

        def warnings(answer: HttpAnswer) -> list[str]:
            return list(answer.json().get("warnings", ()))

        told = await edge.until_get("/readyz", lambda a: any("behind" in w for w in warnings(a)))
        assert "the journal of a room is behind by 30 s: 30 records wait" in warnings(told)[0]
        lost = 'mixminus_journal_lost_records_total{program="openai_link"} 4.0'  # Of both.
        page = (await edge.until_get("/metrics", lambda a: lost in a.text)).text
        for name, value in (("lag_ms", 30_000), ("waiting_records", 30)):
            assert f'mixminus_journal_{name}{{program="openai_link"}} {value}.0' in page
        links[1].set(metrics={})
        await edge.until_get("/readyz", lambda a: not warnings(a))
