"""What supervisord does with the outputs that it was started with."""

from __future__ import annotations

import os
from pathlib import Path

from deploy.supervise import append_to


def test_lines_of_the_programs_in_the_same_file_stay(tmp_path: Path) -> None:
    """``mixminus run > log``: the programs write through a description of their own."""
    log = tmp_path / "log"
    with log.open("wb", buffering=0) as ours, log.open("ab", buffering=0) as theirs:
        append_to(ours.fileno())
        ours.write(b"starting\n")
        theirs.write(b"ready\n")
        ours.write(b"stopped\n")
    assert log.read_bytes() == b"starting\nready\nstopped\n"


def test_a_pipe_and_a_closed_output_are_left_alone() -> None:
    reader, writer = os.pipe()
    append_to(writer)
    os.write(writer, b"line")
    assert os.read(reader, 10) == b"line"
    os.close(reader)
    os.close(writer)
    append_to(writer)
