"""People in a room are not told where this machine keeps its files."""

from __future__ import annotations

import pytest

from mixer_core.runtime.foreign_text import without_paths
from openai_link.room.notices import Notices

ROOM = {"type": "participants", "participants": [{"participant": "p-1", "name": "Ada"}]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no such file: '/home/ada/tools/lights.py'", "no such file: 'lights.py'"),
        (
            "the journal /var/lib/mixminus/journal.sqlite3 fails",
            "the journal journal.sqlite3 fails",
        ),
        ("(/tmp/x/y.sock, /run/user/1000/z)", "(y.sock, z)"),
        ("/usr/bin/npx ended with 1", "npx ended with 1"),
        ("https://api.example/home/v1/models answered 404", None),
        ("POST /v1/realtime/calls and GET /rooms/home/transcript", None),
        ("1/2 of the data/media, and/or the rest", None),
        ("words", None),
    ],
)
def test_files_keep_their_names_only(text: str, told: str | None) -> None:
    assert without_paths(text) == (text if told is None else told)


def test_whatever_a_room_is_told_has_no_path() -> None:
    notices = Notices()
    notices.roster(ROOM, 0)
    notices.tick(10**10)
    (event,) = notices.report("tools_missing", "cannot start /opt/tools/server.py: no such file")
    assert event["message"] == "cannot start server.py: no such file"
