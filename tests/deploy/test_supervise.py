"""What supervisord does with the outputs that it was started with, and with ends of programs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from supervisor.states import ProcessStates, SupervisorStates

from deploy.deaths import MOST_IN_A_ROW
from deploy.plan import FILE_VARIABLE
from deploy.reloading import MIXERS
from deploy.supervise import append_to

from .supervised import Supervised

PROGRAMS = (*MIXERS, "simulator", "openai_link", "media_worker", "signaling")


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


@contextmanager
def standard_output(descriptor: int) -> Iterator[None]:
    kept = os.dup(1)
    os.dup2(descriptor, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_that_is_closed_stops_and_elsewhere_the_same_signal_reads_settings(
    tmp_path: Path, is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FILE_VARIABLE, raising=False)
    ends = os.openpty() if is_terminal else os.pipe()
    with standard_output(ends[1]):
        world = Supervised(tmp_path, *PROGRAMS)
        os.close(ends[0])
        world.supervisor.options.get_signal = lambda: signal.SIGHUP
        world.supervisor.handle_signal()
    os.close(ends[1])
    stops = world.supervisor.options.mood == SupervisorStates.SHUTDOWN
    assert stops is is_terminal
    assert (world.supervisor.reloading.result_of(1) is not None) is not is_terminal


def test_who_was_told_to_follow_itself_is_started_again_at_once(tmp_path: Path) -> None:
    world = Supervised(tmp_path, "openai_link")
    for _ in range(MOST_IN_A_ROW + 1):
        world.supervisor.expected.add("openai_link")
        world.ends("openai_link", 0)
        assert world.programs["openai_link"].state == ProcessStates.BACKOFF
    assert world.supervisor.expected == set()


def test_a_stop_makes_an_expected_end_of_it_and_later_ends_count(tmp_path: Path) -> None:
    world = Supervised(tmp_path, "simulator")
    world.supervisor.expected.add("simulator")
    world.ends("simulator", 0, ProcessStates.STOPPED)
    for _ in range(MOST_IN_A_ROW):
        world.ends("simulator", 1)
    assert world.programs["simulator"].state == ProcessStates.FATAL
