"""The helpers that other tests lean on: waiting tells what was there, memory is left by nobody."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
import zmq

from tests.support import audio, in_memory
from tests.support.in_memory import LeftMemory
from tests.support.waiting import until, wait_until


def test_what_is_waited_for_is_returned() -> None:
    found: list[int] = []
    assert wait_until(lambda: found, turn=lambda: found.append(7)) == [7]

    async def later() -> int:
        return len(found)

    assert asyncio.run(until(later)) == 1


def test_a_hopeless_wait_tells_the_state_and_what_was_hoped_for() -> None:
    with pytest.raises(AssertionError, match=r"no caption: .* it is 0\n\['state', 'pong'\]"):
        wait_until(lambda: 0, "no caption", lambda: ["state", "pong"], timeout_s=0)
    with pytest.raises(AssertionError, match=r"lambda: len\(\[\]\) > 3"):
        asyncio.run(until(lambda: len([]) > 3, timeout_s=0))


@pytest.mark.parametrize(
    "leave",
    [
        lambda: subprocess.Popen([sys.executable, "-c", ""]),
        lambda: socket.create_server(("127.0.0.1", 0)),
        lambda: socket.create_connection(("127.0.0.1", 9)),
        lambda: zmq.Context.instance().socket(zmq.PUSH),
        lambda: time.sleep(0.001),
    ],
    ids=["process", "server", "client", "zmq", "sleep"],
)
def test_a_test_without_a_marker_stays_in_memory(leave: Callable[[], object]) -> None:
    with pytest.raises(LeftMemory, match=r"add pytest\.mark\."):
        leave()


def test_what_a_test_puts_in_the_place_of_sleeping_leaves_no_promise_behind() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", lambda _: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_memory, "_refusing", False)  # As when others' fixtures are torn down.
        time.sleep(0)


def test_a_lost_frame_costs_its_piece_and_another_order_all_that_follows() -> None:
    original = audio.read_wav(audio.SENTENCE)
    half = len(original) // 2
    assert audio.share_found(original, original) == 1
    lossy = [original[:half], original[half + 8 * 480 :]]
    assert 0.7 < audio.share_found(np.concatenate(lossy), original) < 1
    swapped = [original[half:], original[:half]]
    assert audio.share_found(np.concatenate(swapped), original) < 0.7
    assert audio.share_found(audio.tone(440, 4, -20), original) == 0
